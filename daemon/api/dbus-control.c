/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Methods of an exec: resize, kill, wait. */

#include <signal.h>

#include "api/dbus-call.h"
#include "api/dbus-methods.h"
#include "api/exec-view.h"
#include "core/exec-access.h"

typedef struct ResizeCall {
        DbusCall call;
        uint16_t rows, columns;
} ResizeCall;

static void resize_run(DbusCall *c)
{
        const ResizeCall *k = DBUS_CALL(c, ResizeCall);
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;

        if (exec_access_resize(c->exec, c->peer, k->rows, k->columns, &refusal) < 0)
                dbus_call_refuse(c, &refusal);
        else
                dbus_call_reply(c, NULL);
}

static int resize_read(DbusCall *c, sd_bus_message *m, Refusal *reterr)
{
        ResizeCall *k = DBUS_CALL(c, ResizeCall);

        return sd_bus_message_read(m, "qq", &k->rows, &k->columns);
}

typedef struct KillCall {
        DbusCall call;
        int signal_number;
        bool all;
} KillCall;

static void kill_run(DbusCall *c)
{
        const KillCall *k = DBUS_CALL(c, KillCall);
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;

        if (exec_access_kill(c->exec, c->peer, k->signal_number, k->all, dbus_call_on_done, c, &c->slot,
                             &refusal) < 0)
                dbus_call_refuse(c, &refusal);
}

static int kill_read(DbusCall *c, sd_bus_message *m, Refusal *reterr)
{
        KillCall *k = DBUS_CALL(c, KillCall);
        int all, r;

        r = sd_bus_message_read(m, "ib", &k->signal_number, &all);
        if (r < 0)
                return r;
        if (k->signal_number < 1 || k->signal_number > SIGRTMAX)
                return refuse(reterr, REFUSAL_BAD_REQUEST, EINVAL, "signal: there is no such signal");
        k->all = all;
        return 0;
}

typedef struct WaitCall {
        DbusCall call;
        ExecWatch watch;
        sd_event_source *timer;
        uint64_t timeout_usec;
} WaitCall;

static void wait_done(DbusCall *c)
{
        WaitCall *w = DBUS_CALL(c, WaitCall);

        exec_unwatch(&w->watch);
        sd_event_source_disable_unref(w->timer);
}

static void wait_finish(DbusCall *c)
{
        dbus_call_reply(c, "is", c->exec->exit_code, exec_result(c->exec) ?: "");
}

static void wait_on_state(ExecWatch *w, Exec *e)
{
        if (exec_has_ended(e))
                wait_finish(&LIST_ENTRY(w, WaitCall, watch)->call);
}

static int wait_on_timeout(sd_event_source *source, uint64_t usec, void *userdata)
{
        DbusCall *c = userdata;

        (void) sd_bus_reply_method_errorf(c->message, SD_BUS_ERROR_TIMEOUT,
                                          "the exec has not ended in time");
        dbus_call_free(c);
        return 0;
}

static void wait_run(DbusCall *c)
{
        WaitCall *w = DBUS_CALL(c, WaitCall);
        int r = 0;

        if (exec_has_ended(c->exec)) {
                wait_finish(c);
                return;
        }
        /* A time that no clock can reach is never. */
        if (w->timeout_usec > 0 && w->timeout_usec < INT64_MAX)
                r = sd_event_add_time_relative(c->manager->event, &w->timer, CLOCK_MONOTONIC,
                                               w->timeout_usec, 0, wait_on_timeout, c);
        if (r < 0)
                dbus_call_fail(c, r);
        else
                exec_watch(c->exec, &w->watch, wait_on_state);
}

static int wait_read(DbusCall *c, sd_bus_message *m, Refusal *reterr)
{
        return sd_bus_message_read(m, "t", &DBUS_CALL(c, WaitCall)->timeout_usec);
}

const DbusMethod dbus_control_methods[] = {
        {"Resize", sizeof(ResizeCall), resize_read, .act = {AUTHZ_MANAGE, "resize", resize_run}},
        {"Kill", sizeof(KillCall), kill_read, .act = {AUTHZ_MANAGE, "kill", kill_run}},
        {"Wait", sizeof(WaitCall), wait_read, .done = wait_done, .act = {AUTHZ_INSPECT, "wait", wait_run}},
        {NULL},
};
