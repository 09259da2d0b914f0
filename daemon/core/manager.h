/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The daemon's one object: owns all execs, the link to the spawner, the log of events, and decides when
 * there is nothing left to do.
 */

#include <systemd/sd-event.h>

#include "base/time.h"
#include "core/budget.h"
#include "core/bus-watch.h"
#include "core/config.h"
#include "core/denials.h"
#include "core/exec.h"
#include "core/helper.h"
#include "core/journal-reader.h"
#include "core/polkit.h"
#include "core/recurrence.h"
#include "core/shutdown.h"
#include "core/spare-runners.h"
#include "core/think-time.h"

#define EXEC_BUCKETS 1024

typedef struct Manager Manager;

typedef enum ManagerEvent {
        MANAGER_EXEC_NEW,
        MANAGER_EXEC_CHANGED, /* its state */
        MANAGER_EXEC_CLIENTS, /* the clients attached to it */
        MANAGER_EXEC_REMOVED,
} ManagerEvent;

struct Manager {
        sd_event *event;
        ManagerConfig config;
        Budget execs_budget; /* execs that have not ended */
        Budget connections_budget;
        Budget calls_budget;    /* calls over D-Bus */
        Budget authz_budget;    /* questions to polkit under way */
        ThinkTimes think_times; /* of clients over HTTP */
        Budget memory_budget;   /* bytes of requests, of answers, and of execs that have not ended */
        Budget outputs_budget;  /* bytes of rings of output */
        Budget parked_budget;   /* execs that have a runner ready */
        SpawnerLink *spawner;
        ContainersSeen seen;
        sd_bus *bus; /* the system bus, for polkit and for our own interface; NULL when there is none */
        BusWatch *bus_watch;    /* of that bus */
        Polkit *polkit;         /* on it */
        CallerWatches *callers; /* the same */
        JournalReader journal_reader;
        EventLog *events;
        HelperPool *helpers;
        Recorder *recorder;
        JournalQueue *journal; /* records of actions, on their way */
        Denials *denials;
        Exec *buckets[EXEC_BUCKETS];
        List execs; /* by creation */
        void (*read_saved)(
                Manager *m); /* of execs that had ended when execd was last here; NULL: they are there */
        List created;        /* of these, the ones not started yet, by creation */
        List flushing;       /* execs that have ended and still have clients */
        List ended;          /* ended execs that can still be inspected, by their end */
        List outputs;        /* of the latter, the ones with output */
        size_t kept_output;
        size_t n_live;
        size_t n_ended;
        size_t ended_size; /* bytes of these */
        SlotPool *slots;
        ExecEnv exec_env; /* the part of the above that execs use */
        SpareRunners *spares;
        unsigned busy; /* requests and streams under way: no exit */
        uint64_t last_busy;
        Recurrence recurrence;
        sd_event_source *collect_source;
        sd_event_source *collect_timer;
        sd_event_source *idle_timer;
        Shutdown *shutdown;
        /* NULL: there is no observer */
        void (*on_exec_changed)(void *userdata, Exec *e, ManagerEvent event);
        void *on_exec_changed_userdata;
};

/* Takes ownership of the contents of the configuration, also on failure. */
int manager_new(ManagerConfig *config, Manager **ret);
Manager *manager_free(Manager *m);
DEFINE_CLEANUP(Manager, manager_free);

/* Another configuration, taken over. It applies to later requests; requests in progress continue as they
 * began. */
void manager_reconfigure(Manager *m, ManagerConfig *config);

/* Counted: while anything is busy, execd stays. */
void manager_busy_begin(Manager *m);
void manager_busy_end(Manager *m);

/* manager-execs.c */

Exec *manager_find_exec(Manager *m, const char *id);
/* All of them, by creation. */
const List *manager_all_execs(Manager *m);
/* Checks the limits for one more exec of this caller, which takes so many bytes. */
int manager_may_create(Manager *m, const Peer *creator, size_t size, Refusal *reterr);
/* Counts it as its creator's, until it has ended or this is taken back. */
void manager_count_exec(Manager *m, Exec *e);
void manager_uncount_exec(Manager *m, Exec *e);
/* From here on it can be found. The manager has a reference of its own. */
void manager_link_exec(Manager *m, Exec *e);
/* The manager's reference is the caller's. */
void manager_unlink_exec(Manager *m, Exec *e);
bool manager_may_park(const Manager *m, uid_t uid);

/* No exec is between two states. */
bool manager_execs_are_settled(void *userdata);

/* Looks for expired execs soon. */
void manager_queue_collect(Manager *m);

/* Before the end of execd: running execs stay in their slots, and so does the output of ended ones that their clients
 * have not read yet; see `persistence` of each. */
void manager_leave_execs(Manager *m);

/* For manager_new() and manager_free(). */
int manager_execs_init(Manager *m);
void manager_execs_done(Manager *m);
