/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* An exec as an object: signal it, wait for it. */

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "api/exec-view.h"
#include "api/http-error.h"
#include "api/http-route.h"
#include "core/audit.h"

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

void http_kill_exec(HttpExchange *x)
{
        _cleanup_free_ char *text = NULL, *all = NULL;
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        char detail[32];
        int number;
        Exec *e;

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
        e = http_need_exec(x);
        if (!e)
                return;
        snprintf(detail, sizeof(detail), "with SIG%s", sigabbrev_np(number) ?: "RT");
        if (exec_is_running(e) && audit_exec(AUDIT_KILLED, e, x->peer, detail) < 0)
                http_reply_error(x, 503, "the signal could not be recorded in the journal");
        else if (exec_kill(e, number, text_is_true(all), kill_on_reply, x, &x->slot, &refusal) < 0)
                http_reply_refusal(x, &refusal);
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

void http_wait_exec(HttpExchange *x)
{
        Exec *e = http_need_exec(x);

        if (!e)
                return;
        if (exec_has_ended(e)) {
                reply_waited(x, e);
                return;
        }
        x->exec = exec_ref(e);
        exec_watch(e, &x->watch, wait_on_state);
}
