/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The memory of a connection's buffers is charged to its caller. */

#include "api/http-connection.h"

/* Bytes that each connection may have in its buffers without being charged with them. */
#define FREE_SIZE 4096

static Budget *connection_budget(const HttpConnection *c)
{
        return &c->server->manager->memory_budget;
}

bool connection_charge(HttpConnection *c, bool must)
{
        uint64_t size = c->in.allocated + c->body.data.allocated + c->out.allocated;
        uint64_t due = size > FREE_SIZE ? size - FREE_SIZE : 0;

        if (due > c->charged && must)
                budget_force(connection_budget(c), peer_share(c->peer), due - c->charged);
        else if (due > c->charged &&
                 !budget_take(connection_budget(c), peer_share(c->peer), due - c->charged))
                return false;
        else if (due < c->charged)
                budget_give(connection_budget(c), peer_share(c->peer), c->charged - due);
        c->charged = due;
        return true;
}

size_t connection_room(const HttpConnection *c)
{
        return FREE_SIZE + budget_room(connection_budget(c), peer_share(c->peer));
}
