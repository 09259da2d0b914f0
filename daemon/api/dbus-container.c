/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "api/dbus-container.h"

#include <string.h>

#include "api/container-facts.h"
#include "api/dbus-append.h"

static int append_labels(sd_bus_message *m, const ContainerInfo *k)
{
        _cleanup_strv_ char **labels = NULL;
        bool known;
        int r = container_info_labels(k, &labels, &known);

        return r < 0 ? r : dbus_append_pairs(m, "Labels", labels);
}

/* Unknown facts are omitted. */
static int append_facts(sd_bus_message *m, const ContainerInfo *k)
{
        struct json_object *facts = container_facts(k);
        _cleanup_free_ char *mode = container_network_mode(k, facts);
        const char *health = container_health(k, facts), *hostname = container_hostname(facts),
                   *image_id = container_image_id(facts);
        _cleanup_strv_ char **environment = NULL;
        int r;

        r = container_environment(facts, &environment);
        if (r >= 0 && environment)
                r = dbus_append_strings(m, "Environment", environment);
        if (r >= 0 && hostname)
                r = sd_bus_message_append(m, "{sv}", "Hostname", "s", hostname);
        if (r >= 0 && image_id)
                r = sd_bus_message_append(m, "{sv}", "ImageId", "s", image_id);
        if (r >= 0 && mode)
                r = sd_bus_message_append(m, "{sv}", "NetworkMode", "s", mode);
        if (r >= 0 && health && strcmp(health, "none") != 0)
                r = sd_bus_message_append(m, "{sv}", "Health", "s", health);
        json_object_put(facts);
        return r;
}

int dbus_append_container(sd_bus_message *m, const ContainerInfo *k)
{
        int r;

        r = sd_bus_message_open_container(m, 'a', "{sv}");
        if (r >= 0)
                r = sd_bus_message_append(m, "{sv}{sv}{sv}{sv}{sv}{sv}{sv}", "Id", "s", k->id, "Name", "s",
                                          k->name, "Kind", "s", k->kind, "State", "s", k->state, "Image",
                                          "s", k->image, "Unit", "s", k->unit, "Slice", "s", k->slice);
        if (r >= 0)
                r = sd_bus_message_append(m, "{sv}{sv}{sv}", "Leader", "u", k->leader, "CreatedUSec", "t",
                                          k->created_usec, "StartedUSec", "t", k->started_usec);
        if (r >= 0)
                r = dbus_append_strings(m, "Command", k->command);
        if (r >= 0)
                r = append_labels(m, k);
        if (r >= 0)
                r = append_facts(m, k);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        return r;
}
