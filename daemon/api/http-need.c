/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "api/http-need.h"

#include <string.h>
#include <strings.h>

#include "api/http-authz.h"
#include "core/exec-access.h"

static int exec_take(HttpExchange *x, Exec *e, Refusal *reterr)
{
        AuthzQuestion q;

        if (!e)
                return refuse(reterr, REFUSAL_NO_EXEC, ENOENT, "No such exec instance: %s", x->name);
        x->exec = exec_ref(e);
        q = exec_access_question(e, x->action, x->verb);
        return http_authorize(x, &q, x->found, reterr);
}

static void exec_on_found(void *userdata, Exec *e, const Refusal *refusal)
{
        _cleanup_refusal_ Refusal other = REFUSAL_INIT;
        HttpExchange *x = userdata;

        x->lookup = NULL;
        if (refusal || exec_take(x, e, &other) < 0)
                http_reply_refusal(x, refusal ?: &other);
}

int http_need_exec(HttpExchange *x, AuthzAction action, const char *verb, HttpStep next, Refusal *reterr)
{
        Exec *e = NULL;
        int r;

        x->action = action;
        x->verb = verb;
        x->found = next;
        r = exec_lookup(x->manager, x->name, peer_share(x->peer), exec_on_found, x, &e, &x->lookup, reterr);
        return r < 0 || x->lookup ? r : exec_take(x, e, reterr);
}

int http_need_json(HttpExchange *x, Refusal *reterr)
{
        const char *type = http_request_header(x->request, "Content-Type");
        size_t n = type ? strcspn(type, "; \t") : 0;

        if (x->body_size == 0 && !x->request->chunked)
                return 0;
        if (x->body_size == 0)
                return refuse(reterr, REFUSAL_BAD_REQUEST, EINVAL,
                              "invalid JSON: got EOF while reading request body");
        if (n == strlen("application/json") && strncasecmp(type, "application/json", n) == 0)
                return 0;
        return refuse(reterr, REFUSAL_BAD_REQUEST, EINVAL,
                      "unsupported Content-Type header (%s): must be 'application/json'", type ?: "");
}

bool http_need_answer(HttpExchange *x, sd_bus_message *answer)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;

        x->slot = sd_bus_slot_unref(x->slot);
        if (spawner_reply_refusal(answer, &refusal) >= 0)
                return true;
        http_reply_refusal(x, &refusal);
        return false;
}

static int container_take(HttpExchange *x, sd_bus_message *m, Refusal *reterr)
{
        int r = container_info_read_reply(m, &x->container);

        return r < 0 ? r : http_authorize_inspect(x, x->container, x->found, reterr);
}

static int container_on_answer(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        HttpExchange *x = userdata;

        if (http_need_answer(x, m) && container_take(x, m, &refusal) < 0)
                http_reply_refusal(x, &refusal);
        return 0;
}

int http_need_container(HttpExchange *x, HttpStep next, Refusal *reterr)
{
        x->found = next;
        return spawner_get_container(x->manager->spawner, x->name, container_on_answer, x, &x->slot, reterr);
}

static int unpaused_take(HttpExchange *x, sd_bus_message *m, Refusal *reterr)
{
        _cleanup_(container_info_unrefp) ContainerInfo *c = NULL;

        if (spawner_reply_refusal(m, reterr) < 0 || container_info_read_reply(m, &c) < 0)
                return reterr->kind == REFUSAL_NO_CONTAINER || reterr->kind == REFUSAL_NOT_RUNNING
                               ? refuse(reterr, REFUSAL_NO_EXEC, ESRCH, "No such exec instance: %s",
                                        x->exec->id)
                               : -EIO;
        if (container_info_is_paused(c))
                return refuse(reterr, REFUSAL_CONFLICT, EBUSY,
                              "Container %s is paused, unpause the container before exec", c->id);
        containers_seen_add(&x->manager->seen, c);
        return x->found(x, reterr);
}

static int unpaused_on_reply(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        HttpExchange *x = userdata;

        x->slot = sd_bus_slot_unref(x->slot);
        if (unpaused_take(x, m, &refusal) < 0)
                http_reply_refusal(x, &refusal);
        return 0;
}

int http_need_unpaused(HttpExchange *x, HttpStep next, Refusal *reterr)
{
        const Exec *e = x->exec;

        /* An exec that has ended needs no container. Starting an exec looks at its container anyway. */
        if (exec_has_ended(e) ||
            (e->state == EXEC_CREATED && containers_seen_just_now(&x->manager->seen, e->container)))
                return next(x, reterr);
        x->found = next;
        return spawner_get_container(x->manager->spawner, e->container->id, unpaused_on_reply, x, &x->slot,
                                     reterr);
}
