/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The methods in the vtables of org.execd1. A method of the manager gets the DbusService, one of an
 * exec the Exec. Each reads and validates, asks who calls, asks whether it may, acts, answers. */

#include "core/exec.h"

/* dbus-manager.c, dbus-exec.c, dbus-log.c */
extern const sd_bus_vtable dbus_manager_vtable[];
extern const sd_bus_vtable dbus_exec_vtable[];
extern const sd_bus_vtable dbus_log_vtable[];

/* dbus-properties.c: all properties of an exec, as an a{sv}; without `whole` as lists have them. */
int dbus_append_properties(sd_bus_message *reply, const Exec *e, bool whole);

/* dbus-properties.c: answers for the properties of execs, before sd-bus does. */
int dbus_properties_filter(sd_bus_message *m, void *userdata, sd_bus_error *error);

/* dbus-containers.c */
int dbus_method_list_containers(sd_bus_message *m, void *userdata, sd_bus_error *error);
int dbus_method_list_services(sd_bus_message *m, void *userdata, sd_bus_error *error);
int dbus_method_get_container(sd_bus_message *m, void *userdata, sd_bus_error *error);
int dbus_method_get_container_usage(sd_bus_message *m, void *userdata, sd_bus_error *error);

int dbus_method_list_rejected_containers(sd_bus_message *m, void *userdata, sd_bus_error *error);

/* dbus-subscribe.c */
int dbus_method_subscribe(sd_bus_message *m, void *userdata, sd_bus_error *error);
int dbus_method_unsubscribe(sd_bus_message *m, void *userdata, sd_bus_error *error);

/* dbus-access.c */
int dbus_method_check_access(sd_bus_message *m, void *userdata, sd_bus_error *error);

/* dbus-create.c */
int dbus_method_create_exec(sd_bus_message *m, void *userdata, sd_bus_error *error);
int dbus_method_run(sd_bus_message *m, void *userdata, sd_bus_error *error);
int dbus_method_run_exec(sd_bus_message *m, void *userdata, sd_bus_error *error);
int dbus_method_run_piped(sd_bus_message *m, void *userdata, sd_bus_error *error);

/* dbus-list.c */
int dbus_method_list_execs(sd_bus_message *m, void *userdata, sd_bus_error *error);
int dbus_method_list_execs_filtered(sd_bus_message *m, void *userdata, sd_bus_error *error);
int dbus_method_get_exec(sd_bus_message *m, void *userdata, sd_bus_error *error);
int dbus_method_list_recordings(sd_bus_message *m, void *userdata, sd_bus_error *error);
int dbus_method_get_recording(sd_bus_message *m, void *userdata, sd_bus_error *error);

/* dbus-start.c */
int dbus_method_start(sd_bus_message *m, void *userdata, sd_bus_error *error);
int dbus_method_start_with_fds(sd_bus_message *m, void *userdata, sd_bus_error *error);
int dbus_method_start_piped(sd_bus_message *m, void *userdata, sd_bus_error *error);
int dbus_method_start_attached(sd_bus_message *m, void *userdata, sd_bus_error *error);
int dbus_method_attach(sd_bus_message *m, void *userdata, sd_bus_error *error);

/* dbus-control.c */
int dbus_method_resize(sd_bus_message *m, void *userdata, sd_bus_error *error);
int dbus_method_kill(sd_bus_message *m, void *userdata, sd_bus_error *error);
int dbus_method_wait(sd_bus_message *m, void *userdata, sd_bus_error *error);
