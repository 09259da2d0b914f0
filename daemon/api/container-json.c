/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "api/container-json.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/time.h"
#include "wire/oci-details.h"

/* Of Docker, for what a health check does not say. */
#define HEALTH_DEFAULT_SEC 30

static void add(struct json_object *o, const char *key, const char *value)
{
        json_object_object_add(o, key, json_object_new_string(value));
}

static void add_bool(struct json_object *o, const char *key, bool value)
{
        json_object_object_add(o, key, json_object_new_boolean(value));
}

static void add_int(struct json_object *o, const char *key, int64_t value)
{
        json_object_object_add(o, key, json_object_new_int64(value));
}

static struct json_object *get(struct json_object *o, const char *key)
{
        return o && json_object_is_type(o, json_type_object) ? json_object_object_get(o, key) : NULL;
}

/* "" for none. */
static const char *get_text(struct json_object *o, const char *key)
{
        struct json_object *s = get(o, key);

        return s && json_object_is_type(s, json_type_string) ? json_object_get_string(s) : "";
}

/* The object of this name in `o`, made if there is none. */
static struct json_object *branch(struct json_object *o, const char *key)
{
        struct json_object *b = get(o, key);

        if (!b || !json_object_is_type(b, json_type_object)) {
                b = json_object_new_object();
                json_object_object_add(o, key, b);
        }
        return b;
}

/* Podman's mappings as Docker has them: {"80/tcp": [{"HostIp": …, "HostPort": …}]}. */
static struct json_object *podman_bindings(struct json_object *mappings)
{
        struct json_object *o = json_object_new_object();
        size_t n = mappings && json_object_is_type(mappings, json_type_array)
                           ? json_object_array_length(mappings)
                           : 0;

        for (size_t i = 0; i < n; i++) {
                struct json_object *m = json_object_array_get_idx(mappings, i);
                int64_t inside = json_object_get_int64(get(m, "container_port")),
                        outside = json_object_get_int64(get(m, "host_port")),
                        range = json_object_get_int64(get(m, "range"));
                const char *protocol = *get_text(m, "protocol") ? get_text(m, "protocol") : "tcp";

                for (int64_t k = 0; k < (range > 1 ? MIN(range, INT64_C(65535)) : 1); k++) {
                        struct json_object *list = json_object_new_array(), *b = json_object_new_object();
                        char text[64];

                        snprintf(text, sizeof(text), "%" PRId64, outside + k);
                        add(b, "HostIp", get_text(m, "host_ip"));
                        add(b, "HostPort", text);
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
                size_t n = protocols && json_object_is_type(protocols, json_type_array)
                                   ? json_object_array_length(protocols)
                                   : 0;

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

        if (!get(tree, "CreateNetNS"))
                return;
        ports = podman_bindings(get(tree, "PortMappings"));
        exposed = podman_exposed(get(tree, "PodmanExposed"));
        json_object_object_foreach (exposed, name, nothing) {
                (void) nothing;
                if (!json_object_object_get_ex(ports, name, NULL))
                        json_object_object_add(ports, name, NULL);
        }
        json_object_object_add(branch(tree, "HostConfig"), "PortBindings",
                               podman_bindings(get(tree, "PortMappings")));
        json_object_object_add(branch(tree, "NetworkSettings"), "Ports", ports);
        json_object_object_add(branch(tree, "Config"), "ExposedPorts", exposed);
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
                        json_object_object_add(branch(tree, head), dot + 1, value);
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
                        add(o, key, *l + strlen(key) + 1);
        }
        return o;
}

/* Docker's MountPoints: by destination. */
static struct json_object *docker_mounts(struct json_object *points)
{
        struct json_object *list = json_object_new_array();

        json_object_object_foreach (points, destination, p) {
                struct json_object *o = json_object_new_object(), *writable = get(p, "RW");
                static const char *const optional[] = {"Name", "Driver"};

                add(o, "Type", get_text(p, "Type"));
                add(o, "Source", get_text(p, "Source"));
                add(o, "Destination", destination);
                for (size_t i = 0; i < ELEMENTSOF(optional); i++)
                        if (*get_text(p, optional[i]))
                                add(o, optional[i], get_text(p, optional[i]));
                add(o, "Mode", get_text(p, "Relabel"));
                add_bool(o, "RW", json_object_get_boolean(writable));
                add(o, "Propagation", get_text(p, "Propagation"));
                json_object_array_add(list, o);
        }
        return list;
}

static bool has_text(struct json_object *list, const char *text)
{
        size_t n = list && json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;

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
        size_t n = list && json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;

        for (size_t i = 0; i < n; i++) {
                struct json_object *o = json_object_array_get_idx(list, i);

                if (strcmp(get_text(o, key), text) == 0)
                        return o;
        }
        return NULL;
}

/* A bundle's mounts: the bind mounts, and of Podman's only those that a user asked for. */
static struct json_object *bundle_mounts(struct json_object *facts, struct json_object *mounts)
{
        struct json_object *list = json_object_new_array(), *asked = get(facts, "UserVolumes"),
                           *volumes = get(facts, "NamedVolumes");
        bool is_podmans = get(facts, "CreateNetNS");

        for (size_t i = 0; i < json_object_array_length(mounts); i++) {
                struct json_object *m = json_object_array_get_idx(mounts, i), *options = get(m, "options");
                const char *destination = get_text(m, "destination");
                struct json_object *o, *volume = find_in(volumes, "dest", destination);
                bool is_bind = strcmp(get_text(m, "type"), "bind") == 0 || has_text(options, "bind") ||
                               has_text(options, "rbind");

                if (!is_bind || (is_podmans && !volume && !has_text(asked, destination)))
                        continue;
                o = json_object_new_object();
                add(o, "Type", volume ? "volume" : "bind");
                if (volume) {
                        add(o, "Name", get_text(volume, "volumeName"));
                        add(o, "Driver", "local");
                }
                add(o, "Source", get_text(m, "source"));
                add(o, "Destination", destination);
                add_bool(o, "RW", !has_text(options, "ro"));
                json_object_array_add(list, o);
        }
        return list;
}

struct json_object *container_mounts(struct json_object *facts)
{
        struct json_object *points = get(facts, "MountPoints"), *mounts = get(facts, "BundleMounts");

        if (points && json_object_is_type(points, json_type_object))
                return docker_mounts(points);
        if (mounts && json_object_is_type(mounts, json_type_array))
                return bundle_mounts(facts, mounts);
        return NULL;
}

static void add_port(struct json_object *list, const char *name, struct json_object *binding)
{
        struct json_object *o = json_object_new_object();
        const char *protocol = strchr(name, '/');

        if (binding) {
                add(o, "IP", get_text(binding, "HostIp"));
                add_int(o, "PublicPort", strtol(get_text(binding, "HostPort"), NULL, 10));
        }
        add_int(o, "PrivatePort", strtol(name, NULL, 10));
        add(o, "Type", protocol ? protocol + 1 : "tcp");
        json_object_array_add(list, o);
}

/* Docker's: {"80/tcp": [{"HostIp": …, "HostPort": …}]}, or null for a port that is only exposed. */
static struct json_object *docker_ports(struct json_object *ports)
{
        struct json_object *list = json_object_new_array();

        json_object_object_foreach (ports, name, bindings) {
                size_t n = bindings && json_object_is_type(bindings, json_type_array)
                                   ? json_object_array_length(bindings)
                                   : 0;

                for (size_t i = 0; i < n; i++)
                        add_port(list, name, json_object_array_get_idx(bindings, i));
                if (n == 0)
                        add_port(list, name, NULL);
        }
        return list;
}

struct json_object *container_ports(struct json_object *facts)
{
        struct json_object *ports = get(get(facts, "NetworkSettings"), "Ports");

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

/* Docker before 23 writes each check down, later ones only the state at the start. What the file says is the
 * health as long as no other check can have ended since. */
static bool health_is_current(const ContainerInfo *c, struct json_object *health, struct json_object *config)
{
        struct json_object *log = get(health, "Log"), *check = get(config, "Healthcheck");
        int64_t interval = json_object_get_int64(get(check, "Interval")) / INT64_C(1000000000),
                timeout = json_object_get_int64(get(check, "Timeout")) / INT64_C(1000000000);
        uint64_t last = c->started_usec / USEC_PER_SEC;
        size_t n = log && json_object_is_type(log, json_type_array) ? json_object_array_length(log) : 0;

        interval = interval > 0 ? interval : HEALTH_DEFAULT_SEC;
        timeout = timeout > 0 ? timeout : HEALTH_DEFAULT_SEC;
        if (n > 0) {
                last = parse_seconds(get_text(json_object_array_get_idx(log, n - 1), "End"));
                interval += timeout;
        }
        return now_usec(CLOCK_REALTIME) / USEC_PER_SEC < last + (uint64_t) interval;
}

const char *container_health(const ContainerInfo *c, struct json_object *facts)
{
        struct json_object *health = get(get(facts, "State"), "Health");
        const char *status = get_text(health, "Status");

        if (!*status)
                status = get_text(health, "status");
        if (*status)
                return strcmp(c->kind, "docker") != 0 || strcmp(status, "none") == 0 ||
                                       health_is_current(c, health, get(facts, "Config"))
                               ? status
                               : NULL;
        if (get(get(facts, "Config"), "Healthcheck"))
                return "starting";
        return strcmp(c->kind, "podman") == 0 && !get(facts, "CreateNetNS") ? NULL : "none";
}

char *container_network_mode(const ContainerInfo *c, struct json_object *facts)
{
        const char *mode = get_text(get(facts, "HostConfig"), "NetworkMode"),
                   *other = get_text(facts, "NetNsCtr");
        struct json_object *create = get(facts, "CreateNetNS"), *namespaces = get(facts, "Namespaces");
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
        const char *text = get_text(o, key);

        return *text ? text : NULL;
}

const char *container_hostname(struct json_object *facts)
{
        return text_or_null(get(facts, "Config"), "Hostname");
}

const char *container_image_id(struct json_object *facts)
{
        return text_or_null(facts, "Image");
}

int container_environment(struct json_object *facts, char ***ret)
{
        struct json_object *list = get(get(facts, "Config"), "Env");
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
        add(o, "Status", status);
}

/* Without what is only Docker's own. */
static struct json_object *public_networks(struct json_object *networks)
{
        struct json_object *copy = NULL;

        if (json_object_deep_copy(networks, &copy, NULL) < 0)
                return NULL;
        json_object_object_foreach (copy, name, network) {
                (void) name;
                if (network && json_object_is_type(network, json_type_object))
                        json_object_object_del(network, "IPAMOperational");
        }
        return copy;
}

static void add_networks(struct json_object *o, const ContainerInfo *c, struct json_object *facts,
                         bool whole)
{
        struct json_object *settings = get(facts, "NetworkSettings"), *networks = get(settings, "Networks"),
                           *copy = json_object_new_object();

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
        const char *image_id = get_text(facts, "Image");

        add(o, "Id", c->id);
        add_name(o, "Names", c, true);
        add(o, "Image", c->image);
        if (*image_id)
                add(o, "ImageID", image_id);
        add(o, "Command", command ?: "");
        add_int(o, "Created", (int64_t) (c->created_usec / USEC_PER_SEC));
        add_known(o, "Ports", container_ports(facts));
        json_object_object_add(o, "Labels", container_labels_json(c));
        add(o, "State", c->state);
        add_status(o, c, facts);
        if (mode)
                add(host, "NetworkMode", mode);
        json_object_object_add(o, "HostConfig", host);
        add_networks(o, c, facts, false);
        add_known(o, "Mounts", container_mounts(facts));
        return o;
}

static void add_state(struct json_object *o, const ContainerInfo *c, struct json_object *facts)
{
        struct json_object *state = json_object_new_object(), *known = get(facts, "State");
        const char *started = get_text(known, "StartedAt");
        char text[RFC3339_SIZE];

        add(state, "Status", c->state);
        add_bool(state, "Running", true);
        add_bool(state, "Paused", container_info_is_paused(c));
        add_bool(state, "Restarting", false);
        if (get(known, "OOMKilled"))
                json_object_object_add(state, "OOMKilled", json_object_get(get(known, "OOMKilled")));
        add_bool(state, "Dead", false);
        add_int(state, "Pid", c->leader);
        add_int(state, "ExitCode", 0);
        add(state, "Error", "");
        add(state, "StartedAt", *started ? started : format_rfc3339(text, c->started_usec, 1));
        add(state, "FinishedAt", "0001-01-01T00:00:00Z");
        if (get(known, "Health") && container_health(c, facts))
                json_object_object_add(state, "Health", json_object_get(get(known, "Health")));
        json_object_object_add(o, "State", state);
}

/* With the command of the first process where the engine does not say one. */
static void add_config(struct json_object *o, const ContainerInfo *c, struct json_object *facts)
{
        struct json_object *config = branch(facts, "Config");

        if (!get(config, "Cmd") && !get(config, "Entrypoint")) {
                struct json_object *cmd = json_object_new_array();

                STRV_FOREACH (w, c->command)
                        json_object_array_add(cmd, json_object_new_string(*w));
                json_object_object_add(config, "Cmd", cmd);
        }
        if (!get(config, "Image") && *c->image)
                add(config, "Image", c->image);
        json_object_object_add(config, "Labels", container_labels_json(c));
        json_object_object_add(o, "Config", json_object_get(config));
}

static void add_command(struct json_object *o, const ContainerInfo *c, struct json_object *facts)
{
        struct json_object *args = get(facts, "Args"), *list;

        if (*get_text(facts, "Path") && args) {
                add(o, "Path", get_text(facts, "Path"));
                json_object_object_add(o, "Args", json_object_get(args));
                return;
        }
        list = json_object_new_array();
        for (char **w = c->command && c->command[0] ? c->command + 1 : NULL; w && *w; w++)
                json_object_array_add(list, json_object_new_string(*w));
        add(o, "Path", c->command && c->command[0] ? c->command[0] : "");
        json_object_object_add(o, "Args", list);
}

struct json_object *container_details(const ContainerInfo *c)
{
        struct json_object *o = json_object_new_object(), *facts = container_facts(c), *host;
        _cleanup_free_ char *mode = container_network_mode(c, facts);
        static const char *const as_they_are[] = {"Image", "Driver", "RestartCount"};
        char text[RFC3339_SIZE];

        add(o, "Id", c->id);
        add(o, "Created",
            *get_text(facts, "Created") ? get_text(facts, "Created")
                                        : format_rfc3339(text, c->created_usec, 1));
        add_command(o, c, facts);
        add_state(o, c, facts);
        for (size_t i = 0; i < ELEMENTSOF(as_they_are); i++)
                if (get(facts, as_they_are[i]))
                        json_object_object_add(o, as_they_are[i],
                                               json_object_get(get(facts, as_they_are[i])));
        add_name(o, "Name", c, false);
        add(o, "Platform", "linux");
        host = branch(facts, "HostConfig");
        if (mode)
                add(host, "NetworkMode", mode);
        json_object_object_add(o, "HostConfig", json_object_get(host));
        add_known(o, "Mounts", container_mounts(facts));
        add_config(o, c, facts);
        add_networks(o, c, facts, true);
        json_object_put(facts);
        return o;
}
