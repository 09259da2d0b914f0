/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "api/container-filter.h"

#include <string.h>

#include "api/container-facts.h"
#include "api/image-name.h"
#include "api/port-range.h"
#include "wire/json-build.h"
#include "wire/service-name.h"

struct ContainerFilter {
        HttpFilter *values;
        uint64_t before, since; /* CLOCK_REALTIME; 0: not asked for */
        char *before_id, *since_id;
        char **ids; /* of those that "id" names */
};

ContainerFilter *container_filter_free(ContainerFilter *f)
{
        if (!f)
                return NULL;
        http_filter_free(f->values);
        free(f->before_id);
        free(f->since_id);
        strv_free(f->ids);
        return mfree(f);
}

static int bad_value(const char *key, const char *value, Refusal *reterr)
{
        return refuse(reterr, REFUSAL_BAD_REQUEST, EINVAL, "invalid filter '%s=%s'", key, value);
}

/* The values of a key must be among these words. */
static int check_words(const ContainerFilter *f, const char *key, const char *const *words, Refusal *reterr)
{
        char **values = http_filter_values(f->values, key);

        STRV_FOREACH (v, values) {
                const char *const *w = words;

                while (*w && strcmp(*w, *v) != 0)
                        w++;
                if (!*w)
                        return bad_value(key, *v, reterr);
        }
        return 0;
}

static int check_numbers(const ContainerFilter *f, const char *key, Refusal *reterr)
{
        char **values = http_filter_values(f->values, key);

        STRV_FOREACH (v, values) {
                const char *digits = **v == '-' || **v == '+' ? *v + 1 : *v;

                if (!*digits || strspn(digits, "0123456789") != strlen(digits) || strlen(digits) > 18)
                        return bad_value(key, *v, reterr);
        }
        return 0;
}

static int check_ports(const ContainerFilter *f, const char *key, Refusal *reterr)
{
        char **values = http_filter_values(f->values, key);
        PortRange range;

        STRV_FOREACH (v, values)
                if (!port_range_parse(*v, &range))
                        return bad_value(key, *v, reterr);
        return 0;
}

static int read_values(const ContainerFilter *f, Refusal *reterr)
{
        static const char *const states[] = {"created",  "running", "paused", "restarting",
                                             "removing", "exited",  "dead",   NULL};
        static const char *const healths[] = {"starting", "healthy", "unhealthy", "none", NULL};
        static const char *const booleans[] = {"true", "false", "1", "0", NULL};
        static const char *const kinds[] = {"machine", "docker", "podman", "runc", "crun", "service", NULL};
        static const char *const isolations[] = {"", "default", "process", "hyperv", NULL};
        int r;

        r = http_filter_read_names(f->values, "name", reterr);
        if (r >= 0)
                r = http_filter_read_names(f->values, "id", reterr);
        if (r >= 0)
                r = check_words(f, "status", states, reterr);
        if (r >= 0)
                r = check_words(f, "health", healths, reterr);
        if (r >= 0)
                r = check_words(f, "is-task", booleans, reterr);
        if (r >= 0)
                r = check_words(f, "isolation", isolations, reterr);
        if (r >= 0)
                r = check_words(f, "kind", kinds, reterr);
        if (r >= 0)
                r = check_numbers(f, "exited", reterr);
        if (r >= 0)
                r = check_ports(f, "publish", reterr);
        return r < 0 ? r : check_ports(f, "expose", reterr);
}

int container_filter_from_query(HttpExchange *x, ContainerFilter **ret, Refusal *reterr)
{
        static const char *const known[] = {"ancestor", "before",    "exited", "expose", "health", "id",
                                            "is-task",  "isolation", "kind",   "label",  "name",   "network",
                                            "publish",  "since",     "status", "volume", NULL};
        _cleanup_(container_filter_freep) ContainerFilter *f = calloc(1, sizeof(*f));
        int r;

        if (!f)
                return -ENOMEM;
        r = http_filter_from_query(x, known, &f->values, reterr);
        if (r >= 0)
                r = read_values(f, reterr);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(f);
        return 0;
}

bool container_filter_wants_services(const ContainerFilter *f, bool by_default)
{
        char **kinds = http_filter_values(f->values, "kind");

        STRV_FOREACH (kind, kinds)
                if (strcmp(*kind, SERVICE_KIND) == 0)
                        return true;
        return !kinds && by_default;
}

static const ContainerInfo *find(ContainerInfo *const *containers, size_t n, const char *reference)
{
        const ContainerInfo *found = NULL;

        reference += *reference == '/';
        for (size_t i = 0; i < n; i++)
                if (strcmp(containers[i]->id, reference) == 0 || strcmp(containers[i]->name, reference) == 0)
                        return containers[i];
        for (size_t i = 0; i < n && *reference; i++)
                if (strncmp(containers[i]->id, reference, strlen(reference)) == 0)
                        found = containers[i];
        return found;
}

static int resolve_one(const ContainerFilter *f, const char *key, ContainerInfo *const *containers, size_t n,
                       uint64_t *ret_time, char **ret_id, Refusal *reterr)
{
        char **values = http_filter_values(f->values, key);

        STRV_FOREACH (v, values) {
                const ContainerInfo *c = find(containers, n, *v);

                if (!c)
                        return refuse(reterr, REFUSAL_NO_CONTAINER, ENOENT, "No such container: %s", *v);
                free(*ret_id);
                *ret_id = strdup(c->id);
                if (!*ret_id)
                        return -ENOMEM;
                *ret_time = c->created_usec;
        }
        return 0;
}

/* As in Docker, the start of an id, unless several begin so. */
static int resolve_ids(ContainerFilter *f, ContainerInfo *const *containers, size_t n)
{
        char **values = http_filter_values(f->values, "id");

        STRV_FOREACH (v, values) {
                const ContainerInfo *found = NULL;
                size_t n_found = 0;
                int r;

                for (size_t i = 0; i < n && **v; i++)
                        if (strncmp(containers[i]->id, *v, strlen(*v)) == 0) {
                                found = containers[i];
                                n_found++;
                        }
                r = n_found == 1 ? strv_append(&f->ids, found->id) : 0;
                if (r < 0)
                        return r;
        }
        return 0;
}

static bool match_id(const ContainerFilter *f, const ContainerInfo *c)
{
        STRV_FOREACH (id, f->ids)
                if (strcmp(*id, c->id) == 0)
                        return true;
        return !http_filter_values(f->values, "id");
}

int container_filter_resolve(ContainerFilter *f, ContainerInfo *const *containers, size_t n, Refusal *reterr)
{
        int r;

        r = resolve_ids(f, containers, n);
        if (r < 0)
                return r;
        r = resolve_one(f, "before", containers, n, &f->before, &f->before_id, reterr);
        return r < 0 ? r : resolve_one(f, "since", containers, n, &f->since, &f->since_id, reterr);
}

static const char *engine_of(const ContainerInfo *c)
{
        return strcmp(c->kind, "docker") == 0   ? "Docker"
               : strcmp(c->kind, "podman") == 0 ? "Podman"
                                                : c->kind;
}

/* Docker 23 and later do not write the health down, and Podman 5 has a database for labels. */
static int not_known(const ContainerInfo *c, const char *key, Refusal *reterr)
{
        return refuse(reterr, REFUSAL_UNSUPPORTED, EOPNOTSUPP,
                      "the filter '%s' is not supported for container %s: it is not in the files of %s that "
                      "execd reads",
                      key, c->name, engine_of(c));
}

static int match_labels(const ContainerFilter *f, const ContainerInfo *c, Refusal *reterr)
{
        char **values = http_filter_values(f->values, "label");
        _cleanup_strv_ char **labels = NULL;
        bool known, ours = true;
        int r;

        if (!values)
                return 1;
        r = container_info_labels(c, &labels, &known);
        if (r < 0)
                return r;
        STRV_FOREACH (v, values)
                ours = ours && strncmp(*v, "org.execd1.", strlen("org.execd1.")) == 0;
        if (!known && !ours)
                return not_known(c, "label", reterr);
        return http_filter_match_labels(f->values, labels);
}

static bool match_ancestor(const ContainerFilter *f, const ContainerInfo *c, struct json_object *facts)
{
        char **values = http_filter_values(f->values, "ancestor");

        STRV_FOREACH (v, values)
                if (image_name_matches(c->image, *v) || image_id_matches(json_get_text(facts, "Image"), *v))
                        return true;
        return !values;
}

static int match_networks(const ContainerFilter *f, const ContainerInfo *c, struct json_object *facts,
                          Refusal *reterr)
{
        struct json_object *networks = json_get(json_get(facts, "NetworkSettings"), "Networks");
        char **values = http_filter_values(f->values, "network");
        _cleanup_free_ char *mode = NULL;

        if (!values)
                return 1;
        if (!networks) {
                mode = container_network_mode(c, facts);
                /* execd knows only whether a container of Podman has networks. */
                if (strcmp(c->kind, "podman") == 0 && (!mode || strcmp(mode, "bridge") == 0))
                        return not_known(c, "network", reterr);
                return mode && (strcmp(mode, "none") == 0 || strcmp(mode, "host") == 0) &&
                       http_filter_match(f->values, "network", mode);
        }
        STRV_FOREACH (v, values) {
                if (json_get(networks, *v))
                        return 1;
                json_object_object_foreach (networks, name, n) {
                        (void) name;
                        if (**v && strncmp(json_get_text(n, "NetworkID"), *v, strlen(*v)) == 0)
                                return 1;
                }
        }
        return 0;
}

static int match_volumes(const ContainerFilter *f, const ContainerInfo *c, struct json_object *facts,
                         Refusal *reterr)
{
        char **values = http_filter_values(f->values, "volume");
        struct json_object *mounts;
        int found = 0;

        if (!values)
                return 1;
        mounts = container_mounts(c, facts);
        if (!mounts)
                return strcmp(c->kind, "machine") == 0 ? 0 : not_known(c, "volume", reterr);
        STRV_FOREACH (v, values)
                for (size_t i = 0; i < json_object_array_length(mounts); i++) {
                        struct json_object *m = json_object_array_get_idx(mounts, i);
                        const char *name = *json_get_text(m, "Name") ? json_get_text(m, "Name")
                                                                     : json_get_text(m, "Source");

                        if (strcmp(name, *v) == 0 || strcmp(json_get_text(m, "Destination"), *v) == 0)
                                found = 1;
                }
        json_object_put(mounts);
        return found;
}

/* Docker's rule: "expose" compares ports of the container, "publish" compares ports of the host that lead
 * to it. */
static bool has_port(struct json_object *ports, const char *value, bool published)
{
        PortRange range;

        if (!port_range_parse(value, &range) || !ports || !json_object_is_type(ports, json_type_object))
                return false;
        json_object_object_foreach (ports, name, bindings) {
                const char *slash = strchr(name, '/'), *protocol = slash ? slash + 1 : "tcp";
                size_t n = json_count(bindings);

                if (!published && port_range_has(&range, protocol, name))
                        return true;
                for (size_t i = 0; i < n && published; i++)
                        if (port_range_has(
                                    &range, protocol,
                                    json_get_text(json_object_array_get_idx(bindings, i), "HostPort")))
                                return true;
        }
        return false;
}

static int match_ports(const ContainerFilter *f, const char *key, const ContainerInfo *c,
                       struct json_object *facts, Refusal *reterr)
{
        struct json_object *ports = json_get(json_get(facts, "NetworkSettings"), "Ports");
        char **values = http_filter_values(f->values, key);

        if (!values)
                return 1;
        if (strcmp(c->kind, "podman") == 0 && !ports)
                return not_known(c, key, reterr);
        STRV_FOREACH (v, values)
                if (has_port(ports, *v, strcmp(key, "publish") == 0))
                        return 1;
        return 0;
}

static int match_health(const ContainerFilter *f, const ContainerInfo *c, struct json_object *facts,
                        Refusal *reterr)
{
        const char *health;

        if (!http_filter_values(f->values, "health"))
                return 1;
        health = container_health(c, facts);
        return health ? http_filter_match(f->values, "health", health) : not_known(c, "health", reterr);
}

static bool match_task(const ContainerFilter *f, struct json_object *facts)
{
        bool is_task = json_object_get_boolean(json_get(facts, "Managed"));
        char **values = http_filter_values(f->values, "is-task");

        STRV_FOREACH (v, values)
                if ((strcmp(*v, "true") == 0 || strcmp(*v, "1") == 0) == is_task)
                        return true;
        return !values;
}

/* The facts that every container has. */
static bool match_simple(const ContainerFilter *f, const ContainerInfo *c, struct json_object *facts)
{
        if (http_filter_values(f->values, "before") &&
            (c->created_usec >= f->before || strcmp(c->id, f->before_id) == 0))
                return false;
        if (http_filter_values(f->values, "since") &&
            (c->created_usec <= f->since || strcmp(c->id, f->since_id) == 0))
                return false;
        return http_filter_match_name(f->values, "name", c->name) && match_id(f, c) &&
               http_filter_match(f->values, "status", c->state) &&
               http_filter_match(f->values, "kind", c->kind) &&
               (http_filter_match(f->values, "isolation", "default") ||
                http_filter_match(f->values, "isolation", "")) &&
               !http_filter_values(f->values, "exited") && match_task(f, facts) &&
               match_ancestor(f, c, facts);
}

int container_filter_match(const ContainerFilter *f, const ContainerInfo *c, struct json_object *facts,
                           Refusal *reterr)
{
        int r;

        if (!match_simple(f, c, facts))
                return 0;
        r = match_labels(f, c, reterr);
        if (r > 0)
                r = match_volumes(f, c, facts, reterr);
        if (r > 0)
                r = match_networks(f, c, facts, reterr);
        if (r > 0)
                r = match_health(f, c, facts, reterr);
        if (r > 0)
                r = match_ports(f, "publish", c, facts, reterr);
        if (r > 0)
                r = match_ports(f, "expose", c, facts, reterr);
        return r;
}
