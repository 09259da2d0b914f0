/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* While a command runs: bytes, signals and the size of the window pass through here. */

#include <signal.h>

#include "ctl/bus.h"
#include "ctl/pump.h"

typedef struct Session {
        Ctl *ctl;
        const char *path;     /* of the exec; weak */
        int stream;           /* weak: a stream of the daemon's, or negative: the command has pipes */
        bool tty;             /* the stream is a terminal's */
        bool take_input;      /* our stdin goes into the stream */
        bool end_input;       /* and so does its end */
        bool forward_signals; /* to the command; otherwise they end us */

        Sink sinks[3]; /* the way to the command's stdin; our stdout and stderr */
        Pump pumps[3]; /* to stdin, from stdout, from stderr; with a stream only the first two */
        int signal_fd; /* owned */
        sd_bus_slot *wait_slot;
        Again again;
        uint64_t ask_at;      /* CLOCK_MONOTONIC: when to ask for the end again; 0 while asked */
        bool known;           /* the exit status */
        uint64_t drain_until; /* CLOCK_MONOTONIC, ms; 0: the output of the command is not through yet */
        unsigned ends_said;
        int exit_status;
        int left_by; /* the signal that ended us */
} Session;

Session *session_new(Ctl *c);
Session *session_free(Session *s);
DEFINE_CLEANUP(Session, session_free);

/* pipes.c: are our stdout and stderr one file? Then the command gets one pipe for both, so that the order of
 * what it writes is kept. */
bool session_has_one_output(void);
/* Joins our own stdin, stdout and stderr with the ends of the command's pipes, which it takes. */
int session_use_pipes(Session *s, const int pipes[static 3]);
/* When the command no longer reads, execctl does not either, so that the writer to its stdin notices. */
void session_release_stdin(Session *s);
/* The exit status of execctl if it could not write output, after the error was printed; 0 if it could. */
int session_lost_output(const Session *s);
/* The status of execctl after the command has ended with this status. */
int session_pipes_status(const Session *s, int status);

/* From here on signals are ours to read. */
int session_begin(Session *s);
/* Joins our own stdin, stdout and stderr with the stream. */
void session_use_stream(Session *s);
/* Until the command has ended; returns its exit status or ours. */
int session_run(Session *s);
