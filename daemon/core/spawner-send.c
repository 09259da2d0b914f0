/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A call to the spawner until it is answered, over as many connections as that takes. */

#include "base/fd.h"
#include "base/log.h"
#include "base/ticket.h"
#include "base/time.h"
#include "core/spawner-link-internal.h"

/* Long enough for a queue of scopes ahead of ours; a runner's own set-up is bounded much tighter. */
#define CALL_TIMEOUT_USEC (60 * USEC_PER_SEC)

/* How often a call is sent, should the spawner be restarted each time while it is under way. A call that
 * ends the spawner does no more harm than that. */
#define CALL_TRIES 10

static LinkCall *link_call_free(LinkCall *call)
{
        if (!call)
                return NULL;
        list_remove(&call->link->own_calls, &call->node);
        if (call->bus) {
                call->bus->n_calls--;
                spawner_link_arm(call->link, 0);
        }
        sd_bus_slot_unref(call->again);
        sd_bus_message_unref(call->message);
        fd_close(call->ticket);
        free(call);
        return NULL;
}
DEFINE_CLEANUP(LinkCall, link_call_free);

static void link_call_destroy(void *userdata)
{
        link_call_free(userdata);
}

/* The message for this connection: messages belong to the one that they were made for. */
static int link_call_adopt(LinkCall *call, sd_bus *bus)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *copy = NULL;
        int r;

        if (sd_bus_message_get_bus(call->message) == bus)
                return 0;
        /* It has been closed, unless the call could not be sent at all. */
        (void) sd_bus_message_seal(call->message, 1, 0);
        r = sd_bus_message_rewind(call->message, true);
        if (r >= 0)
                r = sd_bus_message_new_method_call(bus, &copy, NULL, SPAWNER_PATH, SPAWNER_INTERFACE,
                                                   sd_bus_message_get_member(call->message));
        if (r >= 0)
                r = sd_bus_message_copy(copy, call->message, true);
        if (r < 0)
                return r;
        sd_bus_message_unref(call->message);
        call->message = TAKE_PTR(copy);
        return 0;
}

static int link_on_reply(sd_bus_message *m, void *userdata, sd_bus_error *error);

/* sd-bus would wait, and we with it, until the other side has said that it takes file descriptors. */
static int link_call_transmit(LinkCall *call, sd_bus *bus, sd_bus_slot **ret_slot)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *ping = NULL;
        int r;

        call->is_ping = call->has_fds && sd_bus_is_ready(bus) <= 0;
        if (!call->is_ping)
                return sd_bus_call_async(bus, ret_slot, call->message, link_on_reply, call,
                                         CALL_TIMEOUT_USEC);
        r = sd_bus_message_new_method_call(bus, &ping, NULL, SPAWNER_PATH, "org.freedesktop.DBus.Peer",
                                           "Ping");
        return r < 0 ? r : sd_bus_call_async(bus, ret_slot, ping, link_on_reply, call, CALL_TIMEOUT_USEC);
}

static int link_call_send(LinkCall *call, sd_bus_slot **ret_slot, Refusal *reterr)
{
        SpawnerLink *l = call->link;
        sd_bus *bus;
        int r;

        /* The loss of a connection may be detected only now; then no part of the call has arrived. */
        for (int i = 0; i < 2; i++) {
                r = spawner_link_need(l, &bus, reterr);
                if (r < 0)
                        return r;
                r = link_call_adopt(call, bus);
                if (r >= 0)
                        r = link_call_transmit(call, bus, ret_slot);
                if (r >= 0) {
                        call->bus = l->current;
                        call->bus->n_calls++;
                        return 0;
                }
                if (sd_bus_is_open(bus) > 0)
                        break;
        }
        log_error_errno(r, "Failed to send a call to execd-spawner");
        if (r == -ETOOMANYREFS)
                return refuse(reterr, REFUSAL_UNAVAILABLE, r,
                              "too many file descriptors are in transit between processes with the user ID "
                              "of execd, those in containers included (LimitNOFILE= of execd.service)");
        return refuse(reterr, REFUSAL_UNAVAILABLE, r, "failed to connect to execd-spawner");
}

/* The connection is there only now, or was lost before the answer came. execd repeats calls that have no
 * effect, or none the second time, and a start only if its ticket says that the command was not released. */
static bool link_call_again(LinkCall *call, const LinkBus *lost, bool was_lost)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;

        /* A ping that was answered has lost nothing. */
        if ((call->once && !call->is_ping) || lost->given_up || (was_lost && ++call->tries >= CALL_TRIES) ||
            (call->ticket >= 0 && ticket_is_used(call->ticket) != 0))
                return false;
        call->again = sd_bus_slot_unref(call->again);
        return link_call_send(call, &call->again, &refusal) >= 0;
}

/* The error of a call that was lost and is not repeated. */
static int link_call_lose(LinkCall *call, sd_bus_message **ret)
{
        bool may_have_run = call->ticket >= 0 && ticket_is_used(call->ticket) != 0;

        /* One that waited for a ping was never sent, and sd-bus answers only calls that it has sent. */
        (void) sd_bus_message_seal(call->message, 1, 0);
        return sd_bus_message_new_method_errorf(
                call->message, ret, may_have_run ? SPAWNER_ERROR_LOST : REFUSAL_ERROR_PREFIX "Unavailable",
                "%s", "execd-spawner did not answer: see systemctl status execd-spawner.service");
}

static int link_on_reply(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *instead = NULL;
        LinkCall *call = userdata;
        LinkBus *b = call->bus;
        bool was_lost;

        b->n_calls--;
        call->bus = NULL;
        call->link->last_use = now_usec(CLOCK_MONOTONIC);
        if (b != call->link->current)
                spawner_link_arm(call->link, 0);
        was_lost = sd_bus_message_is_method_error(m, NULL) && sd_bus_is_open(b->bus) <= 0;
        if (was_lost || (call->is_ping && !sd_bus_message_is_method_error(m, NULL))) {
                if (link_call_again(call, b, was_lost))
                        return 0;
                if (link_call_lose(call, &instead) >= 0)
                        m = instead;
        }
        /* The callback may free its slot, and the call with it. */
        if (call->callback)
                return call->callback(m, call->userdata, error);
        if (sd_bus_message_is_method_error(m, NULL))
                log_debug("%s: %s", sd_bus_message_get_member(call->message),
                          sd_bus_message_get_error(m)->message ?: "");
        sd_bus_slot_unref(call->own);
        return 0;
}

int spawner_link_call(SpawnerLink *l, sd_bus_message *m, const SpawnerCallOptions *o, sd_bus_slot **ret_slot,
                      Refusal *reterr)
{
        _cleanup_(link_call_freep) LinkCall *call = calloc(1, sizeof(LinkCall));
        int r;

        if (!call)
                return -ENOMEM;
        *call = (LinkCall){.link = l,
                           .message = sd_bus_message_ref(m),
                           .ticket = o->ticket,
                           .once = o->once,
                           .has_fds = o->has_fds,
                           .callback = o->callback,
                           .userdata = o->userdata};
        if (!o->callback) {
                list_append(&l->own_calls, &call->node);
                ret_slot = &call->own;
        }
        r = link_call_send(call, ret_slot, reterr);
        if (r < 0)
                return r;
        (void) sd_bus_slot_set_destroy_callback(*ret_slot, link_call_destroy);
        TAKE_PTR(call);
        return 0;
}
