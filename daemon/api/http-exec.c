/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The product's route, and what goes with it: create, look, list, resize. */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/exec-view.h"
#include "api/http-authz.h"
#include "api/http-error.h"
#include "api/http-filter.h"
#include "api/http-route.h"
#include "core/exec-access.h"
#include "core/exec-create.h"
#include "wire/exec-json.h"

/* How long a resize waits for its exec to start, as with Docker. */
#define RESIZE_WAIT_USEC (10 * USEC_PER_SEC)

/* Nobody pauses a container and is told so in less. */
#define JUST_USEC (5 * USEC_PER_MSEC)

static void reply_created(HttpExchange *x, Exec *e)
{
        struct json_object *o = json_object_new_object(), *data = json_object_new_object();
        char created[RFC3339_SIZE];

        json_object_object_add(o, "Id", json_object_new_string(e->id));
        json_object_object_add(o, "success", json_object_new_boolean(true));
        json_object_object_add(data, "id", json_object_new_string(e->id));
        json_object_object_add(data, "created_at",
                               json_object_new_string(format_rfc3339(created, e->created_usec, 0)));
        json_object_object_add(o, "data", data);
        http_reply_json(x, 201, o);
        e->answered_monotonic = now_usec(CLOCK_MONOTONIC);
}

static void create_on_created(void *userdata, Exec *e, const Refusal *refusal)
{
        HttpExchange *x = userdata;

        if (e)
                reply_created(x, e);
        else
                http_reply_refusal(x, refusal);
}

static void create_on_close(HttpExchange *x)
{
        x->state = exec_creation_free(x->state);
}

void http_create_exec(HttpExchange *x)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        ExecCreationOptions o = {.peer = x->peer, .reference = x->name};
        ExecCreation *creation = NULL;

        if (!http_need_json(x))
                return;
        x->on_close = create_on_close;
        if (exec_request_from_json(x->body, x->body_size, x->version, &o.request, &refusal) < 0 ||
            exec_create(x->manager, &o, create_on_created, x, &creation, &refusal) < 0)
                http_reply_refusal(x, &refusal);
        x->state = creation;
}

static void get_run(HttpExchange *x)
{
        ExecView view = exec_view(x->exec);

        http_reply_json(x, 200, exec_view_to_json(&view));
}

void http_get_exec(HttpExchange *x)
{
        if (http_need_exec(x))
                http_authorize_exec(x, AUTHZ_INSPECT, "inspect", get_run);
}

/* Its own labels, and those that execd gives its container. */
static bool exec_matches_labels(const Exec *e, const HttpFilter *f)
{
        _cleanup_strv_ char **labels = NULL, **containers = NULL;
        bool known;

        if (!http_filter_values(f, "label"))
                return true;
        labels = strv_copy(e->request->labels);
        if (!labels || container_info_labels(e->container, &containers, &known) < 0)
                return false;
        STRV_FOREACH (l, containers)
                if (strncmp(*l, "org.execd1.", strlen("org.execd1.")) == 0 && strv_append(&labels, *l) < 0)
                        return false;
        return http_filter_match_labels(f, labels);
}

static bool exec_passes(const Exec *e, const HttpFilter *f)
{
        return http_filter_match_container(f, "container", e->container->id, e->container->name) &&
               http_filter_match(f, "status", exec_status_name(e)) && exec_matches_labels(e, f);
}

static int check_status(const HttpFilter *f, Refusal *reterr)
{
        static const char *const known[] = {"created", "running", "exited", "failed"};
        char **values = http_filter_values(f, "status");

        STRV_FOREACH (v, values) {
                size_t i = 0;

                while (i < ELEMENTSOF(known) && strcmp(known[i], *v) != 0)
                        i++;
                if (i == ELEMENTSOF(known))
                        return refuse(reterr, REFUSAL_BAD_REQUEST, EINVAL, "invalid filter 'status=%s'", *v);
        }
        return 0;
}

/* One at a time: all of them as one object would take several times the bytes of the answer. */
static void list_append_exec(Buf *list, const Exec *e)
{
        ExecView view = exec_view(e);
        struct json_object *o = exec_view_to_json(&view);

        if (buf_length(list) > 1)
                buf_puts(list, ",");
        buf_puts(list,
                 json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
        json_object_put(o);
}

static void list_run(HttpExchange *x)
{
        static const char *const known[] = {"container", "status", "label", NULL};
        _cleanup_(http_filter_freep) HttpFilter *filter = NULL;
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        _cleanup_buf_ Buf list = BUF_INIT;
        size_t room = http_room(x);

        if (http_filter_from_query(x, known, &filter, &refusal) < 0 || check_status(filter, &refusal) < 0) {
                http_reply_refusal(x, &refusal);
                return;
        }
        buf_puts(&list, "[");
        LIST_FOREACH (const Exec, e, &x->manager->execs, node) {
                if (buf_length(&list) > room)
                        break;
                if (!e->hidden && exec_passes(e, filter) &&
                    (x->may_see_all || e->creator->uid == x->peer->uid))
                        list_append_exec(&list, e);
        }
        buf_puts(&list, "]\n");
        if (buf_error(&list) < 0)
                http_reply_error(x, 500, "out of memory");
        else
                http_reply(x, 200, "application/json", buf_head(&list), buf_length(&list));
}

void http_list_execs(HttpExchange *x)
{
        http_ask_inspect(x, list_run);
}

static int read_dimension(HttpExchange *x, const char *name, const char *what, uint16_t *ret,
                          Refusal *reterr)
{
        _cleanup_free_ char *text = NULL;
        unsigned long long v;
        char *end;
        int r;

        r = http_query(x, name, &text, reterr);
        if (r < 0)
                return r;
        if (!text || !*text || strspn(text, "+-0123456789") != strlen(text))
                return refuse(reterr, REFUSAL_BAD_REQUEST, EINVAL,
                              "invalid resize %s \"%s\": invalid syntax", what, text ?: "");
        errno = 0;
        v = strtoull(text, &end, 10);
        if (*end)
                return refuse(reterr, REFUSAL_BAD_REQUEST, EINVAL,
                              "invalid resize %s \"%s\": invalid syntax", what, text);
        if (errno != 0 || text[0] == '-' || v > UINT32_MAX)
                return refuse(reterr, REFUSAL_BAD_REQUEST, ERANGE,
                              "invalid resize %s \"%s\": value out of range", what, text);
        *ret = (uint16_t) v;
        return 0;
}

static void resize_now(HttpExchange *x, Exec *e, uint32_t size)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;

        if (exec_has_ended(e) && e->state == EXEC_FAILED)
                (void) refuse(&refusal, REFUSAL_BAD_REQUEST, ESRCH, "exec process is not started");
        else if (e->state != EXEC_RUNNING)
                (void) refuse(&refusal, REFUSAL_NO_EXEC, ESRCH, "no such exec: %s is not running", e->id);
        else if (exec_access_resize(e, x->peer, (uint16_t) (size >> 16), (uint16_t) size, &refusal) >= 0) {
                http_reply_empty(x, 200);
                return;
        }
        http_reply_refusal(x, &refusal);
}

static void resize_on_state(ExecWatch *w, Exec *e)
{
        HttpExchange *x = LIST_ENTRY(w, HttpExchange, watch);

        if (e->state == EXEC_STARTING)
                return;
        exec_unwatch(w);
        x->timer = sd_event_source_disable_unref(x->timer);
        resize_now(x, e, (uint32_t) (uintptr_t) x->state);
}

static int resize_on_timeout(sd_event_source *source, uint64_t usec, void *userdata)
{
        HttpExchange *x = userdata;

        exec_unwatch(&x->watch);
        http_reply_error(x, 500, "timeout waiting for exec session ready");
        return 0;
}

static int unpaused_on_reply(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        _cleanup_(container_info_unrefp) ContainerInfo *c = NULL;
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        HttpExchange *x = userdata;

        x->slot = sd_bus_slot_unref(x->slot);
        if (spawner_reply_refusal(m, &refusal) < 0 || container_info_read_reply(m, &c) < 0) {
                if (refusal.kind == REFUSAL_NO_CONTAINER || refusal.kind == REFUSAL_NOT_RUNNING)
                        (void) refuse(&refusal, REFUSAL_NO_EXEC, ESRCH, "No such exec instance: %s",
                                      x->exec->id);
                http_reply_refusal(x, &refusal);
                return 0;
        }
        if (container_info_is_paused(c)) {
                (void) refuse(&refusal, REFUSAL_CONFLICT, EBUSY,
                              "Container %s is paused, unpause the container before exec", c->id);
                http_reply_refusal(x, &refusal);
                return 0;
        }
        x->next(x);
        return 0;
}

static bool was_just_created(const Exec *e)
{
        return now_usec(CLOCK_MONOTONIC) - e->created_monotonic < JUST_USEC;
}

void http_need_unpaused(HttpExchange *x, void (*next)(HttpExchange *x))
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;

        /* What has ended needs no container, and one that was looked at just now is asked about again by the
         * start itself. */
        if (exec_has_ended(x->exec) || (x->exec->state == EXEC_CREATED && was_just_created(x->exec))) {
                next(x);
                return;
        }
        x->next = next;
        if (spawner_get_container(x->manager->spawner, x->exec->container->id, unpaused_on_reply, x,
                                  &x->slot, &refusal) < 0)
                http_reply_refusal(x, &refusal);
}

static void resize_unpaused(HttpExchange *x)
{
        uint32_t size = (uint32_t) (uintptr_t) x->state;
        Exec *e = x->exec;

        if (e->state != EXEC_CREATED && e->state != EXEC_STARTING) {
                resize_now(x, e, size);
                return;
        }
        /* Clients resize as soon as they are connected, which is before the command runs. */
        exec_watch(e, &x->watch, resize_on_state);
        if (sd_event_add_time_relative(x->manager->event, &x->timer, CLOCK_MONOTONIC, RESIZE_WAIT_USEC, 0,
                                       resize_on_timeout, x) < 0)
                http_reply_error(x, 500, "out of memory");
}

static void resize_authorize(HttpExchange *x)
{
        http_need_unpaused(x, resize_unpaused);
}

void http_resize_exec(HttpExchange *x)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        uint16_t rows, columns;

        if (read_dimension(x, "h", "height", &rows, &refusal) < 0 ||
            read_dimension(x, "w", "width", &columns, &refusal) < 0) {
                http_reply_refusal(x, &refusal);
                return;
        }
        if (!http_need_exec(x))
                return;
        x->state = (void *) (uintptr_t) ((uint32_t) rows << 16 | columns);
        http_authorize_exec(x, AUTHZ_MANAGE, "resize", resize_authorize);
}
