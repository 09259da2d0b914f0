/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* core/container-info: the spawner's answer about a container, and the parts that are kept and shown. */

#include <fcntl.h>

#include "base/fd.h"
#include "core/container-info.h"
#include "unit/core/world.h"

static bool has(char **v, const char *text)
{
        STRV_FOREACH (t, v)
                if (strcmp(*t, text) == 0)
                        return true;
        return false;
}

static ContainerInfo *with_details(World *w, const char *kind, const char *labels)
{
        ContainerInfo *c = world_container(w, "web", 7);

        free(c->kind);
        c->kind = strdup(kind);
        NEED(strv_append(&c->details, "Config.Image") >= 0 && strv_append(&c->details, "\"img\"") >= 0);
        if (labels)
                NEED(strv_append(&c->details, "Config.Labels") >= 0 &&
                     strv_append(&c->details, labels) >= 0);
        return c;
}

/* No label of an engine passes for one that execd gives. */
static void test_labels(World *w)
{
        _cleanup_(container_info_unrefp) ContainerInfo *c = with_details(
                w, "docker", "{\"a\":\"1\",\"org.execd1.kind\":\"machine\",\"org.execd1.unit\":\"x\"}");
        _cleanup_strv_ char **labels = NULL;
        bool known = false;

        NEED(container_info_labels(c, &labels, &known) >= 0);
        CHECK(known && has(labels, "org.execd1.kind=docker") &&
              has(labels, "org.execd1.unit=machine.service"));
        CHECK(has(labels, "a=1"));
        CHECK(!has(labels, "org.execd1.kind=machine") && !has(labels, "org.execd1.unit=x"));
}

static void test_attributes(World *w)
{
        _cleanup_(container_info_unrefp) ContainerInfo *c =
                with_details(w, "docker", "{\"image\":\"evil\"}");
        _cleanup_strv_ char **attributes = NULL;

        NEED(container_info_attributes(c, &attributes) >= 0);
        /* The first one of a name counts. */
        CHECK_TEXT("image", attributes[0], "image=");
        CHECK_TEXT("name", attributes[1], "name=web");
        CHECK(has(attributes, "image=evil"));
}

static void test_keep_labels(World *w)
{
        ContainerInfo *c = with_details(w, "docker", "{\"a\":\"1\"}"), *plain = world_container(w, "web", 7);
        size_t before = container_info_size(c);

        container_info_keep_labels(c);
        CHECK(c->details[0] && strcmp(c->details[0], "Config.Labels") == 0 && !c->details[2]);
        CHECK(container_info_size(c) < before);
        container_info_keep_labels(plain);
        container_info_unref(c);
        container_info_unref(plain);
}

static void test_paused(World *w)
{
        ContainerInfo *c = world_container(w, "web", 7);

        CHECK(!container_info_is_paused(c));
        free(c->state);
        c->state = strdup("paused");
        CHECK(container_info_is_paused(c));
        container_info_unref(c);
}

/* Of this very run of the container, and only just now. */
static void test_seen(World *w)
{
        ContainerInfo *c = world_container(w, "web", 7), *other = world_container(w, "other", 7 + 16);
        ContainersSeen seen = {0};

        CHECK(!containers_seen_just_now(&seen, c));
        containers_seen_add(&seen, c);
        CHECK(containers_seen_just_now(&seen, c) && !containers_seen_just_now(&seen, other));
        c->leader_start++;
        CHECK(!containers_seen_just_now(&seen, c));
        containers_seen_add(&seen, c);
        seen.slots[c->leader % ELEMENTSOF(seen.slots)].usec -= USEC_PER_SEC;
        CHECK(!containers_seen_just_now(&seen, c));
        containers_seen_add(&seen, c);
        containers_seen_add(&seen, other);
        CHECK(containers_seen_just_now(&seen, other) && !containers_seen_just_now(&seen, c));
        containers_seen_done(&seen);
        container_info_unref(c);
        container_info_unref(other);
}

static int on_reply(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        CHECK(container_info_read_reply(m, userdata) >= 0);
        return 0;
}

static int on_bad_reply(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        ContainerInfo *c = NULL;

        CHECK(container_info_read_reply(m, &c) < 0 && !c);
        *(bool *) userdata = true;
        return 0;
}

static void test_read(World *w)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        ContainerInfo *sent = world_container(w, "web", 7), *c = NULL;
        sd_bus_slot *slot = NULL;
        bool over = false;

        sent->leader_pidfd = fcntl(w->listener, F_DUPFD_CLOEXEC, 3);
        NEED(spawner_get_container(w->manager.spawner, "web", on_reply, &c, &slot, &refusal) >= 0);
        WORLD_UNTIL(w, world_was_called(w, "GetContainer web"));
        world_answer_container(w, sent);
        WORLD_UNTIL(w, c);
        CHECK_TEXT("id", c->id, sent->id);
        CHECK_TEXT("name", c->name, "web");
        CHECK(c->leader == 4242 && c->leader_start == 7 && c->confined && c->leader_pidfd >= 0);
        container_info_forget_leader(c);
        CHECK(c->leader_pidfd < 0);
        container_info_unref(c);
        container_info_unref(sent);
        sd_bus_slot_unref(slot);

        w->calls[0] = 0;
        NEED(spawner_get_container(w->manager.spawner, "web", on_bad_reply, &over, &slot, &refusal) >= 0);
        WORLD_UNTIL(w, world_was_called(w, "GetContainer web"));
        world_answer(w);
        WORLD_UNTIL(w, over);
        sd_bus_slot_unref(slot);
}

int main(void)
{
        _cleanup_(world_freep) World *w = world_new();

        test_labels(w);
        test_attributes(w);
        test_keep_labels(w);
        test_seen(w);
        test_paused(w);
        test_read(w);
        return test_finish("container-info");
}
