/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "spawner/slice.h"

#include <string.h>
#include <systemd/sd-event.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/time.h"
#include "spawner/cgroup.h"
#include "spawner/systemd.h"

#define NO_SUCH_UNIT "org.freedesktop.systemd1.NoSuchUnit"

/* Often another exec comes soon. */
#define EMPTY_USEC (5 * USEC_PER_SEC)
/* The processes of a container that has ended are dead, and the runners about to say so. */
#define ENDED_USEC (5 * USEC_PER_SEC)
#define STOP_USEC  (30 * USEC_PER_SEC)
/* systemd has much to do. */
#define AGAIN_USEC USEC_PER_SEC

Slice *slice_new(sd_bus *bus, const char *name, const char *digits, const SliceEvents *events,
                 void *userdata)
{
        Slice *s = calloc(1, sizeof(*s));

        if (!s)
                return NULL;
        s->n_ref = 1;
        s->bus = bus;
        s->events = events;
        s->userdata = userdata;
        strcpy(s->name, name);
        strcpy(s->digits, digits);
        if (slice_name_cgroup(name, &s->cgroup) < 0)
                return mfree(s);
        s->subs = (SubSlices){.bus = bus, .name = s->name, .cgroup = s->cgroup};
        return s;
}

Slice *slice_ref(Slice *s)
{
        s->n_ref++;
        return s;
}

static void slice_unwatch(Slice *s)
{
        s->follower = limits_follower_free(s->follower);
        s->freezer = freezer_free(s->freezer);
        s->watch = cgroup_watch_free(s->watch);
        s->timer = sd_event_source_disable_unref(s->timer);
        s->slot = sd_bus_slot_unref(s->slot);
        s->is_verified = false;
        sub_slices_forget(&s->subs);
}

void slice_detach(Slice *s)
{
        s->bus = s->subs.bus = NULL;
        slice_unwatch(s);
}

Slice *slice_unref(Slice *s)
{
        if (!s)
                return NULL;
        s->n_ref--;
        /* Nothing has come of it. */
        if (s->n_ref == 1 && s->bus && s->state == SLICE_ABSENT)
                s->events->on_unused(s->userdata, s);
        else if (s->n_ref == 0) {
                slice_unwatch(s);
                container_unref(s->container);
                free(s->cgroup);
                free(s);
        }
        return NULL;
}

void slice_set_container(Slice *s, Container *c)
{
        if (s->container != c) {
                container_unref(s->container);
                s->container = container_ref(c);
        }
        s->is_ended = false;
}

void slice_set_limits(Slice *s, const Limits *limits)
{
        s->wanted = *limits;
        if (s->follower)
                limits_follower_set(s->follower, limits);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata);

static void slice_arm(Slice *s, uint64_t usec)
{
        int r;

        s->timer = sd_event_source_disable_unref(s->timer);
        r = sd_event_add_time_relative(sd_bus_get_event(s->bus), &s->timer, CLOCK_MONOTONIC, usec, 0,
                                       on_timer, s);
        if (r < 0)
                log_error_errno(r, "Failed to set a timer");
}

void slice_on_gone(Slice *s)
{
        slice_unwatch(s);
        s->state = SLICE_ABSENT;
        if (s->n_ref == 1)
                s->events->on_unused(s->userdata, s);
        else
                s->events->on_usable(s->userdata);
}

static int on_stopped(sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        const sd_bus_error *e = sd_bus_message_get_error(reply);
        Slice *s = userdata;

        s->slot = sd_bus_slot_unref(s->slot);
        /* Otherwise its job reports the end. */
        if (!e)
                return 0;
        if (sd_bus_error_has_name(e, NO_SUCH_UNIT)) {
                slice_on_gone(s);
                return 0;
        }
        log_warning("Failed to stop %s: %s", s->name, e->message ?: e->name);
        slice_arm(s, AGAIN_USEC);
        return 0;
}

static void slice_stop(Slice *s)
{
        int r;

        slice_unwatch(s);
        s->state = SLICE_STOPPING;
        r = sd_bus_call_method_async(s->bus, &s->slot, SYSTEMD_NAME, SYSTEMD_PATH, SYSTEMD_MANAGER,
                                     "StopUnit", on_stopped, s, "ss", s->name, "replace");
        if (r < 0)
                log_errno(LOG_WARNING, r, "Failed to stop %s", s->name);
        slice_arm(s, STOP_USEC);
}

static int on_thawed(sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        const sd_bus_error *e = sd_bus_message_get_error(reply);
        Slice *s = userdata;

        s->slot = sd_bus_slot_unref(s->slot);
        /* This fails if a slice above it is frozen as well. */
        if (e)
                log_debug("Failed to thaw %s: %s", s->name, e->message ?: e->name);
        else
                slice_stop(s);
        return 0;
}

/* systemd 256 and later stop nothing that is frozen. */
void slice_on_job(Slice *s, const char *result)
{
        int r;

        if (s->state != SLICE_STOPPING)
                return;
        if (strcmp(result, "frozen") != 0) {
                slice_on_gone(s);
                return;
        }
        s->slot = sd_bus_slot_unref(s->slot);
        r = sd_bus_call_method_async(s->bus, &s->slot, SYSTEMD_NAME, SYSTEMD_PATH, SYSTEMD_MANAGER,
                                     "ThawUnit", on_thawed, s, "s", s->name);
        if (r < 0)
                log_errno(LOG_WARNING, r, "Failed to thaw %s", s->name);
        slice_arm(s, AGAIN_USEC);
}

/* Our own request joins theirs, and we learn of the end of both. */
void slice_on_stopping(Slice *s)
{
        if (s->bus && s->state != SLICE_STOPPING)
                slice_stop(s);
}

void slice_move(Slice *s, sd_bus *bus)
{
        s->bus = bus;
        if (s->follower)
                limits_follower_move(s->follower, bus);
        if (s->freezer)
                freezer_move(s->freezer, bus);
        sub_slices_move(&s->subs, bus);
        if (s->state == SLICE_STOPPING)
                slice_stop(s);
}

/* Reads the events of the control group, if it is watched. */
static CgroupEvents read_events(const Slice *s)
{
        CgroupEvents now = {0};

        if (s->watch)
                cgroup_watch_read(s->watch, &now);
        return now;
}

static bool has_cgroup(const Slice *s)
{
        int fd = cgroup_open(s->cgroup);

        fd_close(fd);
        return fd >= 0;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
        Slice *s = userdata;

        s->timer = sd_event_source_disable_unref(s->timer);
        /* A slice that is being stopped is kept until it is gone, because nothing else would stop it. */
        if (s->state == SLICE_STOPPING && !has_cgroup(s))
                slice_on_gone(s);
        else if (s->state == SLICE_STOPPING)
                slice_stop(s);
        else if (s->n_ref > 1 && !s->is_ended)
                slice_arm(s, EMPTY_USEC);
        else if (s->is_ended || !read_events(s).is_populated)
                slice_stop(s);
        return 0;
}

/* It goes when nothing is in it, and at the latest some time after its container. */
static void slice_consider(Slice *s, bool populated)
{
        if (s->is_ended && !populated)
                slice_stop(s);
        else if (s->is_ended || !populated)
                slice_arm(s, s->is_ended ? ENDED_USEC : EMPTY_USEC);
        else
                s->timer = sd_event_source_disable_unref(s->timer);
}

/* It was stopped by another client of systemd. A scope may have made systemd start it again, without limits. */
static void slice_lost(Slice *s)
{
        if (has_cgroup(s))
                slice_on_found(s);
        else
                slice_on_gone(s);
}

static void on_cgroup(void *userdata, const CgroupEvents *now)
{
        Slice *s = userdata;

        if (now->is_gone)
                slice_lost(s);
        else
                slice_consider(s, now->is_populated);
}

static void on_limits(void *userdata, const Limits *now)
{
        Slice *s = userdata;

        s->limits = *now;
        s->is_verified = false;
        if (s->state != SLICE_ADOPTED)
                return;
        s->state = SLICE_READY;
        s->events->on_usable(s->userdata);
}

/* `is_adopted`: it may have other limits than those that it is to have. */
static int slice_follow(Slice *s, bool is_adopted)
{
        const char *control = container_control_cgroup(s->container);
        CgroupEvents now = {0};
        int r;

        r = cgroup_watch_new(sd_bus_get_event(s->bus), s->cgroup, on_cgroup, s, &s->watch, &now);
        if (r >= 0 && control)
                r = freezer_new(s->bus, control, s->name, now.is_frozen, &s->freezer);
        if (r >= 0)
                r = limits_follower_new(s->bus, s->container, s->name, s->cgroup,
                                        is_adopted ? NULL : &s->limits, on_limits, s, &s->follower);
        if (r >= 0)
                r = sub_slices_find(&s->subs);
        if (r < 0)
                return r;
        if (!is_adopted)
                limits_follower_set(s->follower, &s->wanted);
        slice_consider(s, now.is_populated);
        return 0;
}

/* One that cannot be followed would not stay what its container is. */
static void slice_begin(Slice *s, bool is_adopted)
{
        int r = slice_follow(s, is_adopted);

        if (r >= 0)
                return;
        if (!s->is_ended && container_is_alive(s->container))
                log_errno(LOG_WARNING, r, "Failed to follow container %s", s->container->name);
        slice_stop(s);
}

/* No container is known for it. The container may still run, so the commands are left alone, and end with
 * the namespaces of the container, or with the service. */
static void slice_wait_for_container(Slice *s)
{
        CgroupEvents now = {0};
        int r = cgroup_watch_new(sd_bus_get_event(s->bus), s->cgroup, on_cgroup, s, &s->watch, &now);

        if (r >= 0)
                slice_consider(s, now.is_populated);
        else if (r == -ENOENT)
                slice_arm(s, EMPTY_USEC);
        else
                log_errno(LOG_WARNING, r, "Failed to watch %s", s->name);
}

void slice_on_found(Slice *s)
{
        if (!s->bus)
                return;
        slice_unwatch(s);
        s->state = SLICE_ADOPTED;
        if (s->container)
                slice_begin(s, true);
        else
                slice_wait_for_container(s);
}

void slice_look(Slice *s)
{
        if (read_events(s).is_gone)
                slice_lost(s);
}

void slice_on_container_gone(Slice *s)
{
        s->is_ended = true;
        if (s->state == SLICE_MAKING || s->state == SLICE_ADOPTED || s->state == SLICE_READY) {
                CgroupEvents now = {0};

                if (s->freezer)
                        freezer_end(s->freezer);
                s->follower = limits_follower_free(s->follower);
                s->watch = cgroup_watch_free(s->watch);
                (void) cgroup_watch_new(sd_bus_get_event(s->bus), s->cgroup, on_cgroup, s, &s->watch, &now);
                slice_consider(s, now.is_populated);
        }
}

bool slice_is_usable(const Slice *s)
{
        return s->state == SLICE_ABSENT || s->state == SLICE_READY;
}

void slice_on_called(Slice *s)
{
        if (s->state != SLICE_ABSENT)
                return;
        s->limits = s->wanted;
        s->state = SLICE_MAKING;
}

void slice_on_made(Slice *s, bool ok)
{
        if (!s->bus || s->state != SLICE_MAKING)
                return;
        s->state = ok ? SLICE_READY : SLICE_ABSENT;
        if (ok)
                slice_begin(s, false);
        s->events->on_usable(s->userdata);
}

int slice_verify(Slice *s, const char *scope, Refusal *reterr)
{
        size_t n = strlen(s->cgroup);
        Limits limits;
        int r;

        if (strncmp(scope, s->cgroup, n) != 0 || scope[n] != '/')
                return refuse(reterr, REFUSAL_UNAVAILABLE, EXDEV,
                              "the scope of this exec is in %s, and not in %s", scope, s->cgroup);
        if (!read_events(s).is_gone &&
            (s->is_verified || (s->follower && limits_follower_is_busy(s->follower))))
                return 0;
        r = limits_read(s->cgroup, &limits);
        if (r >= 0 && !limits_are_within(&limits, &s->limits))
                r = -EOPNOTSUPP;
        if (r < 0)
                return refuse(reterr, REFUSAL_UNSUPPORTED, r,
                              "failed to apply the container's limits to its execs: %s",
                              strerrordesc_np(-r));
        s->is_verified = true;
        return 0;
}
