/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "spawner/limits-follower.h"

#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/time.h"
#include "spawner/cgroup.h"
#include "spawner/proc-parse.h"
#include "spawner/systemd.h"

/* Several files are written at a time, and a container that may write to its cgroup may do so all the
 * time. */
#define SETTLE_USEC (20 * USEC_PER_MSEC)
#define AGAIN_USEC  USEC_PER_SEC

struct LimitsFollower {
        sd_bus *bus;                         /* weak */
        sd_event *event;                     /* weak */
        Container *container;                /* owned reference */
        char *unit, *cgroup;                 /* of the execs */
        Limits now, wanted, asked;           /* the last in the call under way */
        bool is_known;                       /* `now` is what the unit has */
        sd_event_source *watches[2], *timer; /* of the cgroup of the container's unit, and of its own */
        sd_event_source *own_watch, *own_timer;
        bool was_raised; /* and has been set again lately */
        sd_bus_slot *slot;
        void (*on_settled)(void *userdata, const Limits *now);
        void *userdata;
};

/* An engine may have given the container a cgroup below its unit's, as crun does, or below one for all: limits
 * there bind the container as well. */
static int lower_below(const Container *c, const char *own, Limits *l)
{
        _cleanup_free_ char *path = c->given_cgroup ? strdup(c->given_cgroup) : NULL;
        size_t n = strlen(own);
        Limits limits;
        int r = 0;

        if (!c->given_cgroup)
                return 0;
        if (!path)
                return -ENOMEM;
        while (r >= 0 && strncmp(path, own, n) == 0 && path[n] == '/') {
                r = limits_read(path, &limits);
                if (r >= 0)
                        r = limits_lower(l, &limits);
                *strrchr(path, '/') = 0;
        }
        return r;
}

int container_limits_read(const Container *c, Limits *ret, Refusal *reterr)
{
        _cleanup_free_ char *path = NULL, *slice = NULL, *own = NULL;
        int r;

        r = leader_cgroup(c->leader, &path);
        if (r >= 0)
                r = cgroup_path_split(path, &slice, &own);
        if (r >= 0)
                r = limits_read(own, ret);
        if (r >= 0)
                r = lower_below(c, own, ret);
        if (r < 0)
                return refuse(reterr, REFUSAL_UNSUPPORTED, r, "failed to read the container's limits: %s",
                              strerrordesc_np(-r));
        return 0;
}

LimitsFollower *limits_follower_free(LimitsFollower *f)
{
        if (!f)
                return NULL;
        for (size_t i = 0; i < ELEMENTSOF(f->watches); i++)
                sd_event_source_disable_unref(f->watches[i]);
        sd_event_source_disable_unref(f->timer);
        sd_event_source_disable_unref(f->own_watch);
        sd_event_source_disable_unref(f->own_timer);
        sd_bus_slot_unref(f->slot);
        container_unref(f->container);
        free(f->unit);
        free(f->cgroup);
        free(f);
        return NULL;
}

static void follower_turn(LimitsFollower *f);

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        LimitsFollower *f = userdata;
        Limits limits;

        f->timer = sd_event_source_disable_unref(f->timer);
        if (container_limits_read(f->container, &limits, &refusal) >= 0)
                f->wanted = limits;
        else if (container_is_alive(f->container))
                log_warning("Failed to follow the limits of container %s: %s", f->container->name,
                            refusal.message ?: "out of memory");
        follower_turn(f);
        return 0;
}

static void follower_look_later(LimitsFollower *f, uint64_t usec)
{
        int r;

        if (f->timer)
                return;
        r = sd_event_add_time_relative(f->event, &f->timer, CLOCK_MONOTONIC, usec, 0, on_timer, f);
        if (r < 0)
                log_error_errno(r, "Failed to set a timer");
}

static int on_written(sd_event_source *source, const struct inotify_event *event, void *userdata)
{
        LimitsFollower *f = userdata;

        if (event->mask & IN_IGNORED)
                (void) sd_event_source_set_enabled(source, SD_EVENT_OFF);
        else
                follower_look_later(f, SETTLE_USEC);
        return 0;
}

static int on_applied(sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        const sd_bus_error *e = sd_bus_message_get_error(reply);
        LimitsFollower *f = userdata;

        f->slot = sd_bus_slot_unref(f->slot);
        if (e) {
                log_warning("Failed to set the limits of %s: %s", f->unit, e->message ?: e->name);
                follower_look_later(f, AGAIN_USEC);
                return 0;
        }
        f->now = f->asked;
        f->is_known = true;
        follower_turn(f);
        return 0;
}

static int follower_apply(LimitsFollower *f)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        f->asked = f->wanted;
        r = sd_bus_message_new_method_call(f->bus, &m, SYSTEMD_NAME, SYSTEMD_PATH, SYSTEMD_MANAGER,
                                           "SetUnitProperties");
        if (r >= 0)
                r = sd_bus_message_append(m, "sb", f->unit, true);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "(sv)");
        if (r >= 0)
                r = limits_append(&f->asked, true, m);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        return r < 0 ? r : sd_bus_call_async(f->bus, &f->slot, m, on_applied, f, 0);
}

static void follower_turn(LimitsFollower *f)
{
        int r;

        if (f->slot)
                return;
        if (f->is_known && limits_equal(&f->now, &f->wanted)) {
                f->on_settled(f->userdata, &f->now);
                return;
        }
        r = follower_apply(f);
        if (r < 0) {
                log_warning("Failed to set the limits of %s: %s", f->unit, strerrordesc_np(-r));
                follower_look_later(f, AGAIN_USEC);
        }
}

static int on_own_timer(sd_event_source *source, uint64_t usec, void *userdata);

static void look_at_own(LimitsFollower *f, uint64_t usec)
{
        int r;

        if (f->own_timer)
                return;
        r = sd_event_add_time_relative(f->event, &f->own_timer, CLOCK_MONOTONIC, usec, 0, on_own_timer, f);
        if (r < 0)
                log_error_errno(r, "Failed to set a timer");
}

/* systemd writes them, too, when it sets the limits for us. */
static int on_own_written(sd_event_source *source, const struct inotify_event *event, void *userdata)
{
        LimitsFollower *f = userdata;

        if (event->mask & IN_IGNORED)
                (void) sd_event_source_set_enabled(source, SD_EVENT_OFF);
        else
                look_at_own(f, f->was_raised ? AGAIN_USEC : SETTLE_USEC);
        return 0;
}

static int on_own_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
        LimitsFollower *f = userdata;
        Limits own;

        f->own_timer = sd_event_source_disable_unref(f->own_timer);
        /* It is about to have others, which are looked at then. */
        if (limits_follower_is_busy(f)) {
                look_at_own(f, AGAIN_USEC);
                return 0;
        }
        f->was_raised = false;
        if (limits_read(f->cgroup, &own) < 0 || limits_are_within(&own, &f->now))
                return 0;
        log_warning("Limits of %s were raised, setting them again", f->unit);
        f->was_raised = true;
        f->is_known = false;
        follower_turn(f);
        return 0;
}

void limits_follower_move(LimitsFollower *f, sd_bus *bus)
{
        f->bus = bus;
        if (!f->slot)
                return;
        f->slot = sd_bus_slot_unref(f->slot);
        f->is_known = false;
        follower_look_later(f, AGAIN_USEC);
}

bool limits_follower_is_busy(const LimitsFollower *f)
{
        return f->slot || f->timer || !f->is_known;
}

void limits_follower_set(LimitsFollower *f, const Limits *wanted)
{
        if (limits_equal(&f->wanted, wanted))
                return;
        f->wanted = *wanted;
        follower_turn(f);
}

static int watch_one(LimitsFollower *f, const char *cgroup, sd_event_inotify_handler_t callback,
                     sd_event_source **ret)
{
        int dir = cgroup ? cgroup_open(cgroup) : -ENOENT, r = dir;
        char path[32];

        if (dir >= 0) {
                snprintf(path, sizeof(path), "/proc/self/fd/%d", dir);
                r = sd_event_add_inotify(f->event, ret, path, IN_MODIFY | IN_ONLYDIR, callback, f);
        }
        fd_close(dir);
        return r;
}

/* Without it, limits are followed at each request for an exec. */
static void watch(LimitsFollower *f)
{
        const Container *c = f->container;
        int r;

        r = watch_one(f, c->unit_cgroup, on_written, &f->watches[0]);
        if (r >= 0 && c->given_cgroup)
                r = watch_one(f, c->given_cgroup, on_written, &f->watches[1]);
        if (r >= 0)
                r = watch_one(f, f->cgroup, on_own_written, &f->own_watch);
        if (r < 0)
                log_errno(LOG_WARNING, r, "Failed to watch the limits of container %s", c->name);
}

int limits_follower_new(sd_bus *bus, Container *c, const char *unit, const char *cgroup, const Limits *now,
                        void (*on_settled)(void *userdata, const Limits *now), void *userdata,
                        LimitsFollower **ret)
{
        _cleanup_(limits_follower_freep) LimitsFollower *f = calloc(1, sizeof(*f));

        if (!f)
                return -ENOMEM;
        f->bus = bus;
        f->event = sd_bus_get_event(bus);
        f->on_settled = on_settled;
        f->userdata = userdata;
        f->container = container_ref(c);
        f->unit = strdup(unit);
        f->cgroup = strdup(cgroup);
        if (!f->unit || !f->cgroup)
                return -ENOMEM;
        watch(f);
        if (now) {
                f->now = f->wanted = *now;
                f->is_known = true;
        } else
                follower_look_later(f, 0);
        *ret = TAKE_PTR(f);
        return 0;
}
