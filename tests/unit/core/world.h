/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The surroundings of execs, without systemd, bus or spawner process: a manager made by hand, a journal
 * that is a socket of the test, and a spawner that is the test itself. The spawner's side writes each call
 * down and answers when the test says so, so that a test decides on the order of events.
 */

#include <systemd/sd-bus.h>

#include "core/fdstore.h"
#include "core/manager.h"
#include "unit/need.h"
#include "unit/test.h"

typedef struct World {
        char dir[64]; /* for sockets and files; removed at the end */
        sd_event *event;
        Manager manager;
        int journal; /* where records arrive; blocked until world_open_journal(), if it was made so */
        int notify;  /* where systemd gets messages about slots */
        int listener;
        sd_event_source *accept_source;
        sd_bus *spawner;     /* the spawner's end; NULL before execd has connected */
        sd_bus *earlier[16]; /* connections before this one */
        unsigned n_connections;
        char calls[8192];         /* "Prepare 0123456789ab park\n", one a line */
        sd_bus_message *pending;  /* the newest call that is not answered; owned */
        sd_bus *bus;              /* the other end of the manager's bus, once there is one */
        sd_bus_message *question; /* the newest to polkit; owned */
        unsigned n_questions, n_cancelled;
        ContainerInfo *container;
        Peer *root; /* who is always authorized */
} World;

World *world_new(void);
World *world_free(World *w);
DEFINE_CLEANUP(World, world_free);

/* Runs the loop until the condition holds, and gives up after a minute. */
#define WORLD_UNTIL(w, condition)                                                 \
        do {                                                                      \
                uint64_t end_ = now_usec(CLOCK_MONOTONIC) + 60 * USEC_PER_SEC;    \
                while (!(condition) && now_usec(CLOCK_MONOTONIC) < end_)          \
                        NEED(sd_event_run((w)->event, 100 * USEC_PER_MSEC) >= 0); \
                NEED(condition);                                                  \
        } while (0)

/* Runs what is ready now, and what that makes ready. */
void world_settle(World *w);

/* With an argv of these, which end with NULL; all streams attached. Owned by the caller. */
ExecRequest *world_request(const char *first, ...) __attribute__((sentinel));

/* A container of another run, or by another name. Owned by the caller. */
ContainerInfo *world_container(const World *w, const char *name, uint64_t leader_start);

/* Whether the spawner was called so; `text` is the beginning of a line of `calls`. */
bool world_was_called(const World *w, const char *text);
unsigned world_count_calls(const World *w, const char *text);

/* Answers the newest call. */
void world_answer(World *w);
void world_answer_container(World *w, const ContainerInfo *c);
void world_answer_error(World *w, const char *kind, const char *text);

/* The spawner is killed, or says that it exits: execd connects anew for the next call. */
void world_lose_spawner(World *w);
void world_retire_spawner(World *w);
/* As the spawner does right before it releases the command of the newest Start. */
void world_use_ticket(World *w);

/* From now on the manager has a bus, on which the test is polkit, and the bus itself. */
void world_open_bus(World *w);
/* polkit's verdict on the newest question. */
void world_judge(World *w, bool authorized, bool challenge);

/* The runner's and the command's ends of what Start was answered with. */
typedef struct Command {
        int control, in, out, err; /* owned; for a tty `out` is the other side of the terminal */
} Command;

void world_answer_start(World *w, const Exec *e, Command *ret);
/* The runner's last word. */
void command_report(Command *c, int wait_status);
void command_close_output(Command *c);
void command_done(Command *c);

/* The next record of the journal as text, "" when there is none. */
const char *world_record(World *w);
/* Skips records up to one that has this. */
bool world_find_record(World *w, const char *text);

/* Nothing is read from the journal, and its queue is full: records wait. Then again. */
void world_stop_journal(World *w);
void world_open_journal(World *w);

/* The descriptors that systemd keeps, as it passes them to the next execd. */
void world_take_stored(World *w, FdStore *ret);

/* A client of a stream: its end of the socket. */
int world_attach(Exec *e, bool primary);
/* All that it was sent so far; *ret_end is true when no more comes. */
const char *client_read(int fd, bool *ret_end);
