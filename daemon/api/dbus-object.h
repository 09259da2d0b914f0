/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* org.execd1 on the system bus: the manager at /org/execd1 and each exec at /org/execd1/exec/_ID. */

#include "api/dbus-call.h"

#define DBUS_NAME              "org.execd1"
#define DBUS_MANAGER_PATH      "/org/execd1"
#define DBUS_MANAGER_INTERFACE "org.execd1.Manager"
#define DBUS_EXEC_PREFIX       "/org/execd1/exec"
#define DBUS_EXEC_INTERFACE    "org.execd1.Exec"

/* "/org/execd1/exec/_" and 64 hex digits. */
#define DBUS_EXEC_PATH_SIZE (sizeof(DBUS_EXEC_PREFIX) + 1 + EXEC_ID_SIZE)

char *dbus_exec_path(const Exec *e, char path[static DBUS_EXEC_PATH_SIZE]);

/* Adds the objects to the manager's bus, then asks for the name. Without a bus nothing is done. */
int dbus_publish(Manager *m);

/* dbus-manager.c: the configuration has another one's values. */
void dbus_tell_reconfigured(Manager *m);

/* The exec at a path, or NULL. */
Exec *dbus_find_exec(Manager *m, const char *path);

/* dbus-properties.c: answers for the properties of execs, before sd-bus does. */
int dbus_properties_filter(sd_bus_message *m, void *userdata, sd_bus_error *error);

/* dbus-manager.c, dbus-exec.c */
extern const sd_bus_vtable dbus_manager_vtable[];
extern const sd_bus_vtable dbus_exec_vtable[];

/* dbus-log.c */
extern const sd_bus_vtable dbus_log_vtable[];

/* dbus-options.c: "as command, a{sv} options" of a message into a request. */
int dbus_read_request(sd_bus_message *m, bool with_options, ExecRequest **ret, Refusal *reterr);
/* Options of Attach. */
int dbus_read_attach_options(sd_bus_message *m, DbusCall *c, Refusal *reterr);
/* Three fds, checked and duplicated. */
int dbus_read_stdio(sd_bus_message *m, int fds[static 3], Refusal *reterr);

/* dbus-exec.c: the arguments that say which pipes a command gets: three that the caller has passed, or
 * "b one_output" for pipes that are made for it. */
int dbus_read_pipes(sd_bus_message *m, DbusCall *c, bool passed, Refusal *reterr);
/* Starts c->exec (on c->fds when they are set, or with c->piped on pipes whose other ends are in
 * c->exec->stdio during done()); then done(c) once it runs, or the refusal as
 * answer. */
void dbus_start_exec(DbusCall *c, bool detached, void (*done)(DbusCall *c));
