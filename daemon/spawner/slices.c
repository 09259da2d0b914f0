/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "spawner/slices.h"

#include <string.h>

#include "base/log.h"
#include "spawner/systemd.h"

struct Slices {
        sd_bus *bus; /* weak */
        sd_bus_slot *slot_job, *slot_list;
        List slices;
        bool is_listed;                   /* systemd has said which ones it has */
        const ContainerTable *containers; /* weak */
        const SlicesEvents *events;
        void *userdata;
};

static void on_usable(void *userdata)
{
        Slices *all = userdata;

        all->events->on_usable(all->userdata);
}

static void on_unused(void *userdata, Slice *s)
{
        Slices *all = userdata;

        list_remove(&all->slices, &s->node);
        slice_detach(s);
        slice_unref(s);
        all->events->on_fewer(all->userdata);
}

static const SliceEvents slice_events = {.on_usable = on_usable, .on_unused = on_unused};

static Slice *find_by_name(const Slices *all, const char *name)
{
        return LIST_FIND(Slice, s, &all->slices, node, strcmp(s->name, name) == 0);
}

static Slice *add(Slices *all, const char *name, const char *digits)
{
        Slice *s = slice_new(all->bus, name, digits, &slice_events, all);

        if (s)
                list_append(&all->slices, &s->node);
        return s;
}

static bool is_of(const Slice *s, const Container *c)
{
        return strncmp(s->digits, c->id, strlen(s->digits)) == 0;
}

/* Slices of an earlier spawner: each belongs to a container that still runs, or goes when it is empty. */
static void settle_one(Slices *all, Slice *s)
{
        if (s->state != SLICE_ADOPTED || s->container)
                return;
        LIST_FOREACH (Container, c, &all->containers->containers, node) {
                if (!is_of(s, c) || !container_is_alive(c))
                        continue;
                slice_set_container(s, c);
                slice_on_found(s);
                return;
        }
}

void slices_settle(Slices *all)
{
        LIST_FOREACH (Slice, s, &all->slices, node)
                settle_one(all, s);
}

static void take_unit(Slices *all, const char *name)
{
        char digits[EXEC_ID_SIZE];
        Slice *s = find_by_name(all, name);

        if (!slice_name_parse(name, digits))
                return;
        if (!s)
                s = add(all, name, digits);
        if (s)
                slice_on_found(s);
}

static int take_units(Slices *all, sd_bus_message *m)
{
        const char *name, *active;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "(ssssssouso)");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_read(m, "(ssssssouso)", &name, NULL, NULL, &active, NULL, NULL, NULL,
                                        NULL, NULL, NULL)) > 0)
                if (strcmp(active, "active") == 0)
                        take_unit(all, name);
        return r;
}

static int on_listed(sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        const sd_bus_error *e = sd_bus_message_get_error(reply);
        Slices *all = userdata;
        int r = 0;

        all->slot_list = sd_bus_slot_unref(all->slot_list);
        if (!e)
                r = take_units(all, reply);
        if (e || r < 0)
                log_error("Failed to list slices: %s", e ? e->message ?: e->name : strerrordesc_np(-r));
        all->is_listed = true;
        LIST_FOREACH (Slice, s, &all->slices, node)
                if (s->state == SLICE_UNKNOWN)
                        s->state = SLICE_ABSENT;
        slices_settle(all);
        all->events->on_usable(all->userdata);
        all->events->on_fewer(all->userdata);
        return 0;
}

static int on_job_removed(sd_bus_message *signal, void *userdata, sd_bus_error *error)
{
        Slices *all = userdata;
        const char *unit, *result;
        Slice *s;

        /* Most jobs belong to scopes. */
        if (sd_bus_message_read(signal, "uoss", NULL, NULL, &unit, &result) < 0 || !slice_name_is_any(unit))
                return 0;
        s = find_by_name(all, unit);
        if (s)
                slice_on_job(s, result);
        LIST_FOREACH (Slice, above, &all->slices, node)
                sub_slices_on_job(&above->subs, unit, result);
        return 0;
}

static int slices_listen(Slices *all, bool is_private)
{
        int r;

        r = sd_bus_match_signal_async(all->bus, &all->slot_job, is_private ? NULL : SYSTEMD_NAME,
                                      SYSTEMD_PATH, SYSTEMD_MANAGER, "JobRemoved", on_job_removed, NULL,
                                      all);
        if (r >= 0 && !all->is_listed)
                r = sd_bus_call_method_async(all->bus, &all->slot_list, SYSTEMD_NAME, SYSTEMD_PATH,
                                             SYSTEMD_MANAGER, "ListUnitsByPatterns", on_listed, all, "asas",
                                             0, 1, SLICE_NAME_PATTERN);
        return r;
}

int slices_new(sd_bus *bus, bool is_private, const ContainerTable *containers, const SlicesEvents *events,
               void *userdata, Slices **ret)
{
        _cleanup_(slices_freep) Slices *all = calloc(1, sizeof(*all));
        int r;

        if (!all)
                return -ENOMEM;
        all->bus = bus;
        all->containers = containers;
        all->events = events;
        all->userdata = userdata;
        r = slices_listen(all, is_private);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(all);
        return 0;
}

void slices_move(Slices *all, sd_bus *bus)
{
        int r;

        all->slot_job = sd_bus_slot_unref(all->slot_job);
        all->slot_list = sd_bus_slot_unref(all->slot_list);
        all->bus = bus;
        r = slices_listen(all, false);
        if (r < 0)
                log_error_errno(r, "Failed to follow the jobs of slices");
        LIST_FOREACH (Slice, s, &all->slices, node)
                slice_move(s, bus);
}

Slices *slices_free(Slices *all)
{
        if (!all)
                return NULL;
        LIST_FOREACH (Slice, s, &all->slices, node) {
                list_remove(&all->slices, &s->node);
                slice_detach(s);
                slice_unref(s);
        }
        sd_bus_slot_unref(all->slot_job);
        sd_bus_slot_unref(all->slot_list);
        free(all);
        return NULL;
}

bool slices_are_there(const Slices *all)
{
        return !all->is_listed || !list_is_empty(&all->slices);
}

void slices_on_container_gone(Slices *all, const Container *c)
{
        LIST_FOREACH (Slice, s, &all->slices, node) {
                if (s->container && is_of(s, c) && s->container->leader->pid == c->leader->pid)
                        slice_on_container_gone(s);
        }
}

const Slice *slices_find(const Slices *all, const Container *c)
{
        return LIST_FIND(Slice, s, &all->slices, node, s->container && strcmp(s->container->id, c->id) == 0);
}

/* The first digits of the id, and more of them where another container has the same. */
static int find_or_add(Slices *all, const Container *c, Slice **ret, Refusal *reterr)
{
        char name[SLICE_NAME_SIZE], digits[EXEC_ID_SIZE];
        Slice *s;

        for (size_t n = SLICE_DIGITS; n <= EXEC_ID_LENGTH; n++) {
                int r = slice_name_make(c->slice, c->id, n, name);

                if (r < 0)
                        return refuse(reterr, REFUSAL_UNSUPPORTED, r,
                                      "%s is too long a name for a slice below it", c->slice);
                s = find_by_name(all, name);
                if (s && s->container && strcmp(s->container->id, c->id) != 0)
                        continue;
                if (!s) {
                        memcpy(digits, c->id, n);
                        digits[n] = 0;
                        s = add(all, name, digits);
                        if (s && all->is_listed)
                                s->state = SLICE_ABSENT;
                }
                *ret = s;
                return s ? 0 : -ENOMEM;
        }
        return -EEXIST;
}

int slices_get(Slices *all, Container *c, Slice **ret, Refusal *reterr)
{
        Limits limits;
        Slice *s = NULL;
        int r;

        r = container_limits_read(c, &limits, reterr);
        if (r >= 0)
                r = find_or_add(all, c, &s, reterr);
        if (r < 0)
                return r;
        slice_ref(s);
        slice_look(s);
        slice_set_limits(s, &limits);
        if (s->container != c) {
                bool is_found = s->state == SLICE_ADOPTED || s->state == SLICE_READY;

                slice_set_container(s, c);
                if (is_found)
                        slice_on_found(s);
        }
        *ret = s;
        return 0;
}
