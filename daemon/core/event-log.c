/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/event-log.h"

#include <string.h>

#include "base/time.h"

/* Positions only grow; the event at one is in the slot that the position modulo the ring's size names. */
struct EventLog {
        Event ring[EVENT_LOG_SIZE];
        uint64_t start, end;
        size_t bytes;
        List readers;
};

static void event_done(Event *e)
{
        free(e->action);
        free(e->container_id);
        strv_free(e->attributes);
        *e = (Event){0};
}

static Event *event_at(EventLog *l, uint64_t position)
{
        return &l->ring[position % EVENT_LOG_SIZE];
}

static size_t event_size(const Event *e)
{
        size_t size = strlen(e->action) + strlen(e->container_id) + 2;

        STRV_FOREACH (a, e->attributes)
                size += sizeof(char *) + strlen(*a) + 1;
        return size;
}

const char *event_attribute(const Event *e, const char *key)
{
        size_t n = strlen(key);

        STRV_FOREACH (a, e->attributes)
                if (strncmp(*a, key, n) == 0 && (*a)[n] == '=')
                        return *a + n + 1;
        return "";
}

EventLog *event_log_new(void)
{
        return calloc(1, sizeof(EventLog));
}

static void drop_oldest(EventLog *l)
{
        Event *e = event_at(l, l->start++);

        l->bytes -= e->size;
        event_done(e);
}

EventLog *event_log_free(EventLog *l)
{
        if (!l)
                return NULL;
        while (l->start < l->end)
                drop_oldest(l);
        return mfree(l);
}

void event_log_add(EventLog *l, const char *action, const char *container_id, char *const *attributes)
{
        Event e = {
                .time_usec = now_usec(CLOCK_REALTIME),
                .action = strdup(action),
                .container_id = strdup(container_id),
                .attributes = strv_copy(attributes),
        };

        if (e.action && e.container_id && e.attributes)
                e.size = event_size(&e);
        if (e.size == 0 || e.size > EVENT_LOG_BYTES) {
                event_done(&e);
                return;
        }
        while (l->end - l->start == EVENT_LOG_SIZE || l->bytes + e.size > EVENT_LOG_BYTES)
                drop_oldest(l);
        *event_at(l, l->end++) = e;
        l->bytes += e.size;

        LIST_FOREACH (EventReader, r, &l->readers, node) {
                r->on_new(r);
        }
}

void event_log_join(EventLog *l, EventReader *r, bool from_oldest)
{
        r->position = from_oldest ? l->start : l->end;
        list_append(&l->readers, &r->node);
}

void event_log_leave(EventLog *l, EventReader *r)
{
        list_remove(&l->readers, &r->node);
}

const Event *event_log_next(EventLog *l, EventReader *r, bool *ret_lost)
{
        *ret_lost = r->position < l->start;
        if (*ret_lost || r->position == l->end)
                return NULL;
        return event_at(l, r->position++);
}
