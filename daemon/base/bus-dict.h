/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Reads an a{sv}: names and variants. */

#include <systemd/sd-bus.h>

/* Reads the variant of an entry, or skips it. The name is in the message. */
typedef int (*BusDictEntry)(sd_bus_message *m, const char *name, void *userdata);

static inline int bus_read_dict(sd_bus_message *m, BusDictEntry read_entry, void *userdata)
{
        int r = sd_bus_message_enter_container(m, 'a', "{sv}");

        while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                const char *name;

                r = sd_bus_message_read(m, "s", &name);
                if (r >= 0)
                        r = read_entry(m, name, userdata);
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
        }
        return r < 0 ? r : sd_bus_message_exit_container(m);
}
