/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One exec: a command that was asked for, from its creation to a while after its end.
 *
 *   CREATED ─start→ STARTING ─released→ RUNNING ─exit→ DRAINING ─all output→ EXITED
 *                       └─ error → FAILED
 *
 *   state     armed                                                      who may
 *   CREATED   expiry timer; perhaps a Prepare call                       start
 *   STARTING  Start call; clients may already be attached                attach
 *   RUNNING   control socket, streams                                    attach, resize, kill
 *   DRAINING  streams, drain timer; the exit status is known             attach
 *   EXITED, FAILED  expiry timer                                         look
 *
 * Events arrive in any order: each handler records its fact, then exec_advance() decides. exec_set_state()
 * is the only writer of the state. An exec is freed by the manager's collector only.
 */

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "base/list.h"
#include "core/budget.h"
#include "core/caller-watch.h"
#include "core/config.h"
#include "core/container-info.h"
#include "core/event-log.h"
#include "core/journal-queue.h"
#include "core/peer.h"
#include "core/recording.h"
#include "core/spawner-link.h"
#include "core/stream.h"
#include "wire/exec-id.h"
#include "wire/exec-request.h"

#define EXEC_COMMAND_LINE_MAX 4096
#define EXEC_CLIENTS_MAX      32 /* attached to one exec at the same time: each is a file descriptor */

typedef struct Exec Exec;
typedef struct ExecEnv ExecEnv;
typedef struct ExecWatch ExecWatch;

typedef enum ExecState {
        EXEC_CREATED,
        EXEC_STARTING,
        EXEC_RUNNING,
        EXEC_DRAINING,
        EXEC_EXITED,
        EXEC_FAILED,
        _EXEC_STATE_MAX,
} ExecState;

const char *exec_state_to_string(ExecState s); /* "created", "running", …: DRAINING is "exited" to clients */

/* Of which execd it is. */
typedef enum ExecPersistence {
        EXEC_OF_NOW,
        EXEC_RESTORED, /* from before execd was last started */
        EXEC_STORED,   /* left to the next start, with its descriptors */
} ExecPersistence;

/* Told after each change of state, until removed. May remove itself from inside its callback. */
struct ExecWatch {
        ListNode node;
        Exec *exec; /* weak: the watch must be removed before its reference goes */
        void (*callback)(ExecWatch *w, Exec *e);
};

/* The owner of the exec is informed before and after all observers. */
typedef struct ExecEvents {
        /* The state is another one. At the end this comes before any client can see that it has ended. */
        void (*on_change)(void *userdata, Exec *e, ExecState old);
        /* After all observers and clients have been informed. */
        void (*on_settled)(void *userdata, Exec *e);
        /* Others are attached to it, or another one has its input; may be NULL. */
        void (*on_clients)(void *userdata, Exec *e);
} ExecEvents;

/* The environment of execs, as weak references. The manager creates one for all of its execs. */
struct ExecEnv {
        sd_event *event;
        CallerWatches *callers; /* NULL when there is no bus */
        SpawnerLink *spawner;
        JournalQueue *journal;
        EventLog *event_log;
        Recorder *recorder;
        SlotPool *slots;
        Budget *outputs;             /* bytes of rings; NULL: they are not counted */
        Budget *parked;              /* execs that have a runner ready; NULL likewise */
        const ManagerConfig *config; /* its values may change */
        const ExecEvents *events;
        void *userdata;
};

struct Exec {
        unsigned n_ref;
        ExecEnv *env;  /* weak */
        ListNode node; /* in the manager's list, oldest first */
        List *queue;   /* of the manager, in which it waits for its next step; NULL: in none */
        ListNode queue_node, output_node;
        size_t ring_charge; /* bytes of its ring, as its creator was charged with while it may grow */
        size_t kept_output; /* bytes of its ring that count, once it is in the list of these */
        Exec *hash_next;
        char id[EXEC_ID_SIZE];
        char unit[EXEC_UNIT_SIZE];
        ExecState state;
        ExecPersistence persistence;
        ExecRequest *request; /* owned */
        ContainerInfo *container;
        Peer *creator;
        Peer *starter; /* NULL before the start */
        char *command_line;
        char **warnings; /* of limits that the kernel does not enforce; NULL: none */

        uint64_t created_usec, started_usec, finished_usec; /* CLOCK_REALTIME, for display */
        /* CLOCK_MONOTONIC, for all decisions, since the other clock may be set. Asked for is the start.
         */
        uint64_t created_monotonic, asked_monotonic, started_monotonic, ended_monotonic;
        uint64_t answered_monotonic; /* when its creator got the answer; 0: unknown */

        JournalRecord *record; /* of the start, while it is not written */
        sd_bus_slot *prepare_slot, *start_slot, *kill_slot;
        int control_fd, pidfd; /* owned */
        /* Owned: the caller's fds for 0, 1 and 2, until the start; with `piped` the caller's ends of the
         * pipes that execd made, once the command runs; else negative. */
        int stdio[3];
        bool piped;      /* the caller gets the ends of the command's pipes, and nothing passes through us */
        bool one_output; /* of these: one pipe for stdout and stderr */
        CallerWatch *
                caller; /* OnDisconnect applies when it leaves the bus; NULL if a stream shows the end of the
                         * client */
        sd_event_source *leader_source, *control_source, *drain_timer;
        pid_t pid;
        Stream *stream;
        Slot *slot; /* its state for the next execd; NULL when it has not run, and after its end */
        ConsoleSize start_size;
        bool detached;        /* started without a client: its output goes to the journal */
        Recording *recording; /* while it is recorded, and until that is on the disk */
        void (*recording_closed)(Exec *e);
        char *recording_path; /* of its recording, which may have been removed; NULL: there never was one */
        bool logging;         /* the runner writes the output there */
        bool log_ended;       /* and has written all of it */
        bool parked;          /* the spawner was asked to hold a runner ready */
        bool client_gone;     /* and OnDisconnect is still to be applied */
        bool client_lost;     /* execd crashed, and the client that started it lost its connection */
        bool exit_known;
        bool output_ended;
        bool timed_out;  /* RuntimeMaxSec ended it, according to the time */
        bool counted;    /* among its creator's that have not ended */
        bool linked;     /* the manager has it; not before its caller was found to be allowed */
        bool hidden;     /* its container has stopped and it never ran: it can no longer be found */
        size_t size;     /* as its creator, or what is kept of ended ones, was charged with */
        int wait_status; /* of waitpid(2), once exit_known */
        int exit_code;   /* as clients get it; valid in EXITED, FAILED, DRAINING */
        RefusalKind failure_kind;
        char *failure; /* why it never ran */
        List watches;
};

/* A new id, as text. */
int exec_make_id(char id[static EXEC_ID_SIZE]);

/* With the id of a runner that is ready for it, or NULL. The request is taken on success. */
int exec_new(ExecEnv *env, ContainerInfo *c, Peer *creator, ExecRequest *request, const char *ready_id,
             Exec **ret);
/* Bytes that it takes, without its output. */
size_t exec_size(const Exec *e);
Exec *exec_ref(Exec *e);
Exec *exec_unref(Exec *e);
DEFINE_CLEANUP(Exec, exec_unref);

void exec_watch(Exec *e, ExecWatch *w, void (*callback)(ExecWatch *, Exec *));
void exec_unwatch(ExecWatch *w);

int exec_resize(Exec *e, uint16_t rows, uint16_t columns, Refusal *reterr);

/* Signals the command, or all in its scope. The answer goes to callback (which may be NULL). */
int exec_kill(Exec *e, int signal_number, bool all, sd_bus_message_handler_t callback, void *userdata,
              sd_bus_slot **ret_slot, Refusal *reterr);

static inline bool exec_has_ended(const Exec *e)
{
        return e->state == EXEC_EXITED || e->state == EXEC_FAILED;
}

static inline bool exec_is_running(const Exec *e)
{
        return e->state == EXEC_RUNNING;
}

/* The state as clients see it: "running" from the moment that a start was accepted, as with Docker, and
 * ended as soon as the exit status is known. */
const char *exec_status_name(const Exec *e);
/* Whether clients may see this one. */
bool exec_status_exists(const char *name);

/* For the manager, when the container has gone. */
void exec_container_gone(Exec *e);

/* Has it end with the first process of its container, if the container's pidfd is there. */
int exec_watch_leader(Exec *e);

/* Tells those who follow the events: an action, or "VERB: command line" in Docker's form. */
void exec_tell(Exec *e, const char *action);
void exec_tell_command(Exec *e, const char *verb);
