/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The D-Bus interface of the manager. */

#include "api/dbus-methods.h"
#include "api/dbus-service.h"
#include "config.h"

static int property_get_version(sd_bus *bus, const char *path, const char *interface, const char *property,
                                sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        return sd_bus_message_append(reply, "s", EXECD_VERSION);
}

static int property_get_features(sd_bus *bus, const char *path, const char *interface, const char *property,
                                 sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        const Manager *m = ((const DbusService *) userdata)->manager;

        if (m->config.record == RECORD_OFF)
                return sd_bus_message_append(reply, "as", 6, "attach", "labels", "on-disconnect",
                                             "properties", "stdio-fds", "stdio-pipes");
        return sd_bus_message_append(reply, "as", 7, "attach", "labels", "on-disconnect", "properties",
                                     "recording", "stdio-fds", "stdio-pipes");
}

static int property_get_execs_max(sd_bus *bus, const char *path, const char *interface, const char *property,
                                  sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        const Manager *m = ((const DbusService *) userdata)->manager;

        return sd_bus_message_append(reply, "u", (uint32_t) m->config.execs_max);
}

static int property_get_execs_per_user_max(sd_bus *bus, const char *path, const char *interface,
                                           const char *property, sd_bus_message *reply, void *userdata,
                                           sd_bus_error *error)
{
        const Manager *m = ((const DbusService *) userdata)->manager;

        return sd_bus_message_append(reply, "u", (uint32_t) m->config.execs_per_uid_max);
}

static int property_get_retention(sd_bus *bus, const char *path, const char *interface, const char *property,
                                  sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        const Manager *m = ((const DbusService *) userdata)->manager;

        return sd_bus_message_append(reply, "t", m->config.retention_usec);
}

#define CONST_PROPERTY SD_BUS_VTABLE_PROPERTY_CONST
#define TOLD_PROPERTY  SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE
#define FOR_ALL        SD_BUS_VTABLE_UNPRIVILEGED

static int serve(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        static const DbusMethod *const tables[] = {dbus_access_methods,
                                                   dbus_containers_methods,
                                                   dbus_create_methods,
                                                   dbus_list_methods,
                                                   dbus_recording_methods,
                                                   dbus_subscribe_methods,
                                                   NULL};

        return dbus_methods_serve(tables, userdata, m, NULL, error);
}

/*
 * To add a method, here or in dbus_exec_vtable: a row, and a DbusMethod in the table of a file, with the
 * authorization that it needs. NAME_read() reads its arguments into a structure, and NAME_run() acts and answers,
 * once it is authorized. The XML in dbus/ and org.execd1(5),
 * which tests compare with the bus; tests/dbus.
 */
const sd_bus_vtable dbus_manager_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("ListContainers", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(sssssut)", containers),
                                serve, FOR_ALL),
        SD_BUS_METHOD_WITH_ARGS("ListServices", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(sssssut)", services), serve,
                                FOR_ALL),
        SD_BUS_METHOD_WITH_ARGS("ListRejectedContainers", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(sss)", rejected),
                                serve, FOR_ALL),
        SD_BUS_METHOD_WITH_ARGS("GetContainer", SD_BUS_ARGS("s", container),
                                SD_BUS_RESULT("a{sv}", properties), serve, FOR_ALL),
        SD_BUS_METHOD_WITH_ARGS("GetContainerUsage", SD_BUS_ARGS("s", container),
                                SD_BUS_RESULT("a{st}", usage, "a(sa{st})", execs), serve, FOR_ALL),
        SD_BUS_METHOD_WITH_ARGS("CreateExec", SD_BUS_ARGS("s", container, "as", command, "a{sv}", options),
                                SD_BUS_RESULT("s", id, "o", exec), serve, FOR_ALL),
        SD_BUS_METHOD_WITH_ARGS("Run", SD_BUS_ARGS("s", container, "as", command),
                                SD_BUS_RESULT("i", exit_status, "o", exec), serve, FOR_ALL),
        SD_BUS_METHOD_WITH_ARGS("RunExec",
                                SD_BUS_ARGS("s", container, "as", command, "a{sv}", options, "h", stdin, "h",
                                            stdout, "h", stderr),
                                SD_BUS_RESULT("s", id, "o", exec), serve, FOR_ALL),
        SD_BUS_METHOD_WITH_ARGS(
                "RunPiped", SD_BUS_ARGS("s", container, "as", command, "a{sv}", options, "b", one_output),
                SD_BUS_RESULT("s", id, "o", exec, "h", stdin, "h", stdout, "h", stderr), serve, FOR_ALL),
        SD_BUS_METHOD_WITH_ARGS("ListExecs", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(sossssut)", execs), serve,
                                FOR_ALL),
        SD_BUS_METHOD_WITH_ARGS("ListExecsFiltered", SD_BUS_ARGS("a{sv}", filters),
                                SD_BUS_RESULT("a(soa{sv})", execs), serve, FOR_ALL),
        SD_BUS_METHOD_WITH_ARGS("GetExec", SD_BUS_ARGS("s", id), SD_BUS_RESULT("o", exec),
                                dbus_method_get_exec, FOR_ALL),
        SD_BUS_METHOD_WITH_ARGS("ListRecordings", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(sstt)", recordings),
                                serve, FOR_ALL),
        SD_BUS_METHOD_WITH_ARGS("GetRecording", SD_BUS_ARGS("s", id), SD_BUS_RESULT("h", recording), serve,
                                FOR_ALL),
        SD_BUS_METHOD_WITH_ARGS("CheckAccess", SD_BUS_ARGS("s", action, "s", object, "a{sv}", options),
                                SD_BUS_RESULT("s", verdict, "s", reason), serve, FOR_ALL),
        SD_BUS_METHOD_WITH_ARGS("Subscribe", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, serve, FOR_ALL),
        SD_BUS_METHOD_WITH_ARGS("Unsubscribe", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, dbus_method_unsubscribe,
                                FOR_ALL),
        SD_BUS_SIGNAL_WITH_ARGS("ContainerNew", SD_BUS_ARGS("s", id, "s", name, "s", kind), 0),
        SD_BUS_SIGNAL_WITH_ARGS("ContainerRemoved", SD_BUS_ARGS("s", id, "s", name, "s", kind), 0),
        SD_BUS_SIGNAL_WITH_ARGS("ExecNew", SD_BUS_ARGS("s", id, "o", exec), 0),
        SD_BUS_SIGNAL_WITH_ARGS("ExecStarted", SD_BUS_ARGS("s", id, "o", exec), 0),
        SD_BUS_SIGNAL_WITH_ARGS("ExecExited", SD_BUS_ARGS("s", id, "o", exec, "i", exit_status), 0),
        SD_BUS_SIGNAL_WITH_ARGS("ExecRemoved", SD_BUS_ARGS("s", id, "o", exec), 0),
        SD_BUS_PROPERTY("Version", "s", property_get_version, 0, CONST_PROPERTY),
        SD_BUS_PROPERTY("Features", "as", property_get_features, 0, CONST_PROPERTY),
        SD_BUS_PROPERTY("ExecsMax", "u", property_get_execs_max, 0, TOLD_PROPERTY),
        SD_BUS_PROPERTY("ExecsPerUserMax", "u", property_get_execs_per_user_max, 0, TOLD_PROPERTY),
        SD_BUS_PROPERTY("RetentionUSec", "t", property_get_retention, 0, TOLD_PROPERTY),
        SD_BUS_VTABLE_END,
};
