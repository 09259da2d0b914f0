/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "spawner/freezer.h"

#include <string.h>
#include <systemd/sd-event.h>

#include "base/log.h"
#include "base/time.h"
#include "spawner/cgroup-watch.h"
#include "spawner/systemd.h"

/* systemd refuses while the unit has a job. A job of a scope in it does not count, so it is a matter of
 * moments. */
#define AGAIN_USEC     (20 * USEC_PER_MSEC)
#define AGAIN_USEC_MAX USEC_PER_SEC

struct Freezer {
        sd_bus *bus;     /* weak */
        sd_event *event; /* weak */
        char *unit;
        CgroupWatch *watch;
        bool is_wanted; /* the cgroup is frozen */
        bool is_frozen; /* the unit is, as far as we have asked for it */
        bool is_asked;  /* the state that the call under way asks for */
        sd_bus_slot *slot;
        sd_event_source *again;
        uint64_t delay;
};

Freezer *freezer_free(Freezer *f)
{
        if (!f)
                return NULL;
        cgroup_watch_free(f->watch);
        sd_bus_slot_unref(f->slot);
        sd_event_source_disable_unref(f->again);
        free(f->unit);
        free(f);
        return NULL;
}

static void freezer_turn(Freezer *f);

static int on_again(sd_event_source *source, uint64_t usec, void *userdata)
{
        Freezer *f = userdata;

        f->again = sd_event_source_disable_unref(f->again);
        freezer_turn(f);
        return 0;
}

static void freezer_retry(Freezer *f, const char *why)
{
        int r;

        f->delay = f->delay == 0 ? AGAIN_USEC : MIN(f->delay * 2, AGAIN_USEC_MAX);
        if (f->delay == AGAIN_USEC_MAX)
                log_warning("Failed to %s %s: %s", f->is_asked ? "freeze" : "thaw", f->unit, why);
        r = sd_event_add_time_relative(f->event, &f->again, CLOCK_MONOTONIC, f->delay, 0, on_again, f);
        if (r < 0)
                log_error_errno(r, "Failed to set a timer");
}

static int on_reply(sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        const sd_bus_error *e = sd_bus_message_get_error(reply);
        Freezer *f = userdata;

        f->slot = sd_bus_slot_unref(f->slot);
        if (e) {
                freezer_retry(f, e->message ?: e->name);
                return 0;
        }
        f->delay = 0;
        f->is_frozen = f->is_asked;
        freezer_turn(f);
        return 0;
}

static void freezer_turn(Freezer *f)
{
        int r;

        if (f->slot || f->again || f->is_wanted == f->is_frozen)
                return;
        f->is_asked = f->is_wanted;
        r = sd_bus_call_method_async(f->bus, &f->slot, SYSTEMD_NAME, SYSTEMD_PATH, SYSTEMD_MANAGER,
                                     f->is_asked ? "FreezeUnit" : "ThawUnit", on_reply, f, "s", f->unit);
        if (r < 0)
                freezer_retry(f, strerrordesc_np(-r));
}

void freezer_move(Freezer *f, sd_bus *bus)
{
        f->bus = bus;
        if (!f->slot)
                return;
        f->slot = sd_bus_slot_unref(f->slot);
        freezer_retry(f, "the connection is lost");
}

static void freezer_want(Freezer *f, bool is_frozen)
{
        f->is_wanted = is_frozen;
        /* A change that failed may be possible now. */
        f->again = sd_event_source_disable_unref(f->again);
        f->delay = 0;
        freezer_turn(f);
}

static void on_change(void *userdata, const CgroupEvents *now)
{
        freezer_want(userdata, !now->is_gone && now->is_frozen);
}

/* The cgroup may stay frozen, with the process in it that waits for the container's. */
void freezer_end(Freezer *f)
{
        f->watch = cgroup_watch_free(f->watch);
        freezer_want(f, false);
}

int freezer_new(sd_bus *bus, const char *cgroup, const char *unit, bool is_frozen, Freezer **ret)
{
        _cleanup_(freezer_freep) Freezer *f = calloc(1, sizeof(*f));
        CgroupEvents now;
        int r;

        if (!f)
                return -ENOMEM;
        f->bus = bus;
        f->event = sd_bus_get_event(bus);
        f->is_frozen = is_frozen;
        f->unit = strdup(unit);
        if (!f->unit)
                return -ENOMEM;
        r = cgroup_watch_new(f->event, cgroup, on_change, f, &f->watch, &now);
        if (r < 0)
                return r;
        f->is_wanted = now.is_frozen;
        freezer_turn(f);
        *ret = TAKE_PTR(f);
        return 0;
}
