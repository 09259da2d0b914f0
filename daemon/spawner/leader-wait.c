/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "spawner/leader-wait.h"

#include "base/event-turn.h"
#include "base/log.h"

static int on_tell(sd_event_source *source, void *userdata)
{
        LeaderWaits *l = userdata;
        LeaderWait *w;
        int r;

        if (list_is_empty(&l->list)) {
                l->on_told(l);
                return 0;
        }
        r = event_turn(sd_event_source_get_event(source), &l->tell, on_tell, l);
        if (r < 0)
                return r;
        w = LIST_ENTRY(l->list.first, LeaderWait, node);
        leader_wait_cancel(w);
        w->callback(w->userdata);
        return 0;
}

int leader_waits_init(LeaderWaits *l, sd_event *event)
{
        int r = sd_event_add_defer(event, &l->tell, on_tell, l);

        return r < 0 ? r : sd_event_source_set_enabled(l->tell, SD_EVENT_OFF);
}

void leader_waits_tell(LeaderWaits *l)
{
        int r = sd_event_source_set_enabled(l->tell, SD_EVENT_ONESHOT);

        if (r < 0)
                log_error_errno(r, "Failed to answer requests that wait for %s", l->what);
}

void leader_waits_done(LeaderWaits *l)
{
        LIST_FOREACH (LeaderWait, w, &l->list, node)
                leader_wait_cancel(w);
        l->tell = sd_event_source_disable_unref(l->tell);
}

int leader_wait(LeaderWaits *l, LeaderWait *w, void (*callback)(void *userdata), void *userdata,
                Refusal *reterr)
{
        if (!l)
                return -ESTALE;
        if (l->n >= l->max)
                return refuse(reterr, REFUSAL_UNAVAILABLE, EBUSY, "too many requests wait for %s (limit %u)",
                              l->what, l->max);
        *w = (LeaderWait){.waits = l, .callback = callback, .userdata = userdata};
        list_append(&l->list, &w->node);
        l->n++;
        return 0;
}

void leader_wait_cancel(LeaderWait *w)
{
        if (!w->waits)
                return;
        list_remove(&w->waits->list, &w->node);
        w->waits->n--;
        w->waits = NULL;
}
