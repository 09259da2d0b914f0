/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A method call in progress: first the bus identifies the caller, then the method runs, in as many steps as
 * it takes. If the caller leaves the bus, its calls and all their pending work are canceled.
 */

#include <systemd/sd-bus.h>

#include "api/dbus-identity.h"
#include "api/dbus-service.h"
#include "core/authz.h"
#include "core/caller-watch.h"
#include "core/exec-lookup.h"

typedef struct DbusCall DbusCall;

/* The authorization that a method requires: for c->exec, or for all execs if there is none. */
typedef struct DbusAct {
        AuthzAction action;
        const char *verb;
        void (*run)(DbusCall *c);
        bool shows_part; /* to callers who may not do this, too: c->may_see_all tells */
} DbusAct;

/* A method that sd-bus hands to dbus_methods_serve(). All but the act may be left out. */
typedef struct DbusMethod {
        const char *name;
        size_t size; /* of its structure, which begins with the DbusCall */
        /* Reads the arguments, before the bus is asked who calls. */
        int (*read)(DbusCall *c, sd_bus_message *m, Refusal *reterr);
        void (*known)(DbusCall *c); /* once the peer is known, instead of the act: it authorizes by itself */
        void (*done)(DbusCall *c);  /* releases what it has read and made */
        DbusAct act;
        const void *variant; /* for methods that share their functions */
} DbusMethod;

/* The first member of the structure of a method that keeps more of its call. */
struct DbusCall {
        const DbusMethod *method;
        DbusService *service; /* weak */
        Manager *manager;     /* weak */
        ListNode node;
        sd_bus_message *message;
        CallerWatch *caller;
        DbusIdentity *identity; /* being asked for */
        Peer *peer;
        size_t size;      /* bytes of the request, beyond the few that each call has */
        uid_t charged_to; /* for the call and these bytes */
        bool charged;
        size_t answer_size;              /* bytes that the answer was charged with */
        void (*authorized)(DbusCall *c); /* the next step, once it is allowed or its exec is found */
        const DbusAct *act;              /* the authorized act; NULL if it is not a DbusAct */
        sd_bus_slot *slot;
        Authz *authz;
        ExecLookup *lookup;
        const char *argument, *exec_id; /* the text to look up; weak */
        Exec *exec;                     /* a reference; NULL where the method is not about one */
        bool may_see_all;
};

#define DBUS_CALL(c, type) LIST_ENTRY(c, type, call)

/* The service whose object a message has come for, for as long as sd-bus calls its handler. */
DbusService *dbus_service_of(sd_bus_message *message);

/* Makes a call out of a message, with room for the method's own structure, filled with zeros. `exec` may be
 * NULL. The message is kept until the call has been answered. */
int dbus_call_new(const DbusMethod *method, DbusService *s, sd_bus_message *message, Exec *exec,
                  DbusCall **ret);
/* Asks the bus who calls, then goes on with the method. Takes the call. It is refused when there are too many,
 * or when others of c->size bytes, which the call holds until it is answered, have taken what there is. */
int dbus_call_begin(DbusCall *c);
/* Authorizes an act in a call that has begun; then it runs. */
void dbus_call_authorize_act(DbusCall *c, const DbusAct *act);

/* For the handlers of sd-bus: a whole call, with the arguments of the method. */
int dbus_method_serve(const DbusMethod *method, DbusService *s, sd_bus_message *message, Exec *exec,
                      sd_bus_error *error);
/* The same for the method in these tables that has the member's name. Each table ends with one without a name, and
 * the list of them with NULL. */
int dbus_methods_serve(const DbusMethod *const *tables, DbusService *s, sd_bus_message *message, Exec *exec,
                       sd_bus_error *error);
DbusCall *dbus_call_free(DbusCall *c);
DEFINE_CLEANUP(DbusCall, dbus_call_free);

/* Before an answer that may be large is made, of about so many bytes. False: the call was refused, and freed. */
bool dbus_call_reserve(DbusCall *c, size_t size);

/* Each of these answers and frees the call. */
void dbus_call_reply(DbusCall *c, const char *types, ...);
void dbus_call_send(DbusCall *c, sd_bus_message *reply);
void dbus_call_refuse(DbusCall *c, const Refusal *refusal);
void dbus_call_fail(DbusCall *c, int error);
/* With the reply, unless r is a fault. */
void dbus_call_finish(DbusCall *c, int r, sd_bus_message *reply);

/* An array of execs. */
typedef struct DbusExecList {
        const char *element;                              /* its type */
        size_t (*size)(const DbusCall *c, const Exec *e); /* about so many bytes; 0: it is not in the list */
        int (*append)(sd_bus_message *reply, const Exec *e);
} DbusExecList;

/* Answers the call with the execs of the list that the caller may see. */
void dbus_call_reply_execs(DbusCall *c, const DbusExecList *list);

/* The exec with this id, which is in the message: goes on with next(c) when it is found, in c->exec. `argument` names
 * the id if it is not the only one. */
void dbus_call_find_exec(DbusCall *c, const char *argument, const char *id, void (*next)(DbusCall *c));

/* The spawner has answered the call of c->slot. False if it refuses: then the call is over. */
bool dbus_call_take_answer(DbusCall *c, sd_bus_message *answer);
/* For handlers of such an answer that only says that it was done. */
int dbus_call_on_done(sd_bus_message *answer, void *userdata, sd_bus_error *error);

/* next(c) if the caller may look at this container, else the refusal is the answer. */
void dbus_call_authorize_inspect(DbusCall *c, const ContainerInfo *container, void (*next)(DbusCall *c));

/* In an act that shows a part of the execs: whether it shows this one to this caller. */
static inline bool dbus_call_may_see(const DbusCall *c, const Exec *e)
{
        return !e->hidden && (c->may_see_all || (e->creator->uid == c->peer->uid && !c->peer->foreign));
}

/* At the end: gives up every call that is under way. */
void dbus_calls_drop(DbusService *s);

/* For handlers that refuse before the call has begun: their return value, with *error set. */
int dbus_error_from_refusal(sd_bus_error *error, const Refusal *refusal);
