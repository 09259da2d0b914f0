/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A peer (execd, and one as a rule), and what it has under way: jobs, which end with it. Its requests are
 * jobs as well while they wait for the table of containers or for the filters of a leader.
 */

#include <systemd/sd-bus.h>

#include "base/list.h"
#include "base/refusal.h"
#include "spawner/spawner.h"

typedef struct Connection Connection;
typedef struct ConnectionJob ConnectionJob;

/* The first member of each job of a connection. */
struct ConnectionJob {
        ListNode node;
        Connection *connection;           /* weak; NULL when it was not added */
        void (*cancel)(ConnectionJob *j); /* frees it: the connection is gone */
};

struct Connection {
        ListNode node;
        Spawner *spawner; /* weak */
        sd_bus *bus;
        List jobs;
        void (*on_closed)(Spawner *s);
};

/* Serves the methods of `vtable`, with the connection as their userdata. `fd` is taken over. `on_closed` is
 * called when the peer has closed the connection and that has been freed. */
int connection_new(Spawner *s, int fd, const sd_bus_vtable *vtable, void (*on_closed)(Spawner *s));
/* Cancels its jobs. */
Connection *connection_free(Connection *c);
DEFINE_CLEANUP(Connection, connection_free);

void connection_add_job(Connection *c, ConnectionJob *j, void (*cancel)(ConnectionJob *j));
void connection_remove_job(ConnectionJob *j);

/* Signals of ours. */
void connection_emit_leaving(Connection *c);
void connection_emit_container(Connection *c, const char *member, const Container *container);

/* One method of ours: reads the message and answers it, now or later. `fresh` says that the table of
 * containers was brought up to date for it; when it is not and should be, the method returns -ESTALE and is
 * called again. */
typedef int (*RequestMethod)(Connection *c, sd_bus_message *m, bool fresh, Refusal *reterr);

void request_answer(Connection *c, sd_bus_message *m, RequestMethod method, bool fresh);
/* After -EINPROGRESS of leader_fill_spec(), leader_fill_inherited() or leader_memory_need(): the method is called
 * again when what is read of the leader was read. 1, or an error. */
int request_leader(Connection *c, sd_bus_message *m, RequestMethod method, bool fresh, Leader *leader,
                   Refusal *reterr);

/* The method is called again with the picture of a leader (leader-picture.h), which leader_fill_spec() needs. 1, or an
 * error. */
int request_picture(Connection *c, sd_bus_message *m, RequestMethod method, Leader *leader, uid_t caller,
                    Refusal *reterr);

/* Answers with an error of ours: a refusal with its text, anything else as an internal error. */
int reply_refusal(sd_bus_message *m, const Refusal *r, int error);
