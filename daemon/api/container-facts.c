/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "api/container-facts.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/time.h"
#include "wire/json-build.h"

/* Docker's defaults for settings that a health check omits. */
#define HEALTH_DEFAULT_SEC 30

/* Podman's mappings as Docker has them: {"80/tcp": [{"HostIp": …, "HostPort": …}]}. */
static struct json_object *podman_bindings(struct json_object *mappings)
{
        struct json_object *o = json_object_new_object();
        size_t n = json_count(mappings);

        for (size_t i = 0; i < n; i++) {
                struct json_object *m = json_object_array_get_idx(mappings, i);
                int64_t inside = json_object_get_int64(json_get(m, "container_port")),
                        outside = json_object_get_int64(json_get(m, "host_port")),
                        range = json_object_get_int64(json_get(m, "range"));
                const char *protocol = *json_get_text(m, "protocol") ? json_get_text(m, "protocol") : "tcp";

                for (int64_t k = 0; k < (range > 1 ? MIN(range, INT64_C(65535)) : 1); k++) {
                        struct json_object *list = json_object_new_array(), *b = json_object_new_object();
                        char text[64];

                        snprintf(text, sizeof(text), "%" PRId64, outside + k);
                        json_add_text(b, "HostIp", json_get_text(m, "host_ip"));
                        json_add_text(b, "HostPort", text);
                        json_object_array_add(list, b);
                        snprintf(text, sizeof(text), "%" PRId64 "/%.8s", inside + k, protocol);
                        json_object_object_add(o, text, list);
                }
        }
        return o;
}

/* {"99": ["tcp"]} */
static struct json_object *podman_exposed(struct json_object *exposed)
{
        struct json_object *o = json_object_new_object();

        if (!exposed || !json_object_is_type(exposed, json_type_object))
                return o;
        json_object_object_foreach (exposed, port, protocols) {
                size_t n = json_count(protocols);

                for (size_t i = 0; i < n; i++) {
                        char text[64];

                        snprintf(text, sizeof(text), "%.8s/%.8s", port,
                                 json_object_get_string(json_object_array_get_idx(protocols, i)));
                        json_object_object_add(o, text, json_object_new_object());
                }
        }
        return o;
}

static void add_podman_ports(struct json_object *tree)
{
        struct json_object *ports, *exposed;

        if (!json_get(tree, "CreateNetNS"))
                return;
        ports = podman_bindings(json_get(tree, "PortMappings"));
        exposed = podman_exposed(json_get(tree, "PodmanExposed"));
        json_object_object_foreach (exposed, name, nothing) {
                (void) nothing;
                if (!json_object_object_get_ex(ports, name, NULL))
                        json_object_object_add(ports, name, NULL);
        }
        json_object_object_add(json_branch(tree, "HostConfig"), "PortBindings",
                               podman_bindings(json_get(tree, "PortMappings")));
        json_object_object_add(json_branch(tree, "NetworkSettings"), "Ports", ports);
        json_object_object_add(json_branch(tree, "Config"), "ExposedPorts", exposed);
}

struct json_object *container_facts(const ContainerInfo *c)
{
        struct json_object *tree = json_object_new_object();

        for (char **d = c->details; d && d[0]; d += 2) {
                struct json_object *value = json_tokener_parse(d[1]);
                const char *dot = strchr(d[0], '.');
                char head[64];

                if (!value || (dot && (size_t) (dot - d[0]) >= sizeof(head))) {
                        json_object_put(value);
                        continue;
                }
                if (dot) {
                        snprintf(head, sizeof(head), "%.*s", (int) (dot - d[0]), d[0]);
                        json_object_object_add(json_branch(tree, head), dot + 1, value);
                } else
                        json_object_object_add(tree, d[0], value);
        }
        add_podman_ports(tree);
        return tree;
}

struct json_object *container_labels_json(const ContainerInfo *c)
{
        struct json_object *o = json_object_new_object();
        _cleanup_strv_ char **labels = NULL;
        bool known;

        (void) container_info_labels(c, &labels, &known);
        STRV_FOREACH (l, labels) {
                _cleanup_free_ char *key = strndup(*l, strcspn(*l, "="));

                if (key)
                        json_add_text(o, key, *l + strlen(key) + 1);
        }
        return o;
}

/* Docker's MountPoints: by destination. */
static struct json_object *docker_mounts(struct json_object *points)
{
        struct json_object *list = json_object_new_array();

        json_object_object_foreach (points, destination, p) {
                struct json_object *o = json_object_new_object(), *writable = json_get(p, "RW");
                static const char *const optional[] = {"Name", "Driver"};

                json_add_text(o, "Type", json_get_text(p, "Type"));
                json_add_text(o, "Source", json_get_text(p, "Source"));
                json_add_text(o, "Destination", destination);
                for (size_t i = 0; i < ELEMENTSOF(optional); i++)
                        if (*json_get_text(p, optional[i]))
                                json_add_text(o, optional[i], json_get_text(p, optional[i]));
                json_add_text(o, "Mode", json_get_text(p, "Relabel"));
                json_add_bool(o, "RW", json_object_get_boolean(writable));
                json_add_text(o, "Propagation", json_get_text(p, "Propagation"));
                json_object_array_add(list, o);
        }
        return list;
}

static bool has_text(struct json_object *list, const char *text)
{
        size_t n = json_count(list);

        for (size_t i = 0; i < n; i++) {
                struct json_object *s = json_object_array_get_idx(list, i);

                if (s && json_object_is_type(s, json_type_string) &&
                    strcmp(json_object_get_string(s), text) == 0)
                        return true;
        }
        return false;
}

/* The member of a list whose `key` is this text. */
static struct json_object *find_in(struct json_object *list, const char *key, const char *text)
{
        size_t n = json_count(list);

        for (size_t i = 0; i < n; i++) {
                struct json_object *o = json_object_array_get_idx(list, i);

                if (strcmp(json_get_text(o, key), text) == 0)
                        return o;
        }
        return NULL;
}

/* A bundle's mounts: the bind mounts, and of Podman's only those that a user asked for. */
static struct json_object *bundle_mounts(struct json_object *facts, struct json_object *mounts)
{
        struct json_object *list = json_object_new_array(), *asked = json_get(facts, "UserVolumes"),
                           *volumes = json_get(facts, "NamedVolumes");
        bool is_podmans = json_get(facts, "CreateNetNS");

        for (size_t i = 0; i < json_object_array_length(mounts); i++) {
                struct json_object *m = json_object_array_get_idx(mounts, i),
                                   *options = json_get(m, "options");
                const char *destination = json_get_text(m, "destination");
                struct json_object *o, *volume = find_in(volumes, "dest", destination);
                bool is_bind = strcmp(json_get_text(m, "type"), "bind") == 0 || has_text(options, "bind") ||
                               has_text(options, "rbind");

                if (!is_bind || (is_podmans && !volume && !has_text(asked, destination)))
                        continue;
                o = json_object_new_object();
                json_add_text(o, "Type", volume ? "volume" : "bind");
                if (volume) {
                        json_add_text(o, "Name", json_get_text(volume, "volumeName"));
                        json_add_text(o, "Driver", "local");
                }
                json_add_text(o, "Source", json_get_text(m, "source"));
                json_add_text(o, "Destination", destination);
                json_add_bool(o, "RW", !has_text(options, "ro"));
                json_object_array_add(list, o);
        }
        return list;
}

struct json_object *container_mounts(const ContainerInfo *c, struct json_object *facts)
{
        struct json_object *points = json_get(facts, "MountPoints"),
                           *mounts = json_get(facts, "BundleMounts");

        if (points && json_object_is_type(points, json_type_object))
                return docker_mounts(points);
        /* Podman mounts files of its own, and only its database tells them from those that a user asked for. */
        if (strcmp(c->kind, "podman") == 0 && !json_get(facts, "CreateNetNS"))
                return NULL;
        if (mounts && json_object_is_type(mounts, json_type_array))
                return bundle_mounts(facts, mounts);
        return NULL;
}

static void add_port(struct json_object *list, const char *name, struct json_object *binding)
{
        struct json_object *o = json_object_new_object();
        const char *protocol = strchr(name, '/');

        if (binding) {
                json_add_text(o, "IP", json_get_text(binding, "HostIp"));
                json_add_int(o, "PublicPort", strtol(json_get_text(binding, "HostPort"), NULL, 10));
        }
        json_add_int(o, "PrivatePort", strtol(name, NULL, 10));
        json_add_text(o, "Type", protocol ? protocol + 1 : "tcp");
        json_object_array_add(list, o);
}

/* Docker's: {"80/tcp": [{"HostIp": …, "HostPort": …}]}, or null for a port that is only exposed. */
static struct json_object *docker_ports(struct json_object *ports)
{
        struct json_object *list = json_object_new_array();

        json_object_object_foreach (ports, name, bindings) {
                size_t n = json_count(bindings);

                for (size_t i = 0; i < n; i++)
                        add_port(list, name, json_object_array_get_idx(bindings, i));
                if (n == 0)
                        add_port(list, name, NULL);
        }
        return list;
}

struct json_object *container_ports(struct json_object *facts)
{
        struct json_object *ports = json_get(json_get(facts, "NetworkSettings"), "Ports");

        return ports && json_object_is_type(ports, json_type_object) ? docker_ports(ports) : NULL;
}

/* "2026-11-24T16:36:30.343607322Z", or with an offset; 0 for another text. */
static uint64_t parse_seconds(const char *text)
{
        struct tm tm = {0};
        int hours = 0, minutes = 0;
        const char *p = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
        char sign = '+';
        time_t t;

        if (!p)
                return 0;
        if (*p == '.')
                p += 1 + strspn(p + 1, "0123456789");
        if (*p != 'Z' && sscanf(p, "%c%2d:%2d", &sign, &hours, &minutes) != 3)
                return 0;
        t = timegm(&tm) - (sign == '-' ? -1 : 1) * (hours * 60 + minutes) * 60;
        return t > 0 ? (uint64_t) t : 0;
}

/* Docker before 23 writes each check down, later ones only the state at the start. The health in the file
 * is current as long as no other check can have ended since. */
static bool health_is_current(const ContainerInfo *c, struct json_object *health, struct json_object *config)
{
        struct json_object *log = json_get(health, "Log"), *check = json_get(config, "Healthcheck");
        int64_t interval = json_object_get_int64(json_get(check, "Interval")) / INT64_C(1000000000),
                timeout = json_object_get_int64(json_get(check, "Timeout")) / INT64_C(1000000000);
        uint64_t last = c->started_usec / USEC_PER_SEC;
        size_t n = json_count(log);

        interval = interval > 0 ? interval : HEALTH_DEFAULT_SEC;
        timeout = timeout > 0 ? timeout : HEALTH_DEFAULT_SEC;
        if (n > 0) {
                last = parse_seconds(json_get_text(json_object_array_get_idx(log, n - 1), "End"));
                interval += timeout;
        }
        return now_usec(CLOCK_REALTIME) / USEC_PER_SEC < last + (uint64_t) interval;
}

const char *container_health(const ContainerInfo *c, struct json_object *facts)
{
        struct json_object *health = json_get(json_get(facts, "State"), "Health");
        const char *status = json_get_text(health, "Status");

        if (!*status)
                status = json_get_text(health, "status");
        if (*status)
                return strcmp(c->kind, "docker") != 0 || strcmp(status, "none") == 0 ||
                                       health_is_current(c, health, json_get(facts, "Config"))
                               ? status
                               : NULL;
        if (json_get(json_get(facts, "Config"), "Healthcheck"))
                return "starting";
        return strcmp(c->kind, "podman") == 0 && !json_get(facts, "CreateNetNS") ? NULL : "none";
}

char *container_network_mode(const ContainerInfo *c, struct json_object *facts)
{
        const char *mode = json_get_text(json_get(facts, "HostConfig"), "NetworkMode"),
                   *other = json_get_text(facts, "NetNsCtr");
        struct json_object *create = json_get(facts, "CreateNetNS"),
                           *namespaces = json_get(facts, "Namespaces");
        char *text;

        if (*mode)
                return strdup(mode);
        if (strcmp(c->kind, "podman") != 0 || !create)
                return NULL;
        if (*other)
                return asprintf(&text, "container:%s", other) < 0 ? NULL : text;
        if (json_object_get_boolean(create))
                return strdup("bridge");
        return strdup(find_in(namespaces, "type", "network") ? "none" : "host");
}

static const char *text_or_null(struct json_object *o, const char *key)
{
        const char *text = json_get_text(o, key);

        return *text ? text : NULL;
}

const char *container_hostname(struct json_object *facts)
{
        return text_or_null(json_get(facts, "Config"), "Hostname");
}

const char *container_image_id(struct json_object *facts)
{
        return text_or_null(facts, "Image");
}

int container_environment(struct json_object *facts, char ***ret)
{
        struct json_object *list = json_get(json_get(facts, "Config"), "Env");
        _cleanup_strv_ char **v = NULL;

        if (list && json_object_is_type(list, json_type_array))
                for (size_t i = 0; i < json_object_array_length(list); i++) {
                        const char *text = json_object_get_string(json_object_array_get_idx(list, i));

                        if (strv_append(&v, text ?: "") < 0)
                                return -ENOMEM;
                }
        *ret = TAKE_PTR(v);
        return 0;
}
