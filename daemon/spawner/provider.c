/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "spawner/provider.h"

#include <string.h>

#include "base/log.h"
#include "base/time.h"

#define RETRY_USEC  (50 * USEC_PER_MSEC)
#define RETRIES_MAX 100

typedef struct Waiter {
        ListNode node;
        ProvidersRefreshed callback;
        void *userdata;
} Waiter;

/* A container that was seen and is not used. */
typedef struct Rejected {
        ListNode node;
        char *name;
        int error; /* negative errno; -EAGAIN: it is starting */
        Refusal refusal;
} Rejected;

/* The providers with a name, or all. */
static void rejected_clear(Provider *p, const char *name)
{
        LIST_FOREACH (Rejected, x, &p->rejected, node) {
                if (name && strcmp(x->name, name) != 0)
                        continue;
                list_remove(&p->rejected, &x->node);
                refusal_done(&x->refusal);
                free(x->name);
                free(x);
        }
}

void provider_reject(Provider *p, const char *name, int error, Refusal *refusal)
{
        Rejected *x = calloc(1, sizeof(*x));

        rejected_clear(p, name);
        if (x)
                x->name = strdup(name);
        if (!x || !x->name) {
                free(x);
                return;
        }
        if (refusal->kind == REFUSAL_NONE)
                refuse(refusal, error == -ESRCH ? REFUSAL_NOT_RUNNING : REFUSAL_INTERNAL, -error,
                       "failed to inspect: %s", strerrordesc_np(-error));
        x->error = error;
        x->refusal = *refusal;
        *refusal = REFUSAL_INIT;
        list_append(&p->rejected, &x->node);
}

int provider_add(Provider *p, Container *c)
{
        return container_table_add(p->all->table, c, p->is_primed);
}

int providers_failure(const Providers *a, Refusal *reterr)
{
        for (size_t i = 0; i < a->n_providers; i++) {
                const Refusal *f = &a->providers[i]->failure;

                if (f->kind != REFUSAL_NONE)
                        return refuse(reterr, f->kind, EIO, "%s", f->message ?: a->providers[i]->type->name);
        }
        return 0;
}

int providers_why_not(const Providers *a, const char *name, Refusal *reterr)
{
        for (size_t i = 0; i < a->n_providers; i++)
                LIST_FOREACH (Rejected, x, &a->providers[i]->rejected, node) {
                        if (strcmp(x->name, name) != 0)
                                continue;
                        refuse(reterr, x->refusal.kind, EPERM, "%s: %s", name,
                               x->refusal.message ?: "not usable");
                        return x->error;
                }
        return providers_failure(a, reterr);
}

int providers_list_rejected(const Providers *a,
                            int (*each)(void *userdata, const char *name, const char *source,
                                        const char *reason),
                            void *userdata)
{
        int r = 0;

        for (size_t i = 0; i < a->n_providers; i++)
                LIST_FOREACH (Rejected, x, &a->providers[i]->rejected, node) {
                        r = each(userdata, x->name, a->providers[i]->type->name,
                                 x->refusal.message ?: "not usable");
                        if (r < 0)
                                return r;
                }
        return r;
}

bool providers_are_primed(const Providers *a)
{
        return !ARRAY_FIND(a->providers, a->n_providers, p, !(*p)->is_primed);
}

bool providers_are_blind(const Providers *a)
{
        return ARRAY_FIND(a->providers, a->n_providers, p, (*p)->is_blind);
}

bool providers_are_behind(const Providers *a)
{
        return ARRAY_FIND(a->providers, a->n_providers, p, (*p)->is_behind);
}

static bool some_are_starting(const Providers *a)
{
        for (size_t i = 0; i < a->n_providers; i++)
                if (LIST_FIND(Rejected, r, &a->providers[i]->rejected, node, r->error == -EAGAIN))
                        return true;
        return false;
}

static bool is_waiting_to_retry(const Providers *a)
{
        int enabled = SD_EVENT_OFF;

        (void) sd_event_source_get_enabled(a->retry, &enabled);
        return enabled != SD_EVENT_OFF;
}

static void move_all(List *from, List *to)
{
        while (from->first) {
                ListNode *n = from->first;

                list_remove(from, n);
                list_append(to, n);
        }
}

static void round_start(Providers *a)
{
        bool is_running = false;

        a->is_running = a->is_starting = true;
        move_all(&a->next, &a->waiting);
        /* This round may be the only one that looks for their containers. */
        move_all(&a->later, &a->waiting);
        container_table_forget_dead(a->table);
        for (size_t i = 0; i < a->n_providers; i++) {
                Provider *p = a->providers[i];

                p->is_running = true;
                rejected_clear(p, NULL);
                refusal_done(&p->failure);
                p->failure = REFUSAL_INIT;
                p->type->refresh(p);
                is_running = is_running || p->is_running;
        }
        a->is_starting = false;
        /* Calls back from the loop, as the callers were promised. */
        if (!is_running)
                (void) sd_event_source_set_enabled(a->end, SD_EVENT_ONESHOT);
}

static void retry_later(Providers *a)
{
        if (is_waiting_to_retry(a) || a->n_retries >= RETRIES_MAX)
                return;
        a->n_retries++;
        if (sd_event_source_set_time_relative(a->retry, RETRY_USEC) >= 0)
                (void) sd_event_source_set_enabled(a->retry, SD_EVENT_ONESHOT);
}

static void round_end(Providers *a)
{
        if (some_are_starting(a))
                retry_later(a);
        /* A callback may cancel others. */
        while (a->waiting.first) {
                Waiter *w = LIST_ENTRY(a->waiting.first, Waiter, node);

                list_remove(&a->waiting, &w->node);
                w->callback(w->userdata);
                free(w);
        }
        a->is_running = false;
        if (!list_is_empty(&a->next))
                round_start(a);
}

static int on_end(sd_event_source *s, void *userdata)
{
        round_end(userdata);
        return 0;
}

void provider_refreshed(Provider *p, Refusal *failure)
{
        Providers *a = p->all;

        p->is_running = false;
        if (failure && failure->kind != REFUSAL_NONE) {
                /* Once, and not for each request. */
                if (!p->is_failing)
                        log_warning("Containers of %s may be missing: %s", p->type->name,
                                    failure->message ?: "");
                p->is_failing = true;
                p->failure = *failure;
                *failure = REFUSAL_INIT;
        } else {
                p->is_failing = false;
                p->is_primed = true;
        }
        for (size_t i = 0; i < a->n_providers; i++)
                if (a->providers[i]->is_running)
                        return;
        if (!a->is_starting)
                round_end(a);
}

static void ignore_refresh(void *userdata)
{
}

static int wait_in(List *l, ProvidersRefreshed callback, void *userdata)
{
        Waiter *w = calloc(1, sizeof(*w));

        if (!w)
                return -ENOMEM;
        w->callback = callback;
        w->userdata = userdata;
        list_append(l, &w->node);
        return 0;
}

int providers_refresh(Providers *a, ProvidersRefreshed callback, void *userdata)
{
        int r = wait_in(&a->next, callback, userdata);

        if (r >= 0 && !a->is_running)
                round_start(a);
        return r;
}

int providers_refresh_later(Providers *a, ProvidersRefreshed callback, void *userdata)
{
        return is_waiting_to_retry(a) ? wait_in(&a->later, callback, userdata) : -EAGAIN;
}

void provider_changed(Provider *p)
{
        Providers *a = p->all;

        a->n_retries = 0;
        /* One round will do for all that changes before it. */
        if (list_is_empty(&a->next))
                (void) providers_refresh(a, ignore_refresh, NULL);
}

static int on_retry(sd_event_source *s, uint64_t usec, void *userdata)
{
        Providers *a = userdata;

        (void) providers_refresh(a, ignore_refresh, NULL);
        return 0;
}

static void cancel_in(List *l, void *userdata)
{
        LIST_FOREACH (Waiter, w, l, node) {
                if (!userdata || w->userdata == userdata) {
                        list_remove(l, &w->node);
                        free(w);
                }
        }
}

void providers_cancel(Providers *a, void *userdata)
{
        cancel_in(&a->waiting, userdata);
        cancel_in(&a->next, userdata);
        cancel_in(&a->later, userdata);
}

int providers_new(const ProviderType *const *types, size_t n_types, sd_bus *bus, sd_event *event,
                  ContainerTable *table, Providers **ret)
{
        _cleanup_(providers_freep) Providers *a = calloc(1, sizeof(*a));
        int r;

        if (!a)
                return -ENOMEM;
        *a = (Providers){.bus = bus, .event = event, .table = table};
        if (n_types > PROVIDERS_MAX)
                return -E2BIG;
        r = sd_event_add_defer(event, &a->end, on_end, a);
        if (r >= 0)
                r = sd_event_source_set_enabled(a->end, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_add_time(event, &a->retry, CLOCK_MONOTONIC, UINT64_MAX, 1, on_retry, a);
        if (r >= 0)
                r = sd_event_source_set_enabled(a->retry, SD_EVENT_OFF);
        for (size_t i = 0; r >= 0 && i < n_types; i++) {
                Provider *p = NULL;

                r = types[i]->new (a, &p);
                if (r < 0)
                        return log_error_errno(r, "Failed to look for containers of %s", types[i]->name);
                p->type = types[i];
                p->all = a;
                a->providers[a->n_providers++] = p;
        }
        if (r >= 0)
                r = providers_refresh(a, ignore_refresh, NULL);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(a);
        return 0;
}

Providers *providers_free(Providers *a)
{
        if (!a)
                return NULL;
        sd_event_source_disable_unref(a->end);
        sd_event_source_disable_unref(a->retry);
        cancel_in(&a->waiting, NULL);
        cancel_in(&a->next, NULL);
        cancel_in(&a->later, NULL);
        for (size_t i = 0; i < a->n_providers; i++) {
                rejected_clear(a->providers[i], NULL);
                refusal_done(&a->providers[i]->failure);
                a->providers[i]->type->free(a->providers[i]);
        }
        free(a);
        return NULL;
}
