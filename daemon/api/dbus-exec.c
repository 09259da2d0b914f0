/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The D-Bus interface of an exec. */

#include <string.h>

#include "api/dbus-append.h"
#include "api/dbus-methods.h"
#include "api/exec-brief.h"
#include "api/exec-view.h"
#include "base/origin.h"

/* Properties, through a getter for each type: the values are small. Lists and InterfacesAdded have the values
 * of the getters; api/dbus-properties.c returns all of Command and Labels to a caller that asks for one
 * exec. */

static int property_get_string(sd_bus *bus, const char *path, const char *interface, const char *property,
                               sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        const Exec *e = userdata;
        _cleanup_free_ char *failure = refusal_plain(e->failure ?: "");
        const struct {
                const char *name, *value;
        } strings[] = {
                {"Id", e->id},
                {"ContainerId", e->container->id},
                {"ContainerName", e->container->name},
                {"ContainerKind", e->container->kind},
                {"CommandLine", e->command_line},
                {"User", exec_request_user(e->request)},
                {"WorkingDir", e->request->working_dir},
                {"OnDisconnect", on_disconnect_to_string(e->request->on_disconnect)},
                {"Unit", e->unit},
                {"CallerSession", e->creator->session},
                {"CallerProgram", e->creator->program},
                {"State", exec_status_name(e)},
                {"Result", exec_result(e)},
                {"Error", failure},
                {"RecordingPath", e->recording_path},
        };

        for (size_t i = 0; i < ELEMENTSOF(strings); i++)
                if (strcmp(strings[i].name, property) == 0)
                        return sd_bus_message_append(reply, "s", strings[i].value ?: "");
        return -ENOENT;
}

static int property_get_number(sd_bus *bus, const char *path, const char *interface, const char *property,
                               sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        const Exec *e = userdata;
        const struct {
                const char *name, *type;
                uint64_t value;
        } numbers[] = {
                {"Tty", "b", e->request->tty},
                {"Privileged", "b", e->request->privileged},
                {"Record", "b", e->request->record},
                {"CallerUID", "u", e->creator->uid},
                {"CallerLoginUID", "u", e->creator->loginuid},
                {"CallerPID", "u", (uint32_t) e->creator->pid},
                {"Pid", "u", exec_is_running(e) ? (uint32_t) e->pid : 0},
                {"CreatedUSec", "t", e->created_usec},
                {"StartedUSec", "t", e->started_usec},
                {"FinishedUSec", "t", e->finished_usec},
        };

        for (size_t i = 0; i < ELEMENTSOF(numbers); i++)
                if (strcmp(numbers[i].name, property) == 0)
                        return *numbers[i].type == 't' ? sd_bus_message_append(reply, "t", numbers[i].value)
                                                       : sd_bus_message_append(reply, numbers[i].type,
                                                                               (uint32_t) numbers[i].value);
        return -ENOENT;
}

static int property_get_exit_status(sd_bus *bus, const char *path, const char *interface,
                                    const char *property, sd_bus_message *reply, void *userdata,
                                    sd_bus_error *error)
{
        const Exec *e = userdata;

        return sd_bus_message_append(reply, "i", exec_result(e) ? e->exit_code : -1);
}

static int property_get_command(sd_bus *bus, const char *path, const char *interface, const char *property,
                                sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        _cleanup_strv_ char **command = exec_brief_command(userdata);

        return command ? sd_bus_message_append_strv(reply, command) : -ENOMEM;
}

static int property_get_labels(sd_bus *bus, const char *path, const char *interface, const char *property,
                               sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        _cleanup_strv_ char **labels = exec_brief_labels(userdata);

        return dbus_append_dictionary(reply, labels);
}

static int property_get_properties(sd_bus *bus, const char *path, const char *interface,
                                   const char *property, sd_bus_message *reply, void *userdata,
                                   sd_bus_error *error)
{
        const Exec *e = userdata;
        int r = sd_bus_message_open_container(reply, 'a', "{ss}");

        for (size_t i = 0; i < e->request->n_properties && r >= 0; i++)
                r = sd_bus_message_append(reply, "{ss}", e->request->properties[i].name,
                                          e->request->properties[i].text);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int property_get_warnings(sd_bus *bus, const char *path, const char *interface, const char *property,
                                 sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        const Exec *e = userdata;

        return sd_bus_message_append_strv(reply, e->warnings);
}

/* Nothing passes through execd: the client that started the exec has the other ends. */
static bool has_callers_pipes(const Exec *e)
{
        if (!exec_is_running(e) || e->detached || !e->starter ||
            (e->stream && stream_output_fd(e->stream, FRAME_STDOUT) >= 0))
                return false;
        return e->starter->pidfd >= 0 && pidfd_is_alive(e->starter->pidfd) == 1;
}

static int property_get_clients(sd_bus *bus, const char *path, const char *interface, const char *property,
                                sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        StreamClientInfo clients[EXEC_CLIENTS_MAX + 1];
        const Exec *e = userdata;
        size_t n = 0;
        int r = sd_bus_message_open_container(reply, 'a', "(uub)");

        if (has_callers_pipes(e))
                clients[n++] =
                        (StreamClientInfo){e->starter->uid, e->starter->pid, e->request->attach_stdin};
        else if (e->stream)
                n = stream_list_clients(e->stream, clients, ELEMENTSOF(clients));
        for (size_t i = 0; i < n && r >= 0; i++)
                r = sd_bus_message_append(reply, "(uub)", (uint32_t) clients[i].uid,
                                          (uint32_t) clients[i].pid, (int) clients[i].has_input);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int serve(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        static const DbusMethod *const tables[] = {dbus_control_methods, dbus_start_methods, NULL};

        return dbus_methods_serve(tables, dbus_service_of(m), m, userdata, error);
}

#define CONST_PROPERTY SD_BUS_VTABLE_PROPERTY_CONST
#define CHANGES        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE
#define FOR_ALL        SD_BUS_VTABLE_UNPRIVILEGED

/*
 * To add a property: a row here, and its value in the getter of its type. If it changes, its name in tell_changes()
 * in api/dbus-signals.c, which emits PropertiesChanged. api/dbus-properties.c restricts who may read it.
 * dbus/org.execd1.Exec.xml and org.execd1(5), which tests compare with the bus; ctl/status.c if execctl status shows
 * it.
 */
const sd_bus_vtable dbus_exec_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("Start", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, serve, FOR_ALL),
        SD_BUS_METHOD_WITH_ARGS("StartWithFds", SD_BUS_ARGS("h", stdin, "h", stdout, "h", stderr),
                                SD_BUS_NO_RESULT, serve, FOR_ALL),
        SD_BUS_METHOD_WITH_ARGS("StartPiped", SD_BUS_ARGS("b", one_output),
                                SD_BUS_RESULT("h", stdin, "h", stdout, "h", stderr), serve, FOR_ALL),
        SD_BUS_METHOD_WITH_ARGS("StartAttached", SD_BUS_NO_ARGS, SD_BUS_RESULT("h", stream), serve, FOR_ALL),
        SD_BUS_METHOD_WITH_ARGS("Attach", SD_BUS_ARGS("a{sv}", options), SD_BUS_RESULT("h", stream), serve,
                                FOR_ALL),
        SD_BUS_METHOD_WITH_ARGS("Resize", SD_BUS_ARGS("q", rows, "q", columns), SD_BUS_NO_RESULT, serve,
                                FOR_ALL),
        SD_BUS_METHOD_WITH_ARGS("Kill", SD_BUS_ARGS("i", signal, "b", all), SD_BUS_NO_RESULT, serve,
                                FOR_ALL),
        SD_BUS_METHOD_WITH_ARGS("Wait", SD_BUS_ARGS("t", timeout_usec),
                                SD_BUS_RESULT("i", exit_status, "s", result), serve, FOR_ALL),
        SD_BUS_PROPERTY("Id", "s", property_get_string, 0, CONST_PROPERTY),
        SD_BUS_PROPERTY("ContainerId", "s", property_get_string, 0, CONST_PROPERTY),
        SD_BUS_PROPERTY("ContainerName", "s", property_get_string, 0, CONST_PROPERTY),
        SD_BUS_PROPERTY("ContainerKind", "s", property_get_string, 0, CONST_PROPERTY),
        SD_BUS_PROPERTY("CommandLine", "s", property_get_string, 0, CONST_PROPERTY),
        SD_BUS_PROPERTY("Command", "as", property_get_command, 0, CONST_PROPERTY),
        SD_BUS_PROPERTY("User", "s", property_get_string, 0, CONST_PROPERTY),
        SD_BUS_PROPERTY("WorkingDir", "s", property_get_string, 0, CONST_PROPERTY),
        SD_BUS_PROPERTY("OnDisconnect", "s", property_get_string, 0, CONST_PROPERTY),
        SD_BUS_PROPERTY("Labels", "a{ss}", property_get_labels, 0, CONST_PROPERTY),
        SD_BUS_PROPERTY("Properties", "a{ss}", property_get_properties, 0, CONST_PROPERTY),
        SD_BUS_PROPERTY("Warnings", "as", property_get_warnings, 0, CONST_PROPERTY),
        SD_BUS_PROPERTY("Tty", "b", property_get_number, 0, CONST_PROPERTY),
        SD_BUS_PROPERTY("Privileged", "b", property_get_number, 0, CONST_PROPERTY),
        SD_BUS_PROPERTY("Record", "b", property_get_number, 0, CONST_PROPERTY),
        SD_BUS_PROPERTY("Unit", "s", property_get_string, 0, CONST_PROPERTY),
        SD_BUS_PROPERTY("CallerUID", "u", property_get_number, 0, CONST_PROPERTY),
        SD_BUS_PROPERTY("CallerLoginUID", "u", property_get_number, 0, CONST_PROPERTY),
        SD_BUS_PROPERTY("CallerPID", "u", property_get_number, 0, CONST_PROPERTY),
        SD_BUS_PROPERTY("CallerSession", "s", property_get_string, 0, CONST_PROPERTY),
        SD_BUS_PROPERTY("CallerProgram", "s", property_get_string, 0, CONST_PROPERTY),
        SD_BUS_PROPERTY("CreatedUSec", "t", property_get_number, 0, CONST_PROPERTY),
        SD_BUS_PROPERTY("State", "s", property_get_string, 0, CHANGES),
        SD_BUS_PROPERTY("Result", "s", property_get_string, 0, CHANGES),
        SD_BUS_PROPERTY("ExitStatus", "i", property_get_exit_status, 0, CHANGES),
        SD_BUS_PROPERTY("Error", "s", property_get_string, 0, CHANGES),
        SD_BUS_PROPERTY("Pid", "u", property_get_number, 0, CHANGES),
        SD_BUS_PROPERTY("StartedUSec", "t", property_get_number, 0, CHANGES),
        SD_BUS_PROPERTY("FinishedUSec", "t", property_get_number, 0, CHANGES),
        SD_BUS_PROPERTY("RecordingPath", "s", property_get_string, 0, CHANGES),
        SD_BUS_PROPERTY("Clients", "a(uub)", property_get_clients, 0, CHANGES),
        SD_BUS_VTABLE_END,
};
