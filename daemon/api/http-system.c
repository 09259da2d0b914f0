/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What clients ask before anything else: is there somebody, and who. */

#include <string.h>
#include <sys/utsname.h>

#include "api/http-error.h"
#include "api/http-route.h"
#include "config.h"

void http_get_ping(HttpExchange *x)
{
        http_add_header(x, "Builder-Version: 2");
        http_add_header(x, "Cache-Control: no-cache, no-store, must-revalidate");
        http_add_header(x, "Pragma: no-cache");
        http_add_header(x, "Swarm: inactive");
        if (x->head_only)
                http_reply(x, 200, "text/plain; charset=utf-8", NULL, 0);
        else
                http_reply(x, 200, "text/plain; charset=utf-8", "OK", 2);
}

static void add(struct json_object *o, const char *key, const char *value)
{
        json_object_object_add(o, key, json_object_new_string(value));
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

void http_get_version(HttpExchange *x)
{
        struct json_object *o = json_object_new_object(), *components = json_object_new_array(),
                           *component = json_object_new_object(), *platform = json_object_new_object(),
                           *details = json_object_new_object();
        struct utsname u = {0};

        (void) uname(&u);
        add(platform, "Name", "execd");
        json_object_object_add(o, "Platform", platform);

        add(component, "Name", "execd");
        add(component, "Version", EXECD_VERSION);
        add(details, "ApiVersion", "1.51");
        add(details, "MinAPIVersion", "1.24");
        add(details, "Os", "linux");
        add(details, "Arch", go_architecture(u.machine));
        add(details, "KernelVersion", u.release);
        json_object_object_add(component, "Details", details);
        json_object_array_add(components, component);
        json_object_object_add(o, "Components", components);

        add(o, "Version", HTTP_ENGINE_VERSION);
        add(o, "ApiVersion", "1.51");
        add(o, "MinAPIVersion", "1.24");
        add(o, "Os", "linux");
        add(o, "Arch", go_architecture(u.machine));
        add(o, "KernelVersion", u.release);
        add(o, "GitCommit", "");
        add(o, "GoVersion", "");
        add(o, "BuildTime", "");
        http_reply_json(x, 200, o);
}
