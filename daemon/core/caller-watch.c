/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * One match for all, which exists only while clients are followed: the bus allows a connection some hundreds of
 * matches, and closes a connection that asks for more.
 */

#include "core/caller-watch.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/list.h"

#define MATCH                                                                       \
        "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus'," \
        "interface='org.freedesktop.DBus',member='NameOwnerChanged'"

struct CallerWatches {
        sd_bus *bus; /* weak */
        List followed;
        sd_bus_slot *match; /* while clients are followed */
};

struct CallerWatch {
        ListNode node;
        CallerWatches *all; /* weak */
        char *name;
        sd_bus_slot *question;
        bool told;
        void (*on_gone)(void *userdata);
        void *userdata;
};

CallerWatches *caller_watches_new(sd_bus *bus)
{
        CallerWatches *all = calloc(1, sizeof(CallerWatches));

        if (all)
                all->bus = bus;
        return all;
}

CallerWatches *caller_watches_free(CallerWatches *all)
{
        if (!all)
                return NULL;
        assert(list_is_empty(&all->followed));
        return mfree(all);
}

CallerWatch *caller_watch_free(CallerWatch *n)
{
        if (!n)
                return NULL;
        list_remove(&n->all->followed, &n->node);
        if (list_is_empty(&n->all->followed))
                n->all->match = sd_bus_slot_unref(n->all->match);
        sd_bus_slot_unref(n->question);
        free(n->name);
        return mfree(n);
}

static void tell(CallerWatch *n)
{
        n->told = true;
        n->on_gone(n->userdata);
}

/* A unique name is never given twice, so that any change of its owner while it is followed is its end. A
 * callback may free any of the followers, so each of them is looked up again. */
static int on_owner_changed(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        CallerWatches *all = userdata;
        const char *name;
        CallerWatch *n;

        if (sd_bus_message_read(m, "s", &name) < 0)
                return 0;
        while ((n = LIST_FIND(CallerWatch, f, &all->followed, node, !f->told && strcmp(f->name, name) == 0)))
                tell(n);
        return 0;
}

static int on_owner(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        CallerWatch *n = userdata;

        n->question = sd_bus_slot_unref(n->question);
        if (!n->told && sd_bus_message_is_method_error(m, "org.freedesktop.DBus.Error.NameHasNoOwner"))
                tell(n);
        return 0;
}

int caller_watch_new(CallerWatches *all, const char *unique_name, bool ask, void (*on_gone)(void *userdata),
                     void *userdata, CallerWatch **ret)
{
        _cleanup_(caller_watch_freep) CallerWatch *n = calloc(1, sizeof(CallerWatch));
        int r = 0;

        if (!n)
                return -ENOMEM;
        n->all = all;
        list_append(&all->followed, &n->node);
        n->on_gone = on_gone;
        n->userdata = userdata;
        n->name = strdup(unique_name);
        if (!n->name)
                return -ENOMEM;
        if (!all->match)
                r = sd_bus_add_match_async(all->bus, &all->match, MATCH, on_owner_changed, NULL, all);
        if (r >= 0 && ask)
                r = sd_bus_call_method_async(all->bus, &n->question, "org.freedesktop.DBus",
                                             "/org/freedesktop/DBus", "org.freedesktop.DBus", "GetNameOwner",
                                             on_owner, n, "s", unique_name);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(n);
        return 0;
}
