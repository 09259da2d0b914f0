/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The methods and signals of the manager that describe containers. */

#include <string.h>

#include "api/dbus-append.h"
#include "api/dbus-call.h"
#include "api/dbus-container.h"
#include "api/dbus-methods.h"
#include "api/dbus-options.h"
#include "core/usage-reply.h"
#include "wire/service-name.h"

/* Answers with all containers, or only with containers of the kind that the method lists. */
static int list_on_reply(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        DbusCall *c = userdata;
        const char *kind = c->method->variant;
        size_t size = 0;
        int r;

        if (!dbus_call_take_answer(c, m))
                return 0;
        r = dbus_reply_new_array(c->message, "(sssssut)", &reply);
        if (r >= 0)
                r = sd_bus_message_enter_container(m, 'a', CONTAINER_SIGNATURE);
        while (r >= 0) {
                _cleanup_(container_info_unrefp) ContainerInfo *k = NULL;

                r = container_info_read(m, &k);
                if (r <= 0)
                        break;
                if (kind && strcmp(k->kind, kind) != 0)
                        continue;
                size += container_info_size(k);
                r = sd_bus_message_append(reply, "(sssssut)", k->id, k->name, k->kind, k->state, k->unit,
                                          k->leader, k->started_usec);
        }
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        if (r < 0)
                dbus_call_fail(c, r);
        else if (dbus_call_reserve(c, size))
                dbus_call_send(c, reply);
        return 0;
}

static void list_run(DbusCall *c)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        const Manager *m = c->manager;

        if (spawner_list_containers(m->spawner, c->method->variant || m->config.list_services, list_on_reply,
                                    c, &c->slot, &refusal) < 0)
                dbus_call_refuse(c, &refusal);
}

typedef struct ContainerCall {
        DbusCall call;
        char *reference;
        ContainerInfo *container;
} ContainerCall;

static void container_done(DbusCall *c)
{
        ContainerCall *k = DBUS_CALL(c, ContainerCall);

        container_info_unref(k->container);
        free(k->reference);
}

static int append_usage(sd_bus_message *m, const Usage *u)
{
        int r = sd_bus_message_open_container(m, 'a', "{st}");

        for (UsageField f = 0; r >= 0 && f < _USAGE_MAX; f++)
                if (usage_field_name(f) && u->values[f] != USAGE_UNKNOWN)
                        r = sd_bus_message_append(m, "{st}", usage_field_name(f), u->values[f]);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

/* A runner that waits for an exec has none. */
static int append_exec_usage(const DbusCall *c, sd_bus_message *m, const char *id, const Usage *u)
{
        int r;

        if (!manager_find_exec(c->manager, id))
                return 0;
        r = sd_bus_message_open_container(m, 'r', "sa{st}");
        if (r >= 0)
                r = sd_bus_message_append(m, "s", id);
        if (r >= 0)
                r = append_usage(m, u);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int usage_copy(const DbusCall *c, sd_bus_message *from, sd_bus_message *to)
{
        const char *id;
        Usage u;
        int r;

        r = usage_read_all(from, &u);
        if (r >= 0)
                r = append_usage(to, &u);
        if (r >= 0)
                r = sd_bus_message_open_container(to, 'a', "(sa{st})");
        while (r >= 0 && (r = usage_read_next(from, &id, &u)) > 0)
                r = append_exec_usage(c, to, id, &u);
        return r < 0 ? r : sd_bus_message_close_container(to);
}

static int usage_on_reply(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        DbusCall *c = userdata;
        int r;

        if (!dbus_call_take_answer(c, m))
                return 0;
        r = sd_bus_message_new_method_return(c->message, &reply);
        if (r >= 0)
                r = usage_copy(c, m, reply);
        dbus_call_finish(c, r, reply);
        return 0;
}

static void get_usage_run(DbusCall *c)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;

        if (spawner_get_usage(c->manager->spawner, DBUS_CALL(c, ContainerCall)->container->id,
                              usage_on_reply, c, &c->slot, &refusal) < 0)
                dbus_call_refuse(c, &refusal);
}

static void get_container_run(DbusCall *c)
{
        const ContainerInfo *container = DBUS_CALL(c, ContainerCall)->container;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r;

        if (!dbus_call_reserve(c, container_info_size(container)))
                return;
        r = sd_bus_message_new_method_return(c->message, &reply);
        if (r >= 0)
                r = dbus_append_container(reply, container);
        dbus_call_finish(c, r, reply);
}

static int get_container_on_reply(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        DbusCall *c = userdata;
        ContainerCall *k = DBUS_CALL(c, ContainerCall);
        int r;

        if (!dbus_call_take_answer(c, m))
                return 0;
        r = container_info_read_reply(m, &k->container);
        if (r < 0)
                dbus_call_fail(c, r);
        else
                dbus_call_authorize_inspect(c, k->container, c->method->act.run);
        return 0;
}

static void get_container_known(DbusCall *c)
{
        const ContainerCall *k = DBUS_CALL(c, ContainerCall);
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;

        if (spawner_get_container(c->manager->spawner, k->reference, get_container_on_reply, c, &c->slot,
                                  &refusal) < 0)
                dbus_call_refuse(c, &refusal);
}

static int container_read(DbusCall *c, sd_bus_message *m, Refusal *reterr)
{
        return dbus_read_reference(m, &DBUS_CALL(c, ContainerCall)->reference, reterr);
}

/* Of an entry, beside its strings. */
#define REJECTED_SIZE 32

static int rejected_copy(sd_bus_message *reply, sd_bus_message *from, size_t *size)
{
        const char *name, *source, *reason;
        int r;

        r = sd_bus_message_enter_container(from, 'a', "(sss)");
        while (r >= 0 && (r = sd_bus_message_read(from, "(sss)", &name, &source, &reason)) > 0) {
                *size += strlen(name) + strlen(source) + strlen(reason) + REJECTED_SIZE;
                r = sd_bus_message_append(reply, "(sss)", name, source, reason);
        }
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int rejected_on_reply(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        DbusCall *c = userdata;
        size_t size = 0;
        int r;

        if (!dbus_call_take_answer(c, m))
                return 0;
        r = dbus_reply_new_array(c->message, "(sss)", &reply);
        if (r >= 0)
                r = rejected_copy(reply, m, &size);
        if (r < 0)
                dbus_call_fail(c, r);
        else if (dbus_call_reserve(c, size))
                dbus_call_send(c, reply);
        return 0;
}

static void list_rejected_run(DbusCall *c)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;

        if (spawner_list_rejected(c->manager->spawner, rejected_on_reply, c, &c->slot, &refusal) < 0)
                dbus_call_refuse(c, &refusal);
}

#define CONTAINER_CALL                                                                       \
        .size = sizeof(ContainerCall), .read = container_read, .known = get_container_known, \
        .done = container_done

const DbusMethod dbus_containers_methods[] = {
        {"ListContainers", .act = {AUTHZ_INSPECT, "inspect", list_run}},
        {"ListServices", .act = {AUTHZ_INSPECT, "inspect", list_run}, .variant = SERVICE_KIND},
        {"ListRejectedContainers", .act = {AUTHZ_INSPECT, "inspect", list_rejected_run}},
        {"GetContainer", CONTAINER_CALL, .act = {AUTHZ_INSPECT, "inspect", get_container_run}},
        {"GetContainerUsage", CONTAINER_CALL, .act = {AUTHZ_INSPECT, "inspect", get_usage_run}},
        {NULL},
};
