/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/authz-record.h"

#include <string.h>

#include "core/audit.h"

static bool copy(char **to, const char *from)
{
        *to = from ? strdup(from) : NULL;
        return !from || *to;
}

int authz_record_init(AuthzRecord *a, Denials *denials, const char *action, const AuthzQuestion *q)
{
        const char *user = q->request ? exec_request_user(q->request) : NULL;

        *a = (AuthzRecord){
                .denials = denials,
                .action = action,
                .peer = peer_ref(q->peer),
                .container = q->container ? container_info_ref((ContainerInfo *) q->container) : NULL,
                .privileged = q->request && q->request->privileged,
        };
        return copy(&a->verb, q->verb) && copy(&a->exec_id, q->exec_id) && copy(&a->user, user) &&
                               copy(&a->command_line, q->request ? q->command_line : NULL)
                       ? 0
                       : -ENOMEM;
}

void authz_record_done(AuthzRecord *a)
{
        peer_unref(a->peer);
        container_info_unref(a->container);
        free(a->verb);
        free(a->exec_id);
        free(a->user);
        free(a->command_line);
        *a = (AuthzRecord){0};
}

void authz_record_refusal(const AuthzRecord *a, const Refusal *refusal)
{
        const AuditDenial denial = {
                .peer = a->peer,
                .action = a->action,
                .verb = a->verb,
                .exec_id = a->exec_id,
                .container = a->container,
                .user = a->user,
                .command_line = a->command_line,
                .privileged = a->privileged,
        };

        if (refusal->kind != REFUSAL_BUSY)
                denials_add(a->denials, &denial, refusal);
}
