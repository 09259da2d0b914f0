/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Containers in Docker's shapes: list, look, processes. All that is known comes from the spawner. */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "api/http-authz.h"
#include "api/http-error.h"
#include "api/http-filter.h"
#include "api/http-route.h"

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

static char *joined_command(const Container *c)
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

static struct json_object *list_item(const Container *c)
{
        struct json_object *o = json_object_new_object(), *names = json_object_new_array(),
                           *host = json_object_new_object(), *networks = json_object_new_object(),
                           *labels = json_object_new_object();
        _cleanup_free_ char *command = joined_command(c), *name = NULL;
        uint64_t now = now_usec(CLOCK_REALTIME);
        char duration[64], status[96];

        human_duration(duration, sizeof(duration),
                       now > c->started_usec ? (now - c->started_usec) / USEC_PER_SEC : 0);
        snprintf(status, sizeof(status), "Up %s%s", duration, container_is_paused(c) ? " (Paused)" : "");
        if (asprintf(&name, "/%s", c->name) < 0)
                name = NULL;
        json_object_array_add(names, json_object_new_string(name ?: c->name));

        add(o, "Id", c->id);
        json_object_object_add(o, "Names", names);
        add(o, "Image", c->image);
        add(o, "ImageID", "");
        add(o, "Command", command ?: "");
        add_int(o, "Created", (int64_t) (c->created_usec / USEC_PER_SEC));
        json_object_object_add(o, "Ports", json_object_new_array());
        add(labels, "org.execd1.kind", c->kind);
        add(labels, "org.execd1.unit", c->unit);
        json_object_object_add(o, "Labels", labels);
        add(o, "State", c->state);
        add(o, "Status", status);
        add(host, "NetworkMode", "default");
        json_object_object_add(o, "HostConfig", host);
        json_object_object_add(networks, "Networks", json_object_new_object());
        json_object_object_add(o, "NetworkSettings", networks);
        json_object_object_add(o, "Mounts", json_object_new_array());
        return o;
}

typedef struct ContainerList {
        HttpFilter *filter;
        int64_t limit; /* 0: none */
} ContainerList;

static void list_on_close(HttpExchange *x)
{
        ContainerList *l = x->state;

        if (l)
                http_filter_free(l->filter);
        x->state = mfree(l);
}

static bool container_passes(const Container *c, const HttpFilter *f)
{
        return http_filter_match_name(f, "name", c->name) &&
               (!http_filter_values(f, "id") || http_filter_match_container(f, "id", c->id, "")) &&
               http_filter_match(f, "status", c->state) && !http_filter_values(f, "exited");
}

static int list_on_reply(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        HttpExchange *x = userdata;
        ContainerList *l = x->state;
        struct json_object *list;
        int r;

        x->slot = sd_bus_slot_unref(x->slot);
        if (spawner_reply_refusal(m, &refusal) < 0 ||
            sd_bus_message_enter_container(m, 'a', CONTAINER_SIGNATURE) < 0) {
                http_reply_refusal(x, &refusal);
                return 0;
        }
        list = json_object_new_array();
        for (;;) {
                _cleanup_(container_unrefp) Container *c = NULL;

                r = container_read(m, &c);
                if (r <= 0)
                        break;
                if (container_passes(c, l->filter))
                        json_object_array_add(list, list_item(c));
                if (l->limit > 0 && (int64_t) json_object_array_length(list) >= l->limit)
                        break;
        }
        http_reply_json(x, 200, list);
        return 0;
}

static int check_status_filter(const HttpFilter *f, Refusal *reterr)
{
        static const char *const known[] = {"created",  "running", "paused", "restarting",
                                            "removing", "exited",  "dead"};
        char **values = http_filter_values(f, "status");

        STRV_FOREACH (v, values) {
                bool found = false;

                for (size_t i = 0; i < ELEMENTSOF(known); i++)
                        found = found || strcmp(*v, known[i]) == 0;
                if (!found)
                        return refuse(reterr, REFUSAL_BAD_REQUEST, EINVAL, "invalid filter 'status=%s'", *v);
        }
        return 0;
}

static int read_limit(HttpExchange *x, int64_t *ret, Refusal *reterr)
{
        _cleanup_free_ char *text = NULL;
        long long v;
        char *end;
        int r;

        r = http_query(x, "limit", &text, reterr);
        if (r < 0 || !text || !*text)
                return r;
        errno = 0;
        v = strtoll(text, &end, 10);
        if (*end || errno != 0)
                return refuse(reterr, REFUSAL_BAD_REQUEST, EINVAL, "limit: \"%s\" is not a number", text);
        *ret = v > 0 ? v : 0;
        return 0;
}

static void list_go(HttpExchange *x)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;

        if (spawner_list_containers(x->manager->spawner, list_on_reply, x, &x->slot, &refusal) < 0)
                http_reply_refusal(x, &refusal);
}

void http_list_containers(HttpExchange *x)
{
        static const char *const known[] = {
                "ancestor", "before", "exited",  "expose",  "health", "id",     "is-task", "isolation",
                "label",    "name",   "network", "publish", "since",  "status", "volume",  NULL};
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        ContainerList *l = calloc(1, sizeof(ContainerList));

        x->state = l;
        x->on_close = list_on_close;
        if (!l || http_filter_from_query(x, known, &l->filter, &refusal) < 0 ||
            http_filter_check_names(l->filter, "name", &refusal) < 0 ||
            check_status_filter(l->filter, &refusal) < 0 || read_limit(x, &l->limit, &refusal) < 0)
                http_reply_refusal(x, &refusal);
        else
                http_authorize_inspect(x, NULL, list_go);
}

/* Execs that are waiting or running, as Docker lists them: null when there are none. */
static struct json_object *exec_ids(const Manager *m, const Container *c)
{
        struct json_object *ids = NULL;

        LIST_FOREACH_SAFE (n, &m->execs) {
                const Exec *e = LIST_ENTRY(n, Exec, node);

                if (exec_has_ended(e) || e->state == EXEC_DRAINING || strcmp(e->container->id, c->id) != 0)
                        continue;
                if (!ids)
                        ids = json_object_new_array();
                json_object_array_add(ids, json_object_new_string(e->id));
        }
        return ids;
}

static struct json_object *container_state(const Container *c)
{
        struct json_object *o = json_object_new_object();
        char text[RFC3339_SIZE];

        add(o, "Status", c->state);
        add_bool(o, "Running", true);
        add_bool(o, "Paused", container_is_paused(c));
        add_bool(o, "Restarting", false);
        add_bool(o, "OOMKilled", false);
        add_bool(o, "Dead", false);
        add_int(o, "Pid", c->leader);
        add_int(o, "ExitCode", 0);
        add(o, "Error", "");
        add(o, "StartedAt", format_rfc3339(text, c->started_usec, 1));
        add(o, "FinishedAt", "0001-01-01T00:00:00Z");
        return o;
}

static struct json_object *container_config(const Container *c)
{
        struct json_object *o = json_object_new_object(), *labels = json_object_new_object(),
                           *cmd = json_object_new_array();

        STRV_FOREACH (w, c->command)
                json_object_array_add(cmd, json_object_new_string(*w));
        add(o, "Hostname", c->name);
        add(o, "User", "");
        add_bool(o, "Tty", false);
        add_bool(o, "OpenStdin", false);
        json_object_object_add(o, "Env", json_object_new_array());
        json_object_object_add(o, "Cmd", cmd);
        add(o, "Image", c->image);
        add(o, "WorkingDir", "");
        add(labels, "org.execd1.kind", c->kind);
        add(labels, "org.execd1.unit", c->unit);
        json_object_object_add(o, "Labels", labels);
        return o;
}

static struct json_object *container_details(const Manager *m, const Container *c)
{
        struct json_object *o = json_object_new_object(), *args = json_object_new_array(),
                           *host = json_object_new_object(), *networks = json_object_new_object();
        _cleanup_free_ char *name = NULL;
        char text[RFC3339_SIZE];

        if (asprintf(&name, "/%s", c->name) < 0)
                name = NULL;
        for (char **w = c->command ? c->command + 1 : NULL; w && c->command[0] && *w; w++)
                json_object_array_add(args, json_object_new_string(*w));
        add(o, "Id", c->id);
        add(o, "Created", format_rfc3339(text, c->created_usec, 1));
        add(o, "Path", c->command && c->command[0] ? c->command[0] : "");
        json_object_object_add(o, "Args", args);
        json_object_object_add(o, "State", container_state(c));
        add(o, "Image", c->image);
        add(o, "Name", name ?: c->name);
        add_int(o, "RestartCount", 0);
        add(o, "Driver", "");
        add(o, "Platform", "linux");
        json_object_object_add(o, "ExecIDs", exec_ids(m, c));
        add(host, "NetworkMode", "default");
        json_object_object_add(o, "HostConfig", host);
        json_object_object_add(o, "Mounts", json_object_new_array());
        json_object_object_add(o, "Config", container_config(c));
        json_object_object_add(networks, "Networks", json_object_new_object());
        json_object_object_add(o, "NetworkSettings", networks);
        return o;
}

static void details_go(HttpExchange *x)
{
        http_reply_json(x, 200, container_details(x->manager, x->container));
}

static int details_on_reply(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        HttpExchange *x = userdata;

        x->slot = sd_bus_slot_unref(x->slot);
        if (spawner_reply_refusal(m, &refusal) < 0 || container_read_reply(m, &x->container) < 0)
                http_reply_refusal(x, &refusal);
        else
                http_authorize_inspect(x, x->container, details_go);
        return 0;
}

void http_get_container(HttpExchange *x)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;

        if (spawner_get_container(x->manager->spawner, x->name, details_on_reply, x, &x->slot, &refusal) < 0)
                http_reply_refusal(x, &refusal);
}
