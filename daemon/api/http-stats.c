/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* GET /containers/{id}/stats: the resource usage of the execs of a container, once or every second. */

#include <string.h>

#include "api/http-need.h"
#include "api/http-route.h"
#include "api/stats-json.h"
#include "base/time.h"
#include "core/usage-reply.h"
#include "wire/json-build.h"

#define PERIOD_USEC USEC_PER_SEC

typedef struct Stats {
        HttpTask task;
        bool is_stream, is_one_shot;
        bool has_begun; /* the answer */
        bool is_due;    /* a sample of the stream */
        StatsSample before, now;
        struct json_object *execs; /* of the sample */
} Stats;

static void stats_done(HttpTask *t)
{
        Stats *s = LIST_ENTRY(t, Stats, task);

        if (s->execs)
                json_object_put(s->execs);
}

static void stats_sample(HttpExchange *x);

static void stats_feed(HttpExchange *x)
{
        if (HTTP_TASK(x, Stats)->is_due && !x->slot)
                stats_sample(x);
}

static int stats_on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
        HttpExchange *x = userdata;
        Stats *s = HTTP_TASK(x, Stats);

        x->timer = sd_event_source_disable_unref(x->timer);
        s->is_due = true;
        if (s->is_stream)
                http_stream_wake(x);
        else
                stats_sample(x);
        return 0;
}

/* The end of it: a stream ends with its container. */
static void stats_fail(HttpExchange *x, const Refusal *refusal)
{
        if (!HTTP_TASK(x, Stats)->has_begun)
                http_reply_refusal(x, refusal);
        else if (refusal->kind == REFUSAL_NOT_RUNNING)
                http_stream_end(x);
        else
                http_stream_abort(x);
}

static int stats_wait(HttpExchange *x)
{
        return sd_event_add_time_relative(x->manager->event, &x->timer, CLOCK_MONOTONIC, PERIOD_USEC, 0,
                                          stats_on_timer, x);
}

static struct json_object *stats_take(Stats *s, const ContainerInfo *c)
{
        struct json_object *o = stats_json(c, &s->now, &s->before);

        json_object_object_add(o, "execs", s->execs);
        s->execs = NULL;
        s->before = s->now;
        return o;
}

static void stats_write(HttpExchange *x)
{
        struct json_object *o = stats_take(HTTP_TASK(x, Stats), x->container);
        _cleanup_buf_ Buf line = BUF_INIT;

        json_write(&line, o);
        buf_puts(&line, "\n");
        json_object_put(o);
        if (buf_error(&line) >= 0)
                http_stream_write(x, buf_head(&line), buf_length(&line));
}

/* Docker's clients compute the share of the processors from two samples. */
static void stats_tell(HttpExchange *x)
{
        const Refusal none = REFUSAL_INIT;
        Stats *s = HTTP_TASK(x, Stats);
        int r = 0;

        s->is_due = false;
        if (s->is_stream) {
                stats_write(x);
                r = stats_wait(x);
        } else if (s->is_one_shot || s->before.taken_usec > 0)
                http_reply_json(x, 200, stats_take(s, x->container));
        else {
                s->before = s->now;
                r = stats_wait(x);
        }
        if (r < 0)
                stats_fail(x, &none);
}

/* Processes without an exec, such as a waiting runner, count for the container as a whole. */
static int stats_read(HttpExchange *x, sd_bus_message *m)
{
        Stats *s = HTTP_TASK(x, Stats);
        const char *id;
        Usage u;
        int r;

        if (s->execs)
                json_object_put(s->execs);
        s->execs = json_object_new_array();
        r = usage_read_all(m, &s->now.usage);
        while (r >= 0 && (r = usage_read_next(m, &id, &u)) > 0)
                if (manager_find_exec(x->manager, id))
                        json_object_array_add(s->execs, stats_exec_json(id, &u));
        stats_sample_stamp(&s->now);
        return r;
}

static int stats_on_usage(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        HttpExchange *x = userdata;

        x->slot = sd_bus_slot_unref(x->slot);
        if (spawner_reply_refusal(m, &refusal) < 0 || stats_read(x, m) < 0)
                stats_fail(x, &refusal);
        else
                stats_tell(x);
        return 0;
}

static void stats_sample(HttpExchange *x)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;

        if (spawner_get_usage(x->manager->spawner, x->container->id, stats_on_usage, x, &x->slot, &refusal) <
            0)
                stats_fail(x, &refusal);
}

static int stats_run(HttpExchange *x, Refusal *reterr)
{
        Stats *s = HTTP_TASK(x, Stats);

        if (s->is_stream) {
                http_stream_begin(x, "application/json");
                x->feed = stats_feed;
                s->has_begun = true;
        }
        stats_sample(x);
        return 0;
}

static int stats_read_query(HttpExchange *x, Stats *s, Refusal *reterr)
{
        int r;

        r = http_query_flag(x, "stream", true, &s->is_stream, reterr);
        if (r >= 0)
                r = http_query_flag(x, "one-shot", false, &s->is_one_shot, reterr);
        if (r < 0)
                return r;
        if (s->is_stream && s->is_one_shot)
                return refuse(reterr, REFUSAL_BAD_REQUEST, EINVAL,
                              "cannot have stream=true and one-shot=true");
        return 0;
}

int http_get_stats(HttpExchange *x, Refusal *reterr)
{
        Stats *s = HTTP_TASK_NEW(x, Stats);
        int r;

        if (!s)
                return -ENOMEM;
        s->task.done = stats_done;
        r = stats_read_query(x, s, reterr);
        return r < 0 ? r : http_need_container(x, stats_run, reterr);
}
