/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "ctl/warnings.h"

#include <stdio.h>

#include "base/controllers.h"
#include "ctl/bus.h"
#include "wire/scope-property.h"

/* The exec is there, with or without its warnings: errors end nothing. */
static int on_reply(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        _cleanup_strv_ char **warnings = NULL;

        if (sd_bus_message_is_method_error(m, NULL) > 0 ||
            sd_bus_message_enter_container(m, 'v', "as") <= 0 || sd_bus_message_read_strv(m, &warnings) < 0)
                return 0;
        STRV_FOREACH (w, warnings) {
                _cleanup_free_ char *clean = text_clean(*w);

                fprintf(stderr, "Warning: %s\n", clean ?: "Out of memory");
        }
        return 0;
}

void warnings_ask(Ctl *c, const char *path)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        _cleanup_free_ char *controllers = NULL;

        /* If all limits are enforced, there is nothing to warn of, and the question would only take time. */
        if (c->options.quiet ||
            (controllers_read(NULL, &controllers) >= 0 && scope_property_has_all_controllers(controllers)))
                return;
        if (bus_new_question(c, path, "org.freedesktop.DBus.Properties", "Get", &m) == 0 &&
            sd_bus_message_append(m, "ss", EXEC_INTERFACE, "Warnings") >= 0 &&
            sd_bus_message_set_allow_interactive_authorization(m, false) >= 0)
                (void) sd_bus_call_async(c->bus, NULL, m, on_reply, NULL, 0);
}

void warnings_show(Ctl *c)
{
        while (sd_bus_process(c->bus, NULL) > 0)
                ;
}
