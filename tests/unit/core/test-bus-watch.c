/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* core/bus-watch: a bus that is gone, and one that reads nothing. The bus is the other end of a socket. */

#include "core/bus-watch.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-event.h>

#include "unit/need.h"
#include "unit/test.h"

/* More than the buffers of a socket take. */
#define LARGE (32 * 1024 * 1024)

static sd_event *event;
static sd_bus *ours, *theirs;
static unsigned n_pings;
static char lost[128];

static void on_lost(void *userdata, const char *why)
{
        NEED(!*lost);
        snprintf(lost, sizeof(lost), "%s", why);
}

static int on_call(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        n_pings += sd_bus_message_is_method_call(m, "org.freedesktop.DBus.Peer", "Ping") > 0;
        return 0;
}

static void connect_buses(void)
{
        sd_id128_t id;
        int ends[2];

        *lost = 0;
        n_pings = 0;
        NEED(sd_event_new(&event) >= 0);
        NEED(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
        NEED(sd_id128_randomize(&id) >= 0);
        NEED(sd_bus_new(&theirs) >= 0 && sd_bus_set_fd(theirs, ends[0], ends[0]) >= 0 &&
             sd_bus_set_server(theirs, true, id) >= 0 &&
             sd_bus_add_filter(theirs, NULL, on_call, NULL) >= 0 && sd_bus_start(theirs) >= 0);
        NEED(sd_bus_new(&ours) >= 0 && sd_bus_set_fd(ours, ends[1], ends[1]) >= 0 &&
             sd_bus_start(ours) >= 0 && sd_bus_attach_event(ours, event, 0) >= 0);
        while (sd_bus_is_ready(ours) <= 0) {
                NEED(sd_bus_process(theirs, NULL) >= 0);
                NEED(sd_event_run(event, 1000) >= 0);
        }
}

static void disconnect(void)
{
        sd_bus_detach_event(ours);
        ours = sd_bus_close_unref(ours);
        theirs = sd_bus_close_unref(theirs);
        event = sd_event_unref(event);
}

static void send_signal(size_t size)
{
        sd_bus_message *m = NULL;
        void *space;

        NEED(sd_bus_message_new_signal(ours, &m, "/a", "a.b", "C") >= 0 &&
             sd_bus_message_append_array_space(m, 'y', size, &space) >= 0);
        memset(space, 0, size);
        NEED(sd_bus_send(ours, m, NULL) >= 0);
        sd_bus_message_unref(m);
}

static void test_closed(void)
{
        BusWatch *w;

        connect_buses();
        NEED(bus_watch_new(ours, on_lost, NULL, &w) >= 0);
        while (sd_event_run(event, 0) > 0)
                ;
        CHECK(!*lost);
        sd_bus_close(theirs);
        while (sd_bus_is_open(ours) > 0)
                NEED(sd_event_run(event, UINT64_MAX) >= 0);
        while (sd_event_run(event, 0) > 0)
                ;
        CHECK(strstr(lost, "closed"));
        bus_watch_free(w);
        disconnect();
}

/* It is asked only when something waits, and once. */
static void test_asked(void)
{
        BusWatch *w;

        connect_buses();
        NEED(bus_watch_new(ours, on_lost, NULL, &w) >= 0);
        send_signal(100);
        bus_watch_sent(w);
        send_signal(LARGE);
        bus_watch_sent(w);
        bus_watch_sent(w);
        while (n_pings == 0) {
                NEED(sd_event_run(event, 1000) >= 0);
                NEED(sd_bus_process(theirs, NULL) >= 0);
        }
        for (unsigned i = 0; i < 10; i++) {
                NEED(sd_event_run(event, 1000) >= 0);
                NEED(sd_bus_process(theirs, NULL) >= 0);
        }
        CHECK(n_pings == 1 && !*lost);
        bus_watch_free(w);
        disconnect();
}

static void test_too_many_wait(void)
{
        BusWatch *w;

        connect_buses();
        NEED(bus_watch_new(ours, on_lost, NULL, &w) >= 0);
        send_signal(LARGE);
        for (unsigned i = 0; i < 20000 && !*lost; i++) {
                send_signal(1);
                bus_watch_sent(w);
                CHECK(!*lost || i > 10000);
        }
        CHECK(strstr(lost, "does not accept"));
        bus_watch_free(w);
        disconnect();
}

int main(void)
{
        bus_watch_sent(NULL);
        test_closed();
        test_asked();
        test_too_many_wait();
        return test_finish("bus-watch");
}
