/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The parts of a question that the record of a refusal needs; the question is freed before the answer. */

#include "core/authz.h"
#include "core/denials.h"

typedef struct AuthzRecord {
        Denials *denials;   /* weak */
        const char *action; /* weak: a constant */
        Peer *peer;
        ContainerInfo *container;                   /* NULL when no particular one is meant */
        char *verb, *exec_id, *user, *command_line; /* the last two and the next with a request only */
        bool privileged;
} AuthzRecord;

/* -ENOMEM leaves it to be done, too. */
int authz_record_init(AuthzRecord *a, Denials *denials, const char *action, const AuthzQuestion *q);
void authz_record_done(AuthzRecord *a);

/* Records a refusal, except one that only asks the caller to try again. */
void authz_record_refusal(const AuthzRecord *a, const Refusal *refusal);
