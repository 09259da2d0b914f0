/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Records of refusals. Any user can cause them at any rate, and the size of the journal is limited. Therefore
 * the first ones of a user in an interval have records of their own; the others are counted, and one record
 * at the end of the interval has their number. Callers in containers count as one user, because a process can have
 * thousands of UIDs in a user namespace.
 */

#include "core/audit.h"

#define DENIALS_BURST 200
#define DENIALS_USEC  (30 * USEC_PER_SEC)

typedef struct Denials Denials;

/* Both are weak. NULL on lack of memory. */
Denials *denials_new(sd_event *event, JournalQueue *journal);
Denials *denials_free(Denials *l);
DEFINE_CLEANUP(Denials, denials_free);

void denials_add(Denials *l, const AuditDenial *d, const Refusal *refusal);

/* Writes all counts now. */
void denials_flush(Denials *l);
