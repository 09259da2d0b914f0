/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "api/dbus-subscribe.h"

#include <string.h>

#include "api/dbus-call.h"
#include "api/dbus-methods.h"
#include "api/dbus-path.h"

/* Clients that may have subscribed at the same time, all together and of one user. */
#define SUBSCRIBERS_MAX         256
#define SUBSCRIBERS_PER_UID_MAX 16

typedef struct Subscriber {
        DbusService *service; /* weak */
        ListNode node;
        CallerWatch *watch;
        uid_t uid;
        char *name; /* unique on the bus */
} Subscriber;

static void tell(const DbusService *s, const Event *e)
{
        bool is_new = strcmp(e->action, "start") == 0;

        if (!is_new && strcmp(e->action, "die") != 0)
                return;
        (void) sd_bus_emit_signal(s->manager->bus, DBUS_MANAGER_PATH, DBUS_MANAGER_INTERFACE,
                                  is_new ? "ContainerNew" : "ContainerRemoved", "sss", e->container_id,
                                  event_attribute(e, "name"), event_attribute(e, "org.execd1.kind"));
}

/* Each event is read as it comes, so that none is lost. */
static void on_event(EventReader *r)
{
        const DbusService *s = LIST_ENTRY(r, DbusService, reader);
        const Event *e;
        bool lost = false;

        while ((e = event_log_next(s->manager->events, r, &lost)))
                tell(s, e);
}

static void begin(DbusService *s)
{
        s->reader = (EventReader){.on_new = on_event};
        event_log_join(s->manager->events, &s->reader, false);
        manager_busy_begin(s->manager);
}

static void end(DbusService *s)
{
        event_log_leave(s->manager->events, &s->reader);
        spawner_link_release(s->manager->spawner);
        manager_busy_end(s->manager);
}

static void subscriber_free(Subscriber *u)
{
        DbusService *s = u->service;

        list_remove(&s->subscribers, &u->node);
        caller_watch_free(u->watch);
        free(u->name);
        free(u);
        if (list_is_empty(&s->subscribers))
                end(s);
}

static void subscriber_on_gone(void *userdata)
{
        subscriber_free(userdata);
}

void dbus_subscribers_drop(DbusService *s)
{
        while (s->subscribers.first)
                subscriber_free(LIST_ENTRY(s->subscribers.first, Subscriber, node));
}

static Subscriber *find(const DbusService *s, const char *name)
{
        return LIST_FIND(Subscriber, u, &s->subscribers, node, strcmp(u->name, name) == 0);
}

static int check_limits(const DbusService *s, uid_t uid, Refusal *reterr)
{
        size_t all = 0, own = 0;

        LIST_FOREACH (const Subscriber, u, &s->subscribers, node) {
                all++;
                own += u->uid == uid;
        }
        if (own >= SUBSCRIBERS_PER_UID_MAX)
                return refuse(reterr, REFUSAL_LIMIT, EBUSY,
                              "too many clients of this user have subscribed: the limit is %d",
                              SUBSCRIBERS_PER_UID_MAX);
        if (all >= SUBSCRIBERS_MAX)
                return refuse(reterr, REFUSAL_LIMIT, EBUSY,
                              "too many clients have subscribed: the limit is %d", SUBSCRIBERS_MAX);
        return 0;
}

static int subscriber_new(DbusService *s, sd_bus_message *m, uid_t uid, Refusal *reterr)
{
        const char *name = sd_bus_message_get_sender(m);
        Subscriber *u;
        int r;

        r = check_limits(s, uid, reterr);
        if (r < 0)
                return r;
        u = calloc(1, sizeof(Subscriber));
        if (!u)
                return -ENOMEM;
        *u = (Subscriber){.service = s, .uid = uid, .name = strdup(name)};
        r = u->name ? caller_watch_new(s->manager->callers, name, true, subscriber_on_gone, u, &u->watch)
                    : -ENOMEM;
        if (r >= 0 && list_is_empty(&s->subscribers))
                r = spawner_link_hold(s->manager->spawner, reterr);
        if (r < 0) {
                caller_watch_free(u->watch);
                free(u->name);
                free(u);
                return r;
        }
        if (list_is_empty(&s->subscribers))
                begin(s);
        list_append(&s->subscribers, &u->node);
        return 0;
}

/* The spawner reports new and ended containers once it knows the existing ones. */
static void subscribe_run(DbusCall *c)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        int r = 0;

        if (!find(c->service, sd_bus_message_get_sender(c->message)))
                r = subscriber_new(c->service, c->message, peer_share(c->peer), &refusal);
        if (r >= 0)
                r = spawner_list_containers(c->manager->spawner, false, dbus_call_on_done, c, &c->slot,
                                            &refusal);
        if (r < 0)
                dbus_call_refuse(c, &refusal);
}

const DbusMethod dbus_subscribe_methods[] = {
        {"Subscribe", .act = {AUTHZ_INSPECT, "inspect", subscribe_run}},
        {NULL},
};

int dbus_method_unsubscribe(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        Refusal none = {.kind = REFUSAL_CONFLICT, .message = (char *) "the client has not subscribed"};
        Subscriber *u = find(userdata, sd_bus_message_get_sender(m));

        if (!u)
                return dbus_error_from_refusal(error, &none);
        subscriber_free(u);
        return sd_bus_reply_method_return(m, NULL);
}
