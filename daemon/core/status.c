/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/status.h"

#include <stdio.h>
#include <string.h>

#include "base/notify.h"

#define STATUS_USEC USEC_PER_SEC

struct Status {
        Manager *manager; /* weak */
        sd_event_source *timer;
        bool is_armed;
        size_t n_live;
        uint64_t n_connections; /* these two as they were when the line was last looked at */
        char text[STATUS_SIZE]; /* as it was sent */
};

static bool is_first_of_container(const Manager *m, const Exec *e)
{
        LIST_FOREACH (const Exec, other, &m->execs, node) {
                if (other == e)
                        return true;
                if (!exec_has_ended(other) && strcmp(other->container->id, e->container->id) == 0)
                        return false;
        }
        return true;
}

/* Beyond this many, how many containers they are in is not worth the walk. */
#define COUNTED_MAX 256

static size_t count_containers(const Manager *m)
{
        size_t n = 0;

        LIST_FOREACH (const Exec, e, &m->execs, node)
                n += !exec_has_ended(e) && is_first_of_container(m, e);
        return n;
}

char *status_describe(const Manager *m, char text[static STATUS_SIZE])
{
        size_t n = m->n_live, n_clients = (size_t) m->connections_budget.used, n_containers;

        if (n == 0 && n_clients == 0)
                snprintf(text, STATUS_SIZE, "Idle.");
        else if (n == 0 || n > COUNTED_MAX || m->n_ended > COUNTED_MAX)
                snprintf(text, STATUS_SIZE, "%zu exec%s, %zu HTTP connection%s.", n, n == 1 ? "" : "s",
                         n_clients, n_clients == 1 ? "" : "s");
        else {
                n_containers = count_containers(m);
                snprintf(text, STATUS_SIZE, "%zu exec%s in %zu container%s, %zu HTTP connection%s.", n,
                         n == 1 ? "" : "s", n_containers, n_containers == 1 ? "" : "s", n_clients,
                         n_clients == 1 ? "" : "s");
        }
        return text;
}

static int status_on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
        Status *s = userdata;
        char text[STATUS_SIZE];

        s->is_armed = false;
        (void) sd_event_source_set_time(source, UINT64_MAX);
        (void) sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
        s->n_live = s->manager->n_live;
        s->n_connections = s->manager->connections_budget.used;
        if (strcmp(status_describe(s->manager, text), s->text) == 0)
                return 0;
        strcpy(s->text, text);
        (void) notify_sendf("STATUS=%s", text);
        return 0;
}

/* Each time the loop is about to wait, after all that has happened. An event source that is dispatched after
 * others (sd_event_add_post(3)) would cost each event a second turn of the loop. */
static int status_on_prepare(sd_event_source *source, void *userdata)
{
        Status *s = userdata;
        const Manager *m = s->manager;

        if (s->is_armed || (m->n_live == s->n_live && m->connections_budget.used == s->n_connections))
                return 0;
        s->is_armed = sd_event_source_set_time_relative(source, STATUS_USEC) >= 0;
        return 0;
}

int status_new(Manager *m, Status **ret)
{
        _cleanup_(status_freep) Status *s = calloc(1, sizeof(Status));
        int r;

        if (!s)
                return -ENOMEM;
        s->manager = m;
        s->is_armed = true;
        r = sd_event_add_time_relative(m->event, &s->timer, CLOCK_MONOTONIC, 0, 0, status_on_timer, s);
        if (r >= 0)
                r = sd_event_source_set_prepare(s->timer, status_on_prepare);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(s);
        return 0;
}

Status *status_free(Status *s)
{
        if (!s)
                return NULL;
        sd_event_source_disable_unref(s->timer);
        return mfree(s);
}
