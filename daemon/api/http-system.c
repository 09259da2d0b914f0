/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* GET /_ping, /version and /info: the first requests of clients. */

#include <string.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

#include "api/http-need.h"
#include "api/http-route.h"
#include "base/controllers.h"
#include "config.h"
#include "wire/json-build.h"

int http_get_ping(HttpExchange *x, Refusal *reterr)
{
        http_add_header(x, "Builder-Version: 2");
        http_add_header(x, "Cache-Control: no-cache, no-store, must-revalidate");
        http_add_header(x, "Pragma: no-cache");
        http_add_header(x, "Swarm: inactive");
        if (x->head_only)
                http_reply(x, 200, "text/plain; charset=utf-8", NULL, 0);
        else
                http_reply(x, 200, "text/plain; charset=utf-8", "OK", 2);
        return 0;
}

static const char *go_architecture(const char *machine)
{
        static const char *const names[][2] = {
                {"x86_64", "amd64"},
                {"aarch64", "arm64"},
                {"i686", "386"},
                {"armv7l", "arm"},
        };

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (strcmp(names[i][0], machine) == 0)
                        return names[i][1];
        return machine;
}

static void add_versions(struct json_object *o, const struct utsname *u)
{
        json_add_text(o, "ApiVersion", "1.51");
        json_add_text(o, "MinAPIVersion", "1.24");
        json_add_text(o, "Os", "linux");
        json_add_text(o, "Arch", go_architecture(u->machine));
        json_add_text(o, "KernelVersion", u->release);
}

int http_get_version(HttpExchange *x, Refusal *reterr)
{
        struct json_object *o = json_object_new_object(), *components = json_object_new_array(),
                           *component = json_object_new_object(), *platform = json_object_new_object(),
                           *details = json_object_new_object();
        struct utsname u = {0};

        (void) uname(&u);
        json_add_text(platform, "Name", "execd");
        json_object_object_add(o, "Platform", platform);

        json_add_text(component, "Name", "execd");
        json_add_text(component, "Version", EXECD_VERSION);
        add_versions(details, &u);
        json_object_object_add(component, "Details", details);
        json_object_array_add(components, component);
        json_object_object_add(o, "Components", components);

        json_add_text(o, "Version", HTTP_ENGINE_VERSION);
        add_versions(o, &u);
        json_add_text(o, "GitCommit", "");
        json_add_text(o, "GoVersion", "");
        json_add_text(o, "BuildTime", "");
        http_reply_json(x, 200, o);
        return 0;
}

/* Limits that scopes of execs can have. The networks of containers are their engines' business, and no
 * warning of a client about them would be true. */
static void add_abilities(struct json_object *o, const char *controllers_path)
{
        static const struct {
                const char *key, *controller, *file; /* NULL: always */
        } rows[] = {
                {"MemoryLimit", "memory", NULL},    {"SwapLimit", "memory", "memory.swap.max"},
                {"CpuCfsPeriod", "cpu", "cpu.max"}, {"CpuCfsQuota", "cpu", "cpu.max"},
                {"CPUShares", "cpu", NULL},         {"CPUSet", "cpuset", NULL},
                {"PidsLimit", "pids", NULL},        {"IPv4Forwarding", NULL, NULL},
                {"BridgeNfIptables", NULL, NULL},   {"BridgeNfIp6tables", NULL, NULL},
        };
        _cleanup_free_ char *controllers = NULL;
        bool known = controllers_read(controllers_path, &controllers) >= 0;

        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                json_add_bool(o, rows[i].key,
                              !rows[i].controller ||
                                      (known && controllers_have(controllers, rows[i].controller) &&
                                       !(rows[i].file && controllers_lack_file(controllers, rows[i].file))));
}

static int count_containers(sd_bus_message *m, int *ret_running, int *ret_paused)
{
        int r = sd_bus_message_enter_container(m, 'a', CONTAINER_SIGNATURE);

        if (r < 0)
                return r;
        for (;;) {
                _cleanup_(container_info_unrefp) ContainerInfo *c = NULL;

                if (container_info_read(m, &c) <= 0)
                        return 0;
                if (container_info_is_paused(c))
                        ++*ret_paused;
                else
                        ++*ret_running;
        }
}

static int info_on_reply(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        struct json_object *o;
        HttpExchange *x = userdata;
        int running = 0, paused = 0;
        struct utsname u = {0};
        struct sysinfo si = {0};

        if (!http_need_answer(x, m))
                return 0;
        if (count_containers(m, &running, &paused) < 0) {
                http_reply_error(x, 500, "internal error");
                return 0;
        }
        (void) uname(&u);
        (void) sysinfo(&si);

        o = json_object_new_object();
        json_add_text(o, "ID", "");
        json_add_int(o, "Containers", running + paused);
        json_add_int(o, "ContainersRunning", running);
        json_add_int(o, "ContainersPaused", paused);
        json_add_int(o, "ContainersStopped", 0);
        json_add_int(o, "Images", 0);
        json_add_text(o, "Driver", "");
        json_add_text(o, "LoggingDriver", "journald");
        json_add_text(o, "CgroupDriver", "systemd");
        json_add_text(o, "CgroupVersion", "2");
        add_abilities(o, x->manager->config.controllers_path);
        json_add_text(o, "KernelVersion", u.release);
        json_add_text(o, "OperatingSystem", "Linux");
        json_add_text(o, "OSType", "linux");
        json_add_text(o, "Architecture", u.machine);
        json_add_int(o, "NCPU", get_nprocs());
        json_add_int(o, "MemTotal", (int64_t) si.totalram * si.mem_unit);
        json_add_text(o, "Name", u.nodename);
        json_add_text(o, "ServerVersion", HTTP_ENGINE_VERSION);
        json_object_object_add(o, "Warnings", json_object_new_array());
        http_reply_json(x, 200, o);
        return 0;
}

int http_get_info(HttpExchange *x, Refusal *reterr)
{
        return spawner_list_containers(x->manager->spawner, false, info_on_reply, x, &x->slot, reterr);
}
