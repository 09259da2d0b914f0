/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/bus-watch.h"

#include <stdlib.h>

#include "base/time.h"

/* A bus that has taken nothing for so long is stuck, as for systemd's services (D-Bus calls: 25 s). */
#define STUCK_USEC (30 * USEC_PER_SEC)

/* Messages that may wait meanwhile. */
#define QUEUED_MAX      16384

#define LOCAL_PATH      "/org/freedesktop/DBus/Local"
#define LOCAL_INTERFACE "org.freedesktop.DBus.Local"

struct BusWatch {
        sd_bus *bus; /* weak */
        void (*on_lost)(void *userdata, const char *why);
        void *userdata;
        sd_bus_slot *match;
        sd_bus_slot *question; /* queued after the waiting messages */
};

static void tell(BusWatch *w, const char *why)
{
        void (*on_lost)(void *, const char *) = w->on_lost;

        w->on_lost = NULL;
        if (on_lost)
                on_lost(w->userdata, why);
}

static int on_disconnected(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        tell(userdata, "it has closed the connection");
        return 0;
}

static int on_answer(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        BusWatch *w = userdata;

        w->question = sd_bus_slot_unref(w->question);
        /* Of sd-bus itself: any answer of the bus, any other error as well, shows that it has read the call. */
        if (sd_bus_message_is_method_error(m, SD_BUS_ERROR_NO_REPLY) ||
            sd_bus_message_is_method_error(m, SD_BUS_ERROR_TIMEOUT) ||
            sd_bus_message_is_method_error(m, "System.Error.ETIMEDOUT"))
                tell(w, "it has accepted no messages for 30 seconds");
        return 0;
}

int bus_watch_new(sd_bus *bus, void (*on_lost)(void *userdata, const char *why), void *userdata,
                  BusWatch **ret)
{
        _cleanup_(bus_watch_freep) BusWatch *w = calloc(1, sizeof(BusWatch));
        int r;

        if (!w)
                return -ENOMEM;
        *w = (BusWatch){.bus = bus, .on_lost = on_lost, .userdata = userdata};
        r = sd_bus_match_signal(bus, &w->match, NULL, LOCAL_PATH, LOCAL_INTERFACE, "Disconnected",
                                on_disconnected, w);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(w);
        return 0;
}

BusWatch *bus_watch_free(BusWatch *w)
{
        if (!w)
                return NULL;
        sd_bus_slot_unref(w->match);
        sd_bus_slot_unref(w->question);
        return mfree(w);
}

void bus_watch_doubt(BusWatch *w)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;

        if (!w || w->question)
                return;
        if (sd_bus_message_new_method_call(w->bus, &m, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                           "org.freedesktop.DBus.Peer", "Ping") >= 0)
                (void) sd_bus_call_async(w->bus, &w->question, m, on_answer, w, STUCK_USEC);
}

void bus_watch_sent(BusWatch *w)
{
        uint64_t n = 0;

        if (!w || sd_bus_get_n_queued_write(w->bus, &n) < 0 || n == 0)
                return;
        if (n > QUEUED_MAX)
                tell(w, "it does not accept messages");
        bus_watch_doubt(w);
}
