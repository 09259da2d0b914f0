/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The two ends of a bus without a daemon: one for the code under test, and one for the test. */

#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-bus.h>

#include "unit/need.h"

/* The test's end on a socket, which is taken; `on_call` gets all that arrives. In the loop, unless `event` is NULL. */
static inline sd_bus *bus_serve(int fd, sd_event *event, sd_bus_message_handler_t on_call, void *userdata)
{
        sd_bus *bus = NULL;
        sd_id128_t id;

        NEED(sd_id128_randomize(&id) >= 0);
        NEED(sd_bus_new(&bus) >= 0 && sd_bus_set_fd(bus, fd, fd) >= 0 &&
             sd_bus_set_server(bus, true, id) >= 0 && sd_bus_negotiate_fds(bus, true) >= 0);
        NEED(!on_call || sd_bus_add_filter(bus, NULL, on_call, userdata) >= 0);
        NEED(sd_bus_start(bus) >= 0 && (!event || sd_bus_attach_event(bus, event, 0) >= 0));
        return bus;
}

static inline void bus_socket(int ends[2])
{
        NEED(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
}

static inline sd_bus *bus_connect(int fd, sd_event *event)
{
        sd_bus *bus = NULL;

        NEED(sd_bus_new(&bus) >= 0 && sd_bus_set_fd(bus, fd, fd) >= 0 &&
             sd_bus_negotiate_fds(bus, true) >= 0 && sd_bus_start(bus) >= 0 &&
             sd_bus_attach_event(bus, event, 0) >= 0);
        return bus;
}

/* Until the connection is there, where `theirs` is not in the loop. */
static inline void bus_greet(sd_bus *ours, sd_bus *theirs, sd_event *event)
{
        while (sd_bus_is_ready(ours) <= 0) {
                NEED(sd_bus_process(theirs, NULL) >= 0);
                NEED(sd_event_run(event, 1000) >= 0);
        }
}

/* A signal of so many bytes. */
static inline void bus_send_bytes(sd_bus *bus, size_t size)
{
        sd_bus_message *m = NULL;
        void *space;

        NEED(sd_bus_message_new_signal(bus, &m, "/a", "a.b", "C") >= 0 &&
             sd_bus_message_append_array_space(m, 'y', size, &space) >= 0);
        memset(space, 0, size);
        NEED(sd_bus_send(bus, m, NULL) >= 0);
        sd_bus_message_unref(m);
}
