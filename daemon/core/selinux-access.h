/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * execd as an object manager of SELinux: may the caller, by its label, do this to the container, by the
 * label of its first process? Asked in addition to everything else, also for root, and never instead.
 *
 * On a kernel without SELinux everything is allowed here and nothing is said. Where the loaded policy does
 * not know class containerexec (execd's module is not installed), nothing can be asked: that is logged as a
 * warning, at the start and after each change of the policy, and everything is allowed unless the policy
 * says to deny what is unknown. Where SELinux is on and a label is missing, or the policy has the class
 * without the permission, the answer is no.
 */

#include "base/refusal.h"
#include "core/container-info.h"
#include "core/journal-queue.h"
#include "core/peer.h"
#include "core/spawner-link.h"

typedef enum SelinuxPermission {
        SELINUX_LIST,
        SELINUX_EXEC,
        SELINUX_EXEC_PRIVILEGED,
        SELINUX_EXEC_SERVICE, /* of either kind, in a service of the host */
        SELINUX_ATTACH,
        SELINUX_KILL,
        _SELINUX_PERMISSION_MAX,
} SelinuxPermission;

/* Once, before the first question. Fails only if SELinux is on and cannot be asked. */
int selinux_access_open(void);
/* Where decisions are recorded; weak, NULL for nowhere. */
void selinux_access_record_to(JournalQueue *q);
void selinux_access_close(void);

/* `container` NULL, or one that is only remembered: execd itself is the target. `command_line` is for the
 * record, and the spawner at the end of `link` writes it to the audit log. 0, or a negative errno with *reterr filled. */
int selinux_access_check(SpawnerLink *link, const Peer *peer, const ContainerInfo *container,
                         SelinuxPermission permission, const char *command_line, Refusal *reterr);
