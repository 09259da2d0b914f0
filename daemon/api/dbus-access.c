/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* CheckAccess: whether the caller may do something, without doing it. polkit gets the same question as for
 * the act itself, but it does not prompt for a password. */

#include <string.h>

#include "api/dbus-call.h"
#include "api/dbus-methods.h"
#include "api/dbus-options.h"
#include "core/command-line.h"
#include "core/exec-access.h"
#include "core/exec-create.h"

typedef struct AccessCall {
        DbusCall call;
        AuthzAction action;
        char *reference; /* of a container; "" for all of them */
        ExecRequest *request;
        ContainerInfo *container;
        char *command_line;
        char *verb; /* of the act on the exec; NULL: attach */
        bool is_of_exec;
} AccessCall;

static void access_done(DbusCall *c)
{
        AccessCall *k = DBUS_CALL(c, AccessCall);

        exec_request_free(k->request);
        container_info_unref(k->container);
        free(k->reference);
        free(k->command_line);
        free(k->verb);
}

static void access_on_verdict(void *userdata, const Refusal *refusal)
{
        DbusCall *c = userdata;
        bool is_challenge = refusal && c->authz && authz_is_challenge(c->authz);

        c->authz = authz_free(c->authz);
        if (!refusal)
                dbus_call_reply(c, "ss", "yes", "");
        else if (refusal->kind != REFUSAL_DENIED)
                dbus_call_refuse(c, refusal);
        else
                dbus_call_reply(c, "ss", is_challenge ? "challenge" : "no", refusal->message ?: "");
}

/* As the methods themselves word it, for polkit's rules. */
static const char *access_verb(const AccessCall *k)
{
        if (k->action == AUTHZ_MANAGE)
                return k->verb ?: "attach";
        if (k->action == AUTHZ_REPLAY)
                return "replay";
        return k->action != AUTHZ_INSPECT ? "create" : *k->reference ? "inspect" : "list";
}

static void access_ask(DbusCall *c)
{
        AccessCall *k = DBUS_CALL(c, AccessCall);
        AuthzQuestion q = {
                .action = k->action,
                .container = k->container,
                .request = k->request,
                .command_line = k->command_line ?: "",
                .verb = access_verb(k),
        };
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        int r;

        if (c->exec)
                q = exec_access_question(c->exec, k->action, access_verb(k));
        q.peer = c->peer;
        q.probe = true;
        r = authz_check(c->manager, &q, access_on_verdict, c, &c->authz, &refusal);
        if (r != 0)
                access_on_verdict(c, r < 0 ? &refusal : NULL);
}

/* Polkit's rules get the same details of a command here as for its creation. */
static int access_prepare(AccessCall *k)
{
        int r;

        if (!k->request)
                return 0;
        r = exec_creation_apply_container(k->container, k->request);
        if (r < 0)
                return r;
        k->command_line = command_line_escape(k->request->argv, EXEC_COMMAND_LINE_MAX);
        return k->command_line ? 0 : -ENOMEM;
}

static int access_on_container(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        DbusCall *c = userdata;
        AccessCall *k = DBUS_CALL(c, AccessCall);
        int r;

        if (!dbus_call_take_answer(c, m))
                return 0;
        r = container_info_read_reply(m, &k->container);
        if (r >= 0)
                r = access_prepare(k);
        if (r < 0)
                dbus_call_fail(c, r);
        else
                access_ask(c);
        return 0;
}

static void access_known(DbusCall *c)
{
        const AccessCall *k = DBUS_CALL(c, AccessCall);
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;

        if (k->is_of_exec)
                dbus_call_find_exec(c, "object", k->reference, access_ask);
        else if (!*k->reference)
                access_ask(c);
        else if (spawner_get_container(c->manager->spawner, k->reference, access_on_container, c, &c->slot,
                                       &refusal) < 0)
                dbus_call_refuse(c, &refusal);
}

static int read_action(const char *text, AuthzAction *ret, Refusal *reterr)
{
        static const char *const names[_AUTHZ_ACTION_MAX] = {
                [AUTHZ_INSPECT] = "inspect",
                [AUTHZ_EXEC] = "exec",
                [AUTHZ_EXEC_PRIVILEGED] = "exec-privileged",
                [AUTHZ_MANAGE] = "manage",
                [AUTHZ_REPLAY] = "replay",
        };
        size_t prefix = strlen("org.execd1.");
        int i;

        if (strncmp(text, "org.execd1.", prefix) == 0)
                text += prefix;
        i = NAMES_FIND(names, text);
        if (i < 0)
                return refuse(reterr, REFUSAL_BAD_REQUEST, EINVAL,
                              "action: inspect, exec, exec-privileged, manage or replay is expected");
        *ret = (AuthzAction) i;
        return 0;
}

static int read_option(sd_bus_message *m, const char *key, void *userdata, Refusal *reterr)
{
        ExecRequest *q = userdata;

        if (strcmp(key, "Command") == 0)
                return dbus_read_strings(m, key, true, &q->argv, reterr);
        return dbus_read_exec_option(m, key, userdata, reterr);
}

/* For acts on an exec: which one. */
static int read_verb(sd_bus_message *m, const char *key, void *userdata, Refusal *reterr)
{
        static const char *const known[] = {"start", "attach", "resize", "kill"};
        AccessCall *k = userdata;
        int r;

        if (k->action != AUTHZ_MANAGE || strcmp(key, "Verb") != 0)
                return dbus_refuse_option(key, reterr);
        r = dbus_read_string(m, key, &k->verb, reterr);
        if (r < 0)
                return r;
        return NAMES_FIND(known, k->verb) >= 0 ? 0
                                               : refuse(reterr, REFUSAL_BAD_REQUEST, EINVAL,
                                                        "Verb: start, attach, resize or kill is expected");
}

/* Without a command the question is of some command. */
static int read_command(DbusCall *c, sd_bus_message *m, Refusal *reterr)
{
        AccessCall *k = DBUS_CALL(c, AccessCall);
        ExecRequest *q = k->request = calloc(1, sizeof(ExecRequest));
        int r;

        if (!q)
                return -ENOMEM;
        if (!*k->reference)
                return refuse(reterr, REFUSAL_BAD_REQUEST, EINVAL, "object: a container is expected");
        r = dbus_read_options(m, read_option, q, reterr);
        if (r >= 0 && !q->argv)
                r = strv_append(&q->argv, "");
        /* Nobody may do an act that execd would refuse. */
        if (r >= 0)
                r = exec_request_validate(q, reterr);
        if (r < 0)
                return r;
        q->privileged = q->privileged || k->action == AUTHZ_EXEC_PRIVILEGED;
        k->action = q->privileged ? AUTHZ_EXEC_PRIVILEGED : AUTHZ_EXEC;
        c->size = exec_request_size(q); /* as the message has it */
        return 0;
}

static int access_read(DbusCall *c, sd_bus_message *m, Refusal *reterr)
{
        AccessCall *k = DBUS_CALL(c, AccessCall);
        const char *action, *object;
        int r;

        r = sd_bus_message_read(m, "ss", &action, &object);
        if (r >= 0)
                r = read_action(action, &k->action, reterr);
        if (r >= 0)
                r = exec_request_check_string("object", object, reterr);
        if (r < 0)
                return r;
        k->reference = strdup(object);
        if (!k->reference)
                return -ENOMEM;
        if (k->action == AUTHZ_EXEC || k->action == AUTHZ_EXEC_PRIVILEGED)
                return read_command(c, m, reterr);
        k->is_of_exec = k->action == AUTHZ_MANAGE || k->action == AUTHZ_REPLAY;
        return dbus_read_options(m, read_verb, k, reterr);
}

const DbusMethod dbus_access_methods[] = {
        {"CheckAccess", sizeof(AccessCall), access_read, access_known, access_done},
        {NULL},
};
