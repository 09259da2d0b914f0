/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One method call that is being served: who calls is asked from the bus first, then comes what the method
 * does, in as many steps as it takes. A caller that leaves the bus takes its calls with it: nothing they had
 * under way goes on.
 */

#include <systemd/sd-bus.h>

#include "base/list.h"
#include "core/authz.h"
#include "core/caller-watch.h"
#include "core/exec-create.h"
#include "core/manager.h"

typedef struct DbusCall DbusCall;

struct DbusCall {
        Manager *manager; /* weak */
        ListNode node;
        sd_bus_message *message;
        CallerWatch *caller;
        Peer *peer;
        size_t size;      /* bytes of what it asks for, beyond the few that each call has */
        uid_t charged_to; /* for the call and these bytes */
        bool charged;
        void (*go)(DbusCall *c);   /* the method proper, once the peer is known */
        void (*next)(DbusCall *c); /* what follows when it is allowed */
        sd_bus_slot *slot;
        Authz *authz;
        ExecCreation *creation;
        Exec *exec; /* a reference */
        ContainerInfo *container;
        ExecWatch watch;
        sd_event_source *timer;
        int fds[3];             /* owned: for the command */
        bool piped, one_output; /* it is to have pipes whose other ends the caller gets */
        int stream;             /* owned: for the caller */
        int signal_number;
        bool all;
        bool may_see_all;
        bool replay, want_stdin, want_stdout, want_stderr;
        uint16_t rows, columns;
        uint64_t timeout_usec;
        char *reference;
        ExecRequest *request;
};

/* For method handlers: makes a call out of a message. `exec` may be NULL. On failure *error is set by the
 * return value. The message is kept until the call has been answered. */
int dbus_call_new(Manager *m, sd_bus_message *message, Exec *exec, DbusCall **ret);
/* Asks the bus who calls, then goes on with go(). Takes the call. It is refused when there are too many, or
 * when others of `size` bytes, which the call holds until it is answered, have taken what there is. */
int dbus_call_begin(DbusCall *c, void (*go)(DbusCall *c));
DbusCall *dbus_call_free(DbusCall *c);
DEFINE_CLEANUP(DbusCall, dbus_call_free);

/* Each of these answers and frees the call. */
void dbus_call_reply(DbusCall *c, const char *types, ...);
void dbus_call_send(DbusCall *c, sd_bus_message *reply);
void dbus_call_refuse(DbusCall *c, const Refusal *refusal);
void dbus_call_fail(DbusCall *c, int error);

/* As their counterparts in http-authz: next(c) when it is allowed, else the refusal as answer. */
void dbus_call_authorize(DbusCall *c, const AuthzQuestion *q, void (*next)(DbusCall *c));
void dbus_call_authorize_exec(DbusCall *c, AuthzAction action, const char *verb, void (*next)(DbusCall *c));
void dbus_call_authorize_inspect(DbusCall *c, void (*next)(DbusCall *c));
void dbus_call_ask_inspect(DbusCall *c, void (*next)(DbusCall *c));

/* After dbus_call_ask_inspect(): whether an exec is in what this caller is shown. */
static inline bool dbus_call_may_see(const DbusCall *c, const Exec *e)
{
        return !e->hidden && (c->may_see_all || (e->creator->uid == c->peer->uid && !c->peer->foreign));
}

/* At the end: gives up every call that is under way. */
void dbus_calls_drop(void);

/* For handlers that refuse before there is a call. */
int dbus_error_from_refusal(sd_bus_error *error, const Refusal *refusal);
