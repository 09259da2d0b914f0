/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Providers find containers: each those of its kind, and of each the first process. All of them are brought
 * up to date together, in rounds: one round runs at a time, and whoever asks while one runs waits for the
 * next, since the running one may have looked before. A container that is just starting is looked at again a
 * little later.
 */

#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "base/list.h"
#include "base/refusal.h"
#include "spawner/container-table.h"

#define PROVIDERS_MAX 8

typedef struct Provider Provider;
typedef struct Providers Providers;

typedef struct ProviderType {
        const char *name;
        /* Makes the provider and begins to watch what tells of containers that come and go; does not look
         * for them yet. */
        int (*new)(Providers *all, Provider **ret);
        Provider *(*free)(Provider *p);
        /* Looks for containers: each that is not in the table is put there (provider_add()) or rejected
         * (provider_reject()), each whose source has gone is taken out (container_table_forget()). Ends with
         * provider_refreshed(), now or later. Not called again before that. */
        void (*refresh)(Provider *p);
} ProviderType;

/* The first member of every provider. */
struct Provider {
        const ProviderType *type;
        Providers *all; /* weak */
        bool is_running, is_failing;
        bool is_blind;   /* a watch could not be made: what comes and goes is seen by looking only */
        bool is_primed;  /* the containers that were there before us are known: others are new */
        List rejected;   /* seen and not used; of the last round */
        Refusal failure; /* of the last round */
};

typedef void (*ProvidersRefreshed)(void *userdata);

struct Providers {
        sd_bus *bus;           /* weak; the system's */
        sd_event *event;       /* weak */
        ContainerTable *table; /* weak */
        Provider *providers[PROVIDERS_MAX];
        size_t n_providers;
        bool is_running, is_starting;
        List waiting; /* for the end of the running round */
        List next;    /* of the one after it */
        List later;   /* of the one in which containers that are starting are looked at again */
        sd_event_source *end, *retry;
        unsigned n_retries;
};

/* The first round begins at once. */
int providers_new(const ProviderType *const *types, size_t n_types, sd_bus *bus, sd_event *event,
                  ContainerTable *table, Providers **ret);
Providers *providers_free(Providers *a);
DEFINE_CLEANUP(Providers, providers_free);

/* Brings the table up to date, then calls back once, never from within the call, and not any more after
 * providers_cancel() with the same userdata. */
int providers_refresh(Providers *a, ProvidersRefreshed callback, void *userdata);
/* The same, but not before the containers that are starting are looked at again. -EAGAIN when none is waited
 * for. */
int providers_refresh_later(Providers *a, ProvidersRefreshed callback, void *userdata);
void providers_cancel(Providers *a, void *userdata);

/* Every provider has looked once. */
bool providers_are_primed(const Providers *a);
/* Whether a name in the table may be another container's by now. */
bool providers_are_blind(const Providers *a);

/* Why nothing of this name is in the table: it was rejected, or a provider failed. 0 when neither is so. */
int providers_why_not(const Providers *a, const char *name, Refusal *reterr);
/* The first provider that failed in the last round. 0 when none did. */
int providers_failure(const Providers *a, Refusal *reterr);

/* For providers. Something has changed: there will be a round. */
void provider_changed(Provider *p);
int provider_add(Provider *p, Container *c);
/* `error` is negative, -EAGAIN when the container is starting; the refusal may be empty, and is taken.
 * Replaces what was said of the name before. */
void provider_reject(Provider *p, const char *name, int error, Refusal *refusal);
/* `failure`, if any, says why containers are missing, and is taken. */
void provider_refreshed(Provider *p, Refusal *failure);
