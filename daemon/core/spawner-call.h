/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Between spawner-link.c, which has the connections, spawner-send.c, which has the calls under way, and
 * spawner-call.c, which knows the methods. */

#include "core/spawner-link.h"
#include "wire/spawner-protocol.h"

/* The link's own answer to a start: the connection was lost, and the command may run. */
#define SPAWNER_ERROR_LOST "org.execd1.Spawner.StartLost"

/* The connection, made when there is none. */
int spawner_link_need(SpawnerLink *l, sd_bus **ret, Refusal *reterr);
/* It, or NULL. */
sd_bus *spawner_link_bus(const SpawnerLink *l);

typedef struct SpawnerCallOptions {
        sd_bus_message_handler_t callback; /* NULL: the answer is ignored */
        void *userdata;
        int ticket; /* taken over; a negative number for none */
        bool once;  /* a second time it would do something else */
        bool has_fds;
} SpawnerCallOptions;

/* spawner-send.c: sends it, and again should the spawner be restarted before it has answered. */
int spawner_link_call(SpawnerLink *l, sd_bus_message *m, const SpawnerCallOptions *o, sd_bus_slot **ret_slot,
                      Refusal *reterr);
