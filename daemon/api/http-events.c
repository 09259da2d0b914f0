/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* GET /events: the events between `since` and `until`, as a sequence of JSON objects. */

#include <inttypes.h>
#include <string.h>

#include "api/http-authz.h"
#include "api/http-filter.h"
#include "api/http-route.h"
#include "base/log.h"
#include "wire/json-build.h"
#include "wire/units.h"

/* Events that one client is sent before others have their turn. */
#define EVENTS_IN_TURN 16
/* Bytes after which a client has had its turn. */
#define BYTES_IN_TURN (16 * 1024)

/* Of `since` and `until`. */
#define SECONDS_MAX 999999999999

typedef struct EventStream {
        HttpTask task;
        EventReader reader;
        HttpExchange *exchange; /* weak: it owns this */
        HttpFilter *filter;
        uint64_t since, until;
        bool has_since, has_until;
        bool joined;
        bool ended; /* `until` has come */
        bool held;
} EventStream;

static bool begins(const char *text, const char *with)
{
        return strncmp(text, with, strlen(with)) == 0;
}

/* The name by which Docker shows an image: without its own registry, a tag and a digest. */
static char *familiar_name(const char *image)
{
        static const char *const prefixes[] = {"docker.io/library/", "docker.io/"};
        const char *base;

        for (size_t i = 0; i < ELEMENTSOF(prefixes); i++)
                if (begins(image, prefixes[i])) {
                        image += strlen(prefixes[i]);
                        break;
                }
        base = strrchr(image, '/') ?: image;
        return strndup(image, (size_t) (base - image) + strcspn(base, ":@"));
}

static bool event_matches_image(const HttpFilter *f, const Event *e)
{
        const char *image = event_attribute(e, "image");
        _cleanup_free_ char *familiar = familiar_name(image);

        return http_filter_match(f, "image", image) ||
               (familiar && http_filter_match(f, "image", familiar)) ||
               http_filter_match(f, "image", e->container_id);
}

/* By the start of the ID or of the name. */
static bool event_matches_container(const HttpFilter *f, const Event *e)
{
        char **values = http_filter_values(f, "container");

        STRV_FOREACH (v, values)
                if (begins(e->container_id, *v) || begins(event_attribute(e, "name"), *v))
                        return true;
        return !values;
}

/* By the whole action, unless one of these is given without a command: then each value is the start of one. */
static bool event_matches_action(const HttpFilter *f, const Event *e)
{
        static const char *const verbs[] = {"exec_create", "exec_start", "health_status"};
        char **values = http_filter_values(f, "event");
        bool is_start = false;

        for (size_t i = 0; values && i < ELEMENTSOF(verbs); i++)
                is_start = is_start || http_filter_match(f, "event", verbs[i]);
        STRV_FOREACH (v, values)
                if (is_start && begins(e->action, *v))
                        return true;
        return http_filter_match(f, "event", e->action);
}

static bool event_passes(const HttpFilter *f, const Event *e)
{
        /* All events are of containers. */
        static const char *const others[] = {"config", "daemon", "network", "node",
                                             "plugin", "secret", "service", "volume"};

        for (size_t i = 0; i < ELEMENTSOF(others); i++)
                if (http_filter_values(f, others[i]))
                        return false;
        return event_matches_action(f, e) && http_filter_match(f, "type", "container") &&
               http_filter_match(f, "scope", "local") && event_matches_container(f, e) &&
               event_matches_image(f, e) && http_filter_match_labels(f, e->attributes);
}

static void event_write(HttpExchange *x, const Event *e)
{
        struct json_object *o = json_object_new_object(), *actor = json_object_new_object(),
                           *attributes = json_object_new_object();
        _cleanup_buf_ Buf line = BUF_INIT;

        STRV_FOREACH (a, e->attributes) {
                _cleanup_free_ char *key = strndup(*a, strcspn(*a, "="));

                if (key)
                        json_add_text(attributes, key, event_attribute(e, key));
        }
        json_add_text(o, "status", e->action);
        json_add_text(o, "id", e->container_id);
        json_add_text(o, "from", event_attribute(e, "image"));
        json_add_text(o, "Type", "container");
        json_add_text(o, "Action", e->action);
        json_add_text(actor, "ID", e->container_id);
        json_object_object_add(actor, "Attributes", attributes);
        json_object_object_add(o, "Actor", actor);
        json_add_text(o, "scope", "local");
        json_add_int(o, "time", (int64_t) (e->time_usec / USEC_PER_SEC));
        json_add_int(o, "timeNano", (int64_t) e->time_usec * 1000);

        json_write(&line, o);
        buf_puts(&line, "\n");
        json_object_put(o);
        if (buf_error(&line) >= 0)
                http_stream_write(x, buf_head(&line), buf_length(&line));
}

static void events_on_new(EventReader *r)
{
        http_stream_wake(LIST_ENTRY(r, EventStream, reader)->exchange);
}

/* A client that falls behind is disconnected without the last chunk, which would say that nothing is missing.
 */
static void events_feed(HttpExchange *x)
{
        EventStream *s = HTTP_TASK(x, EventStream);
        size_t bytes = 0;
        bool lost = false;

        for (unsigned i = 0; i < EVENTS_IN_TURN && bytes < BYTES_IN_TURN; i++) {
                const Event *e = event_log_next(x->manager->events, &s->reader, &lost);

                if (lost) {
                        log_message(LOG_NOTICE,
                                    "Disconnected a client of uid %u that reads events too slowly",
                                    (unsigned) x->peer->uid);
                        http_stream_abort(x);
                        return;
                }
                if (!e) {
                        if (s->ended)
                                http_stream_end(x);
                        return;
                }
                if ((!s->has_since || e->time_usec >= s->since) &&
                    (!s->has_until || e->time_usec <= s->until) && event_passes(s->filter, e)) {
                        event_write(x, e);
                        bytes += e->size;
                }
        }
        /* Skipped events leave nothing to be sent, after which this would be called again. */
        http_stream_wake(x);
}

static void events_done(HttpTask *t)
{
        EventStream *s = LIST_ENTRY(t, EventStream, task);
        const Manager *m = s->exchange->manager;

        if (s->joined)
                event_log_leave(m->events, &s->reader);
        if (s->held)
                spawner_link_release(m->spawner);
        http_filter_free(s->filter);
}

static int events_on_until(sd_event_source *source, uint64_t usec, void *userdata)
{
        HttpExchange *x = userdata;
        EventStream *s = HTTP_TASK(x, EventStream);

        s->ended = true;
        http_stream_wake(x);
        return 0;
}

/* Unix seconds, with a fraction perhaps. */
static int read_time(HttpExchange *x, const char *name, uint64_t *ret, bool *ret_given, Refusal *reterr)
{
        _cleanup_free_ char *text = NULL;
        const char *p, *fraction;
        uint64_t seconds;
        size_t n;
        int r;

        r = http_query(x, name, &text, reterr);
        if (r < 0 || !text || !*text)
                return r;
        p = text;
        if (units_take_decimal(&p, &seconds, &fraction, &n) < 0 || *p || seconds > SECONDS_MAX ||
            units_scale(seconds, fraction, n, USEC_PER_SEC, ret) < 0)
                return refuse(reterr, REFUSAL_BAD_REQUEST, EINVAL,
                              "%s: \"%s\" is not a time in unix seconds", name, text);
        *ret_given = true;
        return 0;
}

static int events_read(HttpExchange *x, EventStream *s, Refusal *reterr)
{
        static const char *const known[] = {"config", "container", "daemon", "event",  "image",
                                            "label",  "network",   "node",   "plugin", "scope",
                                            "secret", "service",   "type",   "volume", NULL};
        int r;

        r = read_time(x, "since", &s->since, &s->has_since, reterr);
        if (r >= 0)
                r = read_time(x, "until", &s->until, &s->has_until, reterr);
        if (r >= 0)
                r = http_filter_from_query(x, known, &s->filter, reterr);
        if (r < 0)
                return r;
        if (s->has_since && s->has_until && s->since > s->until)
                return refuse(reterr, REFUSAL_BAD_REQUEST, EINVAL,
                              "`since` time (%" PRIu64 ") cannot be after `until` time (%" PRIu64 ")",
                              s->since / USEC_PER_SEC, s->until / USEC_PER_SEC);
        return 0;
}

static void events_begin(HttpExchange *x)
{
        uint64_t now = now_usec(CLOCK_REALTIME);
        EventStream *s = HTTP_TASK(x, EventStream);

        http_stream_begin(x, "application/json");
        x->feed = events_feed;
        s->ended = s->has_until && s->until <= now;
        if (s->has_until && !s->ended)
                (void) sd_event_add_time_relative(x->manager->event, &x->timer, CLOCK_MONOTONIC,
                                                  s->until - now, 0, events_on_until, x);
        s->reader.on_new = events_on_new;
        event_log_join(x->manager->events, &s->reader, s->has_since);
        s->joined = true;
}

static int events_on_containers(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        HttpExchange *x = userdata;

        x->slot = sd_bus_slot_unref(x->slot);
        events_begin(x);
        return 0;
}

/* The spawner reports containers that start and end. It has to be connected and know the running containers
 * before the client gets the head, so that the client misses no later event. */
static int events_run(HttpExchange *x, Refusal *reterr)
{
        EventStream *s = HTTP_TASK(x, EventStream);

        s->held = spawner_link_hold(x->manager->spawner, reterr) >= 0;
        if (!s->held || spawner_list_containers(x->manager->spawner, false, events_on_containers, x,
                                                &x->slot, reterr) < 0)
                events_begin(x);
        return 0;
}

int http_get_events(HttpExchange *x, Refusal *reterr)
{
        EventStream *s = HTTP_TASK_NEW(x, EventStream);
        int r;

        if (!s)
                return -ENOMEM;
        s->exchange = x;
        s->task.done = events_done;
        r = events_read(x, s, reterr);
        return r < 0 ? r : http_authorize_inspect(x, NULL, events_run, reterr);
}
