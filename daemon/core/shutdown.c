/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/shutdown.h"

#include <string.h>

#include "base/log.h"
#include "core/manager.h"

#define SYSTEMD_NAME "org.freedesktop.systemd1"
#define SYSTEMD_UNIT "/org/freedesktop/systemd1/unit/execd_2eservice"

void shutdown_done(Shutdown *l)
{
        l->timer = sd_event_source_disable_unref(l->timer);
        l->question = sd_bus_slot_unref(l->question);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
        Manager *m = userdata;

        return sd_event_exit(m->event, 0);
}

static int on_job_type(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
        Manager *m = userdata;
        const char *type = "";

        m->shutdown.question = sd_bus_slot_unref(m->shutdown.question);
        if (!sd_bus_message_is_method_error(message, NULL) &&
            sd_bus_message_enter_container(message, 'v', "s") > 0)
                (void) sd_bus_message_read(message, "s", &type);
        m->shutdown.is_stop = strcmp(type, "stop") == 0;
        log_debug("The job is \"%s\"", type);
        shutdown_check(m);
        return 0;
}

static int on_job(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
        Manager *m = userdata;
        const char *path = "/";
        uint32_t id = 0;
        int r = 0;

        m->shutdown.question = sd_bus_slot_unref(m->shutdown.question);
        if (!sd_bus_message_is_method_error(message, NULL) &&
            sd_bus_message_enter_container(message, 'v', "(uo)") > 0)
                (void) sd_bus_message_read(message, "(uo)", &id, &path);
        if (id > 0)
                r = sd_bus_call_method_async(m->bus, &m->shutdown.question, SYSTEMD_NAME, path,
                                             "org.freedesktop.DBus.Properties", "Get", on_job_type, m, "ss",
                                             SYSTEMD_NAME ".Job", "JobType");
        if (id == 0 || r < 0)
                shutdown_check(m);
        return 0;
}

void shutdown_check(Manager *m)
{
        if (!m->shutdown.timer || m->shutdown.question)
                return;
        LIST_FOREACH (const Exec, e, &m->execs, node) {
                if (e->state == EXEC_STARTING || e->state == EXEC_DRAINING)
                        return;
        }
        (void) sd_event_exit(m->event, 0);
}

void shutdown_begin(Manager *m)
{
        if (m->shutdown.timer)
                return;
        if (sd_event_add_time_relative(m->event, &m->shutdown.timer, CLOCK_MONOTONIC, SHUTDOWN_USEC, 0,
                                       on_timer, m) < 0) {
                (void) sd_event_exit(m->event, 0);
                return;
        }
        /* Without an exec it does not matter. */
        if (m->bus && !list_is_empty(&m->execs))
                (void) sd_bus_call_method_async(m->bus, &m->shutdown.question, SYSTEMD_NAME, SYSTEMD_UNIT,
                                                "org.freedesktop.DBus.Properties", "Get", on_job, m, "ss",
                                                SYSTEMD_NAME ".Unit", "Job");
        shutdown_check(m);
}
