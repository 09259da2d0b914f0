/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The spawner: its listener, its connections (from execd, one as a rule), and what they have under way. It
 * leaves when it has been without a connection for a while.
 */

#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "base/list.h"
#include "spawner/container-table.h"
#include "spawner/provider.h"
#include "spawner/scope.h"
#include "spawner/seccomp-filters.h"
#include "wire/spawner-protocol.h"

typedef struct SpawnerOptions {
        const char *runner; /* path of the static runner */
        uid_t peer_uid;     /* who may connect */
        bool allow_root;    /* root may, too; for tests */
        uint64_t idle_usec;
} SpawnerOptions;

typedef struct Spawner {
        SpawnerOptions options;
        sd_event *event;
        sd_bus *bus;                              /* the system's */
        sd_bus *systemd;                          /* PID 1's own, or NULL */
        sd_event_source *listener, *idle, *leave; /* the last while we are about to exit */
        ContainerTable containers;
        Providers *providers; /* request_refresh() brings them up to date */
        ScopeManager *scopes;
        List connections; /* Connection */
        List launches;    /* Launch */
} Spawner;

/* A peer. Everything that it has under way ends with it. */
typedef struct Connection {
        ListNode node;
        Spawner *spawner; /* weak */
        sd_bus *bus;
        List requests; /* Request */
        List checks;   /* Check */
} Connection;

/* `listen_fd` becomes the spawner's. */
int spawner_new(const SpawnerOptions *options, int listen_fd, Spawner **ret);
Spawner *spawner_free(Spawner *s);
DEFINE_CLEANUP(Spawner, spawner_free);

int spawner_run(Spawner *s);

/* One method of ours: reads the message and answers it, now or later. `fresh` says that the table of
 * containers was brought up to date for it; when it is not and should be, the method returns -ESTALE and is
 * called again. */
typedef int (*RequestMethod)(Connection *c, sd_bus_message *m, bool fresh, Refusal *reterr);

/* A message that waits for the table, or for the filters of a leader. */
typedef struct Request {
        ListNode node;
        FiltersWait filters;
        Connection *connection; /* weak */
        sd_bus_message *message;
        RequestMethod method;
} Request;

/* `later`: not before containers that are starting are looked at again. */
int request_refresh(Connection *c, sd_bus_message *message, RequestMethod method, bool later);
/* After -EINPROGRESS of leader_fill_spec(): the method is called again when its filters were read. */
int request_filters(Connection *c, sd_bus_message *message, RequestMethod method, Leader *leader,
                    Refusal *reterr);

/* spawner-bus.c */
extern const sd_bus_vtable spawner_vtable[];
void request_answer(Connection *c, sd_bus_message *m, RequestMethod method, bool fresh);

void spawner_emit_leaving(Connection *c);
void spawner_emit_container_new(Connection *c, const Container *container);
void spawner_emit_container_removed(Connection *c, const Container *container);

/* Answers with an error of ours: a refusal with its text, anything else as an internal error. */
int reply_refusal(sd_bus_message *m, const Refusal *r, int error);
