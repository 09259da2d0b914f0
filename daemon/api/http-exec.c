/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The routes of execs: inspect, list, resize, kill, wait. http-create.c has create. */

#include <signal.h>
#include <string.h>

#include "api/exec-brief.h"
#include "api/exec-view.h"
#include "api/http-authz.h"
#include "api/http-filter.h"
#include "api/http-keep.h"
#include "api/http-need.h"
#include "api/http-route.h"
#include "core/exec-access.h"
#include "wire/exec-json.h"
#include "wire/json-build.h"
#include "wire/signal-name.h"

/* How long a resize waits for its exec to start, as with Docker. */
#define RESIZE_WAIT_USEC (10 * USEC_PER_SEC)

static int get_run(HttpExchange *x, Refusal *reterr)
{
        ExecView view = exec_view(x->exec);

        http_reply_json(x, 200, exec_view_to_json(&view));
        return 0;
}

int http_get_exec(HttpExchange *x, Refusal *reterr)
{
        return http_need_exec(x, AUTHZ_INSPECT, "inspect", get_run, reterr);
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
        char **values = http_filter_values(f, "status");

        STRV_FOREACH (v, values)
                if (!exec_status_exists(*v))
                        return refuse(reterr, REFUSAL_BAD_REQUEST, EINVAL, "invalid filter 'status=%s'", *v);
        return 0;
}

/* One at a time: all of them as one object would take several times the bytes of the answer. */
static void list_append_exec(Buf *list, const Exec *e)
{
        _cleanup_strv_ char **command = exec_brief_command(e), **labels = exec_brief_labels(e);
        ExecView view = exec_view(e);
        struct json_object *o;

        view.command = command;
        view.labels = labels;
        o = exec_view_to_json(&view);
        if (buf_length(list) > 1)
                buf_puts(list, ",");
        json_write(list, o);
        json_object_put(o);
}

static int list_run(HttpExchange *x, Refusal *reterr)
{
        static const char *const known[] = {"container", "status", "label", NULL};
        _cleanup_(http_filter_freep) HttpFilter *filter = NULL;
        _cleanup_buf_ Buf list = BUF_INIT;
        size_t room = http_room(x);
        int r = http_filter_from_query(x, known, &filter, reterr);

        if (r >= 0)
                r = check_status(filter, reterr);
        if (r < 0)
                return r;
        buf_puts(&list, "[");
        LIST_FOREACH (const Exec, e, manager_all_execs(x->manager), node) {
                if (buf_length(&list) > room)
                        break;
                if (!e->hidden && exec_passes(e, filter) &&
                    (x->may_see_all || e->creator->uid == x->peer->uid))
                        list_append_exec(&list, e);
        }
        buf_puts(&list, "]\n");
        if (buf_error(&list) < 0)
                return -ENOMEM;
        if (!x->head_only && buf_length(&list) > room)
                return refuse(reterr, REFUSAL_BUSY, EBUSY,
                              "the list is larger than the %zu bytes that are left for answers to uid %u "
                              "(RequestMemoryPerUserMax=, RequestMemoryMax=): use filters, or try again",
                              room, (unsigned) x->peer->uid);
        http_reply(x, 200, "application/json", buf_head(&list), buf_length(&list));
        return 0;
}

int http_list_execs(HttpExchange *x, Refusal *reterr)
{
        return http_ask_inspect(x, list_run, reterr);
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

typedef struct ResizeTask {
        HttpTask task;
        uint16_t rows, columns;
} ResizeTask;

static int resize_now(HttpExchange *x, Refusal *reterr)
{
        const ResizeTask *t = HTTP_TASK(x, ResizeTask);
        Exec *e = x->exec;
        int r;

        if (exec_has_ended(e) && e->state == EXEC_FAILED)
                return refuse(reterr, REFUSAL_BAD_REQUEST, ESRCH, "exec process is not started");
        if (e->state != EXEC_RUNNING)
                return refuse(reterr, REFUSAL_NO_EXEC, ESRCH, "no such exec: %s is not running", e->id);
        r = exec_access_resize(e, x->peer, t->rows, t->columns, reterr);
        if (r >= 0)
                http_reply_empty(x, 200);
        return r;
}

static void resize_on_state(ExecWatch *w, Exec *e)
{
        HttpExchange *x = LIST_ENTRY(w, HttpExchange, watch);

        if (e->state == EXEC_STARTING)
                return;
        exec_unwatch(w);
        x->timer = sd_event_source_disable_unref(x->timer);
        http_step(x, resize_now);
}

static int resize_on_timeout(sd_event_source *source, uint64_t usec, void *userdata)
{
        HttpExchange *x = userdata;

        exec_unwatch(&x->watch);
        http_reply_error(x, 500, "timeout waiting for exec session ready");
        return 0;
}

static int resize_unpaused(HttpExchange *x, Refusal *reterr)
{
        Exec *e = x->exec;

        if (e->state != EXEC_CREATED && e->state != EXEC_STARTING)
                return resize_now(x, reterr);
        /* Clients resize as soon as they are connected, which is before the command runs. */
        exec_watch(e, &x->watch, resize_on_state);
        return sd_event_add_time_relative(x->manager->event, &x->timer, CLOCK_MONOTONIC, RESIZE_WAIT_USEC, 0,
                                          resize_on_timeout, x);
}

static int resize_run(HttpExchange *x, Refusal *reterr)
{
        return http_need_unpaused(x, resize_unpaused, reterr);
}

int http_resize_exec(HttpExchange *x, Refusal *reterr)
{
        ResizeTask *t = HTTP_TASK_NEW(x, ResizeTask);
        int r = t ? read_dimension(x, "h", "height", &t->rows, reterr) : -ENOMEM;

        if (r >= 0)
                r = read_dimension(x, "w", "width", &t->columns, reterr);
        return r < 0 ? r : http_need_exec(x, AUTHZ_MANAGE, "resize", resize_run, reterr);
}

static int kill_on_reply(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        HttpExchange *x = userdata;

        if (http_need_answer(x, m))
                http_reply_empty(x, 204);
        return 0;
}

typedef struct KillTask {
        HttpTask task;
        int signal_number;
        bool all;
} KillTask;

static int kill_run(HttpExchange *x, Refusal *reterr)
{
        const KillTask *k = HTTP_TASK(x, KillTask);

        return exec_access_kill(x->exec, x->peer, k->signal_number, k->all, kill_on_reply, x, &x->slot,
                                reterr);
}

int http_kill_exec(HttpExchange *x, Refusal *reterr)
{
        _cleanup_free_ char *text = NULL;
        KillTask *k = HTTP_TASK_NEW(x, KillTask);
        int r = k ? http_query(x, "signal", &text, reterr) : -ENOMEM;

        if (r >= 0)
                r = http_query_flag(x, "all", false, &k->all, reterr);
        if (r < 0)
                return r;
        k->signal_number = text && *text ? signal_from_text(text) : SIGKILL;
        if (k->signal_number < 0)
                return refuse(reterr, REFUSAL_BAD_REQUEST, EINVAL, "invalid signal: %s", text);
        return http_need_exec(x, AUTHZ_MANAGE, "kill", kill_run, reterr);
}

static void reply_waited(HttpExchange *x, const Exec *e)
{
        struct json_object *o = json_object_new_object(), *error = NULL;

        if (e->failure) {
                error = json_object_new_object();
                json_object_object_add(error, "Message", json_object_new_string(e->failure));
        }
        json_object_object_add(o, "StatusCode", json_object_new_int(e->exit_code));
        json_object_object_add(o, "Error", error);
        json_object_object_add(o, "Result", json_object_new_string(exec_result(e) ?: ""));
        http_reply_json(x, 200, o);
}

typedef struct WaitTask {
        HttpTask task;
        HttpExchange *exchange; /* weak: it owns this */
} WaitTask;

static void wait_on_state(ExecWatch *w, Exec *e)
{
        HttpExchange *x = LIST_ENTRY(w, HttpExchange, watch);

        if (exec_is_running(e))
                http_keep(x);
        if (!exec_has_ended(e))
                return;
        exec_unwatch(w);
        /* A client that has read the answer must not get another one. */
        http_keep_forget(x);
        if (e->hidden)
                http_reply_error(x, 404, "the exec was not started, and its container has stopped");
        else
                reply_waited(x, e);
}

/* The client has gone. */
static void wait_done(HttpTask *t)
{
        http_keep_forget(LIST_ENTRY(t, WaitTask, task)->exchange);
}

static int wait_run(HttpExchange *x, Refusal *reterr)
{
        WaitTask *t;

        if (exec_has_ended(x->exec)) {
                reply_waited(x, x->exec);
                return 0;
        }
        t = HTTP_TASK_NEW(x, WaitTask);
        if (!t)
                return -ENOMEM;
        *t = (WaitTask){.task.done = wait_done, .exchange = x};
        exec_watch(x->exec, &x->watch, wait_on_state);
        if (exec_is_running(x->exec))
                http_keep(x);
        return 0;
}

int http_wait_exec(HttpExchange *x, Refusal *reterr)
{
        return http_need_exec(x, AUTHZ_INSPECT, "wait", wait_run, reterr);
}
