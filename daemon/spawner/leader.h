/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The leader of a container: the kernel's data on the process that represents it. Found once by its pid
 * and from then on only known by a pidfd and a directory of /proc that were seen to be the same process.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/refusal.h"
#include "spawner/leader-facts.h"
#include "spawner/leader-wait.h"
#include "wire/runner-spec.h"

typedef struct LeaderPicture LeaderPicture;

/* Seccomp filters (seccomp-filters.h reads them). */
typedef struct LeaderFilters {
        RunnerFilter items[RUNNER_FILTERS_MAX]; /* oldest first; point into data */
        uint32_t n;
        char *data; /* owned */
} LeaderFilters;

LeaderFilters *leader_filters_free(LeaderFilters *f);
DEFINE_CLEANUP(LeaderFilters, leader_filters_free);

typedef struct Leader {
        unsigned n_ref;
        pid_t pid;
        int pidfd;   /* owned */
        int proc_fd; /* owned: /proc/PID */
        uint64_t start_time;
        bool is_machine;          /* registered by anything: its root directory has to be looked at */
        char *unit_cgroup;        /* owned: of the service whose main process it is; NULL for others */
        LeaderFacts found;        /* as they were when the container was found: the ceiling of every exec */
        NamespaceSet *namespaces; /* owned reference: of `found`, open from its first exec on, or NULL */
        LeaderFilters *filters;   /* owned: as read last, or NULL */
        LeaderWaits *filters_waits; /* weak: they are being read (seccomp-filters.h) */
        int filters_error;          /* why they could not be read, and not before when it is tried again */
        uint64_t filters_again;     /* CLOCK_MONOTONIC */
        bool is_memory_known;       /* the next two were read (leader-memory.h) */
        char **command;             /* owned; NULL: none, or too long */
        uint32_t personality;
        LeaderWaits *memory_waits; /* weak: they are being read */
        int memory_error;          /* why they could not be read, and not before when it is tried again */
        uint64_t memory_again;     /* CLOCK_MONOTONIC */
        LeaderPicture *picture;    /* weak: of now, for the exec that is being started (leader-picture.h) */
        uint64_t picture_again;    /* CLOCK_MONOTONIC: the leader is left alone until then */
        unsigned n_strikes;        /* how often it has kept a scout waiting */
        unsigned n_stuck;          /* readers (reader.h) that hang in reads of its container */
        unsigned n_hanging;        /* processes of ours that hang in its container (hanging.h) */
} Leader;

/* The provider's knowledge about when a process becomes the container's. */
typedef struct LeaderCheck {
        int (*check)(const Leader *l, int fd, uint64_t start_time, Refusal *reterr);
        int fd; /* weak */
        uint64_t start_time;
} LeaderCheck;

/* Opens a process as leader, and waits for it if it is in execve(2): for a scout (leader-look.h). Refuses a process
 * that shares the host's mount or pid namespace, one that has left the user namespace it was made in, and one that has
 * not yet executed anything of its own (-EAGAIN): it still is its parent's program. `started` may be NULL; it is asked
 * before anything is remembered. */
int leader_open(pid_t pid, const LeaderCheck *started, Leader **ret, Refusal *reterr);
/* The same for a process that was registered with systemd-machined. With nspawn it may be a stub that has the
 * container's payload as its child. */
int leader_open_machine(pid_t pid, Leader **ret, Refusal *reterr);

/* The main process of a service, which may share any namespace with the host, and is in the control group
 * of its unit or below. -EAGAIN while it is systemd's own program, which sets the service up. */
int leader_open_service(pid_t pid, const char *unit_cgroup, Leader **ret, Refusal *reterr);
bool leader_is_service(const Leader *l);

Leader *leader_ref(Leader *l);
Leader *leader_unref(Leader *l);
DEFINE_CLEANUP(Leader, leader_unref);

bool leader_is_alive(const Leader *l);
/* Its namespaces end with it, even if a start still has a reference. */
void leader_close_namespaces(Leader *l);
/* Puts an error of reading one that lives into words, where there are none yet. */
int leader_explain(const Leader *l, int error, Refusal *reterr);

/* leader-template.c: fills the half of a spec that describes the leader from its picture, which must be there, and
 * returns the namespaces that the runner joins. All of it is read anew, but for filters, which can only be added to and
 * are read again when their number has changed: -EINPROGRESS, see leader_wait(). Nothing exceeds what the container had
 * when it was found; a leader that has left its namespaces is refused. */
int leader_fill_spec(Leader *l, RunnerSpec *spec, NamespaceSet **ret_namespaces, Refusal *reterr);
/* Attributes that do not confine but survive execve(2): I/O priority, personality, core filter. -EINPROGRESS
 * when the personality is being read, see leader_wait(). */
int leader_fill_inherited(Leader *l, RunnerSpec *spec, Refusal *reterr);

/* Outside id of the user namespace's root, for objects that are made outside and used inside. */
int leader_root_ids(const Leader *l, uid_t *ret_uid, gid_t *ret_gid);

int leader_cgroup(const Leader *l, char **ret);
/* The name of the program alone, which is the kernel's: the command line is in the memory of the process. */
int leader_comm(const Leader *l, char ***ret);
int leader_uid(const Leader *l, uid_t *ret);
/* Refuses the main process of a service that is no longer in the unit's control group. */
int leader_check_cgroup(const Leader *l, Refusal *reterr);
