/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The route that creates execs. */

#include "api/http-need.h"
#include "api/http-route.h"
#include "base/event-turn.h"
#include "core/exec-create.h"
#include "wire/json-build.h"

/* Bytes of a body that are looked at in a turn, before others have theirs. */
#define TURN_SIZE (64 * 1024)

static void add_warnings(struct json_object *o, const Exec *e)
{
        struct json_object *list;

        if (strv_length(e->warnings) == 0)
                return;
        list = json_object_new_array();
        STRV_FOREACH (w, e->warnings)
                json_object_array_add(list, json_object_new_string(*w));
        json_object_object_add(o, "Warnings", list);
}

static void reply_created(HttpExchange *x, Exec *e)
{
        struct json_object *o = json_object_new_object(), *data = json_object_new_object();
        char created[RFC3339_SIZE];

        json_add_text(o, "Id", e->id);
        json_add_bool(o, "success", true);
        json_add_text(data, "id", e->id);
        json_object_object_add(data, "created_at",
                               json_object_new_string(format_rfc3339(created, e->created_usec, 0)));
        json_object_object_add(o, "data", data);
        add_warnings(o, e);
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

typedef struct CreateTask {
        HttpTask task;
        HttpExchange *exchange; /* weak: it owns this */
        ExecRequestReader *reader;
        sd_event_source *turn;
        ExecCreation *creation;
} CreateTask;

static void create_done(HttpTask *task)
{
        CreateTask *t = LIST_ENTRY(task, CreateTask, task);

        sd_event_source_disable_unref(t->turn);
        exec_request_reader_free(t->reader);
        exec_creation_free(t->creation);
}

static int create_on_turn(sd_event_source *source, void *userdata);

static int create_step(CreateTask *t, Refusal *reterr)
{
        HttpExchange *x = t->exchange;
        ExecCreationOptions o = {.peer = x->peer, .reference = x->name};
        int r = exec_request_reader_step(t->reader, TURN_SIZE, &o.request, reterr);

        if (r < 0)
                return r;
        if (r == 0)
                return event_turn(x->manager->event, &t->turn, create_on_turn, t);
        return exec_create(x->manager, &o, create_on_created, x, &t->creation, reterr);
}

static int create_on_turn(sd_event_source *source, void *userdata)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        CreateTask *t = userdata;

        if (create_step(t, &refusal) < 0)
                http_reply_refusal(t->exchange, &refusal);
        return 0;
}

int http_create_exec(HttpExchange *x, Refusal *reterr)
{
        int r = http_need_json(x, reterr);
        CreateTask *t;

        if (r < 0)
                return r;
        t = HTTP_TASK_NEW(x, CreateTask);
        if (!t)
                return -ENOMEM;
        t->exchange = x;
        t->task.done = create_done;
        r = exec_request_reader_new(x->body, x->body_size, x->version, &t->reader);
        return r < 0 ? r : create_step(t, reterr);
}
