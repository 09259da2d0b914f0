/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "api/http-authz.h"

static void on_verdict(void *userdata, const Refusal *refusal)
{
        HttpExchange *x = userdata;

        x->authz = authz_free(x->authz);
        if (refusal)
                http_reply_refusal(x, refusal);
        else
                x->authorized(x);
}

static void on_list_verdict(void *userdata, const Refusal *refusal)
{
        HttpExchange *x = userdata;

        x->authz = authz_free(x->authz);
        x->may_see_all = !refusal;
        if (refusal && refusal->kind == REFUSAL_BUSY)
                http_reply_refusal(x, refusal);
        else
                x->authorized(x);
}

void http_authorize(HttpExchange *x, const AuthzQuestion *question, void (*next)(HttpExchange *x))
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        AuthzQuestion q = *question;
        int r;

        q.peer = x->peer;
        x->authorized = next;
        r = authz_check(x->manager, &q, on_verdict, x, &x->authz, &refusal);
        if (r < 0)
                http_reply_refusal(x, &refusal);
        else if (r > 0)
                next(x);
}

void http_authorize_inspect(HttpExchange *x, const ContainerInfo *c, void (*next)(HttpExchange *x))
{
        AuthzQuestion q = {.action = AUTHZ_INSPECT, .container = c, .verb = "inspect"};

        http_authorize(x, &q, next);
}

void http_ask_inspect(HttpExchange *x, void (*next)(HttpExchange *x))
{
        AuthzQuestion q = {.action = AUTHZ_INSPECT, .peer = x->peer, .verb = "list"};
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        int r;

        x->authorized = next;
        r = authz_check(x->manager, &q, on_list_verdict, x, &x->authz, &refusal);
        if (r != 0)
                on_list_verdict(x, r < 0 ? &refusal : NULL);
}
