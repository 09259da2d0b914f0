/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "api/http-keep.h"

#include "api/http-connection.h"
#include "core/keep.h"

void http_keep(HttpExchange *x)
{
        HttpConnection *c = x->connection;
        Budget *kept = &c->server->kept_budget;
        KeepFd fd = {c->close ? KEEP_WAIT_CLOSED : KEEP_WAIT, c->fd};

        /* Data that the client has sent after its request would be lost. */
        if (x->kept || buf_length(&c->in) > 0 || !budget_take(kept, peer_share(x->peer), 1))
                return;
        x->kept = keep_put(x->manager->slots, x->exec->id, &fd, 1, NULL);
        if (!x->kept)
                budget_give(kept, peer_share(x->peer), 1);
}

void http_keep_forget(HttpExchange *x)
{
        if (!x->kept)
                return;
        x->kept = slot_release(x->kept);
        budget_give(&x->connection->server->kept_budget, peer_share(x->peer), 1);
}

void http_keep_leave(HttpExchange *x)
{
        if (!x->kept)
                return;
        x->kept = slot_leave(x->kept);
        budget_give(&x->connection->server->kept_budget, peer_share(x->peer), 1);
}
