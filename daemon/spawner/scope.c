/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "spawner/scope.h"

#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <systemd/sd-event.h>

#include "base/fd.h"
#include "base/time.h"
#include "spawner/cgroup.h"
#include "spawner/scope-internal.h"

#define JOB_TIMEOUT_USEC (30 * USEC_PER_SEC)

/* A scope of the same exec, whose runner has ended with the spawner before us, is still there. It ends by
 * itself; if systemd has missed that, it is stopped. */
#define EXISTS_ERROR      "org.freedesktop.systemd1.UnitExists"
#define EXISTS_AGAIN_USEC (20 * USEC_PER_MSEC)
#define EXISTS_STOP_USEC  USEC_PER_SEC
#define EXISTS_USEC       (5 * USEC_PER_SEC)

/* A job of another client of systemd stops the slice of the scope. */
#define DESTRUCTIVE_ERROR      "org.freedesktop.systemd1.TransactionIsDestructive"
#define DESTRUCTIVE_AGAIN_USEC (200 * USEC_PER_MSEC)
#define DESTRUCTIVE_USEC       (10 * USEC_PER_SEC)

/* How soon systemd is asked again after it was not available. */
#define AWAY_AGAIN_USEC (100 * USEC_PER_MSEC)

/* Out of whichever list it is in; makes room for the next. */
static void scope_leave(Scope *s)
{
        ScopeManager *m = s->manager;
        bool was_called = s->state == SCOPE_CALLED;

        if (s->state == SCOPE_DONE)
                return;

        list_remove(was_called ? &m->in_flight : &m->queued, &s->node);
        s->state = SCOPE_DONE;
        s->slot = sd_bus_slot_unref(s->slot);
        s->timeout = sd_event_source_disable_unref(s->timeout);
        s->again = sd_event_source_disable_unref(s->again);
        if (was_called) {
                m->n_in_flight--;
                scope_manager_send(m);
        }
}

/* Its job is no longer wanted: it must not create a scope later. */
static void scope_stop(const Scope *s)
{
        (void) sd_bus_call_method_async(s->manager->bus, NULL, SYSTEMD_NAME, SYSTEMD_PATH, SYSTEMD_MANAGER,
                                        "StopUnit", NULL, NULL, "ss", s->name, "replace");
}

/* The call that makes the slice is over, in whichever way. */
static void scope_made_slice(Scope *s, bool ok)
{
        if (!s->makes_slice)
                return;
        s->makes_slice = false;
        slice_on_made(s->slice, ok);
}

static Scope *scope_destroy(Scope *s)
{
        scope_leave(s);
        scope_made_slice(s, false);
        sd_bus_message_unref(s->message);
        runner_release(&s->runner, s->manager->event);
        sub_slices_give(&s->slice->subs, s->sub);
        slice_unref(s->slice);
        free(s);
        return NULL;
}

static void scope_finish(Scope *s, const Refusal *refusal)
{
        scope_leave(s);
        scope_made_slice(s, !refusal);
        if (s->callback) {
                s->callback(s->userdata, refusal);
                return;
        }
        if (!refusal)
                scope_stop(s);
        scope_destroy(s);
}

static void scope_fail(Scope *s, int error, const char *what)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;

        refuse(&refusal, REFUSAL_UNAVAILABLE, error, "failed to create the scope of this exec: %s", what);
        scope_finish(s, &refusal);
}

static int on_reply(sd_bus_message *reply, void *userdata, sd_bus_error *error);

static int on_again(sd_event_source *source, uint64_t usec, void *userdata)
{
        Scope *s = userdata;
        int r;

        s->again = sd_event_source_disable_unref(s->again);
        r = sd_bus_call_async(s->manager->bus, &s->slot, s->message, on_reply, s, JOB_TIMEOUT_USEC);
        if (r < 0)
                scope_fail(s, r, strerrordesc_np(-r));
        return 0;
}

static int scope_call_again(Scope *s, uint64_t usec)
{
        int r;

        s->again = sd_event_source_disable_unref(s->again);
        r = sd_event_add_time_relative(s->manager->event, &s->again, CLOCK_MONOTONIC, usec, usec / 4,
                                       on_again, s);
        return r < 0 ? r : 0;
}

static void scope_call_after_stop(Scope *s)
{
        s->is_stopping = false;
        if (scope_call_again(s, EXISTS_AGAIN_USEC) < 0)
                scope_fail(s, ENOMEM, "not enough memory");
}

static int on_stopping(sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        Scope *s = userdata;

        s->slot = sd_bus_slot_unref(s->slot);
        /* Otherwise its job reports the end, and may have done so. */
        if (sd_bus_message_is_method_error(reply, NULL) && s->is_stopping)
                scope_call_after_stop(s);
        return 0;
}

/* The name is taken by a unit that is not needed, since the command of this exec was never released. */
static int scope_wait_for_name(Scope *s)
{
        uint64_t now = now_usec(CLOCK_MONOTONIC);

        if (now >= s->called + EXISTS_USEC)
                return -ETIMEDOUT;
        if (now < s->called + EXISTS_STOP_USEC || s->is_stopped)
                return scope_call_again(s, EXISTS_AGAIN_USEC);
        s->is_stopping = s->is_stopped = true;
        return sd_bus_call_method_async(s->manager->bus, &s->slot, SYSTEMD_NAME, SYSTEMD_PATH,
                                        SYSTEMD_MANAGER, "StopUnit", on_stopping, s, "ss", s->name,
                                        "replace");
}

/* A call before this one has made it, and its answer was lost: our runner is in it. */
static bool scope_is_there(const Scope *s)
{
        _cleanup_free_ char *path = NULL;

        return s->callback && cgroup_of_unit(s->runner_pid, s->name, &path) >= 0;
}

/* It is requested again when the slice is usable. */
static int scope_requeue(Scope *s)
{
        ScopeManager *m = s->manager;
        sd_bus_message *copy = NULL;
        int r = scope_message_copy(m->bus, s->message, false, &copy);

        if (r < 0)
                return r;
        sd_bus_message_unref(s->message);
        s->message = copy;
        list_remove(&m->in_flight, &s->node);
        list_append(&m->queued, &s->node);
        m->n_in_flight--;
        s->state = SCOPE_QUEUED;
        s->timeout = sd_event_source_disable_unref(s->timeout);
        s->makes_slice = false;
        return 0;
}

/* Either it exists, but systemd has not reported it yet; or it is being stopped. */
static void scope_wait_for_slice(Scope *s, void (*tell)(Slice *))
{
        int r = scope_requeue(s);

        if (r < 0)
                scope_fail(s, r, strerrordesc_np(-r));
        else
                tell(s->slice);
}

/* For another unit than the slice, such as the one below it or above it. */
static int scope_wait_for_job(Scope *s)
{
        return now_usec(CLOCK_MONOTONIC) < s->called + DESTRUCTIVE_USEC
                       ? scope_call_again(s, DESTRUCTIVE_AGAIN_USEC)
                       : -ETIMEDOUT;
}

static int on_reply(sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        const sd_bus_error *e = sd_bus_message_get_error(reply);
        Scope *s = userdata;
        bool exists = e && sd_bus_error_has_name(e, EXISTS_ERROR),
             is_destructive = e && sd_bus_error_has_name(e, DESTRUCTIVE_ERROR),
             names_slice = e && e->message && strstr(e->message, s->slice->name);

        s->slot = sd_bus_slot_unref(s->slot);
        /* Without a connection it is asked for again by scope_manager_move(). */
        if (!e || sd_bus_is_open(s->manager->bus) <= 0)
                return 0;
        if (exists && names_slice && s->makes_slice)
                scope_wait_for_slice(s, slice_on_found);
        else if (is_destructive && names_slice)
                scope_wait_for_slice(s, slice_on_stopping);
        else if (exists && scope_is_there(s))
                scope_finish(s, NULL);
        else if ((exists && scope_wait_for_name(s) >= 0) || (is_destructive && scope_wait_for_job(s) >= 0) ||
                 (systemd_is_away(e) && scope_call_again(s, AWAY_AGAIN_USEC) >= 0))
                return 0;
        else
                scope_fail(s, EIO, e->message ?: e->name);
        return 0;
}

static int on_timeout(sd_event_source *source, uint64_t usec, void *userdata)
{
        Scope *s = userdata;

        scope_stop(s);
        scope_fail(s, ETIMEDOUT, "systemd did not answer in time");
        return 0;
}

static void on_job_removed(void *userdata, const char *unit, const char *result)
{
        ScopeManager *m = userdata;

        /* By the name of the unit, which is ours alone: the signal may overtake the call's reply. */
        LIST_FOREACH (Scope, s, &m->in_flight, node) {
                if (strcmp(s->name, unit) != 0)
                        continue;
                /* Ours was not asked for since: it is the one that has the name. */
                if (s->is_stopping)
                        scope_call_after_stop(s);
                else if (s->again)
                        ;
                else if (strcmp(result, "done") == 0)
                        scope_finish(s, NULL);
                else
                        scope_fail(s, EIO, result);
                break;
        }
}

static int scope_call(Scope *s)
{
        ScopeManager *m = s->manager;
        bool makes_slice = s->slice->state == SLICE_ABSENT;
        int r = 0;

        /* The job of a scope that is bound to a service does not start other units. The state of the scope
         * shows the result of the call. */
        if (makes_slice && s->is_bound)
                r = scope_message_send_slice(m->bus, s->slice->name, s->slice, true);
        if (r >= 0 && s->sub && !s->sub->is_sent && (!makes_slice || s->is_bound)) {
                r = scope_message_send_slice(m->bus, s->sub->name, s->slice, false);
                s->sub->is_sent = r >= 0;
        }
        if (r >= 0)
                r = scope_message_finish(s->message, makes_slice && !s->is_bound ? s->slice : NULL);
        if (r >= 0)
                r = sd_bus_call_async(m->bus, &s->slot, s->message, on_reply, s, JOB_TIMEOUT_USEC);
        if (r < 0)
                return r;
        s->makes_slice = makes_slice;
        slice_on_called(s->slice);
        s->called = now_usec(CLOCK_MONOTONIC);
        s->timeout = sd_event_source_disable_unref(s->timeout); /* of scope_start() */
        r = sd_event_add_time_relative(m->event, &s->timeout, CLOCK_MONOTONIC, JOB_TIMEOUT_USEC, 0,
                                       on_timeout, s);
        if (r < 0)
                return r;
        list_remove(&m->queued, &s->node);
        list_append(&m->in_flight, &s->node);
        m->n_in_flight++;
        s->state = SCOPE_CALLED;
        return 0;
}

static unsigned count_in_flight(const ScopeManager *m, uid_t caller)
{
        unsigned n = 0;

        LIST_FOREACH (const Scope, s, &m->in_flight, node)
                n += s->caller == caller;
        return n;
}

/* The oldest of the user who has the fewest in flight: systemd makes some hundreds a second, and a user may ask for a
 * thousand at once. Scopes of a slice that is being made or stopped wait for it. */
static Scope *next_sendable(ScopeManager *m)
{
        unsigned n, fewest = UINT_MAX;
        Scope *next = NULL;

        LIST_FOREACH (Scope, s, &m->queued, node) {
                if (fewest == 0 || !slice_is_usable(s->slice))
                        continue;
                n = count_in_flight(m, s->caller);
                if (n < fewest) {
                        fewest = n;
                        next = s;
                }
        }
        return next;
}

void scope_manager_send(ScopeManager *m)
{
        Scope *s;

        while (m->n_in_flight < SCOPES_IN_FLIGHT_MAX && (s = next_sendable(m))) {
                int r = scope_call(s);

                if (r < 0)
                        scope_fail(s, r, strerrordesc_np(-r));
        }
}

static int on_deferred(sd_event_source *source, void *userdata)
{
        Scope *s = userdata;
        ScopeManager *m = s->manager;

        s->timeout = sd_event_source_disable_unref(s->timeout);
        scope_manager_send(m);
        return 0;
}

int scope_start(ScopeManager *m, const ScopeRequest *q, ScopeReady callback, void *userdata, Scope **ret,
                Refusal *reterr)
{
        _cleanup_(scope_freep) Scope *s = calloc(1, sizeof(*s));
        int r;

        if (!s)
                return -ENOMEM;
        *s = (Scope){.manager = m,
                     .callback = callback,
                     .userdata = userdata,
                     .caller = q->caller,
                     .runner_pid = q->runner->pid,
                     .runner = RUNNER_INIT};
        s->slice = slice_ref(q->slice);
        s->sub = sub_slices_take(&s->slice->subs);
        s->is_bound = q->bound_to;
        exec_id_unit(q->exec_id, s->name);
        list_append(&m->queued, &s->node);
        r = scope_message_new(m->bus, m->link.takes_pidfds, s->name, s->sub ? s->sub->name : s->slice->name,
                              q, &s->message, reterr);
        if (r < 0)
                return r;

        /* Without waiting if there is room; a failure is reported from the loop in any case. */
        if (m->n_in_flight < SCOPES_IN_FLIGHT_MAX && next_sendable(m) == s) {
                r = scope_call(s);
                if (r < 0)
                        return r;
        } else {
                r = sd_event_add_defer(m->event, &s->timeout, on_deferred, s);
                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(s);
        return 0;
}

void scope_describe(ScopeManager *m, const char *exec_id, const char *text, int pidfd)
{
        scope_describe_later(&m->descriptions, exec_id, text, pidfd);
}

Scope *scope_free(Scope *s)
{
        return s ? scope_destroy(s) : NULL;
}

void scope_abandon(Scope *s, Runner *runner)
{
        if (!s || s->state != SCOPE_CALLED) {
                scope_free(s);
                return;
        }
        s->callback = NULL;
        s->runner = *runner;
        *runner = RUNNER_INIT;
        s->runner.control = fd_close(s->runner.control);
}

int scope_manager_new(sd_bus *bus, bool is_private, ScopeManager **ret)
{
        _cleanup_(scope_manager_freep) ScopeManager *m = calloc(1, sizeof(*m));
        int r;

        if (!m)
                return -ENOMEM;
        m->bus = m->descriptions.bus = bus;
        m->event = m->descriptions.event = sd_bus_get_event(bus);
        m->link = (SystemdLink){.on_job_removed = on_job_removed, .userdata = m};
        r = systemd_link_open(&m->link, bus, is_private);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(m);
        return 0;
}

/* A message belongs to the connection that it was made for. */
static int scope_adopt(Scope *s)
{
        sd_bus_message *copy = NULL;
        int r = scope_message_copy(s->manager->bus, s->message, true, &copy);

        if (r < 0)
                return r;
        sd_bus_message_unref(s->message);
        s->message = copy;
        return 0;
}

static void scope_move(Scope *s)
{
        int r;

        s->slot = sd_bus_slot_unref(s->slot);
        s->is_stopping = false;
        /* Its runner has ended and is not waited for. */
        if (!s->callback) {
                scope_stop(s);
                scope_destroy(s);
                return;
        }
        r = scope_adopt(s);
        if (r >= 0)
                r = scope_call_again(s, AWAY_AGAIN_USEC);
        if (r < 0)
                scope_fail(s, r, strerrordesc_np(-r));
}

int scope_manager_move(ScopeManager *m, sd_bus *bus)
{
        int r;

        systemd_link_close(&m->link);
        m->bus = m->descriptions.bus = bus;
        r = systemd_link_open(&m->link, bus, false);
        if (r < 0)
                return r;
        /* Queued ones first: those in flight may make room for them. */
        LIST_FOREACH (Scope, s, &m->queued, node) {
                r = scope_adopt(s);
                if (r < 0)
                        scope_fail(s, r, strerrordesc_np(-r));
        }
        LIST_FOREACH (Scope, s, &m->in_flight, node)
                scope_move(s);
        return 0;
}

ScopeManager *scope_manager_free(ScopeManager *m)
{
        if (!m)
                return NULL;
        LIST_FOREACH (Scope, s, &m->in_flight, node) {
                if (!s->callback)
                        scope_destroy(s);
        }
        scope_descriptions_done(&m->descriptions);
        systemd_link_close(&m->link);
        free(m);
        return NULL;
}
