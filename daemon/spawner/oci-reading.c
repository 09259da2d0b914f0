/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "spawner/oci-reading.h"

#include <string.h>

#include "base/strv.h"

/* How often files may change while they are read. */
#define TRIES_MAX 8

typedef struct Reading {
        ListNode node;
        OciReadings *all; /* weak */
        const OciPlace *place;
        char *id;
        pid_t pid; /* as in the state file when it began */
        uint64_t start_time;
        OciState state; /* as far as it is needed to find the files */
        OciSeen seen;
        bool is_known;
        int watcher;
        OciLook look;
        unsigned n_tries;
        bool is_slow; /* no round waits for it */
        bool is_outdated, is_done, is_asked_for, is_waited_for;
        OciFound found;
        int error;
        Refusal refusal;
} Reading;

static void reading_free(Reading *p)
{
        list_remove(&p->all->all, &p->node);
        oci_look_cancel(&p->look);
        oci_found_done(&p->found);
        oci_state_done(&p->state);
        refusal_done(&p->refusal);
        free(p->id);
        free(p);
}

static Reading *find(const OciReadings *all, const OciPlace *place, const char *id)
{
        return LIST_FIND(Reading, p, &all->all, node, p->place == place && strcmp(p->id, id) == 0);
}

static int begin(Reading *p, Refusal *reterr)
{
        int r;

        oci_found_done(&p->found);
        p->is_outdated = p->is_done = false;
        r = oci_look_start(&p->look,
                           &(OciQuery){
                                   .place = p->place,
                                   .id = p->id,
                                   .state = &p->state,
                                   .seen = p->is_known ? &p->seen : NULL,
                                   .watcher = p->watcher,
                           },
                           reterr);
        if (r >= 0 && p->look.disk->is_doubtful)
                p->is_slow = true;
        return r;
}

static void tell(Reading *p)
{
        OciReadings *all = p->all;
        _cleanup_free_ char *id = strdup(p->id); /* it outlives what is looked at */

        if (id)
                all->on_read(all->userdata, p->place, id, p->is_slow);
        all->on_settled(all->userdata);
}

static void on_found(void *userdata, int error, OciFound *found, Refusal *refusal)
{
        Reading *p = userdata;

        p->found = *found;
        p->error = error;
        if (p->is_outdated && error >= 0) {
                p->error = ++p->n_tries < TRIES_MAX ? begin(p, refusal)
                                                    : refuse(refusal, REFUSAL_NOT_RUNNING, EAGAIN,
                                                             "the container is changing");
                if (p->error >= 0)
                        return;
        }
        p->refusal = *refusal;
        *refusal = REFUSAL_INIT;
        p->is_done = true;
        tell(p);
}

static void on_slow(void *userdata)
{
        Reading *p = userdata;

        if (p->is_slow)
                return;
        p->is_slow = true;
        tell(p);
}

static int copy(const char *text, char **ret)
{
        *ret = text ? strdup(text) : NULL;
        return text && !*ret ? -ENOMEM : 0;
}

static int copy_query(Reading *p, const OciQuery *q)
{
        int r;

        p->place = q->place;
        p->pid = q->state->pid;
        p->start_time = q->state->start_time;
        p->state.is_podmans = q->state->is_podmans;
        p->is_known = q->seen;
        p->seen = q->seen ? *q->seen : (OciSeen){0};
        p->watcher = q->watcher;
        r = copy(q->id, &p->id);
        if (r >= 0)
                r = copy(q->state->bundle, &p->state.bundle);
        if (r >= 0)
                r = copy(q->state->run_directory, &p->state.run_directory);
        return r < 0 ? r : copy(q->state->docker, &p->state.docker);
}

static int reading_new(OciReadings *all, const OciQuery *query, Refusal *reterr)
{
        Reading *p = calloc(1, sizeof(*p));
        int r;

        if (!p)
                return -ENOMEM;
        p->all = all;
        p->look = (OciLook){.on_found = on_found, .on_slow = on_slow, .userdata = p};
        p->is_asked_for = true;
        list_append(&all->all, &p->node);
        r = copy_query(p, query);
        if (r >= 0)
                r = begin(p, reterr);
        if (r < 0)
                reading_free(p);
        return r;
}

static int refuse_slow(const Reading *p, Refusal *reterr)
{
        return refuse(reterr, REFUSAL_UNAVAILABLE, EAGAIN, "the file system of %s does not answer",
                      p->look.disk->directory);
}

static int take_error(Reading *p, Refusal *reterr)
{
        int r = p->error;

        *reterr = p->refusal;
        p->refusal = REFUSAL_INIT;
        reading_free(p);
        return r;
}

int oci_reading_get(OciReadings *all, const OciQuery *query, OciFound **ret, Refusal *reterr)
{
        Reading *p = find(all, query->place, query->id);
        int r;

        if (p && (p->pid != query->state->pid || p->start_time != query->state->start_time ||
                  p->is_known != !!query->seen)) {
                reading_free(p);
                p = NULL;
        }
        if (!p) {
                r = reading_new(all, query, reterr);
                if (r < 0)
                        return r;
                p = find(all, query->place, query->id);
        }
        p->is_asked_for = true;
        if (!p->is_done)
                return p->is_slow ? refuse_slow(p, reterr) : -EINPROGRESS;
        if (p->error < 0)
                return take_error(p, reterr);
        *ret = &p->found;
        return 0;
}

void oci_reading_drop(OciReadings *all, const OciPlace *place, const char *id)
{
        Reading *p = find(all, place, id);

        if (p)
                reading_free(p);
}

static bool is_of(const Reading *p, int watch)
{
        return watch < 0 || p->found.watch == watch || p->found.storage_watch == watch;
}

void oci_reading_outdate(OciReadings *all, const OciPlace *place, const char *id)
{
        Reading *p = find(all, place, id);

        if (p && !p->is_done)
                p->is_outdated = true;
}

/* The watch of one that is being read is not known yet. */
void oci_readings_outdate(OciReadings *all, int watch)
{
        LIST_FOREACH (Reading, p, &all->all, node) {
                if (p->is_known)
                        continue;
                if (!p->is_done)
                        p->is_outdated = true;
                else if (p->error >= 0 && is_of(p, watch)) {
                        p->error = begin(p, &p->refusal);
                        p->is_done = p->error < 0;
                }
        }
}

void oci_readings_sweep(OciReadings *all)
{
        LIST_FOREACH (Reading, p, &all->all, node) {
                if (!p->is_known && !p->is_asked_for)
                        reading_free(p);
                else
                        p->is_asked_for = false;
        }
}

bool oci_readings_are_running(const OciReadings *all, bool slow_too)
{
        return LIST_FIND(const Reading, p, &all->all, node, !p->is_done && (slow_too || !p->is_slow));
}

void oci_readings_wait(OciReadings *all)
{
        LIST_FOREACH (Reading, p, &all->all, node)
                p->is_waited_for = !p->is_done;
}

bool oci_readings_are_waited_for(const OciReadings *all, bool known_only)
{
        return LIST_FIND(const Reading, p, &all->all, node,
                         p->is_waited_for && !p->is_done && !p->is_slow && (p->is_known || !known_only));
}

void oci_readings_done(OciReadings *all)
{
        LIST_FOREACH (Reading, p, &all->all, node)
                reading_free(p);
}
