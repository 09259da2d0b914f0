/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* org.execd1 from the client's side. */

#include "ctl/ctl.h"

#define BUS_NAME          "org.execd1"
#define MANAGER_PATH      "/org/execd1"
#define MANAGER_INTERFACE "org.execd1.Manager"
#define EXEC_INTERFACE    "org.execd1.Exec"

#define EXEC_ID_LENGTH    64
#define ID_SHOWN          12 /* characters of an id in tables */

int bus_connect(Ctl *c);

/* Tells of an error of a call, and returns the exit status that goes with it. */
int bus_fail(const sd_bus_error *error, int r);

/* A call whose answer may take a password first. */
int bus_call(Ctl *c, sd_bus_message *m, sd_bus_message **ret);
int bus_new_call(Ctl *c, const char *path, const char *interface, const char *member, sd_bus_message **ret);

/* polkit's agent on this terminal, for the calls that follow; and no more of it, before the terminal is
 * used. */
void agent_open(Ctl *c);
void agent_close(Ctl *c);

typedef struct ExecRow {
        const char *id, *path, *container, *state, *command_line, *unit;
        uint32_t uid;
        uint64_t created_usec;
} ExecRow;

typedef struct ExecList {
        sd_bus_message *message; /* holds the texts */
        ExecRow *rows;
        size_t n;
} ExecList;

void exec_list_done(ExecList *l);
int exec_list_read(Ctl *c, ExecList *ret);

typedef struct ExecName {
        char id[EXEC_ID_LENGTH + 1];
        char *path;
} ExecName;

void exec_name_done(ExecName *n);
/* By a whole id or a unique prefix of one. */
int exec_find(Ctl *c, const char *prefix, ExecName *ret);

/* Waits for the end, however long, and gives the command's exit status. */
int exec_wait(Ctl *c, const char *path, int *ret_exit_status);
/* True for an answer that says no more than that execd left while we waited: it can be asked again. */
bool exec_wait_again(const sd_bus_error *error);
