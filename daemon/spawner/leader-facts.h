/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The facts of a leader that decide what an exec may do, as one picture of one moment. A container's facts
 * are read once when it is found: they are the ceiling, and no later exec gets more. They are read again for
 * each exec and compared with the ceiling.
 */

#include <stdbool.h>

#include "base/refusal.h"
#include "spawner/namespaces.h"
#include "spawner/proc-parse.h"

typedef struct LeaderFacts {
        Namespaces namespaces;
        ProcStatus status;
        char *uid_map, *gid_map; /* owned: as the kernel writes them */
        bool setgroups_denied;
        uint32_t maker;   /* the user who made the user namespace: of the host's, root */
        uint32_t *groups; /* owned: supplementary ones */
        size_t n_groups;
        char *label;    /* owned: the SELinux context; NULL without SELinux */
        char *apparmor; /* owned: the profile; NULL when unconfined */
} LeaderFacts;

void leader_facts_done(LeaderFacts *f);

/* Reads the facts through a /proc/PID directory. `ret_fds`, if not NULL, gets the namespaces that were
 * looked at. Refuses a process whose namespaces change while it is looked at. */
int leader_facts_read(int proc_fd, LeaderFacts *ret, NamespaceFds *ret_fds, Refusal *reterr);

/* The same for a process that was seen in these namespaces, which are open: 1, or 0 when it has left them. Without the
 * ID mappings. */
int leader_facts_read_again(int proc_fd, const Namespaces *namespaces, LeaderFacts *ret, Refusal *reterr);
/* Whether the ID mappings stay what they are: the kernel lets them be written once. */
bool leader_facts_are_mapped(const LeaderFacts *f);
int leader_facts_copy_mappings(const LeaderFacts *f, LeaderFacts *ret);

/* For a container that is found: refuses a leader that has left the user namespace it was made in. It may
 * have done so before we looked first. */
int leader_facts_check_origin(const LeaderFacts *f, const NamespaceFds *fds, Refusal *reterr);

/* The same for a service's main process, whose PID namespace may be the host's: its user namespace is the
 * host's or was made by the host's root, and its ids belong to one user. */
int leader_facts_check_service(const LeaderFacts *f, const NamespaceFds *fds, Refusal *reterr);

/* Refuses a leader that has left its namespaces or has another label than when it was found. */
int leader_facts_compare(const LeaderFacts *found, const LeaderFacts *now, Refusal *reterr);

/* Refuses the main process of a service that has become another user. */
int leader_facts_compare_user(const LeaderFacts *found, const LeaderFacts *now, Refusal *reterr);

/* The maps, taken apart: the number of mappings, or -errno. */
int leader_facts_uid_map(const LeaderFacts *f, IdMapping ret[static PROC_MAPPINGS_MAX]);
int leader_facts_gid_map(const LeaderFacts *f, IdMapping ret[static PROC_MAPPINGS_MAX]);

/* The SELinux context of a process, and its AppArmor profile; NULL where it has none. */
int process_read_label(int proc_fd, char **ret);
int process_read_apparmor(int proc_fd, char **ret);
