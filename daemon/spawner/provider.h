/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Providers find containers: each provider finds containers of one kind, and the first process of each. All of them
 * are brought up to date together, in rounds. One round runs at a time, and a request that arrives during a
 * round waits for the next, because the running one may have looked before. A container that is just starting
 * is looked at again a little later.
 *
 * To add a kind of container: spawner/container-KIND.c with a ProviderType, declared as KIND_provider in its
 * header and listed in provider_types of spawner.c. It only maps names to first processes; the confinement is
 * read from the kernel by the same code for all kinds. container-machined.c (a service with signals) and
 * container-oci.c (files, watched and parsed) are the models.
 *
 * - new() begins to watch for changes: signals of the source, or its directory with inotify. The watch calls
 *   provider_changed(), but not from new(): the first round comes by itself. A directory that does not exist is
 *   no failure; watch its parent (oci-watch.c). Without a watch, changes are seen only at a request, and a
 *   name in the table is answered from there even if its container has gone. If a name can be reused, mend the
 *   table in the callback of the watch, with a priority before requests (look_at_once() in container-oci.c).
 * - refresh() looks, and ends with provider_refreshed(), now or later. For each container that
 *   container_table_by_name() does not have: leader_open(), which refuses processes that share the host's
 *   namespaces, container_new(), provider_add(). In other cases:
 *     - it cannot be used: provider_reject() with a refusal, which clients see
 *     - it is starting (-EAGAIN of leader_open(), its file is missing or incomplete): provider_reject() with
 *       -EAGAIN; it is looked at again every 50 ms for five seconds
 *     - it disappeared in the meantime: nothing
 *     - it is in the table, but its source has gone, is no longer valid, or names another process:
 *       container_table_forget()
 *     - the source as a whole is unavailable: pass the reason to provider_refreshed()
 * - ContainerFacts (container.h): name, kind and created_usec are required. Names are UTF-8 without characters
 *   that a URL path cannot have, and unique within the kind; clients see kind, polkit knows it as
 *   container_kind. cgroup is the control group that the engine created, unless it is always the unit's: an exec
 *   is refused if there are limits below the unit, which could not be copied (check_below() in launch.c).
 * - Nothing that a container's owner can write may name a process. A file is valid if root owns it and its
 *   directory and no other user can write to them (root-file.h). A PID in it is valid if the process has the start
 *   time in the file, or is not younger than the file (plus one clock tick), and if something else connects it
 *   with the name, such as its control group. A process that is still the runtime's own program, on its way to
 *   the container's, is no template yet (check_executed() in container-oci.c). A service is trusted no more than
 *   those who can register with it (check_owner() in container-machined.c).
 * - Parsers are pure, in wire/KIND-….c, and return -EBADMSG with a refusal; each has a fuzzer and a corpus.
 * - Also: spawner/meson.build, units/execd-spawner.service.in and packaging/selinux/execd.te if files are read,
 *   README.md, packaging/doc, execd.service(8), execd-spawner.service(8), packaging/openapi.yaml, NEWS.md.
 *   dbus/org.execd1.rules allows members of the group to enter machines only: do not extend this rule unless
 *   containers of the new kind are confined like machines.
 * - Tests: tests/unit/wire and tests/fuzz for the parser, tests/unit/spawner for the rounds, and in
 *   tests/confinement a container of that kind that is compared with its own first process (parity.py,
 *   test_oci.py); intended differences are in parity-differences.txt. Each check that keeps something out has a
 *   patch in tests/mutation/patches that removes it.
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
        /* Makes the provider and begins to watch for containers that come and go; does not look
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
        bool is_behind;  /* containers may have other names by now, which a round finds out */
        bool is_blind;   /* a watch could not be made: changes are seen by looking only */
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
        List later;   /* of the next one, which comes after a while: containers are starting */
        sd_event_source *end, *retry;
        unsigned n_retries;
};

/* The first round begins at once. */
int providers_new(const ProviderType *const *types, size_t n_types, sd_bus *bus, sd_event *event,
                  ContainerTable *table, Providers **ret);
Providers *providers_free(Providers *a);
DEFINE_CLEANUP(Providers, providers_free);

/* Brings the table up to date, then calls back once, never from within the call, and no longer after
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
bool providers_are_behind(const Providers *a);

/* Why nothing of this name is in the table: it was rejected, or a provider failed. 0 when neither is so. */
int providers_why_not(const Providers *a, const char *name, Refusal *reterr);
/* Each container that was seen and cannot be used, with the reason. Ends early with the result of each(), if that is
 * negative. */
int providers_list_rejected(const Providers *a,
                            int (*each)(void *userdata, const char *name, const char *source,
                                        const char *reason),
                            void *userdata);
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
