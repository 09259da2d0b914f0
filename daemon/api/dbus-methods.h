/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The methods in the vtables of org.execd1. A method of the manager gets the DbusService, one of an
 * exec the Exec. Each reads and validates, asks who calls, asks whether it may, acts, answers. */

#include "api/dbus-call.h"

/* dbus-manager.c, dbus-exec.c, dbus-log.c */
extern const sd_bus_vtable dbus_manager_vtable[];
extern const sd_bus_vtable dbus_exec_vtable[];
extern const sd_bus_vtable dbus_log_vtable[];

/* dbus-properties.c: all properties of an exec, as an a{sv}; without `whole` as lists have them. */
int dbus_append_properties(sd_bus_message *reply, const Exec *e, bool whole);

/* dbus-properties.c: answers for the properties of execs, before sd-bus does. */
int dbus_properties_filter(sd_bus_message *m, void *userdata, sd_bus_error *error);

/* The methods of the manager. These two may answer before the bus says who calls. */
extern const DbusMethod dbus_access_methods[], dbus_containers_methods[], dbus_create_methods[],
        dbus_list_methods[], dbus_recording_methods[], dbus_subscribe_methods[];
int dbus_method_get_exec(sd_bus_message *m, void *userdata, sd_bus_error *error);
int dbus_method_unsubscribe(sd_bus_message *m, void *userdata, sd_bus_error *error);

/* The methods of an exec. */
extern const DbusMethod dbus_control_methods[], dbus_start_methods[];
