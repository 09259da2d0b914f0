/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* core/caller-watch: a client that has left the bus is reported once, whatever other clients are followed. */

#include "core/caller-watch.h"
#include "unit/core/world.h"

typedef struct Followed {
        CallerWatch *watch;
        unsigned n;
        struct Followed *takes_along; /* freed from inside */
} Followed;

static void on_gone(void *userdata)
{
        Followed *f = userdata;

        f->n++;
        if (f->takes_along)
                f->takes_along->watch = caller_watch_free(f->takes_along->watch);
        f->watch = caller_watch_free(f->watch);
}

static void follow(World *w, Followed *f, const char *name)
{
        *f = (Followed){0};
        NEED(caller_watch_new(w->manager.callers, name, false, on_gone, f, &f->watch) >= 0);
}

static void leave(World *w, const char *name)
{
        sd_bus_message *m = NULL;

        NEED(sd_bus_message_new_signal(w->bus, &m, "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                       "NameOwnerChanged") >= 0);
        NEED(sd_bus_message_append(m, "sss", name, name, "") >= 0 &&
             sd_bus_message_set_sender(m, "org.freedesktop.DBus") >= 0 && sd_bus_send(w->bus, m, NULL) >= 0);
        sd_bus_message_unref(m);
}

int main(void)
{
        _cleanup_(world_freep) World *w = world_new();
        Followed a, again, b, c;

        world_open_bus(w);
        follow(w, &a, ":1.1");
        follow(w, &again, ":1.1");
        follow(w, &b, ":1.2");
        follow(w, &c, ":1.3");
        world_settle(w);
        leave(w, ":1.9");
        leave(w, ":1.1");
        WORLD_UNTIL(w, a.n > 0 && again.n > 0);
        CHECK(a.n == 1 && again.n == 1 && b.n == 0 && c.n == 0);

        /* The callback for one client may free the watches of others. */
        follow(w, &a, ":1.2");
        b.takes_along = &a;
        leave(w, ":1.2");
        WORLD_UNTIL(w, b.n > 0);
        world_settle(w);
        CHECK(b.n == 1 && a.n == 0 && !a.watch);
        c.watch = caller_watch_free(c.watch);
        leave(w, ":1.3");
        world_settle(w);
        CHECK(c.n == 0);
        return test_finish("caller-watch");
}
