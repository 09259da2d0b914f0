/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Texts that the kernel writes in /proc, as structures. Pure. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cleanup.h"

#define PROC_ID_INVALID   UINT32_MAX
#define PROC_N_RLIMITS    16
#define PROC_MAPPINGS_MAX 340 /* the maximum of the kernel */

typedef struct ProcStatus {
        char state; /* 'R', 'S', 'Z', … */
        int32_t ppid;
        int32_t ns_pid;            /* in the innermost pid namespace */
        uint32_t n_pid_namespaces; /* that it is in, from ours on */
        uint32_t uid, gid;         /* effective */
        bool ids_differ;           /* the real, effective, saved and file system ids are not all the same */
        uint32_t umask;
        uint64_t cap_inheritable, cap_permitted, cap_effective, cap_bounding, cap_ambient;
        bool no_new_privs;
        uint32_t seccomp_mode;
        uint32_t seccomp_filters; /* UINT32_MAX where the kernel does not say */
} ProcStatus;

/* -EBADMSG when a field that every kernel has is missing or odd. */
int proc_status_parse(const char *text, ProcStatus *ret);

typedef struct IdMapping {
        uint32_t inside, outside, count;
} IdMapping;

/* uid_map or gid_map: at most `max` mappings. Returns their number. */
int proc_id_map_parse(const char *text, IdMapping *ret, size_t max);
uint32_t id_map_to_inside(const IdMapping *map, size_t n, uint32_t outside);
uint32_t id_map_to_outside(const IdMapping *map, size_t n, uint32_t inside);

/* Whether all ids in a /proc/PID/status are mapped: of its user, its group, and if so wished its
 * supplementary groups. False for a text that has not all of them. */
bool proc_status_ids_are_mapped(const char *text, const IdMapping *uids, size_t n_uids,
                                const IdMapping *gids, size_t n_gids, bool with_groups);

/* The supplementary groups of a /proc/PID/status; owned. */
int proc_status_groups(const char *text, uint32_t **ret, size_t *ret_n);

/* The path of the unified hierarchy in /proc/PID/cgroup; owned. -ENODATA when there is none. */
int proc_cgroup_parse(const char *text, char **ret);

/* The slice that a cgroup path lies in ("/a.slice/a-b.slice/c.service/d" gives "a-b.slice"), and its unit
 * ("c.service"); owned. "-.slice" for a path outside of slices, -ENODATA where there is no unit. */
int cgroup_path_slice(const char *path, char **ret);
int cgroup_path_unit(const char *path, char **ret);

/* Whether it is in the control group of a unit, with slices above it and nothing else: processes in that unit
 * choose names further down. `init` is the path of PID 1. systemd puts a '_' before a name that the kernel
 * could take for its own. */
bool cgroup_path_is_in_unit(const char *path, const char *init, const char *unit);

/* The path of the slice itself ("/" when there is none), and of the unit in it ("/a.slice/c.service");
 * owned. */
int cgroup_path_split(const char *path, char **ret_slice, char **ret_own);

/* /proc/PID/limits: pairs of soft and hard, UINT64_MAX for unlimited. */
int proc_limits_parse(const char *text, uint64_t ret[PROC_N_RLIMITS][2]);

/* A file that is one number, in this base: timerslack_ns, personality, coredump_filter. */
int proc_number_parse(const char *text, int base, uint64_t max, uint64_t *ret);

/* A label of attr/current: without a newline or NUL at its end. An AppArmor profile without its mode; NULL
 * for "unconfined". */
int proc_label_parse(const char *text, char **ret);
int proc_apparmor_parse(const char *text, char **ret);

/* argv, with bytes that cannot be in a string made visible. */
int proc_cmdline_parse(const char *data, size_t size, char ***ret);

/* The fields of /proc/PID/stat that ps shows. */
typedef struct ProcStat {
        char comm[64];
        char state;
        int32_t ppid, pgrp, session;
        int32_t tty_pgrp; /* in the foreground of its tty; -1: none */
        uint32_t tty;
        uint64_t vsize, rss; /* bytes, pages */
        int32_t priority;
        uint64_t utime, stime, start_time; /* in ticks */
        bool exiting;                      /* on its way to be a zombie: parts of it are gone already */
        bool unexecuted;                   /* forked, and has not executed anything since */
        int32_t nice, policy, rt_priority;
        uint32_t threads;
} ProcStat;

int proc_stat_parse(const char *text, ProcStat *ret);
