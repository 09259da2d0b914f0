/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "spawner/scope-end.h"

#include <signal.h>
#include <string.h>

#include "base/log.h"
#include "base/time.h"
#include "spawner/systemd.h"
#include "wire/exec-id.h"

#define NO_SUCH_UNIT     "org.freedesktop.systemd1.NoSuchUnit"

#define END_TIMEOUT_USEC (30 * USEC_PER_SEC)
#define AGAIN_USEC       (50 * USEC_PER_MSEC)

typedef struct ScopeEnd {
        ConnectionJob job;
        sd_bus_message *message;
        sd_bus *bus; /* owned reference */
        char unit[EXEC_UNIT_SIZE];
        sd_bus_slot *call, *jobs;
        sd_event_source *timer, *again;
        bool is_stopping; /* the job of its end was asked for */
} ScopeEnd;

static ScopeEnd *scope_end_free(ScopeEnd *e)
{
        if (!e)
                return NULL;
        connection_remove_job(&e->job);
        sd_event_source_disable_unref(e->timer);
        sd_event_source_disable_unref(e->again);
        sd_bus_slot_unref(e->call);
        sd_bus_slot_unref(e->jobs);
        sd_bus_unref(e->bus);
        sd_bus_message_unref(e->message);
        free(e);
        return NULL;
}
DEFINE_CLEANUP(ScopeEnd, scope_end_free);

static void scope_end_cancel(ConnectionJob *j)
{
        scope_end_free((ScopeEnd *) j);
}

static void scope_end_finish(ScopeEnd *e, const Refusal *refusal)
{
        int r = refusal ? reply_refusal(e->message, refusal, EIO)
                        : sd_bus_reply_method_return(e->message, NULL);

        if (r < 0)
                log_error_errno(r, "Failed to answer EndExec");
        scope_end_free(e);
}

static void scope_end_fail(ScopeEnd *e, int error, const char *why)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;

        refuse(&refusal, REFUSAL_UNAVAILABLE, error, "failed to end %s: %s", e->unit, why);
        scope_end_finish(e, &refusal);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
        scope_end_fail(userdata, ETIMEDOUT, "systemd did not answer in time");
        return 0;
}

static int on_stopping(sd_bus_message *reply, void *userdata, sd_bus_error *error);

static void scope_end_stop(ScopeEnd *e)
{
        int r;

        e->is_stopping = true;
        e->call = sd_bus_slot_unref(e->call);
        r = sd_bus_call_method_async(e->bus, &e->call, SYSTEMD_NAME, SYSTEMD_PATH, SYSTEMD_MANAGER,
                                     "StopUnit", on_stopping, e, "ss", e->unit, "replace");
        if (r < 0)
                scope_end_fail(e, r, strerrordesc_np(-r));
}

static int on_again(sd_event_source *source, uint64_t usec, void *userdata)
{
        ScopeEnd *e = userdata;

        e->again = sd_event_source_disable_unref(e->again);
        scope_end_stop(e);
        return 0;
}

/* systemd 256 and later stop no frozen unit. The killed processes leave it nevertheless, and it ends with them. */
static void scope_end_stop_again(ScopeEnd *e)
{
        int r;

        e->again = sd_event_source_disable_unref(e->again);
        r = sd_event_add_time_relative(sd_bus_get_event(e->bus), &e->again, CLOCK_MONOTONIC, AGAIN_USEC, 0,
                                       on_again, e);
        if (r < 0)
                scope_end_fail(e, r, strerrordesc_np(-r));
}

static int on_job_removed(sd_bus_message *signal, void *userdata, sd_bus_error *error)
{
        ScopeEnd *e = userdata;
        const char *unit, *result;

        if (sd_bus_message_read(signal, "uoss", NULL, NULL, &unit, &result) < 0)
                return 0;
        /* Another job of the scope, such as its start, is canceled by the one that ends it. */
        if (!e->is_stopping || strcmp(unit, e->unit) != 0)
                return 0;
        if (strcmp(result, "done") == 0)
                scope_end_finish(e, NULL);
        else if (strcmp(result, "frozen") == 0)
                scope_end_stop_again(e);
        return 0;
}

static int on_stopping(sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        const sd_bus_error *failure = sd_bus_message_get_error(reply);
        ScopeEnd *e = userdata;

        e->call = sd_bus_slot_unref(e->call);
        if (failure && sd_bus_error_has_name(failure, NO_SUCH_UNIT))
                scope_end_finish(e, NULL);
        else if (failure)
                scope_end_fail(e, EIO, failure->message ?: failure->name);
        return 0;
}

/* Its processes are not asked to end, as StopUnit alone would do. A scope that has just
 * been killed may still be there or not. */
static int on_killed(sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        ScopeEnd *e = userdata;

        if (sd_bus_message_is_method_error(reply, NO_SUCH_UNIT))
                scope_end_finish(e, NULL);
        else
                scope_end_stop(e);
        return 0;
}

int scope_end(Connection *c, sd_bus_message *message, const char *exec_id, Refusal *reterr)
{
        _cleanup_(scope_end_freep) ScopeEnd *e = calloc(1, sizeof(*e));
        Spawner *s = c->spawner;
        int r;

        if (!e)
                return -ENOMEM;
        e->message = sd_bus_message_ref(message);
        e->bus = sd_bus_ref(s->systemd ?: s->bus);
        connection_add_job(c, &e->job, scope_end_cancel);
        exec_id_unit(exec_id, e->unit);
        r = sd_event_add_time_relative(s->event, &e->timer, CLOCK_MONOTONIC, END_TIMEOUT_USEC, 0, on_timer,
                                       e);
        if (r >= 0)
                r = sd_bus_match_signal_async(e->bus, &e->jobs, s->systemd ? NULL : SYSTEMD_NAME,
                                              SYSTEMD_PATH, SYSTEMD_MANAGER, "JobRemoved", on_job_removed,
                                              NULL, e);
        if (r >= 0)
                r = sd_bus_call_method_async(e->bus, &e->call, SYSTEMD_NAME, SYSTEMD_PATH, SYSTEMD_MANAGER,
                                             "KillUnit", on_killed, e, "ssi", e->unit, "all", SIGKILL);
        if (r < 0)
                return refuse(reterr, REFUSAL_UNAVAILABLE, r, "failed to end %s: %s", e->unit,
                              strerrordesc_np(-r));
        TAKE_PTR(e);
        return 0;
}
