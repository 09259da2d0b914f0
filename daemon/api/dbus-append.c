/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "api/dbus-append.h"

#include <string.h>

#include "base/strv.h"

int dbus_close(sd_bus_message *m, size_t n)
{
        int r = 0;

        for (size_t i = 0; i < n && r >= 0; i++)
                r = sd_bus_message_close_container(m);
        return r;
}

/* An entry of an a{sv}, open for a value of this type. */
static int open_entry(sd_bus_message *m, const char *name, const char *type)
{
        int r;

        r = sd_bus_message_open_container(m, 'e', "sv");
        if (r >= 0)
                r = sd_bus_message_append(m, "s", name);
        return r < 0 ? r : sd_bus_message_open_container(m, 'v', type);
}

int dbus_append_strings(sd_bus_message *m, const char *name, char *const *v)
{
        int r = open_entry(m, name, "as");

        if (r >= 0)
                r = sd_bus_message_append_strv(m, (char **) v);
        return r < 0 ? r : dbus_close(m, 2);
}

int dbus_append_dictionary(sd_bus_message *m, char *const *pairs)
{
        int r = sd_bus_message_open_container(m, 'a', "{ss}");

        for (char *const *p = pairs; p && *p && r >= 0; p++) {
                const char *equals = strchrnul(*p, '=');
                _cleanup_free_ char *key = strndup(*p, (size_t) (equals - *p));

                r = key ? sd_bus_message_append(m, "{ss}", key, *equals ? equals + 1 : "") : -ENOMEM;
        }
        return r < 0 ? r : sd_bus_message_close_container(m);
}

int dbus_append_pairs(sd_bus_message *m, const char *name, char *const *pairs)
{
        int r = open_entry(m, name, "a{ss}");

        if (r >= 0)
                r = dbus_append_dictionary(m, pairs);
        return r < 0 ? r : dbus_close(m, 2);
}

int dbus_reply_new_array(sd_bus_message *call, const char *element, sd_bus_message **ret)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r;

        r = sd_bus_message_new_method_return(call, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', element);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(reply);
        return 0;
}
