/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * One refresh runs at a time: ListMachines, then the properties of each machine that is not known yet, side
 * by side. Whoever asks while one runs waits for the next, since the running one may have been answered
 * before. A machine whose leader has not yet executed its payload is asked for again a little later.
 */

#include "spawner/container-machined.h"

#include <string.h>
#include <systemd/sd-event.h>

#include "base/log.h"
#include "base/strv.h"
#include "base/time.h"

#define MACHINED_NAME     "org.freedesktop.machine1"
#define MACHINED_PATH     "/org/freedesktop/machine1"
#define MACHINED_MANAGER  "org.freedesktop.machine1.Manager"
#define MACHINED_MACHINE  "org.freedesktop.machine1.Machine"
#define CALL_TIMEOUT_USEC (10 * USEC_PER_SEC)
#define RETRY_USEC        (50 * USEC_PER_MSEC)
#define RETRIES_MAX       100
#define KIND              "machine"

typedef struct Waiter {
        ListNode node;
        MachinedRefreshed callback;
        void *userdata;
} Waiter;

/* A machine whose properties are being asked for. */
typedef struct Query {
        ListNode node;
        Machined *machined; /* weak */
        char *name;
        sd_bus_slot *slot;
} Query;

/* A machine that was seen and is not used. */
typedef struct Rejected {
        ListNode node;
        char *name;
        int error; /* negative errno; -EAGAIN: it is starting */
        Refusal refusal;
} Rejected;

struct Machined {
        sd_bus *bus;           /* weak */
        ContainerTable *table; /* weak */
        const ContainerEvents *events;
        void *userdata;
        sd_bus_slot *slot_new, *slot_removed, *slot_list;
        sd_event_source *retry;
        unsigned n_retries;
        bool running;
        bool primed;  /* the machines that were there before us are known: others are new */
        List waiting; /* Waiter: for the running refresh */
        List next;    /* Waiter: for the one after it */
        List queries;
        List rejected;
        Refusal failure; /* of the running refresh */
};

static void refresh_start(Machined *m);

static Query *query_free(Query *q)
{
        list_remove(&q->machined->queries, &q->node);
        sd_bus_slot_unref(q->slot);
        free(q->name);
        free(q);
        return NULL;
}

static void rejected_clear(Machined *m)
{
        LIST_FOREACH_SAFE (n, &m->rejected) {
                Rejected *x = LIST_ENTRY(n, Rejected, node);

                list_remove(&m->rejected, n);
                refusal_done(&x->refusal);
                free(x->name);
                free(x);
        }
}

static void reject(Machined *m, const char *name, int error, Refusal *refusal)
{
        Rejected *x = calloc(1, sizeof(*x));

        if (x)
                x->name = strdup(name);
        if (!x || !x->name) {
                free(x);
                return;
        }
        x->error = error;
        x->refusal = *refusal;
        *refusal = REFUSAL_INIT;
        list_append(&m->rejected, &x->node);
}

int machined_why_not(const Machined *m, const char *name, Refusal *reterr)
{
        LIST_FOREACH_SAFE (n, &m->rejected) {
                Rejected *x = LIST_ENTRY(n, Rejected, node);

                if (strcmp(x->name, name) != 0)
                        continue;
                refuse(reterr, x->refusal.kind, EPERM, "%s: %s", name, x->refusal.message ?: "not usable");
                return x->error;
        }
        return 0;
}

bool machined_is_busy(const Machined *m)
{
        return m->running;
}

static void refresh_done(Machined *m)
{
        const Refusal *failure = m->failure.kind != REFUSAL_NONE ? &m->failure : NULL;

        /* A callback may cancel others. */
        while (m->waiting.first) {
                Waiter *w = LIST_ENTRY(m->waiting.first, Waiter, node);

                list_remove(&m->waiting, &w->node);
                w->callback(w->userdata, failure);
                free(w);
        }
        m->running = false;
        m->primed = m->primed || !failure;
        refusal_done(&m->failure);
        if (!list_is_empty(&m->next))
                refresh_start(m);
}

static void refresh_maybe_done(Machined *m)
{
        if (m->running && !m->slot_list && list_is_empty(&m->queries))
                refresh_done(m);
}

typedef struct MachineProperties {
        const char *class, *service, *unit, *root;
        uint32_t leader, uid;
        uint64_t timestamp;
} MachineProperties;

static int read_property(sd_bus_message *reply, const char *name, MachineProperties *p)
{
        struct {
                const char *name, *signature;
                void *value;
        } known[] = {
                {"Class", "s", &p->class},         {"Service", "s", &p->service}, {"Unit", "s", &p->unit},
                {"RootDirectory", "s", &p->root},  {"Leader", "u", &p->leader},   {"UID", "u", &p->uid},
                {"Timestamp", "t", &p->timestamp},
        };

        for (size_t i = 0; i < ELEMENTSOF(known); i++)
                if (strcmp(known[i].name, name) == 0)
                        return sd_bus_message_read(reply, "v", known[i].signature, known[i].value);
        return sd_bus_message_skip(reply, "v");
}

static int read_properties(sd_bus_message *reply, MachineProperties *p)
{
        int r;

        r = sd_bus_message_enter_container(reply, 'a', "{sv}");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_enter_container(reply, 'e', "sv")) > 0) {
                const char *name;

                r = sd_bus_message_read(reply, "s", &name);
                if (r >= 0)
                        r = read_property(reply, name, p);
                if (r >= 0)
                        r = sd_bus_message_exit_container(reply);
                if (r < 0)
                        return r;
        }
        return r < 0 ? r : sd_bus_message_exit_container(reply);
}

/* nspawn tells its payload what it is; other services are taken by their own name. */
static int make_environment(const MachineProperties *p, char ***ret)
{
        _cleanup_strv_ char **environment = NULL;
        _cleanup_free_ char *variable = NULL;
        const char *service = p->service && *p->service ? p->service : "unknown";
        int r;

        if (strcmp(service, "nspawn") == 0)
                service = "systemd-nspawn";
        variable = malloc(strlen("container=") + strlen(service) + 1);
        if (!variable)
                return -ENOMEM;
        strcpy(stpcpy(variable, "container="), service);
        r = strv_consume(&environment, TAKE_PTR(variable));
        if (r < 0)
                return r;
        *ret = TAKE_PTR(environment);
        return 0;
}

/* A user may register processes of his own; what shares our user namespace is not only his. */
static int check_owner(const MachineProperties *p, const Leader *leader, Refusal *reterr)
{
        if (p->uid != 0 && leader->namespaces.inode[NS_USER] == namespaces_own()->inode[NS_USER])
                return refuse(reterr, REFUSAL_DENIED, EPERM,
                              "registered by uid %u, but its leader is in the host's user namespace",
                              p->uid);
        return 0;
}

static int add_machine(Machined *m, const char *name, const MachineProperties *p, Refusal *reterr)
{
        _cleanup_(container_unrefp) Container *c = NULL;
        _cleanup_(leader_unrefp) Leader *leader = NULL;
        _cleanup_strv_ char **environment = NULL;
        int r;

        if (p->leader <= 1)
                return -ESRCH;
        r = leader_open_machine((pid_t) p->leader, &leader, reterr);
        if (r >= 0)
                r = check_owner(p, leader, reterr);
        if (r >= 0)
                r = make_environment(p, &environment);
        if (r >= 0)
                r = container_new(
                        &(ContainerFacts){
                                .name = name,
                                .kind = KIND,
                                .image = p->root,
                                .unit = p->unit,
                                .created_usec = p->timestamp,
                                .environment = environment,
                        },
                        leader, &c);
        if (r < 0)
                return r;

        container_table_add(m->table, c);
        if (m->primed)
                m->events->on_new(m->userdata, c);
        return 0;
}

static int on_retry(sd_event_source *s, uint64_t usec, void *userdata)
{
        Machined *m = userdata;

        m->retry = sd_event_source_unref(m->retry);
        (void) machined_refresh(m, NULL, NULL);
        return 0;
}

static void retry_later(Machined *m)
{
        if (m->retry || m->n_retries++ >= RETRIES_MAX)
                return;
        (void) sd_event_add_time_relative(sd_bus_get_event(m->bus), &m->retry, CLOCK_MONOTONIC, RETRY_USEC,
                                          0, on_retry, m);
}

static int on_properties(sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        Query *q = userdata;
        Machined *m = q->machined;
        MachineProperties p = {0};
        int r;

        if (!sd_bus_message_is_method_error(reply, NULL)) {
                r = read_properties(reply, &p);
                if (r >= 0 && p.class && strcmp(p.class, "container") == 0)
                        r = add_machine(m, q->name, &p, &refusal);
                if (r == -EAGAIN)
                        retry_later(m);
                if (r < 0 && refusal.kind == REFUSAL_NONE)
                        refuse(&refusal, r == -ESRCH ? REFUSAL_NOT_RUNNING : REFUSAL_INTERNAL, r,
                               "cannot be looked at: %s", strerrordesc_np(-r));
                if (r < 0)
                        reject(m, q->name, r, &refusal);
        }
        query_free(q);
        refresh_maybe_done(m);
        return 0;
}

static int query_start(Machined *m, const char *name, const char *path)
{
        Query *q = calloc(1, sizeof(*q));
        int r;

        if (!q)
                return -ENOMEM;
        q->machined = m;
        list_append(&m->queries, &q->node);
        q->name = strdup(name);
        r = q->name ? sd_bus_call_method_async(m->bus, &q->slot, MACHINED_NAME, path,
                                               "org.freedesktop.DBus.Properties", "GetAll", on_properties, q,
                                               "s", MACHINED_MACHINE)
                    : -ENOMEM;
        if (r < 0)
                query_free(q);
        return r;
}

static void forget(Machined *m, Container *c)
{
        container_ref(c);
        container_table_remove(m->table, c);
        m->events->on_removed(m->userdata, c);
        container_unref(c);
}

static void forget_dead(Machined *m)
{
        LIST_FOREACH_SAFE (n, &m->table->containers) {
                Container *c = LIST_ENTRY(n, Container, node);

                if (strcmp(c->kind, KIND) == 0 && !container_is_alive(c))
                        forget(m, c);
        }
}

static int take_machines(Machined *m, sd_bus_message *reply)
{
        const char *name, *class, *path;
        int r;

        r = sd_bus_message_enter_container(reply, 'a', "(ssso)");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_read(reply, "(ssso)", &name, &class, NULL, &path)) > 0) {
                /* ".host" is the host. */
                if (name[0] == '.' || strcmp(class, "container") != 0)
                        continue;
                if (container_table_by_name(m->table, KIND, name))
                        continue;
                r = query_start(m, name, path);
                if (r < 0)
                        return r;
        }
        return r;
}

static int on_list(sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        const sd_bus_error *e = sd_bus_message_get_error(reply);
        Machined *m = userdata;
        int r = 0;

        m->slot_list = sd_bus_slot_unref(m->slot_list);
        rejected_clear(m);
        forget_dead(m);

        if (e && !sd_bus_error_has_name(e, SD_BUS_ERROR_SERVICE_UNKNOWN) &&
            !sd_bus_error_has_name(e, SD_BUS_ERROR_NAME_HAS_NO_OWNER))
                refuse(&m->failure, REFUSAL_UNAVAILABLE, EIO, "systemd-machined does not answer: %s",
                       e->message ?: e->name);
        else if (!e)
                r = take_machines(m, reply);
        if (r < 0)
                refuse(&m->failure, REFUSAL_UNAVAILABLE, r, "systemd-machined's answer cannot be read");
        refresh_maybe_done(m);
        return 0;
}

/* Calls back from the loop, as the callers were promised. */
static int on_no_list(sd_event_source *s, void *userdata)
{
        Machined *m = userdata;

        sd_event_source_disable_unref(s);
        refresh_maybe_done(m);
        return 0;
}

static void refresh_start(Machined *m)
{
        sd_event_source *later = NULL;
        int r;

        m->running = true;
        m->waiting = m->next;
        m->next = (List){0};
        r = sd_bus_call_method_async(m->bus, &m->slot_list, MACHINED_NAME, MACHINED_PATH, MACHINED_MANAGER,
                                     "ListMachines", on_list, m, NULL);
        if (r >= 0)
                return;
        refuse(&m->failure, REFUSAL_UNAVAILABLE, r, "the system bus is not there: %s", strerrordesc_np(-r));
        (void) sd_event_add_defer(sd_bus_get_event(m->bus), &later, on_no_list, m);
}

static void ignore_refresh(void *userdata, const Refusal *refusal)
{
}

static int refresh_add(Machined *m, MachinedRefreshed callback, void *userdata)
{
        Waiter *w = calloc(1, sizeof(*w));

        if (!w)
                return -ENOMEM;
        w->callback = callback ?: ignore_refresh;
        w->userdata = userdata;
        list_append(&m->next, &w->node);
        return 0;
}

int machined_refresh(Machined *m, MachinedRefreshed callback, void *userdata)
{
        int r = refresh_add(m, callback, userdata);

        if (r >= 0 && !m->running)
                refresh_start(m);
        return r;
}

int machined_refresh_later(Machined *m, MachinedRefreshed callback, void *userdata)
{
        return m->retry ? refresh_add(m, callback, userdata) : -EAGAIN;
}

static void cancel_in(List *l, void *userdata)
{
        LIST_FOREACH_SAFE (n, l) {
                Waiter *w = LIST_ENTRY(n, Waiter, node);

                if (!userdata || w->userdata == userdata) {
                        list_remove(l, n);
                        free(w);
                }
        }
}

void machined_cancel(Machined *m, void *userdata)
{
        cancel_in(&m->waiting, userdata);
        cancel_in(&m->next, userdata);
}

static int on_machine_new(sd_bus_message *signal, void *userdata, sd_bus_error *error)
{
        Machined *m = userdata;

        m->n_retries = 0;
        (void) machined_refresh(m, NULL, NULL);
        return 0;
}

static int on_machine_removed(sd_bus_message *signal, void *userdata, sd_bus_error *error)
{
        Machined *m = userdata;
        const char *name;
        Container *c;

        if (sd_bus_message_read(signal, "s", &name) < 0)
                return 0;
        c = container_table_by_name(m->table, KIND, name);
        if (c)
                forget(m, c);
        return 0;
}

int machined_new(sd_bus *bus, ContainerTable *table, const ContainerEvents *events, void *userdata,
                 Machined **ret)
{
        _cleanup_(machined_freep) Machined *m = calloc(1, sizeof(*m));
        int r;

        if (!m)
                return -ENOMEM;
        *m = (Machined){.bus = bus, .table = table, .events = events, .userdata = userdata};
        r = sd_bus_match_signal_async(bus, &m->slot_new, MACHINED_NAME, MACHINED_PATH, MACHINED_MANAGER,
                                      "MachineNew", on_machine_new, NULL, m);
        if (r >= 0)
                r = sd_bus_match_signal_async(bus, &m->slot_removed, MACHINED_NAME, MACHINED_PATH,
                                              MACHINED_MANAGER, "MachineRemoved", on_machine_removed, NULL,
                                              m);
        if (r >= 0)
                r = machined_refresh(m, NULL, NULL);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(m);
        return 0;
}

Machined *machined_free(Machined *m)
{
        if (!m)
                return NULL;
        sd_bus_slot_unref(m->slot_new);
        sd_bus_slot_unref(m->slot_removed);
        sd_bus_slot_unref(m->slot_list);
        sd_event_source_disable_unref(m->retry);
        LIST_FOREACH_SAFE (n, &m->queries)
                query_free(LIST_ENTRY(n, Query, node));
        cancel_in(&m->waiting, NULL);
        cancel_in(&m->next, NULL);
        rejected_clear(m);
        refusal_done(&m->failure);
        free(m);
        return NULL;
}
