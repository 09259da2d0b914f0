/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* GET /info: this host and how many containers it runs. */

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

#include "api/http-error.h"
#include "api/http-route.h"
#include "base/fd.h"

#define CONTROLLERS     "/sys/fs/cgroup/cgroup.controllers"
#define CONTROLLERS_MAX 4096

static void add(struct json_object *o, const char *key, const char *value)
{
        json_object_object_add(o, key, json_object_new_string(value));
}

/* Limits that scopes of execs can have. The networks of containers are their engines' business, and no
 * warning of a client about them would be true. */
static void add_abilities(struct json_object *o)
{
        static const struct {
                const char *key, *controller; /* NULL: always */
        } rows[] = {
                {"MemoryLimit", "memory"},   {"SwapLimit", "memory"},  {"CpuCfsPeriod", "cpu"},
                {"CpuCfsQuota", "cpu"},      {"CPUShares", "cpu"},     {"CPUSet", "cpuset"},
                {"PidsLimit", "pids"},       {"IPv4Forwarding", NULL}, {"BridgeNfIptables", NULL},
                {"BridgeNfIp6tables", NULL},
        };
        _cleanup_free_ char *text = NULL, *padded = NULL;

        if (file_read_at(AT_FDCWD, CONTROLLERS, CONTROLLERS_MAX, &text, NULL) >= 0 &&
            asprintf(&padded, " %.*s ", (int) strcspn(text, "\n"), text) < 0)
                padded = NULL;
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                char word[32];

                snprintf(word, sizeof(word), " %s ", rows[i].controller ?: "");
                json_object_object_add(
                        o, rows[i].key,
                        json_object_new_boolean(!rows[i].controller || (padded && strstr(padded, word))));
        }
}

static int info_on_reply(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        struct json_object *o;
        HttpExchange *x = userdata;
        int running = 0, paused = 0;
        struct utsname u = {0};
        struct sysinfo si = {0};

        x->slot = sd_bus_slot_unref(x->slot);
        if (spawner_reply_refusal(m, &refusal) < 0 ||
            sd_bus_message_enter_container(m, 'a', CONTAINER_SIGNATURE) < 0) {
                http_reply_refusal(x, &refusal);
                return 0;
        }
        for (;;) {
                _cleanup_(container_info_unrefp) ContainerInfo *c = NULL;

                if (container_info_read(m, &c) <= 0)
                        break;
                if (container_info_is_paused(c))
                        paused++;
                else
                        running++;
        }
        (void) uname(&u);
        (void) sysinfo(&si);

        o = json_object_new_object();
        add(o, "ID", "");
        json_object_object_add(o, "Containers", json_object_new_int(running + paused));
        json_object_object_add(o, "ContainersRunning", json_object_new_int(running));
        json_object_object_add(o, "ContainersPaused", json_object_new_int(paused));
        json_object_object_add(o, "ContainersStopped", json_object_new_int(0));
        json_object_object_add(o, "Images", json_object_new_int(0));
        add(o, "Driver", "");
        add(o, "LoggingDriver", "journald");
        add(o, "CgroupDriver", "systemd");
        add(o, "CgroupVersion", "2");
        add_abilities(o);
        add(o, "KernelVersion", u.release);
        add(o, "OperatingSystem", "Linux");
        add(o, "OSType", "linux");
        add(o, "Architecture", u.machine);
        json_object_object_add(o, "NCPU", json_object_new_int(get_nprocs()));
        json_object_object_add(o, "MemTotal", json_object_new_int64((int64_t) si.totalram * si.mem_unit));
        add(o, "Name", u.nodename);
        add(o, "ServerVersion", HTTP_ENGINE_VERSION);
        json_object_object_add(o, "Warnings", json_object_new_array());
        http_reply_json(x, 200, o);
        return 0;
}

void http_get_info(HttpExchange *x)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;

        if (spawner_list_containers(x->manager->spawner, info_on_reply, x, &x->slot, &refusal) < 0)
                http_reply_refusal(x, &refusal);
}
