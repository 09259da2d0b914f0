/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* core/bus-watch: a bus that is gone, and one that reads nothing. The bus is the other end of a socket. */

#include "core/bus-watch.h"

#include <stdbool.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <systemd/sd-event.h>
#include <time.h>
#include <unistd.h>

#include "unit/bus-pair.h"
#include "unit/test.h"

/* More than the buffers of a socket take. */
#define LARGE (32 * 1024 * 1024)

static sd_event *event;
static sd_bus *ours, *theirs;
static unsigned n_pings;
static time_t ahead; /* seconds by which clocks are ahead */
static char lost[128];

/* sd-bus calls this one. */
int clock_gettime(clockid_t clock, struct timespec *ret)
{
        int r = (int) syscall(SYS_clock_gettime, clock, ret);

        ret->tv_sec += ahead;
        return r;
}

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
        int ends[2];

        *lost = 0;
        n_pings = 0;
        NEED(sd_event_new(&event) >= 0);
        bus_socket(ends);
        theirs = bus_serve(ends[0], NULL, on_call, NULL);
        ours = bus_connect(ends[1], event);
        bus_greet(ours, theirs, event);
}

static void disconnect(void)
{
        sd_bus_detach_event(ours);
        ours = sd_bus_close_unref(ours);
        theirs = sd_bus_close_unref(theirs);
        event = sd_event_unref(event);
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
        bus_send_bytes(ours, 100);
        bus_watch_sent(w);
        bus_send_bytes(ours, LARGE);
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
        bus_send_bytes(ours, LARGE);
        for (unsigned i = 0; i < 20000 && !*lost; i++) {
                bus_send_bytes(ours, 1);
                bus_watch_sent(w);
                CHECK(!*lost || i > 10000);
        }
        CHECK(strstr(lost, "does not accept"));
        bus_watch_free(w);
        disconnect();
}

/* sd-bus answers the question in the place of the bus. */
static void test_reads_nothing(void)
{
        BusWatch *w;

        connect_buses();
        NEED(bus_watch_new(ours, on_lost, NULL, &w) >= 0);
        bus_send_bytes(ours, LARGE);
        bus_watch_sent(w);
        for (time_t seconds = 0; seconds <= 40; seconds += 20) {
                ahead = seconds;
                while (sd_bus_process(ours, NULL) > 0)
                        ;
                CHECK(!*lost == (seconds < 30));
        }
        CHECK(strstr(lost, "30 seconds"));
        ahead = 0;
        bus_watch_free(w);
        disconnect();
}

int main(void)
{
        bus_watch_sent(NULL);
        test_closed();
        test_asked();
        test_too_many_wait();
        test_reads_nothing();
        return test_finish("bus-watch");
}
