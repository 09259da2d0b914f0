/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* api/dbus-signals: the order of the signals of an exec. The bus is the other end of the manager's. */

#include "api/dbus-signals.h"

#include "api/dbus-methods.h"
#include "api/dbus-path.h"
#include "unit/core/world.h"

static char told[512];

static void note(const char *word)
{
        size_t n = strlen(told);

        snprintf(told + n, sizeof(told) - n, "%s%s", n > 0 ? " " : "", word);
}

static void note_state(sd_bus_message *m)
{
        const char *name, *state;

        NEED(sd_bus_message_skip(m, "s") > 0 && sd_bus_message_enter_container(m, 'a', "{sv}") > 0);
        while (sd_bus_message_enter_container(m, 'e', "sv") > 0) {
                NEED(sd_bus_message_read(m, "s", &name) > 0);
                if (strcmp(name, "State") == 0) {
                        NEED(sd_bus_message_read(m, "v", "s", &state) > 0);
                        note(state);
                } else
                        NEED(sd_bus_message_skip(m, "v") > 0);
                NEED(sd_bus_message_exit_container(m) >= 0);
        }
}

static int on_signal(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        if (sd_bus_message_is_signal(m, "org.freedesktop.DBus.Properties", "PropertiesChanged"))
                note_state(m);
        else if (sd_bus_message_is_signal(m, DBUS_MANAGER_INTERFACE, NULL))
                note(sd_bus_message_get_member(m));
        return 0;
}

static int find_exec(sd_bus *bus, const char *path, const char *interface, void *userdata, void **ret,
                     sd_bus_error *error)
{
        *ret = userdata;
        return 1;
}

static Exec *new_exec(World *w)
{
        Exec *e = NULL;

        NEED(exec_new(&w->manager.exec_env, w->container, w->root, world_request("true", NULL), NULL, &e) >=
             0);
        NEED(sd_bus_add_fallback_vtable(w->manager.bus, NULL, DBUS_EXEC_PREFIX, DBUS_EXEC_INTERFACE,
                                        dbus_exec_vtable, find_exec, e) >= 0);
        NEED(sd_bus_add_filter(w->bus, NULL, on_signal, NULL) >= 0);
        return e;
}

static void change(DbusSignals *s, Exec *e, ExecState state)
{
        e->state = state;
        dbus_signals_add(s, e, MANAGER_EXEC_CHANGED);
}

static const char *flush(World *w, DbusSignals *s)
{
        told[0] = 0;
        dbus_signals_flush(s);
        world_settle(w);
        return told;
}

/* Each step by itself, all at once, and a flush at each moment between: "running" comes before ExecStarted, and that
 * before "exited". */
static void test_order(World *w, DbusSignals *s, Exec *e)
{
        change(s, e, EXEC_STARTING);
        CHECK(same_text(flush(w, s), "running"));
        change(s, e, EXEC_RUNNING);
        CHECK(same_text(flush(w, s), "running ExecStarted"));
        change(s, e, EXEC_DRAINING);
        CHECK(same_text(flush(w, s), "exited"));
        change(s, e, EXEC_EXITED);
        CHECK(same_text(flush(w, s), "exited ExecExited"));

        for (ExecState state = EXEC_STARTING; state <= EXEC_EXITED; state++)
                change(s, e, state);
        CHECK(same_text(flush(w, s), "running ExecStarted exited ExecExited"));

        /* The output has not ended yet. */
        change(s, e, EXEC_RUNNING);
        change(s, e, EXEC_DRAINING);
        CHECK(same_text(flush(w, s), "running ExecStarted exited"));
        change(s, e, EXEC_EXITED);
        CHECK(same_text(flush(w, s), "exited ExecExited"));
}

int main(void)
{
        World *w = world_new();
        DbusSignals *s = NULL;
        Exec *e;

        world_open_bus(w);
        e = new_exec(w);
        world_settle(w);
        NEED(dbus_signals_new(&w->manager, &s) >= 0);
        test_order(w, s, e);
        dbus_signals_free(s);
        exec_unref(e);
        world_free(w);
        return test_finish("dbus-signals");
}
