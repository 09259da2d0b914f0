/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Who did what, in the journal: one structured record for each event of an exec, sent before the act it
 * records. The caller must not go on when a record could not be sent. Values of environment variables are
 * never recorded; command lines are escaped and bounded.
 */

#include "core/exec.h"

typedef enum AuditEvent {
        AUDIT_CREATED,
        AUDIT_DENIED,
        AUDIT_STARTED,
        AUDIT_DETACHED,
        AUDIT_EXITED,
        AUDIT_FAILED,
        AUDIT_KILLED,
        AUDIT_UNRECORDED,
        _AUDIT_EVENT_MAX,
} AuditEvent;

/* `peer` is who did it: for exits and failures the one who started the exec. `detail` may be NULL. */
int audit_exec(AuditEvent event, const Exec *e, const Peer *peer, const char *detail);

/* One line of output of a detached exec, as its scope's. */
int audit_output(const Exec *e, FrameType type, const char *line, size_t size);
