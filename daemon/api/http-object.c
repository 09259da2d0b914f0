/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* An exec as an object: signal it, wait for it. */

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "api/exec-view.h"
#include "api/http-authz.h"
#include "api/http-error.h"
#include "api/http-route.h"
#include "core/exec-access.h"

/* "9", "KILL", "SIGKILL", in any case. */
static int signal_from_text(const char *text)
{
        char *end;
        long n;

        n = strtol(text, &end, 10);
        if (*text >= '0' && *text <= '9')
                return *end == 0 && n >= 1 && n <= SIGRTMAX ? (int) n : -EINVAL;
        if (strncasecmp(text, "SIG", 3) == 0)
                text += 3;
        for (int i = 1; i < SIGRTMIN; i++) {
                const char *name = sigabbrev_np(i);

                if (name && strcasecmp(name, text) == 0)
                        return i;
        }
        return -EINVAL;
}

static int kill_on_reply(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        HttpExchange *x = userdata;

        x->slot = sd_bus_slot_unref(x->slot);
        if (spawner_reply_refusal(m, &refusal) < 0)
                http_reply_refusal(x, &refusal);
        else
                http_reply_empty(x, 204);
        return 0;
}

static bool text_is_true(const char *text)
{
        return text && *text && strcmp(text, "0") != 0 && strcasecmp(text, "no") != 0 &&
               strcasecmp(text, "false") != 0 && strcasecmp(text, "none") != 0;
}

typedef struct KillRequest {
        int signal_number;
        bool all;
} KillRequest;

static void kill_on_close(HttpExchange *x)
{
        x->state = mfree(x->state);
}

static void kill_authorize(HttpExchange *x)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        const KillRequest *k = x->state;

        if (exec_access_kill(x->exec, x->peer, k->signal_number, k->all, kill_on_reply, x, &x->slot,
                             &refusal) < 0)
                http_reply_refusal(x, &refusal);
}

void http_kill_exec(HttpExchange *x)
{
        _cleanup_free_ char *text = NULL, *all = NULL;
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        KillRequest *k;
        int number;

        if (http_query(x, "signal", &text, &refusal) < 0 || http_query(x, "all", &all, &refusal) < 0) {
                http_reply_refusal(x, &refusal);
                return;
        }
        number = text && *text ? signal_from_text(text) : SIGKILL;
        if (number < 0) {
                (void) refuse(&refusal, REFUSAL_BAD_REQUEST, EINVAL, "invalid signal: %s", text);
                http_reply_refusal(x, &refusal);
                return;
        }
        if (!http_need_exec(x))
                return;
        k = calloc(1, sizeof(KillRequest));
        if (!k) {
                http_reply_error(x, 500, "out of memory");
                return;
        }
        *k = (KillRequest){.signal_number = number, .all = text_is_true(all)};
        x->state = k;
        x->on_close = kill_on_close;
        http_authorize_exec(x, AUTHZ_MANAGE, "kill", kill_authorize);
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

static void wait_on_state(ExecWatch *w, Exec *e)
{
        HttpExchange *x = LIST_ENTRY(w, HttpExchange, watch);

        if (!exec_has_ended(e))
                return;
        exec_unwatch(w);
        if (e->hidden)
                http_reply_error(x, 404, "the exec was never started and its container has gone");
        else
                reply_waited(x, e);
}

static void wait_authorize(HttpExchange *x)
{
        if (exec_has_ended(x->exec))
                reply_waited(x, x->exec);
        else {
                x->waits = true;
                exec_watch(x->exec, &x->watch, wait_on_state);
        }
}

void http_wait_exec(HttpExchange *x)
{
        if (http_need_exec(x))
                http_authorize_exec(x, AUTHZ_INSPECT, "wait", wait_authorize);
}
