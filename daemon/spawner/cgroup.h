/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The unified cgroup hierarchy, and the processes of a cgroup. Paths are as /proc/PID/cgroup has them. */

#include <stdbool.h>
#include <sys/types.h>

/* A directory fd of a cgroup. */
int cgroup_open(const char *path);
/* How many cgroups are directly in it; a negative errno where there is no cgroup of that name. */
int cgroup_count_children(const char *path);
/* In a child that has closed all descriptors. */
void cgroup_forget_root(void);

/* The path of a process's cgroup; owned. -ESRCH when there is no such process. */
int cgroup_of(pid_t pid, char **ret);

/* The path of a process's cgroup up to the component `unit`; owned. -ENOENT when it does not lie in one. */
int cgroup_of_unit(pid_t pid, const char *unit, char **ret);

/* Calls back for each process in a cgroup and below it. */
typedef int (*CgroupProcess)(pid_t pid, void *userdata);
int cgroup_foreach_process(const char *path, CgroupProcess callback, void *userdata);
