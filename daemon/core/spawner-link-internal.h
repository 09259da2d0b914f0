/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Shared by spawner-link.c, which has the connections, and spawner-send.c, which has the calls under way. */

#include "base/list.h"
#include "core/spawner-call.h"

/* A connection. Calls go to the current one; another one waits for its last answers. */
typedef struct LinkBus {
        ListNode node;
        SpawnerLink *link; /* weak */
        sd_bus *bus;
        unsigned n_calls; /* that wait for an answer */
        uint64_t opened;  /* CLOCK_MONOTONIC */
        bool given_up;    /* the spawner has not accepted it in time */
} LinkBus;

struct SpawnerLink {
        sd_event *event; /* weak */
        char *socket_path;
        SpawnerLinkEvents events;
        void *userdata;
        LinkBus *current;
        List buses;     /* LinkBus, the current one among them */
        List own_calls; /* LinkCall, whose callers do not wait for answers */
        sd_event_source *timer;
        unsigned holds;
        uint64_t last_use; /* CLOCK_MONOTONIC */
        uint64_t idle_usec;
};

/*
 * A call under way. The slot of its first message is the handle that the caller has: when it goes, the call
 * goes. Sent again after a loss, it has another slot besides.
 */
typedef struct LinkCall {
        ListNode node;     /* in own_calls */
        SpawnerLink *link; /* weak: slots go before the link */
        LinkBus *bus;      /* weak; NULL once there is an answer */
        sd_bus_message *message;
        sd_bus_slot *own; /* the handle, if the caller has none */
        sd_bus_slot *again;
        int ticket; /* owned */
        bool once, has_fds;
        bool is_ping; /* the call only waits for the connection */
        unsigned tries;
        sd_bus_message_handler_t callback;
        void *userdata;
} LinkCall;

/* Looks at the connections at this time from now, if not before. */
void spawner_link_arm(SpawnerLink *l, uint64_t usec);
