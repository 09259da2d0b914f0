/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * execd-runner, the program that enters. Three processes, each a plain fork, never sharing memory:
 *
 *   monitor   what the spawner starts, in the scope. Parks on its control socket, and later is the parent of
 * the command: waits for it and reports. Never joins a namespace, so nothing inside can see it and it holds
 *            nothing of the container.
 *   joiner  child of the monitor. Receives the order, for which it may have been forked beforehand. Takes the
 * leader's confinement, joins, becomes the user. It is still in the host's pid namespace, so nothing inside can
 * see it; it exits as soon as the command is forked.
 *   command  forked by the joiner as a child of the monitor (CLONE_PARENT). The first that can be seen
 * inside: it has its three stdio fds and the channel, close-on-exec, and no more rights than what it will
 * execute.
 *
 * The channel is a pipe: joiner and command write messages, each at once, and the monitor reads. When it
 * ends, execve(2) has succeeded (see fork.c) or there is a failure on record. A terminal goes over a socket
 * of the joiner's own, which is closed before there is a command: one that is seized has nothing to pass
 * fds through.
 */

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/refusal.h"
#include "wire/runner-spec.h"
#include "wire/user-spec.h"

#define CHANNEL_TEXT_MAX 1024

typedef enum ChannelType {
        CHANNEL_FORKED = 1,  /* `pid`: the command */
        CHANNEL_FAILED = 2,  /* `kind`, `error`, `text` */
        CHANNEL_CHECKED = 3, /* the user exists */
        CHANNEL_ORDERED = 4, /* `kind`: the mode of the order */
} ChannelType;

typedef struct ChannelMessage {
        uint32_t type;
        uint32_t kind;
        int32_t error;
        int32_t pid;
        char text[CHANNEL_TEXT_MAX];
} ChannelMessage;

_Static_assert(sizeof(ChannelMessage) <= PIPE_BUF, "a message must be written at once");

/* Where the joiner has its fds: 0 to 2 are stdio, as soon as they are known. */
#define CHANNEL_FD    (RUNNER_CONTROL_FD + 1)
#define TTY_SOCKET_FD (RUNNER_CONTROL_FD + 2) /* until the terminal was sent */

/* Everything that the steps of an exec share. */
typedef struct Entry {
        RunnerSpec spec;
        UserCredentials user;
        int tty_master; /* owned, or -1 */
        char **env;
        const char *program; /* for execve(2): argv[0] or owned */
} Entry;

/* enter.c: the joiner, from its first instruction. */
void enter_run(pid_t monitor, int channel, int tty_socket) __attribute__((noreturn));

/* confine.c: applies the attributes of the leader. confine_outside() is called with the host's mounts. */
int confine_outside(const RunnerSpec *s, Refusal *reterr);
int confine_filters(const RunnerSpec *s, const char **ret_step);

/* kernel-audit.c: before the namespaces are joined. */
void audit_command(const RunnerSpec *s);

/* label.c: with the host's mounts, too. Files of /proc are checked to be such. */
int label_set(const RunnerSpec *s, Refusal *reterr);
int proc_write(const char *path, const char *text);
int proc_read(const char *path, char *ret, size_t size);

/* place.c: the root and the working directory of a service's main process, and its environment, which
 * becomes the spec's. Before the namespaces are joined; and, in the mount namespace, before the user namespace is. */
typedef struct Place {
        int root, directory;
} Place;

#define PLACE_INIT ((Place){-EBADF, -EBADF})

int place_open(RunnerSpec *s, int leader, int mount_namespace, Place *ret, Refusal *reterr);
int place_enter(const RunnerSpec *s, Place *p, Refusal *reterr);

/* creds.c */
int creds_enter_user_namespace(const RunnerSpec *s, Refusal *reterr);
/* With further groups, by name or number. */
int creds_lookup(const RunnerSpec *s, UserCredentials *ret, Refusal *reterr);
/* Before the namespaces are joined, where the supplementary groups can be named. */
int creds_set_outside_groups(const RunnerSpec *s);
/* A session keyring of its own, which counts as a key of the user that the caller is at the moment. */
int creds_join_keyring(void);
/* With the keyring that it has, if its user may have no more keys. */
int creds_become(const RunnerSpec *s, const UserCredentials *u, bool has_keyring, Refusal *reterr);

/* stdio.c */
int stdio_open_tty(const RunnerSpec *s, const UserCredentials *u, int *ret_master, Refusal *reterr);
int stdio_settle_pipes(const RunnerSpec *s, const UserCredentials *u, Refusal *reterr);

/* fork.c: forks the command as a child of our parent, sends its pid to the channel, and closes the channel.
 * Returns the pid, -errno, or 0 in the command, which has the only copy of the channel by then. */
int fork_command(void);

/* command.c: finds the program and executes it. */
int command_build_env(Entry *e, Refusal *reterr);
int command_enter_directory(const RunnerSpec *s, Refusal *reterr);
int command_find(Entry *e, Refusal *reterr);
void command_run(const Entry *e) __attribute__((noreturn));

/* step.c: the next act of a joiner or a command in the container; and the step of a child that hangs, or NULL. */
typedef enum Step {
        STEP_JOIN,
        STEP_USER,
        STEP_TERMINAL,
        STEP_DIRECTORY,
        STEP_PROGRAM,
        STEP_EXECUTE,
        _STEP_MAX,
} Step;

void step_begin(Step step);
const char *step_of(pid_t pid);

/* output-log.c: the monitor of a detached exec writes its output to the journal, as the scope's. It waits for
 * journald if it has to, and only the command waits for it. Runs until the command has ended; and after the
 * report of its end, until all is written. */
void output_log_run(int pidfd);
void output_log_finish(void);

/* oci-error.c: texts as Docker's users know them. */
const char *errno_text(int error, char *buffer, size_t size);
char *quote_text(const char *s);
/* A refusal that reads as one of runc's, which Docker passes on. */
int refuse_start(Refusal *r, RefusalKind kind, int error, const char *format, ...) _printf_(4, 5);
/* The kernel has not let us do something; a limit that it does not name is named. */
int refuse_act(Refusal *r, const char *act, int error);

/* Tells the monitor over CHANNEL_FD. */
void channel_send(const ChannelMessage *m);
void channel_fail(const Refusal *r, int error);
