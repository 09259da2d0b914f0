/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The slice of a container's execs: a child of the slice that the container itself is in, with the
 * container's limits and programs. systemd makes it together with the first scope. It is frozen while the
 * container is, follows the container's limits, and is stopped when it has been empty for a while, or when
 * the container has ended.
 */

#include <stdbool.h>
#include <systemd/sd-bus.h>

#include "base/list.h"
#include "base/refusal.h"
#include "spawner/cgroup-watch.h"
#include "spawner/freezer.h"
#include "spawner/limits-follower.h"
#include "spawner/slice-name.h"
#include "spawner/sub-slice.h"

typedef struct Slice Slice;

typedef enum SliceState {
        SLICE_UNKNOWN, /* systemd has not yet said which ones it has */
        SLICE_ABSENT,  /* the next scope makes it */
        SLICE_MAKING,  /* the first scope is under way */
        SLICE_ADOPTED, /* it was there before us, and is given the container's limits */
        SLICE_READY,
        SLICE_STOPPING,
} SliceState;

typedef struct SliceEvents {
        void (*on_usable)(void *userdata); /* scopes that wait for it may be made now */
        void (*on_unused)(void *userdata,
                          Slice *s); /* systemd does not have it, and no request waits for it */
} SliceEvents;

struct Slice {
        unsigned n_ref; /* one for the table, one for each scope that is being made */
        ListNode node;  /* of the table */
        sd_bus *bus;    /* weak; systemd's. NULL: the table is gone, and with it this object's use */
        const SliceEvents *events;
        void *userdata;
        SliceState state;
        char name[SLICE_NAME_SIZE];
        char digits[EXEC_ID_SIZE]; /* of the container's id */
        char *cgroup;
        Container *container;  /* owned reference; NULL while it is not known */
        bool is_ended;         /* the container is gone */
        bool is_verified;      /* its cgroup has the limits */
        Limits limits, wanted; /* those that it has, and those that the container has */
        uint64_t bare;         /* for device_policy_copy() */
        SubSlices subs;        /* those below it */
        LimitsFollower *follower;
        Freezer *freezer;
        CgroupWatch *watch; /* of its own cgroup */
        sd_event_source *timer;
        sd_bus_slot *slot;
};

Slice *slice_new(sd_bus *bus, const char *name, const char *digits, const SliceEvents *events,
                 void *userdata);
Slice *slice_ref(Slice *s);
Slice *slice_unref(Slice *s);
DEFINE_CLEANUP(Slice, slice_unref);

/* For the table. systemd is on another bus now; pending calls are sent again. */
void slice_move(Slice *s, sd_bus *bus);
/* It is about to free itself. */
void slice_detach(Slice *s);
void slice_set_container(Slice *s, Container *c);
/* As just read. */
void slice_set_limits(Slice *s, const Limits *limits);
/* systemd has it, against what we knew: it begins to be adopted, if its container is known. */
void slice_on_found(Slice *s);
/* Another client of systemd stops it. */
void slice_on_stopping(Slice *s);
/* A job of it has ended. */
void slice_on_job(Slice *s, const char *result);
/* systemd does not have it. */
void slice_on_gone(Slice *s);
void slice_on_container_gone(Slice *s);
/* Whether it still exists; its end may not have been reported yet. The caller has a reference. */
void slice_look(Slice *s);

/* A scope may be sent to systemd: it makes the slice (SLICE_ABSENT) or is in it (SLICE_READY). */
bool slice_is_usable(const Slice *s);
/* The call that makes it was sent; and how it ended. */
void slice_on_called(Slice *s);
void slice_on_made(Slice *s, bool ok);

/* Before a command runs in it: the scope (a cgroup) is in it, and its limits are the container's. */
int slice_verify(Slice *s, const char *scope, Refusal *reterr);
