/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A refresh is ListMachines, then the properties of each machine that is not known yet, side by side but not too
 * many at a time: the bus refuses a connection that waits for more than 128 answers.
 * Machines that ended need not be looked for: machined reports them, and the table sees leaders die.
 */

#include "spawner/container-machined.h"

#include <string.h>

#include "base/bus-dict.h"
#include "base/strv.h"
#include "base/time.h"
#include "spawner/cgroup.h"
#include "spawner/leader-look.h"
#include "spawner/proc-parse.h"

#define MACHINED_NAME    "org.freedesktop.machine1"
#define MACHINED_PATH    "/org/freedesktop/machine1"
#define MACHINED_MANAGER "org.freedesktop.machine1.Manager"
#define MACHINED_MACHINE "org.freedesktop.machine1.Machine"
#define KIND             "machine"

#define NO_SUCH_MACHINE  "org.freedesktop.machine1.NoSuchMachine"
#define QUERIES_MAX      32

/* Others wait for it meanwhile, for a name may be a machine's. One that has not answered the last time is
 * given less. */
#define ANSWER_USEC  (5 * USEC_PER_SEC)
#define FAILING_USEC (500 * USEC_PER_MSEC)

typedef struct Machined Machined;

/* A machine whose properties are being asked for, and then its leader looked at. */
typedef struct Query {
        ListNode node;
        Machined *machined; /* weak */
        char *name;
        char *path; /* NULL: it has been asked for */
        sd_bus_slot *slot;
        sd_bus_message *properties;
        LeaderLook look;
        bool is_slow; /* its leader keeps us waiting, and no round waits for it */
} Query;

struct Machined {
        Provider provider;
        sd_bus *bus;           /* weak */
        ContainerTable *table; /* weak */
        sd_bus_slot *slot_new, *slot_removed, *slot_list;
        List queries;
        unsigned n_asking; /* so many have a slot */
        Refusal failure;   /* of the running refresh */
};

static void query_answered(Query *q)
{
        if (!q->slot)
                return;
        q->slot = sd_bus_slot_unref(q->slot);
        q->machined->n_asking--;
}

static Query *query_free(Query *q)
{
        list_remove(&q->machined->queries, &q->node);
        query_answered(q);
        sd_bus_message_unref(q->properties);
        leader_look_cancel(&q->look);
        free(q->name);
        free(q->path);
        free(q);
        return NULL;
}

static Query *query_find(const Machined *m, const char *name)
{
        return LIST_FIND(Query, q, &m->queries, node, strcmp(q->name, name) == 0);
}

static void refresh_maybe_done(Machined *m)
{
        if (m->provider.is_running && !m->slot_list && !LIST_FIND(Query, q, &m->queries, node, !q->is_slow))
                provider_refreshed(&m->provider, &m->failure);
}

typedef struct MachineProperties {
        const char *class, *service, *unit, *root;
        uint32_t leader, uid;
        uint64_t timestamp;
} MachineProperties;

static int read_property(sd_bus_message *reply, const char *name, void *userdata)
{
        MachineProperties *p = userdata;
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

/* A user may register processes of his own; a process that shares our user namespace is not only his. */
static int check_owner(const MachineProperties *p, const Leader *leader, Refusal *reterr)
{
        if (p->uid != 0 && leader->found.namespaces.inode[NS_USER] == namespaces_own()->inode[NS_USER])
                return refuse(reterr, REFUSAL_DENIED, EPERM,
                              "registered by uid %u, but its leader is in the host's user namespace",
                              p->uid);
        return 0;
}

/* machined knows its leader by the number, which may be another process's by now. */
static int check_unit(const MachineProperties *p, const Leader *leader, Refusal *reterr)
{
        _cleanup_free_ char *path = NULL, *init = NULL;
        int r;

        if (!p->unit || !*p->unit)
                return 0;
        r = leader_cgroup(leader, &path);
        /* Not in the unified hierarchy. */
        if (r == -ENODATA)
                return 0;
        if (r >= 0)
                r = cgroup_of(1, &init);
        if (r < 0 || cgroup_path_is_in_unit(path, init, p->unit))
                return r;
        return refuse(reterr, REFUSAL_DENIED, EPERM,
                      "its leader is not in the control group of its unit %s, but in %s", p->unit, path);
}

static int add_machine(Machined *m, const char *name, const MachineProperties *p, Leader *leader,
                       Refusal *reterr)
{
        _cleanup_(container_unrefp) Container *c = NULL;
        _cleanup_strv_ char **environment = NULL;
        int r;

        if (container_table_by_name(m->table, KIND, name))
                return 0;
        r = check_owner(p, leader, reterr);
        if (r >= 0)
                r = check_unit(p, leader, reterr);
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
        return r < 0 ? r : provider_add(&m->provider, c);
}

static void query_end(Query *q, int error, Refusal *refusal)
{
        Machined *m = q->machined;

        if (error < 0)
                provider_reject(&m->provider, q->name, error, refusal);
        /* A request may wait for another round. */
        if (q->is_slow)
                provider_changed(&m->provider);
        query_free(q);
        refresh_maybe_done(m);
}

static void on_leader(void *userdata, Leader *leader, int error, Refusal *refusal)
{
        MachineProperties p = {0};
        Query *q = userdata;
        int r = error;

        if (r >= 0)
                r = sd_bus_message_rewind(q->properties, true);
        if (r >= 0)
                r = bus_read_dict(q->properties, read_property, &p);
        if (r >= 0)
                r = add_machine(q->machined, q->name, &p, leader, refusal);
        query_end(q, r, refusal);
}

static void query_reject_slow(Query *q)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;

        provider_reject(&q->machined->provider, q->name, leader_look_refuse_slow(&refusal), &refusal);
}

static void on_slow(void *userdata)
{
        Query *q = userdata;

        q->is_slow = true;
        query_reject_slow(q);
        refresh_maybe_done(q->machined);
}

static int query_look(Query *q, sd_bus_message *reply, const MachineProperties *p, Refusal *reterr)
{
        if (p->leader <= 1)
                return -ESRCH;
        q->properties = sd_bus_message_ref(reply);
        q->look = (LeaderLook){.on_found = on_leader, .on_slow = on_slow, .userdata = q};
        return leader_look_start(&q->look, &(LeaderQuery){.kind = LEADER_MACHINE, .pid = (pid_t) p->leader},
                                 reterr);
}

static void queries_send(Machined *m);

static int on_properties(sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        const sd_bus_error *e = sd_bus_message_get_error(reply);
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        Query *q = userdata;
        Machined *m = q->machined;
        MachineProperties p = {0};
        int r = 0;

        query_answered(q);
        queries_send(m);
        /* It exists, and must not be taken for one that has ended. */
        if (e && !sd_bus_error_has_name(e, NO_SUCH_MACHINE) &&
            !sd_bus_error_has_name(e, SD_BUS_ERROR_UNKNOWN_OBJECT))
                refuse(&m->failure, REFUSAL_UNAVAILABLE, EIO,
                       "failed to get the properties of %s from systemd-machined: %s", q->name,
                       e->message ?: e->name);
        if (!sd_bus_message_is_method_error(reply, NULL)) {
                r = bus_read_dict(reply, read_property, &p);
                if (r >= 0 && p.class && strcmp(p.class, "container") == 0) {
                        r = query_look(q, reply, &p, &refusal);
                        if (r >= 0)
                                return 0;
                }
        }
        query_end(q, r, &refusal);
        return 0;
}

/* A method without arguments, or with one text. */
static int machined_ask(Machined *m, const char *path, const char *interface, const char *method,
                        const char *argument, sd_bus_message_handler_t on_answer, void *userdata,
                        sd_bus_slot **ret)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        uint64_t usec = m->provider.is_failing ? FAILING_USEC : ANSWER_USEC;
        int r;

        r = sd_bus_message_new_method_call(m->bus, &call, MACHINED_NAME, path, interface, method);
        if (r >= 0 && argument)
                r = sd_bus_message_append(call, "s", argument);
        return r < 0 ? r : sd_bus_call_async(m->bus, ret, call, on_answer, userdata, usec);
}

static int query_send(Query *q)
{
        int r = machined_ask(q->machined, q->path, "org.freedesktop.DBus.Properties", "GetAll",
                             MACHINED_MACHINE, on_properties, q, &q->slot);

        q->path = mfree(q->path);
        if (r >= 0)
                q->machined->n_asking++;
        return r;
}

static void queries_send(Machined *m)
{
        LIST_FOREACH (Query, q, &m->queries, node) {
                int r;

                if (m->n_asking >= QUERIES_MAX)
                        break;
                if (!q->path)
                        continue;
                r = query_send(q);
                if (r >= 0)
                        continue;
                refuse(&m->failure, REFUSAL_UNAVAILABLE, r, "failed to ask for %s: %s", q->name,
                       strerrordesc_np(-r));
                query_free(q);
        }
}

static int query_new(Machined *m, const char *name, const char *path)
{
        Query *q = calloc(1, sizeof(*q));

        if (!q)
                return -ENOMEM;
        q->machined = m;
        list_append(&m->queries, &q->node);
        q->name = strdup(name);
        q->path = strdup(path);
        if (q->name && q->path)
                return 0;
        query_free(q);
        return -ENOMEM;
}

static int take_machines(Machined *m, sd_bus_message *reply)
{
        const char *name, *class, *path;
        Query *q;
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
                q = query_find(m, name);
                if (q) {
                        query_reject_slow(q);
                        continue;
                }
                r = query_new(m, name, path);
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
        if (e && !sd_bus_error_has_name(e, SD_BUS_ERROR_SERVICE_UNKNOWN) &&
            !sd_bus_error_has_name(e, SD_BUS_ERROR_NAME_HAS_NO_OWNER))
                refuse(&m->failure, REFUSAL_UNAVAILABLE, EIO, "systemd-machined does not answer: %s",
                       e->message ?: e->name);
        else if (!e)
                r = take_machines(m, reply);
        if (r < 0)
                refuse(&m->failure, REFUSAL_UNAVAILABLE, r, "invalid reply from systemd-machined");
        queries_send(m);
        refresh_maybe_done(m);
        return 0;
}

static void machined_refresh(Provider *p)
{
        Machined *m = (Machined *) p;
        int r;

        r = machined_ask(m, MACHINED_PATH, MACHINED_MANAGER, "ListMachines", NULL, on_list, m,
                         &m->slot_list);
        if (r >= 0)
                return;
        refuse(&m->failure, REFUSAL_UNAVAILABLE, r, "not connected to the system bus: %s",
               strerrordesc_np(-r));
        refresh_maybe_done(m);
}

static int on_machine_new(sd_bus_message *signal, void *userdata, sd_bus_error *error)
{
        Machined *m = userdata;

        provider_changed(&m->provider);
        return 0;
}

static int on_machine_removed(sd_bus_message *signal, void *userdata, sd_bus_error *error)
{
        Machined *m = userdata;
        const char *name;
        Container *c;
        Query *q;

        if (sd_bus_message_read(signal, "s", &name) < 0)
                return 0;
        q = query_find(m, name);
        if (q && q->is_slow)
                query_free(q);
        c = container_table_by_name(m->table, KIND, name);
        if (c)
                container_table_forget(m->table, c);
        return 0;
}

static Provider *machined_free(Provider *p)
{
        Machined *m = (Machined *) p;

        if (!m)
                return NULL;
        sd_bus_slot_unref(m->slot_new);
        sd_bus_slot_unref(m->slot_removed);
        sd_bus_slot_unref(m->slot_list);
        LIST_FOREACH (Query, q, &m->queries, node)
                query_free(q);
        refusal_done(&m->failure);
        free(m);
        return NULL;
}

static int machined_new(Providers *all, Provider **ret)
{
        Machined *m = calloc(1, sizeof(*m));
        int r;

        if (!m)
                return -ENOMEM;
        m->bus = all->bus;
        m->table = all->table;
        r = sd_bus_match_signal_async(m->bus, &m->slot_new, MACHINED_NAME, MACHINED_PATH, MACHINED_MANAGER,
                                      "MachineNew", on_machine_new, NULL, m);
        if (r >= 0)
                r = sd_bus_match_signal_async(m->bus, &m->slot_removed, MACHINED_NAME, MACHINED_PATH,
                                              MACHINED_MANAGER, "MachineRemoved", on_machine_removed, NULL,
                                              m);
        if (r < 0) {
                machined_free(&m->provider);
                return r;
        }
        *ret = &m->provider;
        return 0;
}

const ProviderType machined_provider = {
        .name = "systemd-machined",
        .new = machined_new,
        .free = machined_free,
        .refresh = machined_refresh,
};
