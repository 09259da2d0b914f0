/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Calls that end with an exec running: on pipes, attached to a stream, or without a client. */

#include "api/dbus-call.h"

typedef struct DbusStart DbusStart;

struct DbusStart {
        DbusCall call;
        int fds[3];             /* owned: for the command; else negative */
        bool piped, one_output; /* it is to have pipes whose other ends the caller gets */
        int stream;             /* owned: for the caller; else negative */
        ExecWatch watch;
        void (*started)(DbusStart *s);
};

/* Begins a read() of such a call. */
void dbus_start_init(DbusStart *s);
/* Ends a done() of such a call. */
void dbus_start_done(DbusCall *c);

/* The arguments that say which pipes a command gets: three that the caller has passed, or "b one_output" for
 * pipes that are made for it. */
int dbus_start_read_pipes(sd_bus_message *m, DbusStart *s, bool passed, Refusal *reterr);

/* Starts the call's exec (on s->fds when they are set, or with s->piped on pipes whose other ends are in the
 * exec's stdio during started()); then started(s) once it runs, or the refusal as answer. */
void dbus_start_exec(DbusStart *s, bool detached, void (*started)(DbusStart *s));
