/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "api/dbus-container.h"

#include <string.h>

#include "api/container-facts.h"

static int append_strv(sd_bus_message *m, const char *name, char **v)
{
        int r;

        r = sd_bus_message_open_container(m, 'e', "sv");
        if (r >= 0)
                r = sd_bus_message_append(m, "s", name);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'v', "as");
        if (r >= 0)
                r = sd_bus_message_append_strv(m, v);
        for (int i = 0; i < 2 && r >= 0; i++)
                r = sd_bus_message_close_container(m);
        return r;
}

static int append_labels(sd_bus_message *m, const ContainerInfo *k)
{
        _cleanup_strv_ char **labels = NULL;
        bool known;
        int r;

        r = container_info_labels(k, &labels, &known);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'e', "sv");
        if (r >= 0)
                r = sd_bus_message_append(m, "s", "Labels");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'v', "a{ss}");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "{ss}");
        STRV_FOREACH (l, labels) {
                _cleanup_free_ char *key = strndup(*l, strcspn(*l, "="));

                if (r >= 0)
                        r = key ? sd_bus_message_append(m, "{ss}", key, *l + strlen(key) + 1) : -ENOMEM;
        }
        for (int i = 0; i < 3 && r >= 0; i++)
                r = sd_bus_message_close_container(m);
        return r;
}

/* What is not known has no entry. */
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
                r = append_strv(m, "Environment", environment);
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
                r = append_strv(m, "Command", k->command);
        if (r >= 0)
                r = append_labels(m, k);
        if (r >= 0)
                r = append_facts(m, k);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        return r;
}
