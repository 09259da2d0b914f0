/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The records of acts in the journal: a structured record for each event of an exec, which is sent before the
 * act that it records. Nothing here waits for journald (core/journal-queue). An act must not be done when its
 * record was not taken, and a command must not run before the record of its start is written. Values of
 * environment variables are never recorded; command lines are escaped and bounded.
 *
 * To add a record: an id from `systemd-id128 new` in wire/message-id.h, an AuditEvent and its row in audit.c, a
 * text in packaging/catalog/execd.catalog, and a line in execd.service(8).
 */

#include "core/exec.h"
#include "core/journal-queue.h"

typedef enum AuditEvent {
        AUDIT_CREATED,
        AUDIT_STARTED,
        AUDIT_ATTACHED,
        AUDIT_DETACHED,
        AUDIT_REPLAYED,
        AUDIT_RESIZED,
        AUDIT_KILLED,
        AUDIT_EXITED,
        AUDIT_FAILED,
        AUDIT_UNRECORDED,
        _AUDIT_EVENT_MAX,
} AuditEvent;

/* `peer` is the caller: for exits and failures the one who started the exec. `detail` may be NULL. */
int audit_exec(AuditEvent event, const Exec *e, const Peer *peer, const char *detail);

/* For an act that must not begin before its record is written: as journal_queue_wait(). */
int audit_exec_wait(AuditEvent event, const Exec *e, const Peer *peer, journal_written_t callback,
                    void *userdata, JournalRecord **ret);

/* The text of a refusal, where a record was not taken. */
#define AUDIT_REFUSAL "the journal does not accept records"

/* A refused action and its caller. Members may be NULL, except the first two. */
typedef struct AuditDenial {
        const Peer *peer;
        const char *action;
        const char *verb;
        const char *exec_id;
        const ContainerInfo *container;
        const char *user;
        const char *command_line; /* with it, also the next */
        bool privileged;
} AuditDenial;

void audit_denied(JournalQueue *q, const AuditDenial *d, const Refusal *refusal);
/* So many more refusals of this user, or of callers in containers, have no record of their own. */
void audit_denials_counted(JournalQueue *q, uid_t share, unsigned n);
