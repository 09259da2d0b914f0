/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/bus-name.h"

#include <stdio.h>
#include <stdlib.h>

struct BusName {
        sd_bus_slot *match, *question;
        void (*on_gone)(void *userdata);
        void *userdata;
};

BusName *bus_name_free(BusName *n)
{
        if (!n)
                return NULL;
        sd_bus_slot_unref(n->match);
        sd_bus_slot_unref(n->question);
        return mfree(n);
}

/* A unique name is never given twice, so any change of its owner is its end. */
static int on_owner_changed(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        BusName *n = userdata;

        n->on_gone(n->userdata);
        return 0;
}

static int on_owner(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        BusName *n = userdata;

        n->question = sd_bus_slot_unref(n->question);
        if (sd_bus_message_is_method_error(m, "org.freedesktop.DBus.Error.NameHasNoOwner"))
                n->on_gone(n->userdata);
        return 0;
}

int bus_name_follow(sd_bus *bus, const char *unique_name, bool ask, void (*on_gone)(void *userdata),
                    void *userdata, BusName **ret)
{
        _cleanup_(bus_name_freep) BusName *n = calloc(1, sizeof(BusName));
        _cleanup_free_ char *rule = NULL;
        int r;

        if (!n)
                return -ENOMEM;
        n->on_gone = on_gone;
        n->userdata = userdata;
        if (asprintf(&rule,
                     "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',"
                     "interface='org.freedesktop.DBus',member='NameOwnerChanged',arg0='%s'",
                     unique_name) < 0) {
                rule = NULL;
                return -ENOMEM;
        }
        r = sd_bus_add_match_async(bus, &n->match, rule, on_owner_changed, NULL, n);
        if (r >= 0 && ask)
                r = sd_bus_call_method_async(bus, &n->question, "org.freedesktop.DBus",
                                             "/org/freedesktop/DBus", "org.freedesktop.DBus", "GetNameOwner",
                                             on_owner, n, "s", unique_name);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(n);
        return 0;
}
