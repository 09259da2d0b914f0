/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Many machines: not more is asked of systemd-machined at a time than a bus lets one connection wait for, and a
 * machine that was not described is none that has ended. The test is systemd-machined. */

#include "spawner/container-machined.h"

#include <stdio.h>
#include <systemd/sd-event.h>

#include "base/time.h"
#include "unit/bus-pair.h"

#define MACHINES 200
#define AT_ONCE  128 /* of dbus-daemon */

typedef struct World {
        sd_event *event;
        sd_bus *bus, *machined;
        ContainerTable table;
        Providers *providers;
        sd_bus_message *asked[MACHINES]; /* not answered yet */
        unsigned n_asked, n_all;
        bool is_done;
} World;

static World world;

static int answer_list(sd_bus_message *m)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        char name[32], path[64];

        NEED(sd_bus_message_new_method_return(m, &reply) >= 0);
        NEED(sd_bus_message_open_container(reply, 'a', "(ssso)") >= 0);
        for (unsigned i = 0; i < MACHINES; i++) {
                snprintf(name, sizeof(name), "m%u", i);
                snprintf(path, sizeof(path), "/org/freedesktop/machine1/machine/m%u", i);
                NEED(sd_bus_message_append(reply, "(ssso)", name, "container", "nspawn", path) >= 0);
        }
        NEED(sd_bus_message_close_container(reply) >= 0);
        NEED(sd_bus_send(NULL, reply, NULL) >= 0);
        return 1;
}

static int on_call(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        if (sd_bus_message_is_method_call(m, NULL, "ListMachines"))
                return answer_list(m);
        if (!sd_bus_message_is_method_call(m, NULL, "GetAll"))
                return 0;
        NEED(world.n_asked < AT_ONCE);
        world.asked[world.n_asked++] = sd_bus_message_ref(m);
        world.n_all++;
        return 1;
}

static void on_refreshed(void *userdata)
{
        world.is_done = true;
}

static void world_open(void)
{
        static const ProviderType *const types[] = {&machined_provider};
        int ends[2];

        world = (World){0};
        NEED(sd_event_new(&world.event) >= 0);
        bus_socket(ends);
        world.machined = bus_serve(ends[0], world.event, on_call, NULL);
        world.bus = bus_connect(ends[1], world.event);
        NEED(providers_new(types, 1, world.bus, world.event, &world.table, &world.providers) >= 0);
        NEED(providers_refresh(world.providers, on_refreshed, NULL) >= 0);
}

static void world_close(void)
{
        providers_free(world.providers);
        sd_bus_flush_close_unref(world.bus);
        sd_bus_flush_close_unref(world.machined);
        sd_event_unref(world.event);
}

/* Until nothing else is to do, and the answers are waited for. */
static void settle(void)
{
        uint64_t end = now_usec(CLOCK_MONOTONIC) + 60 * USEC_PER_SEC;

        for (;;) {
                int r = sd_event_run(world.event, world.n_asked > 0 || world.is_done ? 0 : USEC_PER_SEC);

                NEED(r >= 0 && now_usec(CLOCK_MONOTONIC) < end);
                if (r == 0 && (world.n_asked > 0 || world.is_done))
                        return;
        }
}

/* Each with the error, in the order in which they came. */
static void answer_all(const char *error)
{
        while (world.n_asked > 0) {
                unsigned n = world.n_asked;

                world.n_asked = 0;
                for (unsigned i = 0; i < n; i++) {
                        NEED(sd_bus_reply_method_errorf(world.asked[i], error, "no") >= 0);
                        sd_bus_message_unref(world.asked[i]);
                }
                settle();
        }
}

static void test_many(const char *error, bool is_failure)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;

        world_open();
        settle();
        while (!world.is_done)
                answer_all(error);
        /* The callback came after the round that followed the first one. */
        NEED(world.n_all == MACHINES || world.n_all == 2 * MACHINES);
        NEED((providers_failure(world.providers, &refusal) < 0) == is_failure);
        NEED(providers_are_primed(world.providers) == !is_failure);
        world_close();
}

int main(void)
{
        test_many("org.freedesktop.machine1.NoSuchMachine", false);
        test_many("org.freedesktop.DBus.Error.LimitsExceeded", true);
        return 0;
}
