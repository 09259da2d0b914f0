/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/shutdown.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/bus-loop.h"
#include "base/log.h"
#include "base/time.h"

/* How often to check whether the bus has taken all messages. */
#define SEND_USEC    (5 * USEC_PER_MSEC)

#define SYSTEMD_NAME "org.freedesktop.systemd1"
#define SYSTEMD_UNIT "/org/freedesktop/systemd1/unit/execd_2eservice"

struct Shutdown {
        sd_event *event;        /* weak */
        sd_bus *bus;            /* weak, NULL when there is none */
        sd_event_source *timer; /* NULL unless execd is stopping */
        sd_event_source *last;  /* the last thing that is done */
        sd_bus_slot *question;
        bool is_stop;
        int status; /* of the loop */
        bool (*is_settled)(void *userdata);
        void *userdata;
};

Shutdown *shutdown_new(sd_event *event, sd_bus *bus, bool (*is_settled)(void *userdata), void *userdata)
{
        Shutdown *s;

        assert(event && is_settled);
        s = calloc(1, sizeof(Shutdown));
        if (s)
                *s = (Shutdown){.event = event, .bus = bus, .is_settled = is_settled, .userdata = userdata};
        return s;
}

Shutdown *shutdown_free(Shutdown *s)
{
        if (!s)
                return NULL;
        sd_event_source_disable_unref(s->timer);
        sd_event_source_disable_unref(s->last);
        sd_bus_slot_unref(s->question);
        return mfree(s);
}

bool shutdown_is_stop(const Shutdown *s)
{
        return s->is_stop;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
        Shutdown *s = userdata;

        return sd_event_exit(s->event, s->status);
}

static int on_job_type(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
        Shutdown *s = userdata;
        const char *type = "";

        s->question = sd_bus_slot_unref(s->question);
        if (!sd_bus_message_is_method_error(message, NULL) &&
            sd_bus_message_enter_container(message, 'v', "s") > 0)
                (void) sd_bus_message_read(message, "s", &type);
        s->is_stop = strcmp(type, "stop") == 0;
        log_debug("The job is \"%s\"", type);
        shutdown_check(s);
        return 0;
}

static int on_job(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
        Shutdown *s = userdata;
        const char *path = "/";
        uint32_t id = 0;
        int r = 0;

        s->question = sd_bus_slot_unref(s->question);
        if (!sd_bus_message_is_method_error(message, NULL) &&
            sd_bus_message_enter_container(message, 'v', "(uo)") > 0)
                (void) sd_bus_message_read(message, "(uo)", &id, &path);
        if (id > 0)
                r = sd_bus_call_method_async(s->bus, &s->question, SYSTEMD_NAME, path,
                                             "org.freedesktop.DBus.Properties", "Get", on_job_type, s, "ss",
                                             SYSTEMD_NAME ".Job", "JobType");
        if (id == 0 || r < 0)
                shutdown_check(s);
        return 0;
}

static bool may_leave(const Shutdown *s)
{
        return s->timer && !s->question && s->is_settled(s->userdata);
}

static int on_sent(sd_event_source *source, uint64_t usec, void *userdata)
{
        Shutdown *s = userdata;

        s->last = sd_event_source_disable_unref(s->last);
        shutdown_check(s);
        return 0;
}

/* Answers on the bus go out first, unless it is lost. */
static int on_last(sd_event_source *source, void *userdata)
{
        Shutdown *s = userdata;

        s->last = sd_event_source_disable_unref(s->last);
        if (!may_leave(s))
                return 0;
        if (s->status == 0 && bus_has_queued(s->bus) &&
            sd_event_add_time_relative(s->event, &s->last, CLOCK_MONOTONIC, SEND_USEC, 0, on_sent, s) >= 0)
                return 0;
        return sd_event_exit(s->event, s->status);
}

/* Clients still have to be informed of execs that have just ended: process all other ready events first. */
void shutdown_check(Shutdown *s)
{
        if (!may_leave(s) || s->last)
                return;
        if (sd_event_add_defer(s->event, &s->last, on_last, s) < 0 ||
            sd_event_source_set_priority(s->last, SD_EVENT_PRIORITY_IDLE) < 0)
                (void) sd_event_exit(s->event, s->status);
}

void shutdown_begin(Shutdown *s, bool with_execs)
{
        if (s->timer)
                return;
        if (sd_event_add_time_relative(s->event, &s->timer, CLOCK_MONOTONIC, SHUTDOWN_USEC, 0, on_timer, s) <
            0) {
                (void) sd_event_exit(s->event, s->status);
                return;
        }
        if (s->bus && with_execs)
                (void) sd_bus_call_method_async(s->bus, &s->question, SYSTEMD_NAME, SYSTEMD_UNIT,
                                                "org.freedesktop.DBus.Properties", "Get", on_job, s, "ss",
                                                SYSTEMD_NAME ".Unit", "Job");
        shutdown_check(s);
}

void shutdown_fail(Shutdown *s)
{
        s->status = EXIT_FAILURE;
        s->question = sd_bus_slot_unref(s->question);
        shutdown_begin(s, false);
        shutdown_check(s);
}
