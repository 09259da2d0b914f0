/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* org.execd1 from the client's side. */

#include "base/refusal.h"
#include "ctl/ctl.h"
#include "wire/exec-id.h"

#define BUS_NAME          "org.execd1"
#define MANAGER_PATH      "/org/execd1"
#define MANAGER_INTERFACE "org.execd1.Manager"
#define EXEC_INTERFACE    "org.execd1.Exec"

#define ID_SHOWN          12 /* characters of an id in tables */

int bus_connect(Ctl *c);

/* True if execd is not on the bus and cannot be started. */
bool bus_lacks_execd(const sd_bus_error *error);
/* Prints the error of a call, and returns the exit status for it. */
int bus_fail(const sd_bus_error *error, int r);

/* A call whose answer may take a password first. */
int bus_call(Ctl *c, sd_bus_message *m, sd_bus_message **ret);
int bus_new_call(Ctl *c, const char *path, const char *interface, const char *member, sd_bus_message **ret);
/* To the manager, with one text as argument, or with none if it is NULL; bus_ask() sends it as well. */
int bus_new_manager_call(Ctl *c, const char *member, const char *text, sd_bus_message **ret);
int bus_ask(Ctl *c, const char *member, const char *text, sd_bus_message **ret);

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
/* 1 if the text is the ID of an exec or a unique prefix of one, otherwise 0. Negative: an exit status, as
 * -status; the error was printed. */
int exec_find_any(Ctl *c, const char *prefix, ExecName *ret);

/* The reply of Wait(): the exit status. Says so if a time limit has ended the command. 0 or -errno. */
int exec_read_end(const Ctl *c, sd_bus_message *reply, int *ret_exit_status);
/* Waits for the end, however long, and gives the command's exit status. */
int exec_wait(Ctl *c, const char *path, int *ret_exit_status);
int exec_is_running(Ctl *c, const char *path, bool *ret);

/* The exit status of execctl where execd was stopped and the command's own is not known. */
#define EXIT_STOPPED 125

/* The pause before a question is asked again. */
#define AGAIN_MSEC 100

/* A question about an exec whose answer was lost with execd. Restarted, as by an upgrade, execd is back in a
 * moment; one that an administrator has stopped must not be started by D-Bus for the sake of the question.
 */
typedef struct Again {
        unsigned tries;
        uint64_t until; /* CLOCK_MONOTONIC; 0 while execd is there */
} Again;

/* Creates a method call that does not start execd. */
int bus_new_question(Ctl *c, const char *path, const char *interface, const char *member,
                     sd_bus_message **ret);
/* True when the question is to be asked again, AGAIN_MSEC later. */
bool bus_ask_again(Again *a, const sd_bus_error *error);
/* bus_fail() for a question that is not asked again. */
int bus_fail_question(const char *path, const sd_bus_error *error, int r);

/* An entry of a{sv}: a name, and a list of strings. */
int bus_append_strings(sd_bus_message *m, const char *name, char *const *strings);
