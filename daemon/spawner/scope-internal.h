/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The members of a scope and of the manager of all scopes, for scope.c. */

#include <systemd/sd-event.h>

#include "base/list.h"
#include "spawner/scope-describe.h"
#include "spawner/scope.h"
#include "spawner/systemd-link.h"

typedef enum ScopeState {
        SCOPE_QUEUED,
        SCOPE_CALLED, /* in flight: the call, and then its job */
        SCOPE_DONE,
} ScopeState;

struct Scope {
        ScopeManager *manager; /* weak */
        ListNode node;         /* of queued or of in_flight */
        ScopeState state;
        uid_t caller; /* for whom it is */
        char name[EXEC_UNIT_SIZE];
        sd_bus_message *message; /* owned; may be sent several times */
        sd_bus_slot *slot;
        sd_event_source *timeout, *again;
        pid_t runner_pid;
        uint64_t called;              /* CLOCK_MONOTONIC */
        bool is_stopping, is_stopped; /* the one that has the name */
        ScopeReady callback;          /* NULL: an orphan, which has the runner */
        void *userdata;
        Runner runner;
        Slice *slice;  /* owned reference */
        SubSlice *sub; /* weak: the one below it that the scope is in; NULL: none */
        bool makes_slice;
        bool is_bound; /* to a service */
};

struct ScopeManager {
        sd_bus *bus;     /* weak */
        sd_event *event; /* weak */
        SystemdLink link;
        List queued, in_flight;
        ScopeDescriptions descriptions;
        unsigned n_in_flight;
};
