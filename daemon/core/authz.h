/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Decides whether the caller may do something. The host's root may. For all others, polkit decides on each
 * request, with the details of the request. Where there is SELinux, the policy has to allow it in addition:
 * to root and to an exec's owner as well. Errors, timeouts and a caller that has exited all mean no. A
 * pending check is an object: freeing it cancels the request to polkit, and the callback is not called.
 *
 * To add an action: dbus/org.execd1.policy, an AuthzAction and its name in authz.c, dbus/org.execd1.rules if the
 * group has it, and execd.service(8).
 */

#include "core/container-info.h"
#include "core/peer.h"
#include "wire/exec-request.h"

typedef struct Manager Manager;
typedef struct Authz Authz;

typedef enum AuthzAction {
        AUTHZ_INSPECT,
        AUTHZ_EXEC,
        AUTHZ_EXEC_PRIVILEGED,
        AUTHZ_EXEC_SERVICE,      /* replaces AUTHZ_EXEC in a service */
        AUTHZ_EXEC_SERVICE_USER, /* the same, as another user than the service's own */
        AUTHZ_MANAGE,
        AUTHZ_REPLAY,
        _AUTHZ_ACTION_MAX,
} AuthzAction;

typedef struct AuthzQuestion {
        AuthzAction action;
        Peer *peer;
        const ContainerInfo *container; /* NULL when no particular one is meant */
        const ExecRequest *request;     /* NULL when no command is meant */
        const char *command_line;
        const char *exec_id; /* AUTHZ_MANAGE, AUTHZ_REPLAY */
        const char *verb;    /* the act, for records; with an exec_id also for polkit */
        const Peer *owner;   /* the owner of the exec, who needs no authorization; NULL if there is none */
        bool interactive;    /* the caller lets itself be asked for a password */
        bool probe;          /* only the answer is wanted: nothing is done, and nothing recorded */
} AuthzQuestion;

/* Whether the caller is a process of the host at all. Each request begins with this check. A refusal is recorded.
 */
int authz_check_origin(Manager *m, const Peer *p, Refusal *reterr);

/* `refusal` is NULL when it is allowed. The check is over; the callback may free it. */
typedef void (*authz_callback_t)(void *userdata, const Refusal *refusal);

/* Each refusal is recorded here. 1: allowed at once, and there will be no callback. 0: *ret is set and the
 * callback will come. A negative errno with *reterr filled: denied. */
int authz_check(Manager *m, const AuthzQuestion *q, authz_callback_t callback, void *userdata, Authz **ret,
                Refusal *reterr);

/* During the callback that denies it: whether a password would have helped. */
bool authz_is_challenge(const Authz *a);

Authz *authz_free(Authz *a);
DEFINE_CLEANUP(Authz, authz_free);
