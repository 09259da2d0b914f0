/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/authz-service.h"

#include <string.h>

#include "wire/service-name.h"

/* A service that is root on the host is the host, or next to it. */
static int check_root(const AuthzQuestion *q, Refusal *reterr)
{
        bool privileged = q->request && q->request->privileged;
        /* The user of a container that has stopped is no longer known; the creator of the exec decides then. */
        bool is_root = q->container->user ? q->container->leader_uid == 0 : !q->owner || q->owner->uid == 0;

        if (q->peer->uid != 0 && is_root)
                return refuse(reterr, REFUSAL_DENIED, EACCES,
                              "access denied: %s runs as root, and only root may use its commands",
                              q->container->name);
        if (q->peer->uid != 0 && privileged)
                return refuse(reterr, REFUSAL_DENIED, EACCES,
                              "Privileged: access denied: in a service, only root may run such a command");
        return 0;
}

bool authz_is_in_service(const AuthzQuestion *q)
{
        return q->container && strcmp(q->container->kind, SERVICE_KIND) == 0;
}

static bool is_exec(const AuthzQuestion *q)
{
        return q->request && (q->action == AUTHZ_EXEC || q->action == AUTHZ_EXEC_PRIVILEGED);
}

AuthzAction authz_service_action(const AuthzQuestion *q)
{
        if (!authz_is_in_service(q) || !is_exec(q))
                return q->action;
        return strcmp(q->request->user ?: "", q->container->user ?: "") == 0 ? AUTHZ_EXEC_SERVICE
                                                                             : AUTHZ_EXEC_SERVICE_USER;
}

int authz_check_service(const AuthzQuestion *q, Refusal *reterr)
{
        int r;

        if (!authz_is_in_service(q) || q->action == AUTHZ_INSPECT)
                return 0;
        r = check_root(q, reterr);
        if (r < 0)
                return r;
        if (is_exec(q) && !q->container->confined && !q->request->privileged)
                return refuse(reterr, REFUSAL_BAD_REQUEST, EINVAL,
                              "Privileged: must be set for a command in %s, which runs as root without any "
                              "confinement",
                              q->container->name);
        return 0;
}
