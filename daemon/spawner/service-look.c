/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A look at a service asks systemd three things: which unit has the name (units that are not loaded stay so),
 * all properties of that unit, and, once the main process was opened, whether it still is the main process.
 * The properties describe the process of the pidfd only if the main process is the same before and after.
 */

#include "spawner/service-look.h"

#include <stdio.h>
#include <string.h>

#include "base/strv.h"
#include "spawner/leader-look.h"
#include "spawner/service-properties.h"
#include "wire/service-name.h"

#define SYSTEMD_NAME    "org.freedesktop.systemd1"
#define SYSTEMD_PATH    "/org/freedesktop/systemd1"
#define SYSTEMD_MANAGER "org.freedesktop.systemd1.Manager"
#define SYSTEMD_SERVICE "org.freedesktop.systemd1.Service"
#define BUS_PROPERTIES  "org.freedesktop.DBus.Properties"

/* The bus does not take many more calls of one connection that are not answered yet. */
#define LOOKS_MAX 16
#define USER_SIZE 32

/* A service that is being looked at. */
typedef struct Look {
        ListNode node;
        ServiceLooks *looks; /* weak */
        char *reference;     /* the requested name; NULL: one of all */
        char *path;          /* of the unit's object; NULL until it is known */
        sd_bus_slot *slot;
        sd_bus_message *properties; /* while the main process is looked at */
        LeaderLook leader;
        bool is_slow;     /* that one keeps us waiting, and no round waits for it */
        Container *found; /* owned; until it is confirmed */
} Look;

static Look *look_free(Look *l)
{
        if (!l)
                return NULL;
        sd_bus_slot_unref(l->slot);
        sd_bus_message_unref(l->properties);
        leader_look_cancel(&l->leader);
        container_unref(l->found);
        free(l->reference);
        free(l->path);
        free(l);
        return NULL;
}
DEFINE_CLEANUP(Look, look_free);

int service_looks_add(ServiceLooks *s, const char *reference, const char *path)
{
        _cleanup_(look_freep) Look *l = calloc(1, sizeof(*l));

        if (!l)
                return -ENOMEM;
        l->looks = s;
        l->reference = reference ? strdup(reference) : NULL;
        l->path = path ? strdup(path) : NULL;
        if ((reference && !l->reference) || (path && !l->path))
                return -ENOMEM;
        list_append(&s->queued, &TAKE_PTR(l)->node);
        return 0;
}

static void run_next(ServiceLooks *s);

static void look_end(Look *l)
{
        ServiceLooks *s = l->looks;

        if (l->is_slow) {
                list_remove(&s->slow, &l->node);
                look_free(l);
                /* A request may wait for another round. */
                provider_changed(s->provider);
                return;
        }
        list_remove(&s->running, &l->node);
        s->n_running--;
        look_free(l);
        run_next(s);
}

/* Each round forgets earlier rejections, and another one may come before the one that a request waits for. */
static void look_again(ServiceLooks *s, const char *reference)
{
        STRV_FOREACH (other, s->again)
                if (strcmp(*other, reference) == 0)
                        return;
        (void) strv_append(&s->again, reference);
}

/* The request is for all services: this one is not listed. */
static void look_reject(Look *l, const char *name, int error, Refusal *refusal)
{
        ServiceLooks *s = l->looks;
        Container *known =
                name ? container_table_by_name(s->provider->all->table, SERVICE_KIND, name) : NULL;

        if (known)
                container_table_forget(s->provider->all->table, known);
        if (l->reference && error == -EAGAIN)
                look_again(s, l->reference);
        if (l->reference)
                provider_reject(s->provider, l->reference, error, refusal);
        look_end(l);
}

static bool is_unknown_unit(const sd_bus_error *e)
{
        return sd_bus_error_has_name(e, "org.freedesktop.systemd1.NoSuchUnit") ||
               sd_bus_error_has_name(e, "org.freedesktop.systemd1.NoUnitForInvocationID") ||
               sd_bus_error_has_name(e, SD_BUS_ERROR_UNKNOWN_OBJECT);
}

static void look_fail(Look *l, const sd_bus_error *e)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;

        if (is_unknown_unit(e)) {
                look_end(l);
                return;
        }
        refuse(&refusal, REFUSAL_UNAVAILABLE, EIO, "systemd does not answer: %s", e->message ?: e->name);
        look_reject(l, NULL, -EIO, &refusal);
}

/* The user of a command that names none, in the ids of the service's user namespace. */
static int describe_user(const Leader *leader, char ret_user[static USER_SIZE], Refusal *reterr)
{
        IdMapping uids[PROC_MAPPINGS_MAX], gids[PROC_MAPPINGS_MAX];
        int n_uids = leader_facts_uid_map(&leader->found, uids),
            n_gids = leader_facts_gid_map(&leader->found, gids);
        uint32_t uid, gid;

        if (n_uids < 0 || n_gids < 0)
                return MIN(n_uids, n_gids);
        uid = id_map_to_inside(uids, (size_t) n_uids, leader->found.status.uid);
        gid = id_map_to_inside(gids, (size_t) n_gids, leader->found.status.gid);
        if (uid == PROC_ID_INVALID || gid == PROC_ID_INVALID)
                return refuse(reterr, REFUSAL_UNSUPPORTED, EPERM,
                              "the user of the main process does not exist in its user namespace");
        snprintf(ret_user, USER_SIZE, "%u:%u", uid, gid);
        return 0;
}

static int make_container(const ServiceProperties *p, Leader *leader, Container **ret, Refusal *reterr)
{
        const ProcStatus *status = &leader->found.status;
        char id[SERVICE_ID_SIZE], user[USER_SIZE];
        const char *image = NULL;
        int r;

        r = describe_user(leader, user, reterr);
        if (r < 0)
                return r;
        service_id_make(p->invocation, id);
        if (p->root_image && *p->root_image)
                image = p->root_image;
        else
                image = p->root_directory && *p->root_directory ? p->root_directory : p->fragment;
        return container_new(
                &(ContainerFacts){
                        .id = id,
                        .name = p->id,
                        .kind = SERVICE_KIND,
                        .image = image,
                        .unit = p->id,
                        .created_usec = p->created_usec,
                        .user = user,
                        .environment = p->environment,
                        .aliases = p->names,
                        .is_activating = !service_properties_are_active(p),
                        .denies_exec_memory = p->denies_exec_memory,
                        .is_other_user = !service_properties_name_user(p, status->uid, status->gid),
                },
                leader, ret);
}

/* PID 1 names the process of our pidfd, which lives: its pid has not been given to another. */
static bool is_same_run(const Container *c, const ServiceProperties *p)
{
        char id[SERVICE_ID_SIZE];
        uid_t uid;

        service_id_make(p->invocation, id);
        return strcmp(c->id, id) == 0 && (uint32_t) c->leader->pid == p->main_pid && container_is_alive(c) &&
               leader_uid(c->leader, &uid) >= 0 && uid == c->leader_uid;
}

static void look_confirmed(Look *l)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        ServiceLooks *s = l->looks;
        Container *known = container_table_by_name(s->provider->all->table, SERVICE_KIND, l->found->name);
        int r;

        if (known)
                container_table_forget(s->provider->all->table, known);
        r = container_is_alive(l->found) ? provider_add(s->provider, l->found) : -ESRCH;
        if (r < 0)
                look_reject(l, NULL, r, &refusal);
        else
                look_end(l);
}

static int on_main_pid(sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        const sd_bus_error *e = sd_bus_message_get_error(reply);
        Look *l = userdata;
        uint32_t pid = 0;

        l->slot = sd_bus_slot_unref(l->slot);
        if (e)
                look_fail(l, e);
        else if (sd_bus_message_read(reply, "v", "u", &pid) < 0 || (pid_t) pid != l->found->leader->pid) {
                refuse(&refusal, REFUSAL_NOT_RUNNING, EAGAIN, "the service is changing its main process");
                look_reject(l, l->found->name, -EAGAIN, &refusal);
        } else
                look_confirmed(l);
        return 0;
}

static int look_ask_main_pid(Look *l, sd_bus_message_handler_t callback)
{
        return sd_bus_call_method_async(l->looks->provider->all->bus, &l->slot, SYSTEMD_NAME, l->path,
                                        BUS_PROPERTIES, "Get", callback, l, "ss", SYSTEMD_SERVICE,
                                        "MainPID");
}

static void on_leader(void *userdata, Leader *leader, int error, Refusal *refusal)
{
        _cleanup_(service_properties_done) ServiceProperties p = {0};
        Look *l = userdata;
        int r = error;

        if (r >= 0)
                r = sd_bus_message_rewind(l->properties, true);
        if (r >= 0)
                r = service_properties_read(l->properties, &p);
        if (r >= 0)
                r = make_container(&p, leader, &l->found, refusal);
        l->properties = sd_bus_message_unref(l->properties);
        if (r >= 0)
                r = look_ask_main_pid(l, on_main_pid);
        if (r < 0)
                look_reject(l, p.id, r, refusal);
}

static void reject_slow(ServiceLooks *s, const char *reference)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;

        if (!reference)
                return;
        look_again(s, reference);
        provider_reject(s->provider, reference, leader_look_refuse_slow(&refusal), &refusal);
}

/* The round goes on without it. */
static void on_slow(void *userdata)
{
        Look *l = userdata;
        ServiceLooks *s = l->looks;

        list_remove(&s->running, &l->node);
        s->n_running--;
        l->is_slow = true;
        list_append(&s->slow, &l->node);
        reject_slow(s, l->reference);
        run_next(s);
}

static int look_at_leader(Look *l, sd_bus_message *reply, const ServiceProperties *p, Refusal *reterr)
{
        l->properties = sd_bus_message_ref(reply);
        l->leader = (LeaderLook){.on_found = on_leader, .on_slow = on_slow, .userdata = l};
        return leader_look_start(&l->leader,
                                 &(LeaderQuery){
                                         .kind = LEADER_SERVICE,
                                         .pid = (pid_t) p->main_pid,
                                         .unit_cgroup = p->control_group,
                                 },
                                 reterr);
}

static int look_take(Look *l, sd_bus_message *reply, const ServiceProperties *p, Refusal *reterr)
{
        Container *known = container_table_by_name(l->looks->provider->all->table, SERVICE_KIND, p->id);
        int r;

        r = service_properties_check(p, reterr);
        if (r < 0)
                return r;
        if (known && is_same_run(known, p)) {
                look_end(l);
                return 0;
        }
        return look_at_leader(l, reply, p, reterr);
}

static int on_properties(sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        _cleanup_(service_properties_done) ServiceProperties p = {0};
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        const sd_bus_error *e = sd_bus_message_get_error(reply);
        Look *l = userdata;
        int r;

        l->slot = sd_bus_slot_unref(l->slot);
        if (e) {
                look_fail(l, e);
                return 0;
        }
        r = service_properties_read(reply, &p);
        if (r < 0)
                refuse(&refusal, REFUSAL_UNAVAILABLE, r, "invalid reply from systemd");
        else
                r = look_take(l, reply, &p, &refusal);
        if (r < 0)
                look_reject(l, p.id, r, &refusal);
        return 0;
}

static int look_ask_properties(Look *l)
{
        return sd_bus_call_method_async(l->looks->provider->all->bus, &l->slot, SYSTEMD_NAME, l->path,
                                        BUS_PROPERTIES, "GetAll", on_properties, l, "s", "");
}

/* The process of our pidfd lives, so that its number is not another's: it still is the main process, and the
 * facts found before hold. */
static int on_known(sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        Look *l = userdata;
        uint32_t pid = 0;
        uid_t uid;
        int r;

        l->slot = sd_bus_slot_unref(l->slot);
        if (!sd_bus_message_is_method_error(reply, NULL) &&
            sd_bus_message_read(reply, "v", "u", &pid) >= 0 && (pid_t) pid == l->found->leader->pid &&
            container_is_alive(l->found) && leader_uid(l->found->leader, &uid) >= 0 &&
            uid == l->found->leader_uid) {
                look_end(l);
                return 0;
        }
        l->found = container_unref(l->found);
        r = look_ask_properties(l);
        if (r < 0)
                look_reject(l, NULL, r, &refusal);
        return 0;
}

/* All properties are much for systemd to say: not again of a service that is known. */
static int look_at_unit(Look *l)
{
        LIST_FOREACH (Container, c, &l->looks->provider->all->table->containers, node) {
                if (!container_is_service(c) || !container_has_name(c, l->reference))
                        continue;
                l->found = container_ref(c);
                return look_ask_main_pid(l, on_known);
        }
        return look_ask_properties(l);
}

static int on_unit(sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        const sd_bus_error *e = sd_bus_message_get_error(reply);
        Look *l = userdata;
        const char *path;
        int r;

        l->slot = sd_bus_slot_unref(l->slot);
        if (e) {
                look_fail(l, e);
                return 0;
        }
        r = sd_bus_message_read(reply, "o", &path);
        if (r >= 0) {
                l->path = strdup(path);
                r = l->path ? look_at_unit(l) : -ENOMEM;
        }
        if (r < 0)
                look_reject(l, NULL, r, &refusal);
        return 0;
}

static int look_ask_unit(Look *l)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        uint8_t invocation[SERVICE_INVOCATION];
        sd_bus *bus = l->looks->provider->all->bus;
        int r;

        if (service_id_parse(l->reference, invocation) < 0)
                return sd_bus_call_method_async(bus, &l->slot, SYSTEMD_NAME, SYSTEMD_PATH, SYSTEMD_MANAGER,
                                                "GetUnit", on_unit, l, "s", l->reference);
        r = sd_bus_message_new_method_call(bus, &m, SYSTEMD_NAME, SYSTEMD_PATH, SYSTEMD_MANAGER,
                                           "GetUnitByInvocationID");
        if (r >= 0)
                r = sd_bus_message_append_array(m, 'y', invocation, sizeof(invocation));
        return r < 0 ? r : sd_bus_call_async(bus, &l->slot, m, on_unit, l, 0);
}

static bool is_same(const char *a, const char *b)
{
        return a && b && strcmp(a, b) == 0;
}

static void look_run(Look *l)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        ServiceLooks *s = l->looks;
        int r;

        list_remove(&s->queued, &l->node);
        if (LIST_FIND(Look, slow, &s->slow, node,
                      is_same(slow->reference, l->reference) || is_same(slow->path, l->path))) {
                reject_slow(s, l->reference);
                look_free(l);
                return;
        }
        list_append(&s->running, &l->node);
        s->n_running++;
        r = l->path ? look_ask_properties(l) : look_ask_unit(l);
        if (r < 0)
                look_reject(l, NULL, r, &refusal);
}

void service_looks_run(ServiceLooks *s)
{
        while (s->n_running < LOOKS_MAX && s->queued.first)
                look_run(LIST_ENTRY(s->queued.first, Look, node));
}

static void run_next(ServiceLooks *s)
{
        service_looks_run(s);
        if (service_looks_are_done(s))
                s->on_done(s->provider);
}

bool service_looks_are_done(const ServiceLooks *s)
{
        return list_is_empty(&s->queued) && list_is_empty(&s->running);
}

void service_looks_clear(ServiceLooks *s)
{
        LIST_FOREACH (Look, l, &s->queued, node)
                look_free(l);
        LIST_FOREACH (Look, l, &s->running, node)
                look_free(l);
        LIST_FOREACH (Look, l, &s->slow, node)
                look_free(l);
        s->again = strv_free(s->again);
}
