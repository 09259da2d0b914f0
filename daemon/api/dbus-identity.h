/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Who has sent a message, according to the bus. The answers of the bus can have a pidfd, and dbus-daemon rejects what it
 * would send to a connection that has many unread descriptors: few questions are asked at the same time, the others wait
 * in their order, and a question that was rejected is asked again.
 */

#include <systemd/sd-bus.h>

#include "base/cleanup.h"
#include "core/bus-watch.h"
#include "core/peer.h"

#define IDENTITIES_ASKED_MAX 16

typedef struct DbusIdentities DbusIdentities;
typedef struct DbusIdentity DbusIdentity;

/* All questions on one bus. Both are weak, and there may be no watch. NULL on lack of memory. */
DbusIdentities *dbus_identities_new(sd_bus *bus, BusWatch *watch);
/* After each question. */
DbusIdentities *dbus_identities_free(DbusIdentities *all);
DEFINE_CLEANUP(DbusIdentities, dbus_identities_free);

/* Calls back once, later, with a peer that is the callback's, or with NULL if the bus does not identify the sender.
 * Both the sender and the question are to be kept until then. The question may be freed from inside. */
typedef void (*DbusIdentified)(void *userdata, Peer *p);
int dbus_identity_new(DbusIdentities *all, const char *sender, DbusIdentified on_identified, void *userdata,
                      DbusIdentity **ret);
DbusIdentity *dbus_identity_free(DbusIdentity *i);
