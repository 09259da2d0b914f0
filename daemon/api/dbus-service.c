/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The objects on the bus, and the signals about them. */

#include "api/dbus-service.h"

#include "api/dbus-call.h"
#include "api/dbus-methods.h"
#include "api/dbus-path.h"
#include "api/dbus-subscribe.h"
#include "base/log.h"

static int find_exec(sd_bus *bus, const char *path, const char *interface, void *userdata, void **ret_found,
                     sd_bus_error *error)
{
        const DbusService *s = userdata;

        *ret_found = dbus_find_exec(s->manager, path);
        return *ret_found ? 1 : 0;
}

static void on_exec_changed(void *userdata, Exec *e, ManagerEvent event)
{
        dbus_signals_add(userdata, e, event);
}

/* The bus may still have the connection of an execd that has left it: the name is the next one's. Only the user
 * execd may own it. */
#define NAME_FLAGS (SD_BUS_NAME_REPLACE_EXISTING | SD_BUS_NAME_ALLOW_REPLACEMENT | SD_BUS_NAME_QUEUE)

static int on_name(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        if (sd_bus_message_is_method_error(m, NULL))
                log_warning("Failed to acquire bus name " DBUS_NAME ": %s",
                            sd_bus_message_get_error(m)->message ?: "");
        return 0;
}

static int add_objects(DbusService *s, sd_bus *bus)
{
        int r;

        r = sd_bus_add_object_vtable(bus, NULL, DBUS_MANAGER_PATH, DBUS_MANAGER_INTERFACE,
                                     dbus_manager_vtable, s);
        if (r >= 0)
                r = sd_bus_add_fallback_vtable(bus, NULL, DBUS_EXEC_PREFIX, DBUS_EXEC_INTERFACE,
                                               dbus_exec_vtable, find_exec, s);
        if (r >= 0)
                r = sd_bus_add_object_manager(bus, NULL, DBUS_MANAGER_PATH);
        if (r >= 0)
                r = sd_bus_add_filter(bus, NULL, dbus_properties_filter, s);
        if (r >= 0)
                r = sd_bus_add_object_vtable(bus, NULL, "/org/freedesktop/LogControl1",
                                             "org.freedesktop.LogControl1", dbus_log_vtable, s->manager);
        return r;
}

int dbus_service_new(Manager *m, DbusService **ret)
{
        _cleanup_(dbus_service_freep) DbusService *s = calloc(1, sizeof(DbusService));
        int r;

        if (!s)
                return -ENOMEM;
        s->manager = m;
        if (m->bus) {
                s->identities = dbus_identities_new(m->bus, m->bus_watch);
                if (!s->identities)
                        return -ENOMEM;
                r = dbus_answers_new(m->bus, &m->memory_budget, &s->answers);
                if (r < 0)
                        return r;
                r = add_objects(s, m->bus);
                if (r < 0)
                        return r;
                r = dbus_signals_new(m, &s->signals);
                if (r < 0)
                        return r;
                m->on_exec_changed = on_exec_changed;
                m->on_exec_changed_userdata = s->signals;
                r = sd_bus_request_name_async(m->bus, NULL, DBUS_NAME, NAME_FLAGS, on_name, NULL);
                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(s);
        return 0;
}

DbusService *dbus_service_free(DbusService *s)
{
        if (!s)
                return NULL;
        dbus_calls_drop(s);
        dbus_identities_free(s->identities);
        dbus_subscribers_drop(s);
        dbus_answers_free(s->answers);
        s->manager->on_exec_changed = NULL;
        dbus_signals_free(s->signals);
        return mfree(s);
}

void dbus_tell_reconfigured(const Manager *m)
{
        if (m->bus)
                (void) sd_bus_emit_properties_changed(m->bus, DBUS_MANAGER_PATH, DBUS_MANAGER_INTERFACE,
                                                      "ExecsMax", "ExecsPerUserMax", "RetentionUSec", NULL);
}
