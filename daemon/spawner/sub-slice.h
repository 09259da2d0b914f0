/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * For each new unit in a slice, systemd looks at all others there. The scopes of a container with many execs
 * are therefore spread over slices below its slice. These have no properties: limits, device policy and
 * freezing apply to the slice above. Each is stopped when it has been empty for a while.
 */

#include <stdbool.h>
#include <systemd/sd-bus.h>

#include "base/cleanup.h"
#include "base/list.h"
#include "spawner/cgroup-watch.h"
#include "spawner/slice-name.h"

#define SUB_SLICE_SCOPES 32  /* in a slice; so few cost systemd as much as none */
#define SUB_SLICES_MAX   256 /* more scopes than all execs may have */

typedef struct SubSlices {
        sd_bus *bus;               /* weak; systemd's. NULL: none is followed */
        const char *name, *cgroup; /* weak: of the slice above */
        List list;
        unsigned n_listed;
        unsigned n_making; /* scopes that are being made in the slice above itself */
} SubSlices;

typedef struct SubSlice {
        ListNode node;
        SubSlices *all; /* weak */
        unsigned number;
        unsigned n_making; /* scopes that are being made in it */
        bool is_sent;      /* systemd has been asked to make it */
        bool is_stopping;
        char name[SLICE_NAME_SIZE];
        char *cgroup;
        CgroupWatch *watch;
        sd_event_source *timer;
        sd_bus_slot *slot;
} SubSlice;

/* The slice above is there: those in it are known again, as they are after a restart. */
int sub_slices_find(SubSlices *all);
/* The slice above is no longer there, or not followed. */
void sub_slices_forget(SubSlices *all);
/* Another bus takes its place. */
void sub_slices_move(SubSlices *all, sd_bus *bus);
/* The job of a unit has ended. */
void sub_slices_on_job(SubSlices *all, const char *unit, const char *result);

/* Where the next scope is made: NULL: in the slice above itself. */
SubSlice *sub_slices_take(SubSlices *all);
/* It has been made, or not. */
void sub_slices_give(SubSlices *all, SubSlice *sub);
