/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The spawner: its listener, its connections (from execd, one as a rule), and what they share. It exits when
 * it has been without a connection for a while.
 */

#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "base/list.h"
#include "spawner/container-table.h"
#include "spawner/provider.h"
#include "spawner/scope.h"
#include "spawner/seccomp-filters.h"
#include "spawner/slices.h"

typedef struct SpawnerOptions {
        const char *runner; /* path of the static runner */
        uid_t peer_uid;     /* the user that may connect */
        bool allow_root;    /* root may, too; for tests */
        bool no_services;   /* services of the host are not containers */
        uint64_t idle_usec;
        const sd_bus_vtable *methods;
} SpawnerOptions;

#define STATUS_SIZE 64

typedef enum StatusState {
        STATUS_DUE, /* its timer runs */
        STATUS_SENT,
        STATUS_QUIET,
} StatusState;

typedef struct Spawner {
        SpawnerOptions options;
        sd_event *event;
        sd_bus *bus;                              /* the system's */
        sd_bus *systemd;                          /* PID 1's own, or NULL */
        sd_event_source *listener, *idle, *leave; /* the last while we are about to exit */
        sd_event_source *status;                  /* the timer of the line below */
        char status_text[STATUS_SIZE];
        StatusState status_state;
        ContainerTable containers;
        Providers *providers;
        Slices *slices;
        ScopeManager *scopes;
        List connections;  /* Connection */
        List launches;     /* Launch */
        size_t n_prepared; /* of these: how many runners have forked before their order */
        List listings;     /* of processes.c */
        List checks;       /* of user-check.c: those under way, and those that wait */
        List waiting_checks;
} Spawner;

/* `listen_fd` becomes the spawner's. */
int spawner_new(const SpawnerOptions *options, int listen_fd, Spawner **ret);
Spawner *spawner_free(Spawner *s);
DEFINE_CLEANUP(Spawner, spawner_free);

int spawner_run(Spawner *s);
