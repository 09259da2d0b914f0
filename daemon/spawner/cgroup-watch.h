/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Reads and watches cgroup.events of a cgroup: whether processes are in it, and whether it is frozen. */

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "base/cleanup.h"

typedef struct CgroupWatch CgroupWatch;

typedef struct CgroupEvents {
        bool is_populated, is_frozen;
        bool is_gone; /* the cgroup was removed; the last call */
} CgroupEvents;

/* The file, and its contents now. */
int cgroup_events_open(const char *cgroup);
int cgroup_events_read(int fd, CgroupEvents *ret);
/* 1, 0, or a negative errno where the kernel does not say. */
int cgroup_is_frozen(const char *cgroup);

typedef void (*CgroupChanged)(void *userdata, const CgroupEvents *now);

/* The callback comes from the loop, after each change; the watch may be freed in it. *ret_now is how it is
 * at the beginning. */
int cgroup_watch_new(sd_event *event, const char *cgroup, CgroupChanged callback, void *userdata,
                     CgroupWatch **ret, CgroupEvents *ret_now);
/* The current state. Changes until now are not reported. */
void cgroup_watch_read(const CgroupWatch *w, CgroupEvents *ret);
CgroupWatch *cgroup_watch_free(CgroupWatch *w);
DEFINE_CLEANUP(CgroupWatch, cgroup_watch_free);
