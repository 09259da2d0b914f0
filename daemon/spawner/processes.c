/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "spawner/processes.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/time.h"
#include "spawner/process-table.h"
#include "wire/spawner-protocol.h"

#define LISTINGS_MAX 16
#define WAITS_MAX    64

/* There may be as many processes on the host as the kernel allows, and each is looked at. */
#define LISTING_USEC (15 * USEC_PER_SEC)

/* One at a time of a container, for all who ask meanwhile. */
typedef struct Listing {
        ListNode node;
        Spawner *spawner;     /* weak */
        Container *container; /* owned reference */
        Reader *reader;
        List waits;
        unsigned n_waits;
        bool with_commands;
        Skipped skipped;
} Listing;

typedef struct ListingWait {
        ConnectionJob job;
        ListNode node;
        Listing *listing; /* weak */
        sd_bus_message *message;
} ListingWait;

static uint64_t ticks_to_usec(uint64_t ticks)
{
        uint64_t hz = (uint64_t) sysconf(_SC_CLK_TCK);

        return ticks / hz * USEC_PER_SEC + ticks % hz * USEC_PER_SEC / hz;
}

static int append_one(const Process *p, uint64_t boot_usec, sd_bus_message *m)
{
        char name[sizeof(p->stat.comm) + 3];

        snprintf(name, sizeof(name), "[%s]", p->stat.comm);
        return sd_bus_message_append(
                m, PROCESS_SIGNATURE, (uint32_t) p->pid, (uint32_t) p->stat.ppid, p->uid,
                ticks_to_usec(p->stat.utime + p->stat.stime), boot_usec + ticks_to_usec(p->stat.start_time),
                p->stat.tty, p->command[0] ? p->command : name, p->stat.comm, p->stat.vsize,
                p->stat.rss * (uint64_t) sysconf(_SC_PAGESIZE), p->stat.priority, p->stat.nice,
                p->stat.threads, (uint32_t) p->stat.pgrp, (uint32_t) p->stat.session,
                (uint32_t) p->stat.tty_pgrp, (uint8_t) p->stat.state, p->gid);
}

static int reply_table(sd_bus_message *m, const ProcessTable *t)
{
        uint64_t boot_usec = now_usec(CLOCK_REALTIME) - now_usec(CLOCK_BOOTTIME);
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r;

        r = sd_bus_message_new_method_return(m, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', PROCESS_SIGNATURE);
        for (uint32_t i = 0; r >= 0 && i < MIN(t->n, PROCESSES_MAX); i++)
                r = append_one(&t->processes[i], boot_usec, reply);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_send(sd_bus_message_get_bus(m), reply, NULL);
}

static ListingWait *wait_free(ListingWait *w)
{
        connection_remove_job(&w->job);
        list_remove(&w->listing->waits, &w->node);
        w->listing->n_waits--;
        sd_bus_message_unref(w->message);
        free(w);
        return NULL;
}

static void wait_cancel(ConnectionJob *j)
{
        wait_free((ListingWait *) j);
}

static Listing *listing_free(Listing *l, bool is_stuck)
{
        LIST_FOREACH (ListingWait, w, &l->waits, node)
                wait_free(w);
        list_remove(&l->spawner->listings, &l->node);
        reader_free(l->reader, is_stuck ? l->container->leader : NULL);
        container_unref(l->container);
        free(l);
        return NULL;
}

static void listing_read(ReaderMemory *m, void *userdata)
{
        const Listing *l = userdata;

        if (process_table_read((ProcessTable *) m, l->container, &l->skipped, l->with_commands) < 0)
                _exit(1);
}

static void listing_done(void *userdata, int error);

static int listing_start(Listing *l)
{
        return reader_new(l->spawner->event,
                          &(ReaderJob){
                                  .size = sizeof(ProcessTable),
                                  .usec = LISTING_USEC,
                                  .read = listing_read,
                                  .on_done = listing_done,
                                  .userdata = l,
                          },
                          &l->reader);
}

/* Again, without the process that kept the reader waiting. */
static int listing_restart(Listing *l, const ProcessTable *t)
{
        l->skipped.pids[l->skipped.n++] = t->current;
        l->reader = reader_free(l->reader, l->container->leader);
        return listing_start(l);
}

static void listing_done(void *userdata, int error)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        Listing *l = userdata;
        const ProcessTable *t = (const ProcessTable *) reader_memory(l->reader);

        if (error == -ETIMEDOUT && !t->is_complete && l->skipped.n < SKIPPED_MAX) {
                error = listing_restart(l, t);
                if (error >= 0)
                        return;
                t = NULL;
        }
        if (!t || !t->is_complete)
                refuse(&refusal, REFUSAL_UNAVAILABLE, error,
                       error == -ETIMEDOUT ? "the processes of the container were not found in time"
                                           : "failed to list the processes of the container");
        LIST_FOREACH (ListingWait, w, &l->waits, node) {
                int r = refusal.kind == REFUSAL_NONE ? reply_table(w->message, t)
                                                     : reply_refusal(w->message, &refusal, error);

                if (r < 0)
                        log_error_errno(r, "Failed to answer ListProcesses");
        }
        listing_free(l, error == -ETIMEDOUT);
}

static Listing *listing_find(const Spawner *s, const Container *c, size_t *ret_n)
{
        Listing *found = NULL;

        *ret_n = 0;
        LIST_FOREACH (Listing, l, &s->listings, node) {
                (*ret_n)++;
                if (l->container->leader == c->leader)
                        found = l;
        }
        return found;
}

static int listing_new(Spawner *s, Container *c, Listing **ret)
{
        Listing *l = calloc(1, sizeof(*l));
        int r;

        if (!l)
                return -ENOMEM;
        *l = (Listing){
                .spawner = s,
                .container = container_ref(c),
                .with_commands = reader_is_allowed(c->leader) && reader_may_hang(),
        };
        list_append(&s->listings, &l->node);
        r = listing_start(l);
        if (r < 0) {
                listing_free(l, false);
                return r;
        }
        *ret = l;
        return 0;
}

int processes_list(Connection *c, sd_bus_message *m, Container *container, Refusal *reterr)
{
        ListingWait *w;
        Listing *l;
        size_t n;
        int r;

        l = listing_find(c->spawner, container, &n);
        if (l ? l->n_waits >= WAITS_MAX : n >= LISTINGS_MAX)
                return refuse(reterr, REFUSAL_UNAVAILABLE, EBUSY,
                              "too many process lists are being read (limit %d)",
                              l ? WAITS_MAX : LISTINGS_MAX);
        w = calloc(1, sizeof(*w));
        if (!w)
                return -ENOMEM;
        r = l ? 0 : listing_new(c->spawner, container, &l);
        if (r < 0) {
                free(w);
                return r;
        }
        *w = (ListingWait){.listing = l, .message = sd_bus_message_ref(m)};
        list_append(&l->waits, &w->node);
        l->n_waits++;
        connection_add_job(c, &w->job, wait_cancel);
        return 0;
}
