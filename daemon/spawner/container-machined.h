/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The provider of systemd-machined's machines. It asks asynchronously, remembers machines while their
 * leaders live, and tells of those that come and go.
 */

#include <systemd/sd-bus.h>

#include "base/refusal.h"
#include "spawner/container.h"

typedef struct Machined Machined;

/* `bus`, `table` and `events` stay the caller's and must live as long. */
int machined_new(sd_bus *bus, ContainerTable *table, const ContainerEvents *events, void *userdata,
                 Machined **ret);
Machined *machined_free(Machined *m);
DEFINE_CLEANUP(Machined, machined_free);

bool machined_is_busy(const Machined *m);

/* Brings the table up to date, then calls back once; `refusal` says what failed, or is NULL. Never calls
 * back from within the call. The callback is not called any more after machined_cancel() with the same
 * userdata. */
typedef void (*MachinedRefreshed)(void *userdata, const Refusal *refusal);
int machined_refresh(Machined *m, MachinedRefreshed callback, void *userdata);

/* The same, but not before the machines that are starting are looked at again. -EAGAIN when none is waited
 * for. */
int machined_refresh_later(Machined *m, MachinedRefreshed callback, void *userdata);
void machined_cancel(Machined *m, void *userdata);

/* Why a machine of this name is not in the table, or false when it was not seen. */
int machined_why_not(const Machined *m, const char *name, Refusal *reterr);
