/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * execctl, the command-line client of org.execd1.
 *
 * Verbs, and functions that can end execctl, return an exit status: 0 to continue or for success, otherwise
 * the exit status of execctl, after the error was printed.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <systemd/sd-bus.h>

#include "base/strv.h"
#include "ctl/verb-table.h"

typedef enum JsonMode {
        JSON_OFF,
        JSON_SHORT,
        JSON_PRETTY,
} JsonMode;

/* More than there are options. */
#define OPTIONS_MAX 96

/* An option that was given, as it was written the first time. */
typedef struct GivenOption {
        int value;
        char *text;
} GivenOption;

typedef struct Options {
        GivenOption given[OPTIONS_MAX];
        size_t n_given;
        bool help, version;
        JsonMode json;
        bool no_legend, no_pager, no_ask_password;
        bool all, full;
        bool interactive, tty, detach, privileged, record;
        bool follow, quiet;
        bool no_wait, raw;
        uint64_t speed;                                         /* in thousandths */
        uint64_t idle_limit_usec;                               /* UINT64_MAX: as the recording says */
        long lines;                                             /* negative: all */
        const char *since, *until, *container, *state, *caller; /* of list and history */
        bool value;
        int signal_number;
        const char *host, *user, *working_dir, *on_disconnect, *detach_keys;
        char **env, **env_of_file; /* each "NAME=VALUE" */
        char **labels, **properties;
        char **remote; /* the options given but --host, in their long form */
} Options;

typedef struct Ctl {
        Options options;
        sd_bus *bus;
        pid_t agent; /* of polkit, 0: none */
        bool agent_tried;
        int agent_lock; /* among processes that may each ask for a password; 0: there is one process */
        pid_t pager;
        int own_stderr;   /* while stderr is the pager's too; 0: it is not */
        bool on_terminal; /* stdout was a terminal when we began */
        bool colors;
} Ctl;

/* help.c */
int verb_help(Ctl *c, int argc, char **argv);
int help_print(Ctl *c, Verb verb); /* _VERB_INVALID: of execctl as a whole */
int help_version(void);

/* options.c: the index of the first argument that is not an option, or the negative of the exit status of
 * execctl. With `stop` the first argument that is not an option ends the options. */
int options_parse(Ctl *c, int argc, char **argv, bool stop);
/* Once the command is known: whether it takes the options that were given. */
int options_check(const Options *o, Verb verb);
void options_done(Options *o);

/* list.c, containers.c, show.c, status.c, control.c, history.c, logs.c, replay.c, run.c, attach.c */
int verb_list(Ctl *c, int argc, char **argv);
int verb_containers(Ctl *c, int argc, char **argv);
int verb_top(Ctl *c, int argc, char **argv);
int verb_status(Ctl *c, int argc, char **argv);
int verb_kill(Ctl *c, int argc, char **argv);
int verb_wait(Ctl *c, int argc, char **argv);
int verb_show(Ctl *c, int argc, char **argv);
int verb_events(Ctl *c, int argc, char **argv);
int verb_recordings(Ctl *c, int argc, char **argv);
int verb_history(Ctl *c, int argc, char **argv);
int verb_logs(Ctl *c, int argc, char **argv);
int verb_replay(Ctl *c, int argc, char **argv);
int verb_run(Ctl *c, int argc, char **argv);
int verb_shell(Ctl *c, int argc, char **argv);
int verb_attach(Ctl *c, int argc, char **argv);

/* remote.c: runs execctl there, over ssh, for tasks that D-Bus cannot do between hosts. Returns only on failure.
 */
/* Whether a stream is shown on a terminal, here or on the host from which execctl was started over ssh. */
bool ends_at_terminal(int fd);
int remote_run(Ctl *c, const char *verb, bool tty, int argc, char **argv);

/* format.c */
int fail(const char *format, ...) _printf_(1, 2); /* prints the error, and returns EXIT_FAILURE */
int fail_errno(int error, const char *format, ...) _printf_(2, 3);
int fail_memory(void);
/* Writes the buffer of stdout. 0, or the errno of the first failure, EPIPE if the reader has exited. */
int output_flush(void);
/* A copy in which nothing can move the cursor: control characters are '?', and all beyond ASCII if the locale
 * does not have UTF-8. */
char *text_clean(const char *text);
/* Columns on a terminal. */
size_t text_width(const char *text);
/* A copy that takes at most this many columns. If the text takes more, the copy ends with an ellipsis. */
char *text_ellipsize(const char *text, size_t columns);
/* One of two texts: the second one if the locale does not have UTF-8. */
const char *text_mark(const char *utf8, const char *ascii);
#define MARK_ELLIPSIS text_mark("…", "...")
#define MARK_FAILED   text_mark("×", "x")
#define MARK_FINE     text_mark("●", "*")
#define MARK_LINE     text_mark("──", "--")
/* "5min ago" into buf, "-" for 0. Returns buf. */
#define AGE_SIZE 64
char *format_age(char buf[static AGE_SIZE], uint64_t usec);
/* "1.234s", "5min 3s" */
#define DURATION_SIZE 64
char *format_duration(char buf[static DURATION_SIZE], uint64_t usec);
#define TIMESTAMP_SIZE 64
char *format_timestamp(char buf[static TIMESTAMP_SIZE], uint64_t usec);
/* A uid as a name where there is one. */
char *user_name(uid_t uid);

/* pager.c: from here on a pager reads stdout, unless it is disabled. */
void pager_open(Ctl *c);
/* Has the pager, if there is one, show stderr as well, in order. */
void pager_take_stderr(Ctl *c);
void pager_close(Ctl *c);
