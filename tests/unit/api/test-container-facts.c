/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* api/container-facts: one tree of facts out of what Docker and Podman write down. */

#include "api/container-facts.h"
#include "base/time.h"
#include "unit/test.h"

static const char *text_of(struct json_object *o)
{
        return o ? json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)
                 : NULL;
}

static void test_docker(void)
{
        char *details[] = {
                (char *) "Config.Hostname",
                (char *) "\"box\"",
                (char *) "Config.Env",
                (char *) "[\"A=1\",\"B=\"]",
                (char *) "HostConfig.NetworkMode",
                (char *) "\"bridge\"",
                (char *) "Image",
                (char *) "\"sha256:1\"",
                (char *) "NetworkSettings.Ports",
                (char *) "{\"80/tcp\":[{\"HostIp\":\"::\",\"HostPort\":\"8080\"}],\"53/udp\":null}",
                (char *) "MountPoints",
                (char *) "{\"/data\":{\"Type\":\"volume\",\"Source\":\"/s\",\"Name\":\"v\",\"RW\":true}}",
                (char *) "Broken",
                (char *) "{",
                NULL};
        ContainerInfo c = {.kind = (char *) "docker", .details = details};
        struct json_object *facts = container_facts(&c), *ports = container_ports(facts),
                           *mounts = container_mounts(&c, facts);
        _cleanup_free_ char *mode = container_network_mode(&c, facts);
        _cleanup_strv_ char **environment = NULL;

        CHECK_TEXT("hostname", container_hostname(facts), "box");
        CHECK_TEXT("image", container_image_id(facts), "sha256:1");
        CHECK_TEXT("mode", mode, "bridge");
        CHECK(container_environment(facts, &environment) >= 0 && strv_length(environment) == 2);
        CHECK_TEXT("ports", text_of(ports),
                   "[{\"IP\":\"::\",\"PublicPort\":8080,\"PrivatePort\":80,\"Type\":\"tcp\"},"
                   "{\"PrivatePort\":53,\"Type\":\"udp\"}]");
        CHECK_TEXT(
                "mounts", text_of(mounts),
                "[{\"Type\":\"volume\",\"Source\":\"/s\",\"Destination\":\"/data\",\"Name\":\"v\",\"Mode\":\"\","
                "\"RW\":true,\"Propagation\":\"\"}]");
        CHECK_TEXT("health", container_health(&c, facts), "none");
        json_object_put(mounts);
        json_object_put(ports);
        json_object_put(facts);
}

static void test_podman(void)
{
        char *details[] = {
                (char *) "CreateNetNS",
                (char *) "true",
                (char *) "PortMappings",
                (char *) "[{\"host_ip\":\"\",\"container_port\":80,\"host_port\":8000,\"range\":2,"
                         "\"protocol\":\"tcp\"}]",
                (char *) "PodmanExposed",
                (char *) "{\"99\":[\"udp\"]}",
                NULL};
        ContainerInfo c = {.kind = (char *) "podman", .details = details},
                      unknown = {.kind = (char *) "podman"};
        struct json_object *facts = container_facts(&c), *ports = container_ports(facts),
                           *nothing = container_facts(&unknown);
        _cleanup_free_ char *mode = container_network_mode(&c, facts);

        CHECK_TEXT("ports", text_of(ports),
                   "[{\"IP\":\"\",\"PublicPort\":8000,\"PrivatePort\":80,\"Type\":\"tcp\"},"
                   "{\"IP\":\"\",\"PublicPort\":8001,\"PrivatePort\":81,\"Type\":\"tcp\"},"
                   "{\"PrivatePort\":99,\"Type\":\"udp\"}]");
        CHECK_TEXT("mode", mode, "bridge");
        /* Unknown facts are omitted. */
        CHECK(!container_ports(nothing) && !container_mounts(&unknown, nothing) &&
              !container_health(&unknown, nothing) && !container_network_mode(&unknown, nothing) &&
              !container_hostname(nothing));
        json_object_put(nothing);
        json_object_put(ports);
        json_object_put(facts);
}

/* Without its database, Podman's own mounts look like those that a user asked for. */
static void test_bundle_mounts(void)
{
        char *details[] = {(char *) "BundleMounts",
                           (char *) "[{\"destination\":\"/etc/hosts\",\"type\":\"bind\",\"source\":\"/h\"}]",
                           NULL};
        ContainerInfo runc = {.kind = (char *) "runc", .details = details},
                      podman = {.kind = (char *) "podman", .details = details};
        struct json_object *facts = container_facts(&runc), *mounts = container_mounts(&runc, facts);

        CHECK_TEXT("mounts", text_of(mounts),
                   "[{\"Type\":\"bind\",\"Source\":\"/h\",\"Destination\":\"/etc/hosts\",\"RW\":true}]");
        CHECK(!container_mounts(&podman, facts));
        json_object_put(mounts);
        json_object_put(facts);
}

/* The health in a file is current until another check could have ended. */
static void test_health(void)
{
        char *details[] = {(char *) "State.Health", (char *) "{\"Status\":\"healthy\"}",
                           (char *) "Config.Healthcheck", (char *) "{\"Interval\":30000000000}", NULL};
        ContainerInfo fresh = {.kind = (char *) "docker",
                               .details = details,
                               .started_usec = now_usec(CLOCK_REALTIME)},
                      old = {.kind = (char *) "docker", .details = details, .started_usec = 1};
        struct json_object *facts = container_facts(&fresh);

        CHECK_TEXT("fresh", container_health(&fresh, facts), "healthy");
        CHECK_TEXT("old", container_health(&old, facts), NULL);
        json_object_put(facts);
}

int main(void)
{
        test_docker();
        test_podman();
        test_bundle_mounts();
        test_health();
        return test_finish("container-facts");
}
