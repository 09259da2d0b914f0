/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "api/container-json.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/container-facts.h"
#include "base/time.h"
#include "wire/json-build.h"

static char *joined_command(const ContainerInfo *c)
{
        _cleanup_buf_ Buf b = BUF_INIT;

        STRV_FOREACH (w, c->command) {
                if (w != c->command)
                        buf_puts(&b, " ");
                buf_puts(&b, *w);
        }
        buf_append(&b, "", 1);
        return buf_error(&b) < 0 ? NULL : strdup(buf_head(&b));
}

/* "26 minutes", as docker ps words it. */
static void human_duration(char *text, size_t size, uint64_t seconds)
{
        static const struct {
                uint64_t below, unit;
                const char *name;
        } steps[] = {
                {60, 1, "seconds"},          {60 * 60, 60, "minutes"},         {48 * 3600, 3600, "hours"},
                {14 * 86400, 86400, "days"}, {UINT64_MAX, 7 * 86400, "weeks"},
        };

        if (seconds < 1) {
                snprintf(text, size, "Less than a second");
                return;
        }
        for (size_t i = 0; i < ELEMENTSOF(steps); i++)
                if (seconds < steps[i].below) {
                        uint64_t n = seconds / steps[i].unit;

                        snprintf(text, size, "%" PRIu64 " %.*s", n,
                                 (int) strlen(steps[i].name) - (n == 1 ? 1 : 0), steps[i].name);
                        return;
                }
}

/* "Up 26 minutes (Paused)", "Up 3 seconds (healthy)". */
static void add_status(struct json_object *o, const ContainerInfo *c, struct json_object *facts)
{
        const char *health = container_health(c, facts);
        uint64_t now = now_usec(CLOCK_REALTIME);
        char duration[64], status[160];

        human_duration(duration, sizeof(duration),
                       now > c->started_usec ? (now - c->started_usec) / USEC_PER_SEC : 0);
        if (container_info_is_paused(c))
                snprintf(status, sizeof(status), "Up %s (Paused)", duration);
        else if (health && strcmp(health, "none") != 0)
                snprintf(status, sizeof(status), "Up %s (%s%.40s)", duration,
                         strcmp(health, "starting") == 0 ? "health: " : "", health);
        else
                snprintf(status, sizeof(status), "Up %s", duration);
        json_add_text(o, "Status", status);
}

/* Without facts that only Docker has. */
static struct json_object *public_networks(struct json_object *networks)
{
        struct json_object *copy = NULL;

        if (json_object_deep_copy(networks, &copy, NULL) < 0)
                return NULL;
        json_object_object_foreach (copy, name, network) {
                (void) name;
                if (!network || !json_object_is_type(network, json_type_object))
                        continue;
                json_object_object_del(network, "IPAMOperational");
                json_object_object_del(network, "DesiredMacAddress");
        }
        return copy;
}

static void add_networks(struct json_object *o, const ContainerInfo *c, struct json_object *facts,
                         bool whole)
{
        struct json_object *settings = json_get(facts, "NetworkSettings"),
                           *networks = json_get(settings, "Networks"), *copy = json_object_new_object();

        if (whole && settings) {
                json_object_object_foreach (settings, key, value)
                        json_object_object_add(copy, key, json_object_get(value));
        }
        if (networks && json_object_is_type(networks, json_type_object))
                json_object_object_add(copy, "Networks", public_networks(networks));
        else if (strcmp(c->kind, "podman") != 0)
                json_object_object_add(copy, "Networks", json_object_new_object());
        json_object_object_add(o, "NetworkSettings", copy);
}

static void add_name(struct json_object *o, const char *key, const ContainerInfo *c, bool in_list)
{
        _cleanup_free_ char *name = NULL;
        struct json_object *s;

        if (asprintf(&name, "/%s", c->name) < 0)
                name = NULL;
        s = json_object_new_string(name ?: c->name);
        if (in_list) {
                struct json_object *list = json_object_new_array();

                json_object_array_add(list, s);
                s = list;
        }
        json_object_object_add(o, key, s);
}

static void add_known(struct json_object *o, const char *key, struct json_object *value)
{
        if (value)
                json_object_object_add(o, key, value);
}

struct json_object *container_list_item(const ContainerInfo *c, struct json_object *facts)
{
        struct json_object *o = json_object_new_object(), *host = json_object_new_object();
        _cleanup_free_ char *command = joined_command(c), *mode = container_network_mode(c, facts);
        const char *image_id = json_get_text(facts, "Image");

        json_add_text(o, "Id", c->id);
        add_name(o, "Names", c, true);
        json_add_text(o, "Image", c->image);
        if (*image_id)
                json_add_text(o, "ImageID", image_id);
        json_add_text(o, "Command", command ?: "");
        json_add_int(o, "Created", (int64_t) (c->created_usec / USEC_PER_SEC));
        add_known(o, "Ports", container_ports(facts));
        json_object_object_add(o, "Labels", container_labels_json(c));
        json_add_text(o, "State", c->state);
        add_status(o, c, facts);
        if (mode)
                json_add_text(host, "NetworkMode", mode);
        json_object_object_add(o, "HostConfig", host);
        add_networks(o, c, facts, false);
        add_known(o, "Mounts", container_mounts(c, facts));
        return o;
}

static void add_state(struct json_object *o, const ContainerInfo *c, struct json_object *facts)
{
        struct json_object *state = json_object_new_object(), *known = json_get(facts, "State");
        const char *started = json_get_text(known, "StartedAt");
        char text[RFC3339_SIZE];

        json_add_text(state, "Status", c->state);
        json_add_bool(state, "Running", true);
        json_add_bool(state, "Paused", container_info_is_paused(c));
        json_add_bool(state, "Restarting", false);
        if (json_get(known, "OOMKilled"))
                json_object_object_add(state, "OOMKilled", json_object_get(json_get(known, "OOMKilled")));
        json_add_bool(state, "Dead", false);
        json_add_int(state, "Pid", c->leader);
        json_add_int(state, "ExitCode", 0);
        json_add_text(state, "Error", "");
        json_add_text(state, "StartedAt", *started ? started : format_rfc3339(text, c->started_usec, 1));
        json_add_text(state, "FinishedAt", "0001-01-01T00:00:00Z");
        if (json_get(known, "Health") && container_health(c, facts))
                json_object_object_add(state, "Health", json_object_get(json_get(known, "Health")));
        json_object_object_add(o, "State", state);
}

/* With the command of the first process where the engine does not say one. */
static void add_config(struct json_object *o, const ContainerInfo *c, struct json_object *facts)
{
        struct json_object *config = json_branch(facts, "Config");

        if (!json_get(config, "Cmd") && !json_get(config, "Entrypoint")) {
                struct json_object *cmd = json_object_new_array();

                STRV_FOREACH (w, c->command)
                        json_object_array_add(cmd, json_object_new_string(*w));
                json_object_object_add(config, "Cmd", cmd);
        }
        if (!json_get(config, "Image") && *c->image)
                json_add_text(config, "Image", c->image);
        json_object_object_add(config, "Labels", container_labels_json(c));
        json_object_object_add(o, "Config", json_object_get(config));
}

static void add_command(struct json_object *o, const ContainerInfo *c, struct json_object *facts)
{
        struct json_object *args = json_get(facts, "Args"), *list;

        if (*json_get_text(facts, "Path") && args) {
                json_add_text(o, "Path", json_get_text(facts, "Path"));
                json_object_object_add(o, "Args", json_object_get(args));
                return;
        }
        list = json_object_new_array();
        for (char **w = c->command && c->command[0] ? c->command + 1 : NULL; w && *w; w++)
                json_object_array_add(list, json_object_new_string(*w));
        json_add_text(o, "Path", c->command && c->command[0] ? c->command[0] : "");
        json_object_object_add(o, "Args", list);
}

struct json_object *container_details(const ContainerInfo *c)
{
        struct json_object *o = json_object_new_object(), *facts = container_facts(c), *host;
        _cleanup_free_ char *mode = container_network_mode(c, facts);
        static const char *const as_they_are[] = {"Image", "Driver", "RestartCount"};
        char text[RFC3339_SIZE];

        json_add_text(o, "Id", c->id);
        json_add_text(o, "Created",
                      *json_get_text(facts, "Created") ? json_get_text(facts, "Created")
                                                       : format_rfc3339(text, c->created_usec, 1));
        add_command(o, c, facts);
        add_state(o, c, facts);
        for (size_t i = 0; i < ELEMENTSOF(as_they_are); i++)
                if (json_get(facts, as_they_are[i]))
                        json_object_object_add(o, as_they_are[i],
                                               json_object_get(json_get(facts, as_they_are[i])));
        add_name(o, "Name", c, false);
        json_add_text(o, "Platform", "linux");
        host = json_branch(facts, "HostConfig");
        if (mode)
                json_add_text(host, "NetworkMode", mode);
        json_object_object_add(o, "HostConfig", json_object_get(host));
        add_known(o, "Mounts", container_mounts(c, facts));
        add_config(o, c, facts);
        add_networks(o, c, facts, true);
        json_object_put(facts);
        return o;
}
