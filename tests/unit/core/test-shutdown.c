/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* core/shutdown: when execd leaves the loop, and what it asks systemd before. systemd is the test, at the
 * other end of a socket. */

#include "core/shutdown.h"

#include <stdlib.h>

#include "base/bus-loop.h"
#include "base/fd.h"
#include "base/time.h"
#include "unit/bus-pair.h"
#include "unit/test.h"

static sd_event *event;
static bool settled;
static const char *job_type; /* NULL: there is no job */

static bool is_settled(void *userdata)
{
        return settled;
}

static int on_call(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        const char *interface, *property;
        sd_bus_message *reply = NULL;

        if (!sd_bus_message_is_method_call(m, "org.freedesktop.DBus.Properties", "Get"))
                return 0;
        NEED(sd_bus_message_read(m, "ss", &interface, &property) > 0);
        NEED(sd_bus_message_new_method_return(m, &reply) >= 0);
        if (strcmp(property, "Job") == 0)
                NEED(sd_bus_message_append(reply, "v", "(uo)", job_type ? 9U : 0U,
                                           job_type ? "/org/freedesktop/systemd1/job/9" : "/") >= 0);
        else
                NEED(strcmp(sd_bus_message_get_path(m), "/org/freedesktop/systemd1/job/9") == 0 &&
                     sd_bus_message_append(reply, "v", "s", job_type) >= 0);
        NEED(sd_bus_send(NULL, reply, NULL) >= 0);
        sd_bus_message_unref(reply);
        return 1;
}

static void connect_buses(sd_bus **ours, sd_bus **theirs)
{
        int ends[2];

        bus_socket(ends);
        *theirs = bus_serve(ends[0], event, on_call, NULL);
        *ours = bus_connect(ends[1], event);
}

static void disconnect(sd_bus *bus)
{
        sd_bus_detach_event(bus);
        sd_bus_close_unref(bus);
}

/* Whether the loop ends by itself, without the timer that ends it in any case. */
static bool has_left(void)
{
        while (sd_event_get_state(event) != SD_EVENT_FINISHED && sd_event_run(event, 0) > 0)
                ;
        return sd_event_get_state(event) == SD_EVENT_FINISHED;
}

static void loop_new(bool is_settled_now)
{
        sd_event_unref(event);
        event = NULL;
        NEED(sd_event_new(&event) >= 0);
        settled = is_settled_now;
}

static void test_settled(void)
{
        Shutdown *s;

        loop_new(true);
        s = shutdown_new(event, NULL, is_settled, NULL);
        shutdown_check(s);
        CHECK(!has_left()); /* systemd has not confirmed it */
        shutdown_begin(s, true);
        CHECK(has_left() && !shutdown_is_stop(s));
        shutdown_free(s);
}

static void test_between_two_states(void)
{
        Shutdown *s;

        loop_new(false);
        s = shutdown_new(event, NULL, is_settled, NULL);
        shutdown_begin(s, true);
        shutdown_begin(s, true);
        shutdown_check(s);
        CHECK(!has_left());
        settled = true;
        shutdown_check(s);
        CHECK(has_left());
        shutdown_free(s);
}

/* systemd starts it again only after a failure. */
static void test_failure(void)
{
        Shutdown *s;
        int status = 0;

        loop_new(false);
        s = shutdown_new(event, NULL, is_settled, NULL);
        shutdown_fail(s);
        CHECK(!has_left());
        settled = true;
        shutdown_check(s);
        CHECK(has_left() && sd_event_get_exit_code(event, &status) >= 0 && status == EXIT_FAILURE);
        shutdown_free(s);
}

static int on_ready(sd_event_source *source, void *userdata)
{
        *(bool *) userdata = true;
        return 0;
}

/* The answer to who waits for the last exec goes out. */
static void test_what_is_ready_comes_first(void)
{
        sd_event_source *source = NULL;
        bool answered = false;
        Shutdown *s;

        loop_new(false);
        s = shutdown_new(event, NULL, is_settled, NULL);
        shutdown_begin(s, true);
        settled = true;
        shutdown_check(s);
        NEED(sd_event_add_defer(event, &source, on_ready, &answered) >= 0);
        CHECK(has_left() && answered);
        sd_event_source_disable_unref(source);
        shutdown_free(s);
}

/* Another exec ends meanwhile. */
static void test_not_settled_any_more(void)
{
        Shutdown *s;

        loop_new(true);
        s = shutdown_new(event, NULL, is_settled, NULL);
        shutdown_begin(s, true);
        settled = false;
        CHECK(!has_left());
        settled = true;
        shutdown_check(s);
        CHECK(has_left());
        shutdown_free(s);
}

/* A client that waits is left to the next execd only when there will be one. */
static void test_what_for(void)
{
        static const struct {
                const char *job_type;
                bool with_execs, stop;
        } rows[] = {
                {"stop", true, true}, {"restart", true, false}, {NULL, true, false}, {"stop", false, false}};

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                sd_bus *ours = NULL, *theirs = NULL;
                Shutdown *s;

                loop_new(true);
                connect_buses(&ours, &theirs);
                job_type = rows[i].job_type;
                s = shutdown_new(event, ours, is_settled, NULL);
                shutdown_begin(s, rows[i].with_execs);
                for (uint64_t end = now_usec(CLOCK_MONOTONIC) + 60 * USEC_PER_SEC;
                     sd_event_get_state(event) != SD_EVENT_FINISHED && now_usec(CLOCK_MONOTONIC) < end;)
                        NEED(sd_event_run(event, 100 * USEC_PER_MSEC) >= 0);
                CHECK_ROW(job_type, shutdown_is_stop(s) == rows[i].stop);
                shutdown_free(s);
                disconnect(ours);
                disconnect(theirs);
        }
}

/* More than the buffers of a socket take. */
#define LARGE (32 * 1024 * 1024)

static bool ends_within(uint64_t usec)
{
        uint64_t end = now_usec(CLOCK_MONOTONIC) + usec;

        while (sd_event_get_state(event) != SD_EVENT_FINISHED && now_usec(CLOCK_MONOTONIC) < end)
                NEED(sd_event_run(event, 100 * USEC_PER_MSEC) >= 0);
        return sd_event_get_state(event) == SD_EVENT_FINISHED;
}

/* A bus that reads nothing: whoever waits for it waits for good. */
static void connect_deaf(sd_bus **ours, sd_bus **theirs)
{
        int ends[2];

        loop_new(true);
        bus_socket(ends);
        *theirs = bus_serve(ends[0], NULL, NULL, NULL);
        *ours = bus_connect(ends[1], event);
        bus_greet(*ours, *theirs, event);
        NEED(sd_bus_detach_event(*ours) >= 0 && bus_attach(*ours, event) >= 0);
        NEED(!bus_has_queued(*ours));
        bus_send_bytes(*ours, LARGE);
        NEED(bus_has_queued(*ours));
}

/* Sent messages go out first, if the bus takes them in time; and the end of the loop does not wait for them. */
static void test_queue_goes_out(bool is_deaf)
{
        sd_bus *ours = NULL, *theirs = NULL;
        Shutdown *s;

        connect_deaf(&ours, &theirs);
        s = shutdown_new(event, ours, is_settled, NULL);
        shutdown_begin(s, false);
        CHECK(!has_left());
        while (!is_deaf && bus_has_queued(ours)) {
                NEED(sd_bus_process(theirs, NULL) >= 0);
                NEED(sd_event_run(event, 0) >= 0);
        }
        CHECK(ends_within(60 * USEC_PER_SEC) && bus_has_queued(ours) == is_deaf);
        shutdown_free(s);
        disconnect(ours);
        sd_bus_close_unref(theirs);
}

static void test_lost_bus(void)
{
        sd_bus *ours = NULL, *theirs = NULL;
        Shutdown *s;

        connect_deaf(&ours, &theirs);
        s = shutdown_new(event, ours, is_settled, NULL);
        shutdown_fail(s);
        CHECK(has_left());
        shutdown_free(s);
        disconnect(ours);
        sd_bus_close_unref(theirs);
}

int main(void)
{
        test_settled();
        test_between_two_states();
        test_failure();
        test_what_is_ready_comes_first();
        test_not_settled_any_more();
        test_what_for();
        test_queue_goes_out(false);
        test_queue_goes_out(true);
        test_lost_bus();
        sd_event_unref(event);
        return test_finish("shutdown");
}
