/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "api/http-authz.h"

static void on_verdict(void *userdata, const Refusal *refusal)
{
        HttpExchange *x = userdata;

        x->authz = authz_free(x->authz);
        if (refusal)
                http_reply_refusal(x, refusal);
        else
                http_step(x, x->authorized);
}

static void on_list_verdict(void *userdata, const Refusal *refusal)
{
        HttpExchange *x = userdata;

        x->may_see_all = !refusal;
        on_verdict(x, refusal && refusal->kind == REFUSAL_BUSY ? refusal : NULL);
}

int http_authorize(HttpExchange *x, const AuthzQuestion *question, HttpStep next, Refusal *reterr)
{
        AuthzQuestion q = *question;
        int r;

        q.peer = x->peer;
        x->authorized = next;
        r = authz_check(x->manager, &q, on_verdict, x, &x->authz, reterr);
        return r > 0 ? next(x, reterr) : r;
}

int http_authorize_inspect(HttpExchange *x, const ContainerInfo *c, HttpStep next, Refusal *reterr)
{
        const AuthzQuestion q = {.action = AUTHZ_INSPECT, .container = c, .verb = "inspect"};

        return http_authorize(x, &q, next, reterr);
}

int http_ask_inspect(HttpExchange *x, HttpStep next, Refusal *reterr)
{
        const AuthzQuestion q = {.action = AUTHZ_INSPECT, .peer = x->peer, .verb = "list"};
        int r;

        x->authorized = next;
        r = authz_check(x->manager, &q, on_list_verdict, x, &x->authz, reterr);
        if (r != 0)
                on_list_verdict(x, r < 0 ? reterr : NULL);
        return 0;
}
