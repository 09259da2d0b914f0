/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* api/container-json: a container in the shapes of Docker's list and inspect. */

#include "api/container-facts.h"
#include "api/container-json.h"
#include "base/time.h"
#include "unit/core/world.h"
#include "wire/json-build.h"

int main(void)
{
        _cleanup_(world_freep) World *w = world_new();
        _cleanup_(container_info_unrefp) ContainerInfo *c = world_container(w, "web", 7);
        struct json_object *facts, *item, *details;
        char *words[] = {(char *) "sh", (char *) "-c", (char *) "x y", NULL};

        c->command = strv_copy(words);
        c->started_usec = now_usec(CLOCK_REALTIME) - 90 * USEC_PER_SEC;
        c->created_usec = 1500000000 * USEC_PER_SEC;
        facts = container_facts(c);
        item = container_list_item(c, facts);
        CHECK_TEXT("command", json_get_text(item, "Command"), "sh -c x y");
        CHECK_TEXT("status", json_get_text(item, "Status"), "Up 1 minute");
        CHECK_TEXT("name", json_object_get_string(json_object_array_get_idx(json_get(item, "Names"), 0)),
                   "/web");
        CHECK(json_object_get_int64(json_get(item, "Created")) == 1500000000);
        CHECK_TEXT("kind", json_get_text(json_get(item, "Labels"), "org.execd1.kind"), "machine");

        details = container_details(c);
        CHECK_TEXT("created", json_get_text(details, "Created"), "2017-07-14T02:40:00.000000Z");
        CHECK_TEXT("path", json_get_text(details, "Path"), "sh");
        CHECK(json_count(json_get(details, "Args")) == 2);
        CHECK(json_object_get_boolean(json_get(json_get(details, "State"), "Running")));
        CHECK(json_object_get_int64(json_get(json_get(details, "State"), "Pid")) == 4242);
        CHECK(json_count(json_get(json_get(details, "Config"), "Cmd")) == 3);
        free(c->state);
        c->state = strdup("paused");
        json_object_put(item);
        item = container_list_item(c, facts);
        CHECK_TEXT("paused", json_get_text(item, "Status"), "Up 1 minute (Paused)");
        json_object_put(details);
        json_object_put(item);
        json_object_put(facts);
        return test_finish("container-json");
}
