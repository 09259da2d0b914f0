/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "spawner/systemd-link.h"

#include <stdlib.h>
#include <string.h>
#include <systemd/sd-event.h>

#include "base/log.h"
#include "base/time.h"

/* From this version on systemd takes processes by pidfd. */
#define PIDFDS_VERSION  255
#define AWAY_AGAIN_USEC (100 * USEC_PER_MSEC)

bool systemd_is_away(const sd_bus_error *e)
{
        return sd_bus_error_has_name(e, SD_BUS_ERROR_NO_REPLY) ||
               sd_bus_error_has_name(e, SD_BUS_ERROR_SERVICE_UNKNOWN) ||
               sd_bus_error_has_name(e, SD_BUS_ERROR_NAME_HAS_NO_OWNER) ||
               sd_bus_error_has_name(e, SD_BUS_ERROR_DISCONNECTED) ||
               strncmp(e->name, "org.freedesktop.DBus.Error.Spawn.", 33) == 0;
}

static int on_signal(sd_bus_message *signal, void *userdata, sd_bus_error *error)
{
        const SystemdLink *l = userdata;
        const char *unit, *result;

        if (sd_bus_message_read(signal, "uoss", NULL, NULL, &unit, &result) >= 0)
                l->on_job_removed(l->userdata, unit, result);
        return 0;
}

static void subscribe(SystemdLink *l);

static int on_subscribe_again(sd_event_source *source, uint64_t usec, void *userdata)
{
        subscribe(userdata);
        return 0;
}

static int on_subscribed(sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        const sd_bus_error *e = sd_bus_message_get_error(reply);
        SystemdLink *l = userdata;

        l->slot_subscribe = sd_bus_slot_unref(l->slot_subscribe);
        if (!e)
                return 0;
        l->subscribe_again = sd_event_source_disable_unref(l->subscribe_again);
        if (!systemd_is_away(e) ||
            sd_event_add_time_relative(sd_bus_get_event(l->bus), &l->subscribe_again, CLOCK_MONOTONIC,
                                       AWAY_AGAIN_USEC, 0, on_subscribe_again, l) < 0)
                log_error("Failed to subscribe to signals of systemd: %s", e->message ?: e->name);
        return 0;
}

static void subscribe(SystemdLink *l)
{
        int r = sd_bus_call_method_async(l->bus, &l->slot_subscribe, SYSTEMD_NAME, SYSTEMD_PATH,
                                         SYSTEMD_MANAGER, "Subscribe", on_subscribed, l, NULL);

        if (r < 0)
                log_error_errno(r, "Failed to subscribe to signals of systemd");
}

/* "255.4-1", "257~rc1": until it is known, and where it cannot be, processes go by number. */
static int on_version(sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        SystemdLink *l = userdata;
        const char *version = "";

        l->slot_version = sd_bus_slot_unref(l->slot_version);
        if (sd_bus_message_is_method_error(reply, NULL) ||
            sd_bus_message_read(reply, "v", "s", &version) < 0)
                return 0;
        l->takes_pidfds = strtoul(version, NULL, 10) >= PIDFDS_VERSION;
        log_debug("systemd %s takes processes by %s", version, l->takes_pidfds ? "pidfd" : "number");
        return 0;
}

/* PID 1 itself names no sender, and sends its signals unasked. */
int systemd_link_open(SystemdLink *l, sd_bus *bus, bool is_private)
{
        int r;

        l->bus = bus;
        r = sd_bus_match_signal_async(l->bus, &l->slot_job, is_private ? NULL : SYSTEMD_NAME, SYSTEMD_PATH,
                                      SYSTEMD_MANAGER, "JobRemoved", on_signal, NULL, l);
        if (r >= 0 && !is_private)
                subscribe(l);
        if (r >= 0)
                r = sd_bus_call_method_async(l->bus, &l->slot_version, SYSTEMD_NAME, SYSTEMD_PATH,
                                             "org.freedesktop.DBus.Properties", "Get", on_version, l, "ss",
                                             SYSTEMD_MANAGER, "Version");
        return r;
}

void systemd_link_close(SystemdLink *l)
{
        l->slot_job = sd_bus_slot_unref(l->slot_job);
        l->slot_subscribe = sd_bus_slot_unref(l->slot_subscribe);
        l->slot_version = sd_bus_slot_unref(l->slot_version);
        l->subscribe_again = sd_event_source_disable_unref(l->subscribe_again);
}
