/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Converts arguments of method calls for core/; each refusal names the argument. */

#include <systemd/sd-bus.h>

#include "wire/exec-request.h"

/* The "s container" of a method, owned. */
int dbus_read_reference(sd_bus_message *m, char **ret, Refusal *reterr);

/* The "s id" of a method, in the message: it stays as long as the call. */
int dbus_read_id(sd_bus_message *m, const char **ret, Refusal *reterr);

/* "as command, a{sv} options" of a message into a request. */
int dbus_read_request(sd_bus_message *m, bool with_options, ExecRequest **ret, Refusal *reterr);

/* One of the options of an exec, into the ExecRequest that is the userdata. */
int dbus_read_exec_option(sd_bus_message *m, const char *key, void *userdata, Refusal *reterr);

typedef struct DbusAttachOptions {
        bool want_stdin, want_stdout, want_stderr, replay;
} DbusAttachOptions;

int dbus_read_attach_options(sd_bus_message *m, DbusAttachOptions *ret, Refusal *reterr);

/* Three fds, checked and duplicated. Those that are set in `fds` belong to the caller, on failure as well. */
int dbus_read_stdio(sd_bus_message *m, int fds[static 3], Refusal *reterr);

/* The a{sv} of a method: calls back for each entry, which reads the variant. */
typedef int (*dbus_option_t)(sd_bus_message *m, const char *key, void *userdata, Refusal *reterr);
int dbus_read_options(sd_bus_message *m, dbus_option_t option, void *userdata, Refusal *reterr);
int dbus_refuse_option(const char *key, Refusal *reterr);

/* A variant of this type. An earlier text in *field is freed. */
int dbus_read_string(sd_bus_message *m, const char *key, char **field, Refusal *reterr);
int dbus_read_flag(sd_bus_message *m, const char *key, bool *field, Refusal *reterr);
int dbus_read_strings(sd_bus_message *m, const char *key, bool keep_empty, char ***field, Refusal *reterr);
