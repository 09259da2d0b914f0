/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "spawner/scope.h"

#include <stdbool.h>
#include <string.h>
#include <systemd/sd-event.h>

#include "base/fd.h"
#include "base/list.h"
#include "base/log.h"
#include "base/time.h"
#include "spawner/cgroup.h"
#include "spawner/scope-describe.h"

#define JOB_TIMEOUT_USEC (30 * USEC_PER_SEC)

/* A scope of the same exec, whose runner has ended with the spawner before us, is still there. It goes by
 * itself; but systemd may have missed that, and is told then. */
#define EXISTS_ERROR      "org.freedesktop.systemd1.UnitExists"
#define EXISTS_AGAIN_USEC (20 * USEC_PER_MSEC)
#define EXISTS_STOP_USEC  USEC_PER_SEC
#define EXISTS_USEC       (5 * USEC_PER_SEC)

/* How soon systemd is asked again that was not there to answer. */
#define AWAY_AGAIN_USEC (100 * USEC_PER_MSEC)

/* From this version on systemd takes processes by pidfd. */
#define PIDFDS_VERSION 255

typedef enum ScopeState {
        SCOPE_QUEUED,
        SCOPE_CALLED, /* in flight: the call, and then its job */
        SCOPE_DONE,
} ScopeState;

struct Scope {
        ScopeManager *manager; /* weak */
        ListNode node;         /* of queued or of in_flight */
        ScopeState state;
        char name[EXEC_UNIT_SIZE];
        sd_bus_message *message; /* owned; may be sent several times */
        sd_bus_slot *slot;
        sd_event_source *timeout, *again;
        pid_t runner_pid;
        uint64_t called;              /* CLOCK_MONOTONIC */
        bool is_stopping, is_stopped; /* the one that has the name */
        ScopeReady callback;          /* NULL: an orphan, which has the runner */
        void *userdata;
        Runner runner;
};

struct ScopeManager {
        sd_bus *bus;     /* weak */
        sd_event *event; /* weak */
        sd_bus_slot *slot_job, *slot_subscribe, *slot_version;
        sd_event_source *subscribe_again;
        bool takes_pidfds;
        List queued, in_flight;
        ScopeDescriptions descriptions;
        unsigned n_in_flight;
};

static void send_queued(ScopeManager *m);

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
                send_queued(m);
        }
}

/* Nobody waits for its job any longer: it must not create a scope later. */
static void scope_stop(const Scope *s)
{
        (void) sd_bus_call_method_async(s->manager->bus, NULL, SYSTEMD_NAME, SYSTEMD_PATH, SYSTEMD_MANAGER,
                                        "StopUnit", NULL, NULL, "ss", s->name, "replace");
}

static Scope *scope_destroy(Scope *s)
{
        scope_leave(s);
        sd_bus_message_unref(s->message);
        runner_release(&s->runner, s->manager->event);
        free(s);
        return NULL;
}

static void scope_finish(Scope *s, const Refusal *refusal)
{
        scope_leave(s);
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
        /* Otherwise its job tells, and may have. */
        if (sd_bus_message_is_method_error(reply, NULL) && s->is_stopping)
                scope_call_after_stop(s);
        return 0;
}

/* The name is taken: by what nobody needs, since the command of this exec was never released. */
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

/* systemd executes itself anew: nothing was made, or its answer is lost. */
static bool is_away(const sd_bus_error *e)
{
        return sd_bus_error_has_name(e, SD_BUS_ERROR_NO_REPLY) ||
               sd_bus_error_has_name(e, SD_BUS_ERROR_SERVICE_UNKNOWN) ||
               sd_bus_error_has_name(e, SD_BUS_ERROR_NAME_HAS_NO_OWNER) ||
               sd_bus_error_has_name(e, SD_BUS_ERROR_DISCONNECTED) ||
               strncmp(e->name, "org.freedesktop.DBus.Error.Spawn.", 33) == 0;
}

static int on_reply(sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        const sd_bus_error *e = sd_bus_message_get_error(reply);
        Scope *s = userdata;
        bool exists = e && sd_bus_error_has_name(e, EXISTS_ERROR);

        s->slot = sd_bus_slot_unref(s->slot);
        /* Without a connection it is asked for again by scope_manager_move(). */
        if (!e || sd_bus_is_open(s->manager->bus) <= 0)
                return 0;
        if (exists && scope_is_there(s))
                scope_finish(s, NULL);
        else if ((exists && scope_wait_for_name(s) >= 0) ||
                 (is_away(e) && scope_call_again(s, AWAY_AGAIN_USEC) >= 0))
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

static int on_job_removed(sd_bus_message *signal, void *userdata, sd_bus_error *error)
{
        ScopeManager *m = userdata;
        const char *unit, *result;

        if (sd_bus_message_read(signal, "uoss", NULL, NULL, &unit, &result) < 0)
                return 0;
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
        return 0;
}

static int scope_call(Scope *s)
{
        ScopeManager *m = s->manager;
        int r;

        r = sd_bus_call_async(m->bus, &s->slot, s->message, on_reply, s, JOB_TIMEOUT_USEC);
        if (r < 0)
                return r;
        s->called = now_usec(CLOCK_MONOTONIC);
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

static void send_queued(ScopeManager *m)
{
        while (m->n_in_flight < SCOPES_IN_FLIGHT_MAX && !list_is_empty(&m->queued)) {
                Scope *s = LIST_ENTRY(m->queued.first, Scope, node);
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
        send_queued(m);
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
                     .runner_pid = q->runner->pid,
                     .runner = RUNNER_INIT};
        exec_id_unit(q->exec_id, s->name);
        list_append(&m->queued, &s->node);
        r = scope_message_new(m->bus, m->takes_pidfds, s->name, q, &s->message, reterr);
        if (r < 0)
                return r;

        /* Without waiting when there is room; a failure is told from the loop in any case. */
        if (m->n_in_flight < SCOPES_IN_FLIGHT_MAX && m->queued.first == &s->node) {
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

static void subscribe(ScopeManager *m);

static int on_subscribe_again(sd_event_source *source, uint64_t usec, void *userdata)
{
        subscribe(userdata);
        return 0;
}

static int on_subscribed(sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        const sd_bus_error *e = sd_bus_message_get_error(reply);
        ScopeManager *m = userdata;

        m->slot_subscribe = sd_bus_slot_unref(m->slot_subscribe);
        if (!e)
                return 0;
        m->subscribe_again = sd_event_source_disable_unref(m->subscribe_again);
        if (!is_away(e) || sd_event_add_time_relative(m->event, &m->subscribe_again, CLOCK_MONOTONIC,
                                                      AWAY_AGAIN_USEC, 0, on_subscribe_again, m) < 0)
                log_error("Failed to subscribe to signals of systemd: %s", e->message ?: e->name);
        return 0;
}

static void subscribe(ScopeManager *m)
{
        int r = sd_bus_call_method_async(m->bus, &m->slot_subscribe, SYSTEMD_NAME, SYSTEMD_PATH,
                                         SYSTEMD_MANAGER, "Subscribe", on_subscribed, m, NULL);

        if (r < 0)
                log_error_errno(r, "Failed to subscribe to signals of systemd");
}

/* "255.4-1", "257~rc1": until it is known, and where it cannot be, processes go by number. */
static int on_version(sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        ScopeManager *m = userdata;
        const char *version = "";

        m->slot_version = sd_bus_slot_unref(m->slot_version);
        if (sd_bus_message_is_method_error(reply, NULL) ||
            sd_bus_message_read(reply, "v", "s", &version) < 0)
                return 0;
        m->takes_pidfds = strtoul(version, NULL, 10) >= PIDFDS_VERSION;
        log_debug("systemd %s takes processes by %s", version, m->takes_pidfds ? "pidfd" : "number");
        return 0;
}

/* PID 1 itself names no sender, and sends its signals unasked. */
static int manager_listen(ScopeManager *m, bool is_private)
{
        int r;

        r = sd_bus_match_signal_async(m->bus, &m->slot_job, is_private ? NULL : SYSTEMD_NAME, SYSTEMD_PATH,
                                      SYSTEMD_MANAGER, "JobRemoved", on_job_removed, NULL, m);
        if (r >= 0 && !is_private)
                subscribe(m);
        if (r >= 0)
                r = sd_bus_call_method_async(m->bus, &m->slot_version, SYSTEMD_NAME, SYSTEMD_PATH,
                                             "org.freedesktop.DBus.Properties", "Get", on_version, m, "ss",
                                             SYSTEMD_MANAGER, "Version");
        return r;
}

static void manager_unlisten(ScopeManager *m)
{
        m->slot_job = sd_bus_slot_unref(m->slot_job);
        m->slot_subscribe = sd_bus_slot_unref(m->slot_subscribe);
        m->slot_version = sd_bus_slot_unref(m->slot_version);
        m->subscribe_again = sd_event_source_disable_unref(m->subscribe_again);
}

int scope_manager_new(sd_bus *bus, bool is_private, ScopeManager **ret)
{
        _cleanup_(scope_manager_freep) ScopeManager *m = calloc(1, sizeof(*m));
        int r;

        if (!m)
                return -ENOMEM;
        m->bus = m->descriptions.bus = bus;
        m->event = m->descriptions.event = sd_bus_get_event(bus);
        r = manager_listen(m, is_private);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(m);
        return 0;
}

/* A message belongs to the connection that it was made for. */
static int scope_adopt(Scope *s)
{
        sd_bus_message *copy = NULL;
        int r = scope_message_copy(s->manager->bus, s->message, &copy);

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
        /* Its runner has ended, and nobody waits for it. */
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

        manager_unlisten(m);
        m->bus = m->descriptions.bus = bus;
        r = manager_listen(m, false);
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
        manager_unlisten(m);
        free(m);
        return NULL;
}
