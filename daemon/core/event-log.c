/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/event-log.h"

#include <string.h>

#include "base/time.h"

struct EventLog {
        Event ring[EVENT_LOG_SIZE];
        size_t first;
        size_t n;
        List subscribers;
};

static void event_done(Event *e)
{
        free(e->action);
        free(e->container_id);
        strv_free(e->attributes);
        *e = (Event){0};
}

EventLog *event_log_new(void)
{
        return calloc(1, sizeof(EventLog));
}

EventLog *event_log_free(EventLog *l)
{
        if (!l)
                return NULL;
        for (size_t i = 0; i < EVENT_LOG_SIZE; i++)
                event_done(&l->ring[i]);
        return mfree(l);
}

void event_log_add(EventLog *l, const char *action, const char *container_id, char *const *attributes)
{
        Event *slot, e = {
                             .time_usec = now_usec(CLOCK_REALTIME),
                             .action = strdup(action),
                             .container_id = strdup(container_id),
                             .attributes = strv_copy(attributes),
                     };

        if (!e.action || !e.container_id || !e.attributes) {
                event_done(&e);
                return;
        }
        slot = &l->ring[(l->first + l->n) % EVENT_LOG_SIZE];
        if (l->n == EVENT_LOG_SIZE)
                l->first = (l->first + 1) % EVENT_LOG_SIZE;
        else
                l->n++;
        event_done(slot);
        *slot = e;

        LIST_FOREACH_SAFE (node, &l->subscribers) {
                EventSubscriber *s = LIST_ENTRY(node, EventSubscriber, node);

                s->callback(s, slot);
        }
}

void event_log_subscribe(EventLog *l, EventSubscriber *s)
{
        list_append(&l->subscribers, &s->node);
}

void event_log_unsubscribe(EventLog *l, EventSubscriber *s)
{
        list_remove(&l->subscribers, &s->node);
}

void event_log_replay(EventLog *l, void (*callback)(void *userdata, const Event *e), void *userdata)
{
        for (size_t i = 0; i < l->n; i++)
                callback(userdata, &l->ring[(l->first + i) % EVENT_LOG_SIZE]);
}
