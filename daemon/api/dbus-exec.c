/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* An exec's face on the bus. */

#include <string.h>

#include "api/dbus-methods.h"
#include "api/exec-view.h"

/* Properties, through one getter: what they show is small. */

static int property_get(sd_bus *bus, const char *path, const char *interface, const char *property,
                        sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        const Exec *e = userdata;
        const struct {
                const char *name, *value;
        } strings[] = {
                {"Id", e->id},
                {"ContainerId", e->container->id},
                {"ContainerName", e->container->name},
                {"CommandLine", e->command_line},
                {"User", e->request->user},
                {"Unit", e->unit},
                {"State", exec_status_name(e)},
                {"Result", exec_result(e)},
                {"RecordingPath", e->recording_path},
        };
        const struct {
                const char *name;
                uint64_t value;
        } times[] = {
                {"CreatedUSec", e->created_usec},
                {"StartedUSec", e->started_usec},
                {"FinishedUSec", e->finished_usec},
        };

        for (size_t i = 0; i < ELEMENTSOF(strings); i++)
                if (strcmp(strings[i].name, property) == 0)
                        return sd_bus_message_append(reply, "s", strings[i].value ?: "");
        for (size_t i = 0; i < ELEMENTSOF(times); i++)
                if (strcmp(times[i].name, property) == 0)
                        return sd_bus_message_append(reply, "t", times[i].value);
        if (strcmp(property, "Error") == 0) {
                _cleanup_free_ char *text = refusal_plain(e->failure ?: "");

                return text ? sd_bus_message_append(reply, "s", text) : -ENOMEM;
        }
        if (strcmp(property, "Tty") == 0)
                return sd_bus_message_append(reply, "b", (int) e->request->tty);
        if (strcmp(property, "Privileged") == 0)
                return sd_bus_message_append(reply, "b", (int) e->request->privileged);
        if (strcmp(property, "Record") == 0)
                return sd_bus_message_append(reply, "b", (int) e->request->record);
        if (strcmp(property, "Command") == 0)
                return sd_bus_message_append_strv(reply, e->request->argv);
        if (strcmp(property, "CallerUID") == 0)
                return sd_bus_message_append(reply, "u", (uint32_t) e->creator->uid);
        if (strcmp(property, "Pid") == 0)
                return sd_bus_message_append(reply, "u", exec_is_running(e) ? (uint32_t) e->pid : 0);
        if (strcmp(property, "ExitStatus") == 0)
                return sd_bus_message_append(reply, "i", exec_result(e) ? e->exit_code : -1);
        return -ENOENT;
}

#define CONST_PROPERTY SD_BUS_VTABLE_PROPERTY_CONST
#define CHANGES        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE
#define FOR_ALL        SD_BUS_VTABLE_UNPRIVILEGED

/*
 * To add a property: a row here, and its value in property_get(). If it changes, its name in tell_changes()
 * in api/dbus-service.c, which emits PropertiesChanged. api/dbus-properties.c restricts who may read it.
 * dbus/org.execd1.Exec.xml and org.execd1(5), which tests compare with the bus; ctl/status.c shows it.
 */
const sd_bus_vtable dbus_exec_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("Start", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, dbus_method_start, FOR_ALL),
        SD_BUS_METHOD_WITH_ARGS("StartWithFds", SD_BUS_ARGS("h", stdin, "h", stdout, "h", stderr),
                                SD_BUS_NO_RESULT, dbus_method_start_with_fds, FOR_ALL),
        SD_BUS_METHOD_WITH_ARGS("StartPiped", SD_BUS_ARGS("b", one_output),
                                SD_BUS_RESULT("h", stdin, "h", stdout, "h", stderr), dbus_method_start_piped,
                                FOR_ALL),
        SD_BUS_METHOD_WITH_ARGS("StartAttached", SD_BUS_NO_ARGS, SD_BUS_RESULT("h", stream),
                                dbus_method_start_attached, FOR_ALL),
        SD_BUS_METHOD_WITH_ARGS("Attach", SD_BUS_ARGS("a{sv}", options), SD_BUS_RESULT("h", stream),
                                dbus_method_attach, FOR_ALL),
        SD_BUS_METHOD_WITH_ARGS("Resize", SD_BUS_ARGS("q", rows, "q", columns), SD_BUS_NO_RESULT,
                                dbus_method_resize, FOR_ALL),
        SD_BUS_METHOD_WITH_ARGS("Kill", SD_BUS_ARGS("i", signal, "b", all), SD_BUS_NO_RESULT,
                                dbus_method_kill, FOR_ALL),
        SD_BUS_METHOD_WITH_ARGS("Wait", SD_BUS_ARGS("t", timeout_usec),
                                SD_BUS_RESULT("i", exit_status, "s", result), dbus_method_wait, FOR_ALL),
        SD_BUS_PROPERTY("Id", "s", property_get, 0, CONST_PROPERTY),
        SD_BUS_PROPERTY("ContainerId", "s", property_get, 0, CONST_PROPERTY),
        SD_BUS_PROPERTY("ContainerName", "s", property_get, 0, CONST_PROPERTY),
        SD_BUS_PROPERTY("CommandLine", "s", property_get, 0, CONST_PROPERTY),
        SD_BUS_PROPERTY("Command", "as", property_get, 0, CONST_PROPERTY),
        SD_BUS_PROPERTY("User", "s", property_get, 0, CONST_PROPERTY),
        SD_BUS_PROPERTY("Tty", "b", property_get, 0, CONST_PROPERTY),
        SD_BUS_PROPERTY("Privileged", "b", property_get, 0, CONST_PROPERTY),
        SD_BUS_PROPERTY("Record", "b", property_get, 0, CONST_PROPERTY),
        SD_BUS_PROPERTY("Unit", "s", property_get, 0, CONST_PROPERTY),
        SD_BUS_PROPERTY("CallerUID", "u", property_get, 0, CONST_PROPERTY),
        SD_BUS_PROPERTY("CreatedUSec", "t", property_get, 0, CONST_PROPERTY),
        SD_BUS_PROPERTY("State", "s", property_get, 0, CHANGES),
        SD_BUS_PROPERTY("Result", "s", property_get, 0, CHANGES),
        SD_BUS_PROPERTY("ExitStatus", "i", property_get, 0, CHANGES),
        SD_BUS_PROPERTY("Error", "s", property_get, 0, CHANGES),
        SD_BUS_PROPERTY("Pid", "u", property_get, 0, CHANGES),
        SD_BUS_PROPERTY("StartedUSec", "t", property_get, 0, CHANGES),
        SD_BUS_PROPERTY("FinishedUSec", "t", property_get, 0, CHANGES),
        SD_BUS_PROPERTY("RecordingPath", "s", property_get, 0, CHANGES),
        SD_BUS_VTABLE_END,
};
