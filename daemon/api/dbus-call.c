/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "api/dbus-call.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "api/dbus-append.h"
#include "base/log.h"
#include "core/audit.h"
#include "core/exec-access.h"

int dbus_error_from_refusal(sd_bus_error *error, const Refusal *refusal)
{
        _cleanup_free_ char *text = refusal_plain(refusal->message ?: "internal error");
        /* The text says whether to try again. */
        RefusalKind kind = refusal->kind == REFUSAL_BUSY ? REFUSAL_LIMIT : refusal->kind;
        char name[128];

        snprintf(name, sizeof(name), REFUSAL_ERROR_PREFIX "%s",
                 refusal_kind_to_string(kind ?: REFUSAL_INTERNAL));
        return sd_bus_error_set(error, name, text ?: "out of memory");
}

DbusService *dbus_service_of(sd_bus_message *message)
{
        return sd_bus_slot_get_userdata(sd_bus_get_current_slot(sd_bus_message_get_bus(message)));
}

static void call_discharge(DbusCall *c)
{
        if (!c->charged)
                return;
        budget_give(&c->manager->calls_budget, c->charged_to, 1);
        budget_give(&c->manager->memory_budget, c->charged_to, c->size);
        c->charged = false;
}

static int call_charge(DbusCall *c, uid_t uid, Refusal *reterr)
{
        Manager *m = c->manager;

        call_discharge(c);
        if (!budget_take(&m->calls_budget, uid, 1))
                return budget_refuse(&m->calls_budget, uid, REFUSAL_BUSY, reterr);
        if (!budget_take(&m->memory_budget, uid, c->size)) {
                budget_give(&m->calls_budget, uid, 1);
                return budget_refuse(&m->memory_budget, uid, REFUSAL_BUSY, reterr);
        }
        c->charged = true;
        c->charged_to = uid;
        return 0;
}

DbusCall *dbus_call_free(DbusCall *c)
{
        if (!c)
                return NULL;
        if (c->method->done)
                c->method->done(c);
        c->identity = dbus_identity_free(c->identity);
        c->slot = sd_bus_slot_unref(c->slot);
        c->authz = authz_free(c->authz);
        c->lookup = exec_lookup_free(c->lookup);
        c->caller = caller_watch_free(c->caller);
        if (c->answer_size > 0)
                dbus_answers_sent(c->service->answers, peer_share(c->peer), c->answer_size);
        bus_watch_sent(c->manager->bus_watch);
        exec_unref(c->exec);
        peer_unref(c->peer);
        sd_bus_message_unref(c->message);
        list_remove(&c->service->calls, &c->node);
        call_discharge(c);
        manager_busy_end(c->manager);
        return mfree(c);
}

void dbus_calls_drop(DbusService *s)
{
        while (s->calls.first)
                dbus_call_free(LIST_ENTRY(s->calls.first, DbusCall, node));
}

/* The caller has left the bus. */
static void call_on_gone(void *userdata)
{
        dbus_call_free(userdata);
}

int dbus_call_new(const DbusMethod *method, DbusService *s, sd_bus_message *message, Exec *exec,
                  DbusCall **ret)
{
        _cleanup_(dbus_call_freep) DbusCall *c = calloc(1, MAX(method->size, sizeof(DbusCall)));
        int r;

        if (!c)
                return -ENOMEM;
        c->method = method;
        c->service = s;
        c->manager = s->manager;
        c->message = sd_bus_message_ref(message);
        c->exec = exec ? exec_ref(exec) : NULL;
        list_append(&s->calls, &c->node);
        manager_busy_begin(s->manager);

        /* One that has left already has no credentials: dbus_call_begin() finds out. */
        r = caller_watch_new(s->manager->callers, sd_bus_message_get_sender(message), false, call_on_gone, c,
                             &c->caller);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(c);
        return 0;
}

bool dbus_call_reserve(DbusCall *c, size_t size)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        int r;

        r = dbus_answers_take(c->service->answers, peer_share(c->peer), size, now_usec(CLOCK_MONOTONIC),
                              &refusal);
        if (r < 0) {
                dbus_call_refuse(c, &refusal);
                return false;
        }
        if (r > 0)
                c->answer_size += size;
        return true;
}

void dbus_call_send(DbusCall *c, sd_bus_message *reply)
{
        int r;

        dbus_signals_flush(c->service->signals);
        r = sd_bus_send(NULL, reply, NULL);

        if (r < 0)
                log_errno(LOG_WARNING, r, "Failed to answer a method call");
        dbus_call_free(c);
}

void dbus_call_reply(DbusCall *c, const char *types, ...)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        va_list ap;
        int r;

        r = sd_bus_message_new_method_return(c->message, &reply);
        if (r >= 0 && types) {
                va_start(ap, types);
                r = sd_bus_message_appendv(reply, types, ap);
                va_end(ap);
        }
        if (r < 0)
                dbus_call_fail(c, r);
        else
                dbus_call_send(c, reply);
}

void dbus_call_refuse(DbusCall *c, const Refusal *refusal)
{
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;

        dbus_signals_flush(c->service->signals);
        (void) dbus_error_from_refusal(&error, refusal);
        (void) sd_bus_reply_method_error(c->message, &error);
        dbus_call_free(c);
}

void dbus_call_fail(DbusCall *c, int error)
{
        Refusal refusal = {.kind = REFUSAL_INTERNAL, .message = strerror(error < 0 ? -error : error)};

        log_error_errno(error, "Failed to process a method call");
        dbus_call_refuse(c, &refusal);
}

void dbus_call_finish(DbusCall *c, int r, sd_bus_message *reply)
{
        if (r < 0)
                dbus_call_fail(c, r);
        else
                dbus_call_send(c, reply);
}

void dbus_call_reply_execs(DbusCall *c, const DbusExecList *list)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        size_t size = 0;
        int r;

        LIST_FOREACH (const Exec, e, manager_all_execs(c->manager), node) {
                if (dbus_call_may_see(c, e))
                        size += list->size(c, e);
        }
        if (!dbus_call_reserve(c, size))
                return;
        r = dbus_reply_new_array(c->message, list->element, &reply);
        LIST_FOREACH (const Exec, e, manager_all_execs(c->manager), node) {
                if (r >= 0 && dbus_call_may_see(c, e) && list->size(c, e) > 0)
                        r = list->append(reply, e);
        }
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        dbus_call_finish(c, r, reply);
}

static void call_on_exec(void *userdata, Exec *e, const Refusal *refusal)
{
        _cleanup_refusal_ Refusal unknown = REFUSAL_INIT;
        DbusCall *c = userdata;

        c->lookup = NULL;
        if (!e && !refusal) {
                if (c->argument)
                        (void) refuse(&unknown, REFUSAL_NO_EXEC, ENOENT, "%s: unknown exec \"%.64s\"",
                                      c->argument, c->exec_id);
                else
                        (void) refuse(&unknown, REFUSAL_NO_EXEC, ENOENT, "there is no such exec");
                refusal = &unknown;
        }
        if (refusal) {
                dbus_call_refuse(c, refusal);
                return;
        }
        c->exec = exec_ref(e);
        c->authorized(c);
}

void dbus_call_find_exec(DbusCall *c, const char *argument, const char *id, void (*next)(DbusCall *c))
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        Exec *e = NULL;

        c->authorized = next;
        c->argument = argument;
        c->exec_id = id;
        if (exec_lookup(c->manager, id, peer_share(c->peer), call_on_exec, c, &e, &c->lookup, &refusal) < 0)
                dbus_call_refuse(c, &refusal);
        else if (!c->lookup)
                call_on_exec(c, e, NULL);
}

bool dbus_call_take_answer(DbusCall *c, sd_bus_message *answer)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;

        c->slot = sd_bus_slot_unref(c->slot);
        if (spawner_reply_refusal(answer, &refusal) >= 0)
                return true;
        dbus_call_refuse(c, &refusal);
        return false;
}

int dbus_call_on_done(sd_bus_message *answer, void *userdata, sd_bus_error *error)
{
        DbusCall *c = userdata;

        if (dbus_call_take_answer(c, answer))
                dbus_call_reply(c, NULL);
        return 0;
}

static void call_on_verdict(void *userdata, const Refusal *refusal)
{
        DbusCall *c = userdata;
        bool shows_part = c->act && c->act->shows_part;

        c->authz = authz_free(c->authz);
        c->may_see_all = !refusal;
        if (refusal && (!shows_part || refusal->kind == REFUSAL_BUSY))
                dbus_call_refuse(c, refusal);
        else
                c->authorized(c);
}

static void call_authorize(DbusCall *c, const AuthzQuestion *question)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        AuthzQuestion q = *question;
        int r;

        q.peer = c->peer;
        r = authz_check(c->manager, &q, call_on_verdict, c, &c->authz, &refusal);
        if (r != 0)
                call_on_verdict(c, r < 0 ? &refusal : NULL);
}

static bool call_is_interactive(const DbusCall *c)
{
        return sd_bus_message_get_allow_interactive_authorization(c->message) > 0;
}

void dbus_call_authorize_act(DbusCall *c, const DbusAct *a)
{
        AuthzQuestion q = {.action = a->action, .verb = a->verb};

        c->act = a;
        if (c->exec)
                q = exec_access_question(c->exec, a->action, a->verb);
        q.interactive = !a->shows_part && call_is_interactive(c);
        c->authorized = a->run;
        call_authorize(c, &q);
}

static void call_on_identified(void *userdata, Peer *p)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        DbusCall *c = userdata;
        int r;

        c->identity = dbus_identity_free(c->identity);
        c->peer = p;
        if (!p)
                r = refuse(&refusal, REFUSAL_DENIED, EACCES,
                           "access denied: the bus does not identify the caller");
        else
                r = authz_check_origin(c->manager, c->peer, &refusal);
        if (r >= 0)
                r = call_charge(c, peer_share(c->peer), &refusal);
        if (r < 0)
                dbus_call_refuse(c, &refusal);
        else if (c->method->known)
                c->method->known(c);
        else
                dbus_call_authorize_act(c, &c->method->act);
}

/* Until the bus has identified them, all callers have one share. The one with the most calls gives way to others. */
static int call_charge_unknown(DbusCall *c, Refusal *reterr)
{
        const char *sender = sd_bus_message_get_sender(c->message);
        int r;

        while ((r = call_charge(c, PEER_SHARE_UNKNOWN, reterr)) < 0) {
                bool by_size = budget_room(&c->manager->calls_budget, PEER_SHARE_UNKNOWN) > 0;
                DbusCall *other = dbus_identities_most(c->service->identities, sender, c->size, by_size);

                if (!other)
                        return r;
                dbus_call_refuse(other, reterr);
                refusal_done(reterr);
        }
        return 0;
}

int dbus_call_begin(DbusCall *c)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        int r;

        if (call_charge_unknown(c, &refusal) < 0) {
                dbus_call_refuse(c, &refusal);
                return 1;
        }
        r = dbus_identity_new(c->service->identities, sd_bus_message_get_sender(c->message), c->size,
                              call_on_identified, c, &c->identity);
        if (r < 0) {
                dbus_call_free(c);
                return r;
        }
        return 1; /* answered later */
}

int dbus_method_serve(const DbusMethod *method, DbusService *s, sd_bus_message *message, Exec *exec,
                      sd_bus_error *error)
{
        _cleanup_(dbus_call_freep) DbusCall *c = NULL;
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        int r;

        assert(method->known || method->act.run);
        r = dbus_call_new(method, s, message, exec, &c);
        if (r >= 0 && method->read)
                r = method->read(c, message, &refusal);
        if (r < 0)
                return refusal.kind != REFUSAL_NONE ? dbus_error_from_refusal(error, &refusal) : r;
        return dbus_call_begin(TAKE_PTR(c));
}

int dbus_methods_serve(const DbusMethod *const *tables, DbusService *s, sd_bus_message *message, Exec *exec,
                       sd_bus_error *error)
{
        const char *name = sd_bus_message_get_member(message);

        for (; *tables; tables++)
                for (const DbusMethod *method = *tables; method->name; method++)
                        if (strcmp(method->name, name) == 0)
                                return dbus_method_serve(method, s, message, exec, error);
        return -ENOSYS;
}

void dbus_call_authorize_inspect(DbusCall *c, const ContainerInfo *container, void (*next)(DbusCall *c))
{
        const AuthzQuestion q = {
                .action = AUTHZ_INSPECT,
                .container = container,
                .verb = "inspect",
                .interactive = call_is_interactive(c),
        };

        c->authorized = next;
        call_authorize(c, &q);
}
