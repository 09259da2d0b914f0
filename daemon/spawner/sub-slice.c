/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "spawner/sub-slice.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <systemd/sd-event.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/time.h"
#include "spawner/cgroup.h"
#include "spawner/systemd.h"

#define NO_SUCH_UNIT "org.freedesktop.systemd1.NoSuchUnit"

/* The same time as for the slice above. */
#define EMPTY_USEC (5 * USEC_PER_SEC)
#define STOP_USEC  (30 * USEC_PER_SEC)

static SubSlice *sub_slice_free(SubSlice *sub)
{
        if (!sub)
                return NULL;
        if (sub->all) {
                list_remove(&sub->all->list, &sub->node);
                sub->all->n_listed--;
        }
        cgroup_watch_free(sub->watch);
        sd_event_source_disable_unref(sub->timer);
        sd_bus_slot_unref(sub->slot);
        free(sub->cgroup);
        free(sub);
        return NULL;
}
DEFINE_CLEANUP(SubSlice, sub_slice_free);

/* It is not there. The next scope makes it. */
static void sub_slice_drop(SubSlice *sub)
{
        if (sub->n_making == 0) {
                sub_slice_free(sub);
                return;
        }
        sub->watch = cgroup_watch_free(sub->watch);
        sub->timer = sd_event_source_disable_unref(sub->timer);
        sub->slot = sd_bus_slot_unref(sub->slot);
        sub->is_sent = sub->is_stopping = false;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata);

static void sub_slice_arm(SubSlice *sub, uint64_t usec)
{
        int r;

        sub->timer = sd_event_source_disable_unref(sub->timer);
        r = sd_event_add_time_relative(sd_bus_get_event(sub->all->bus), &sub->timer, CLOCK_MONOTONIC, usec,
                                       0, on_timer, sub);
        if (r < 0)
                log_error_errno(r, "Failed to set a timer");
}

static int on_stopped(sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        const sd_bus_error *e = sd_bus_message_get_error(reply);
        SubSlice *sub = userdata;

        sub->slot = sd_bus_slot_unref(sub->slot);
        /* Otherwise its job tells. */
        if (!e)
                return 0;
        if (sd_bus_error_has_name(e, NO_SUCH_UNIT)) {
                sub_slice_drop(sub);
                return 0;
        }
        log_debug("Failed to stop %s: %s", sub->name, e->message ?: e->name);
        sub->is_stopping = false;
        sub_slice_arm(sub, EMPTY_USEC);
        return 0;
}

/* No scope is made in it from here on. A job of another client of systemd takes precedence. */
static void sub_slice_stop(SubSlice *sub)
{
        int r;

        sub->is_stopping = true;
        r = sd_bus_call_method_async(sub->all->bus, &sub->slot, SYSTEMD_NAME, SYSTEMD_PATH, SYSTEMD_MANAGER,
                                     "StopUnit", on_stopped, sub, "ss", sub->name, "fail");
        if (r < 0)
                log_errno(LOG_WARNING, r, "Failed to stop %s", sub->name);
        sub_slice_arm(sub, STOP_USEC);
}

static void sub_slice_consider(SubSlice *sub, const CgroupEvents *now)
{
        if (now->is_gone)
                sub_slice_drop(sub);
        else if (sub->is_stopping)
                ;
        else if (now->is_populated || sub->n_making > 0)
                sub->timer = sd_event_source_disable_unref(sub->timer);
        else if (!sub->timer)
                sub_slice_arm(sub, EMPTY_USEC);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
        SubSlice *sub = userdata;
        CgroupEvents now = {.is_gone = true};

        sub->timer = sd_event_source_disable_unref(sub->timer);
        if (sub->watch)
                cgroup_watch_read(sub->watch, &now);
        if (sub->is_stopping) {
                log_warning("systemd did not stop %s in time", sub->name);
                sub_slice_drop(sub);
        } else if (!now.is_gone && !now.is_populated && sub->n_making == 0)
                sub_slice_stop(sub);
        else
                sub_slice_consider(sub, &now);
        return 0;
}

static void on_cgroup(void *userdata, const CgroupEvents *now)
{
        sub_slice_consider(userdata, now);
}

/* Where nothing has come of it, there is nothing to watch. */
static void sub_slice_watch(SubSlice *sub)
{
        CgroupEvents now = {.is_gone = true};

        if (sub->watch)
                cgroup_watch_read(sub->watch, &now);
        else
                (void) cgroup_watch_new(sd_bus_get_event(sub->all->bus), sub->cgroup, on_cgroup, sub,
                                        &sub->watch, &now);
        sub_slice_consider(sub, &now);
}

static SubSlice *sub_slice_new(SubSlices *all, unsigned number)
{
        _cleanup_(sub_slice_freep) SubSlice *sub = calloc(1, sizeof(*sub));

        if (!sub || slice_name_make_sub(all->name, number, sub->name) < 0)
                return NULL;
        if (asprintf(&sub->cgroup, "%s/%s", all->cgroup, sub->name) < 0) {
                sub->cgroup = NULL;
                return NULL;
        }
        sub->number = number;
        sub->all = all;
        list_append(&all->list, &sub->node);
        all->n_listed++;
        return TAKE_PTR(sub);
}

static SubSlice *find(const SubSlices *all, unsigned number)
{
        return LIST_FIND(SubSlice, sub, &all->list, node, sub->number == number);
}

static void on_found(SubSlices *all, unsigned number)
{
        SubSlice *sub = find(all, number);

        if (!sub && all->n_listed < SUB_SLICES_MAX)
                sub = sub_slice_new(all, number);
        if (!sub || sub->is_stopping)
                return;
        sub->is_sent = true;
        sub_slice_watch(sub);
}

static int open_slice(const char *cgroup, DIR **ret)
{
        _cleanup_close_ int fd = cgroup_open(cgroup);

        if (fd < 0)
                return fd;
        *ret = fdopendir(fd);
        if (!*ret)
                return -errno;
        TAKE_FD(fd);
        return 0;
}

int sub_slices_find(SubSlices *all)
{
        DIR *d;
        int r = open_slice(all->cgroup, &d);

        if (r < 0)
                return r;
        for (struct dirent *e = readdir(d); e; e = readdir(d)) {
                unsigned number = slice_name_parse_sub(e->d_name, all->name);

                if (number > 0)
                        on_found(all, number);
        }
        closedir(d);
        return 0;
}

/* The job that stops one tells when it has ended. */
void sub_slices_forget(SubSlices *all)
{
        LIST_FOREACH (SubSlice, sub, &all->list, node) {
                if (!all->bus || !sub->is_stopping)
                        sub_slice_drop(sub);
        }
}

void sub_slices_move(SubSlices *all, sd_bus *bus)
{
        all->bus = bus;
        LIST_FOREACH (SubSlice, sub, &all->list, node) {
                if (sub->is_stopping)
                        sub_slice_stop(sub);
        }
}

void sub_slices_on_job(SubSlices *all, const char *unit, const char *result)
{
        SubSlice *sub = find(all, slice_name_parse_sub(unit, all->name));

        if (!sub || !sub->is_stopping)
                return;
        if (strcmp(result, "frozen") == 0) {
                sub->is_stopping = false;
                sub_slice_arm(sub, EMPTY_USEC);
        } else
                sub_slice_drop(sub);
}

static int count_scopes(const char *cgroup)
{
        DIR *d;
        int r = open_slice(cgroup, &d), n = 0;

        if (r < 0)
                return r;
        for (struct dirent *e = readdir(d); e; e = readdir(d))
                n += strncmp(e->d_name, "exec-", strlen("exec-")) == 0;
        closedir(d);
        return n;
}

/* A listed slice may not exist yet, or no longer: if that matters, the scopes are counted. */
static bool has_room(const char *cgroup, unsigned n_making, unsigned n_listed)
{
        int n = cgroup_count_children(cgroup),
            left = SUB_SLICE_SCOPES - (int) MIN(n_making, SUB_SLICE_SCOPES);

        if (n >= left && n - (int) n_listed < left)
                n = count_scopes(cgroup);
        return MAX(n, 0) < left;
}

static SubSlice *find_room(SubSlices *all)
{
        SubSlice *known = LIST_FIND(SubSlice, sub, &all->list, node,
                                    !sub->is_stopping && has_room(sub->cgroup, sub->n_making, 0));

        if (known)
                return known;
        for (unsigned number = 1; number <= SUB_SLICES_MAX; number++) {
                SubSlice *sub;

                if (find(all, number))
                        continue;
                sub = sub_slice_new(all, number);
                if (!sub || has_room(sub->cgroup, 0, 0))
                        return sub;
                /* After a restart it is there before anybody has looked. */
                sub->is_sent = true;
                sub_slice_watch(sub);
        }
        return NULL;
}

SubSlice *sub_slices_take(SubSlices *all)
{
        SubSlice *sub = has_room(all->cgroup, all->n_making, all->n_listed) ? NULL : find_room(all);

        if (sub)
                sub->n_making++;
        else
                all->n_making++;
        return sub;
}

void sub_slices_give(SubSlices *all, SubSlice *sub)
{
        if (!sub) {
                all->n_making--;
                return;
        }
        sub->n_making--;
        if (sub->n_making > 0 || sub->is_stopping)
                return;
        if (all->bus)
                sub_slice_watch(sub);
        else
                sub_slice_free(sub);
}
