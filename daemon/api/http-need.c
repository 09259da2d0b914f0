/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "api/http-need.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "api/http-authz.h"
#include "core/exec-access.h"

static void exec_on_found(void *userdata, Exec *e, const Refusal *refusal)
{
        _cleanup_free_ char *message = NULL;
        HttpExchange *x = userdata;

        x->lookup = NULL;
        if (refusal) {
                http_reply_refusal(x, refusal);
                return;
        }
        if (e) {
                AuthzQuestion q = exec_access_question(e, x->action, x->verb);

                x->exec = exec_ref(e);
                http_authorize(x, &q, x->found);
                return;
        }
        if (asprintf(&message, "No such exec instance: %s", x->name) < 0)
                message = NULL;
        http_reply_error(x, 404, message ?: "No such exec instance");
}

void http_need_exec(HttpExchange *x, AuthzAction action, const char *verb, void (*next)(HttpExchange *x))
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        Exec *e = NULL;

        x->action = action;
        x->verb = verb;
        x->found = next;
        if (exec_lookup(x->manager, x->name, peer_share(x->peer), exec_on_found, x, &e, &x->lookup,
                        &refusal) < 0)
                http_reply_refusal(x, &refusal);
        else if (!x->lookup)
                exec_on_found(x, e, NULL);
}

bool http_need_json(HttpExchange *x)
{
        const char *type = http_request_header(x->request, "Content-Type");
        _cleanup_free_ char *message = NULL;
        size_t n;

        if (x->body_size == 0 && !x->request->chunked)
                return true;
        if (x->body_size == 0) {
                http_reply_error(x, 400, "invalid JSON: got EOF while reading request body");
                return false;
        }
        n = type ? strcspn(type, "; \t") : 0;
        if (n == strlen("application/json") && strncasecmp(type, "application/json", n) == 0)
                return true;
        if (asprintf(&message, "unsupported Content-Type header (%s): must be 'application/json'",
                     type ?: "") < 0)
                message = NULL;
        http_reply_error(x, 400, message ?: "unsupported Content-Type header");
        return false;
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

static int container_on_answer(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        HttpExchange *x = userdata;

        if (!http_need_answer(x, m))
                return 0;
        if (container_info_read_reply(m, &x->container) < 0)
                http_reply_error(x, 500, "internal error");
        else
                http_authorize_inspect(x, x->container, x->found);
        return 0;
}

void http_need_container(HttpExchange *x, void (*next)(HttpExchange *x))
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;

        x->found = next;
        if (spawner_get_container(x->manager->spawner, x->name, container_on_answer, x, &x->slot, &refusal) <
            0)
                http_reply_refusal(x, &refusal);
}

static int unpaused_on_reply(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        _cleanup_(container_info_unrefp) ContainerInfo *c = NULL;
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        HttpExchange *x = userdata;

        x->slot = sd_bus_slot_unref(x->slot);
        if (spawner_reply_refusal(m, &refusal) < 0 || container_info_read_reply(m, &c) < 0) {
                if (refusal.kind == REFUSAL_NO_CONTAINER || refusal.kind == REFUSAL_NOT_RUNNING)
                        (void) refuse(&refusal, REFUSAL_NO_EXEC, ESRCH, "No such exec instance: %s",
                                      x->exec->id);
                http_reply_refusal(x, &refusal);
                return 0;
        }
        if (container_info_is_paused(c)) {
                (void) refuse(&refusal, REFUSAL_CONFLICT, EBUSY,
                              "Container %s is paused, unpause the container before exec", c->id);
                http_reply_refusal(x, &refusal);
                return 0;
        }
        containers_seen_add(&x->manager->seen, c);
        x->found(x);
        return 0;
}

void http_need_unpaused(HttpExchange *x, void (*next)(HttpExchange *x))
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;

        /* An exec that has ended needs no container. Starting an exec looks at its container anyway. */
        if (exec_has_ended(x->exec) || (x->exec->state == EXEC_CREATED &&
                                        containers_seen_just_now(&x->manager->seen, x->exec->container))) {
                next(x);
                return;
        }
        x->found = next;
        if (spawner_get_container(x->manager->spawner, x->exec->container->id, unpaused_on_reply, x,
                                  &x->slot, &refusal) < 0)
                http_reply_refusal(x, &refusal);
}
