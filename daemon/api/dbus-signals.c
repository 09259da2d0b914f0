/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "api/dbus-signals.h"

#include "api/dbus-path.h"

/* Maximum number of execs with pending signals. If there are more, all signals are emitted at once. */
#define PENDING_MAX 16

/* Most commands are over by then. */
#define LATER_USEC (5 * USEC_PER_MSEC)

enum {
        TELL_NEW = 1 << 0,
        TELL_CHANGED = 1 << 1,
        TELL_STARTED = 1 << 2,
        TELL_ENDED = 1 << 3,
        TELL_CLIENTS = 1 << 4,
};

typedef struct Pending {
        Exec *exec; /* a reference */
        unsigned what;
} Pending;

struct DbusSignals {
        Manager *manager; /* weak */
        sd_event_source *timer;
        Pending pending[PENDING_MAX];
        size_t n_pending;
};

static void tell(Manager *m, const Exec *e, const char *signal, const char *path)
{
        (void) sd_bus_emit_signal(m->bus, DBUS_MANAGER_PATH, DBUS_MANAGER_INTERFACE, signal, "so", e->id,
                                  path);
}

static void tell_changes(Manager *m, const char *path)
{
        (void) sd_bus_emit_properties_changed(m->bus, path, DBUS_EXEC_INTERFACE, "State", "Result",
                                              "ExitStatus", "Error", "Pid", "StartedUSec", "FinishedUSec",
                                              "RecordingPath", "Clients", NULL);
}

/* The command has ended since then, but was running first. The output may not have ended yet. */
static void tell_was_running(Manager *m, const char *path)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *signal = NULL;
        int r;

        r = sd_bus_message_new_signal(m->bus, &signal, path, "org.freedesktop.DBus.Properties",
                                      "PropertiesChanged");
        if (r >= 0)
                r = sd_bus_message_append(signal, "sa{sv}as", DBUS_EXEC_INTERFACE, 1, "State", "s",
                                          "running", 0);
        if (r >= 0)
                (void) sd_bus_send(m->bus, signal, NULL);
}

static void emit(Manager *m, const Exec *e, unsigned what)
{
        char path[DBUS_EXEC_PATH_SIZE];

        dbus_exec_path(e, path);
        if (what & TELL_NEW) {
                (void) sd_bus_emit_object_added(m->bus, path);
                tell(m, e, "ExecNew", path);
        }
        if ((what & TELL_STARTED) && e->state != EXEC_RUNNING) {
                tell_was_running(m, path);
                tell(m, e, "ExecStarted", path);
                what &= ~TELL_STARTED;
        }
        if (what & TELL_CHANGED)
                tell_changes(m, path);
        else if (what & TELL_CLIENTS)
                (void) sd_bus_emit_properties_changed(m->bus, path, DBUS_EXEC_INTERFACE, "Clients", NULL);
        if (what & TELL_STARTED)
                tell(m, e, "ExecStarted", path);
        if (what & TELL_ENDED)
                (void) sd_bus_emit_signal(m->bus, DBUS_MANAGER_PATH, DBUS_MANAGER_INTERFACE, "ExecExited",
                                          "soi", e->id, path, e->exit_code);
        bus_watch_sent(m->bus_watch);
}

void dbus_signals_flush(DbusSignals *s)
{
        if (!s || s->n_pending == 0)
                return;
        for (size_t i = 0; i < s->n_pending; i++) {
                emit(s->manager, s->pending[i].exec, s->pending[i].what);
                exec_unref(s->pending[i].exec);
        }
        s->n_pending = 0;
        (void) sd_event_source_set_enabled(s->timer, SD_EVENT_OFF);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
        dbus_signals_flush(userdata);
        return 0;
}

static void signals_arm(DbusSignals *s)
{
        if (sd_event_source_get_enabled(s->timer, NULL) > 0)
                return;
        if (sd_event_source_set_time_relative(s->timer, LATER_USEC) < 0 ||
            sd_event_source_set_enabled(s->timer, SD_EVENT_ONESHOT) < 0)
                dbus_signals_flush(s);
}

static Pending *pending_get(DbusSignals *s, Exec *e)
{
        for (size_t i = 0; i < s->n_pending; i++)
                if (s->pending[i].exec == e)
                        return &s->pending[i];
        if (s->n_pending >= PENDING_MAX)
                dbus_signals_flush(s);
        s->pending[s->n_pending] = (Pending){.exec = exec_ref(e)};
        return &s->pending[s->n_pending++];
}

static unsigned what_of(const Exec *e, ManagerEvent event)
{
        switch (event) {
        case MANAGER_EXEC_NEW:
                return TELL_NEW;
        case MANAGER_EXEC_CHANGED:
                return TELL_CHANGED | (e->state == EXEC_RUNNING ? TELL_STARTED : 0) |
                       (exec_has_ended(e) ? TELL_ENDED : 0);
        default:
                return TELL_CLIENTS;
        }
}

static bool is_pending(const DbusSignals *s, const Exec *e)
{
        for (size_t i = 0; i < s->n_pending; i++)
                if (s->pending[i].exec == e)
                        return true;
        return false;
}

void dbus_signals_add(DbusSignals *s, Exec *e, ManagerEvent event)
{
        char path[DBUS_EXEC_PATH_SIZE];

        if (event != MANAGER_EXEC_REMOVED) {
                pending_get(s, e)->what |= what_of(e, event);
                signals_arm(s);
                return;
        }
        if (is_pending(s, e))
                dbus_signals_flush(s);
        dbus_exec_path(e, path);
        tell(s->manager, e, "ExecRemoved", path);
        (void) sd_bus_emit_object_removed(s->manager->bus, path);
        bus_watch_sent(s->manager->bus_watch);
}

int dbus_signals_new(Manager *m, DbusSignals **ret)
{
        _cleanup_(dbus_signals_freep) DbusSignals *s = calloc(1, sizeof(DbusSignals));
        int r;

        if (!s)
                return -ENOMEM;
        s->manager = m;
        r = sd_event_add_time_relative(m->event, &s->timer, CLOCK_MONOTONIC, LATER_USEC, USEC_PER_MSEC,
                                       on_timer, s);
        if (r >= 0)
                r = sd_event_source_set_enabled(s->timer, SD_EVENT_OFF);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(s);
        return 0;
}

DbusSignals *dbus_signals_free(DbusSignals *s)
{
        if (!s)
                return NULL;
        dbus_signals_flush(s);
        s->timer = sd_event_source_disable_unref(s->timer);
        return mfree(s);
}
