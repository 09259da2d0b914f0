/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The sender of a message, according to the bus. An answer of the bus can contain a pidfd, and dbus-daemon rejects answers
 * to a connection that has many unread descriptors. Therefore few questions are pending at the same time, the others wait
 * in their order, and a question whose answer was rejected is sent again. The calls that one sender makes meanwhile share a
 * question, and go on in turn with those of others.
 */

#include <stdbool.h>
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

/* Calls back once, later, with a reference to the peer, or with NULL if the bus does not identify the sender. The object
 * is the caller's to free, at any time. `size` is what the call has in memory. */
typedef void (*DbusIdentified)(void *userdata, Peer *p);
int dbus_identity_new(DbusIdentities *all, const char *sender, size_t size, DbusIdentified on_identified,
                      void *userdata, DbusIdentity **ret);
DbusIdentity *dbus_identity_free(DbusIdentity *i);

/* Of all that have not been called back, the userdata of the newest one of the sender that has most of them, or of their
 * bytes. NULL if this one, which is to have one more of so many bytes, would have as much. */
void *dbus_identities_most(const DbusIdentities *all, const char *sender, size_t size, bool by_size);
