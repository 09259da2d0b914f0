/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The daemon's one object: owns all execs, the link to the spawner, the log of events, and decides when
 * there is nothing left to do.
 */

#include <systemd/sd-event.h>

#include "base/time.h"
#include "core/budget.h"
#include "core/config.h"
#include "core/event-log.h"
#include "core/exec.h"
#include "core/journal-queue.h"
#include "core/polkit.h"
#include "core/recording-store.h"
#include "core/shutdown.h"
#include "core/spare-runners.h"
#include "core/spawner-link.h"
#include "core/think-time.h"

#define EXEC_BUCKETS 1024

typedef enum ManagerEvent {
        MANAGER_EXEC_NEW,
        MANAGER_EXEC_CHANGED, /* its state */
        MANAGER_EXEC_REMOVED,
} ManagerEvent;

typedef struct FdStore FdStore;

struct Manager {
        sd_event *event;
        ManagerConfig config;
        Budget execs_budget; /* execs that have not ended */
        Budget connections_budget;
        Budget calls_budget;    /* calls over D-Bus */
        Budget authz_budget;    /* questions to polkit under way */
        ThinkTimes think_times; /* of clients over HTTP */
        Budget memory_budget;   /* bytes of requests, of answers, and of execs that have not ended */
        SpawnerLink *spawner;
        sd_bus *bus;    /* the system bus, for polkit and for our own interface; NULL when there is none */
        Polkit *polkit; /* on that bus */
        EventLog *events;
        RecordingStore *recordings;
        JournalQueue *journal; /* records of who did what, on their way */
        Exec *buckets[EXEC_BUCKETS];
        List execs; /* by creation */
        size_t n_live;
        size_t n_ended;
        size_t ended_size; /* bytes of these */
        size_t n_parked;
        SlotPool *slots;
        SpareRunner spares[SPARES];
        SpareRequest spare_requests[SPARES];
        sd_event_source *spare_timer;
        unsigned busy; /* requests and streams under way: no exit */
        uint64_t last_busy;
        sd_event_source *collect_source;
        sd_event_source *collect_timer;
        sd_event_source *idle_timer;
        Shutdown shutdown;
        void (*on_exec_changed)(Manager *m, const Exec *e, ManagerEvent event); /* NULL: nobody is told */
};

/* What is in the configuration is taken over, also on failure. */
int manager_new(ManagerConfig *config, Manager **ret);
Manager *manager_free(Manager *m);
DEFINE_CLEANUP(Manager, manager_free);

/* Another configuration, taken over. What it says holds for what comes; what is under way goes on as it was.
 */
void manager_reconfigure(Manager *m, ManagerConfig *config);

Exec *manager_find_exec(Manager *m, const char *id);
/* Checks the limits for one more exec of this caller, which takes so many bytes. */
int manager_may_create(Manager *m, const Peer *creator, size_t size, Refusal *reterr);
/* Counts it as its creator's until it has ended. */
void manager_count_exec(Manager *m, Exec *e);
void manager_uncount_exec(Manager *m, Exec *e);
/* It has ended, and is one of those that are remembered. */
void manager_count_ended(Manager *m, Exec *e);
void manager_link_exec(Manager *m, Exec *e);
void manager_unlink_exec(Manager *m, Exec *e);
bool manager_may_park(const Manager *m);
void manager_tell(Manager *m, const Exec *e, ManagerEvent event);
void manager_queue_collect(Manager *m);

/* Counted: while anything is busy, execd stays. */
void manager_busy_begin(Manager *m);
void manager_busy_end(Manager *m);

/* Remembers ended execs across an exit on idle (state-file.c). */
int state_file_save(Manager *m);
/* With what their clients have not read yet (core/fdstore). */
int state_file_load(Manager *m, FdStore *h);
