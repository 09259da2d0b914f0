/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/exec-create.h"

#include <string.h>

#include "base/log.h"
#include "base/strv.h"
#include "core/audit.h"
#include "core/authz.h"
#include "core/exec-recording.h"
#include "core/exec-start.h"
#include "core/manager.h"
#include "wire/user-spec.h"

struct ExecCreation {
        Manager *manager; /* weak */
        Peer *peer;
        char *reference;
        ExecRequest *request; /* owned until the exec has it */
        uint64_t charged;     /* bytes of it, until they are the exec's */
        char **warnings;      /* the same */
        Exec *exec;
        bool interactive;
        bool finished;
        sd_bus_slot *slot;
        Authz *authz;
        JournalRecord *record;
        RecorderQuestion *probe;
        exec_created_t callback;
        void *userdata;
};

/* A request can have many times the size of the message that it was read from. */
static int creation_charge(ExecCreation *c, Refusal *reterr)
{
        Budget *b = &c->manager->memory_budget;
        size_t size = exec_request_size(c->request);

        if (!budget_take(b, c->peer->uid, size))
                return budget_refuse(b, c->peer->uid, REFUSAL_BUSY, reterr);
        c->charged = size;
        return 0;
}

static void creation_discharge(ExecCreation *c)
{
        budget_give(&c->manager->memory_budget, c->peer->uid, c->charged);
        c->charged = 0;
}

ExecCreation *exec_creation_free(ExecCreation *c)
{
        if (!c)
                return NULL;
        creation_discharge(c);
        authz_free(c->authz);
        /* The creation was given up while a runner was prepared for it: the runner is not needed. */
        if (c->exec && !c->finished && (c->slot || c->exec->prepare_slot || c->record))
                spawner_drop(c->manager->spawner, c->exec->id);
        c->slot = sd_bus_slot_unref(c->slot);
        journal_wait_free(c->record);
        recorder_question_free(c->probe);
        if (c->exec && !c->finished)
                manager_uncount_exec(c->manager, c->exec);
        exec_unref(c->exec);
        exec_request_free(c->request);
        peer_unref(c->peer);
        free(c->reference);
        strv_free(c->warnings);
        return mfree(c);
}

static void creation_refuse(ExecCreation *c, const Refusal *refusal)
{
        Refusal fault = {.kind = REFUSAL_INTERNAL, .message = (char *) "internal error"};

        c->callback(c->userdata, NULL, refusal->kind == REFUSAL_NONE ? &fault : refusal);
}

/* The last step: from here on the exec can be found. */
static void creation_on_recorded(void *userdata, int error)
{
        Refusal unrecorded = {.kind = REFUSAL_UNAVAILABLE, .message = (char *) AUDIT_REFUSAL};
        ExecCreation *c = userdata;
        Exec *e = c->exec;

        c->record = NULL;
        if (error < 0) {
                spawner_drop(c->manager->spawner, e->id);
                creation_refuse(c, &unrecorded);
                return;
        }
        c->finished = true;
        manager_link_exec(c->manager, e);
        exec_tell_command(e, "exec_create");
        c->callback(c->userdata, e, NULL);
}

static void creation_finish(ExecCreation *c)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        int r;

        /* The container has gone meanwhile. */
        if (c->exec->hidden) {
                (void) refuse(&refusal, REFUSAL_NOT_RUNNING, ESRCH, "container %s is not running",
                              c->exec->container->name);
                creation_refuse(c, &refusal);
                return;
        }
        r = audit_exec_wait(AUDIT_CREATED, c->exec, c->peer, creation_on_recorded, c, &c->record);
        if (r != 0)
                creation_on_recorded(c, r);
}

static int creation_on_prepared(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        ExecCreation *c = userdata;

        c->slot = sd_bus_slot_unref(c->slot);
        if (spawner_reply_refusal(m, &refusal) < 0)
                creation_refuse(c, &refusal);
        else
                creation_finish(c);
        return 0;
}

/* A named user has to exist before the exec does; otherwise the answer need not wait for the runner. */
static void creation_prepare(ExecCreation *c)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        /* One that took a spare has its runner already, and one whose time would begin gets none before. */
        bool park = !c->exec->parked && manager_may_park(c->manager, c->peer->uid) &&
                    exec_request_runtime_max(c->exec->request) == UINT64_MAX;
        bool wait;
        UserSpec user = USER_SPEC_INIT;

        if (user_spec_parse(c->exec->request->user, &user, &refusal) < 0) {
                creation_refuse(c, &refusal);
                return;
        }
        wait = user_spec_has_names(&user);
        user_spec_done(&user);

        if (wait) {
                if (exec_prepare(c->exec, park, creation_on_prepared, c, &c->slot, &refusal) < 0)
                        creation_refuse(c, &refusal);
                return;
        }
        /* An error here happens again at the start, and is reported then. */
        if (park && exec_prepare(c->exec, true, NULL, NULL, NULL, &refusal) < 0)
                log_debug("Exec %.12s has no runner ready", c->exec->id);
        creation_finish(c);
}

static void creation_on_verdict(void *userdata, const Refusal *refusal)
{
        ExecCreation *c = userdata;

        c->authz = authz_free(c->authz);
        if (!refusal) {
                creation_prepare(c);
                return;
        }
        creation_refuse(c, refusal);
}

static void creation_authorize(ExecCreation *c)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        const Exec *e = c->exec;
        AuthzQuestion q = {
                .action = e->request->privileged ? AUTHZ_EXEC_PRIVILEGED : AUTHZ_EXEC,
                .peer = c->peer,
                .container = e->container,
                .request = e->request,
                .command_line = e->command_line,
                .verb = "create",
                .interactive = c->interactive,
        };
        int r;

        r = authz_check(c->manager, &q, creation_on_verdict, c, &c->authz, &refusal);
        if (r != 0)
                creation_on_verdict(c, r < 0 ? &refusal : NULL);
}

int exec_creation_apply_container(const ContainerInfo *c, ExecRequest *request)
{
        if ((!request->user || !*request->user) && *c->user) {
                free(request->user);
                request->user = strdup(c->user);
                if (!request->user)
                        return -ENOMEM;
        }
        if ((!request->working_dir || !*request->working_dir) && *c->working_dir) {
                free(request->working_dir);
                request->working_dir = strdup(c->working_dir);
                if (!request->working_dir)
                        return -ENOMEM;
        }
        return 0;
}

static int creation_new_exec(ExecCreation *c, sd_bus_message *m, Refusal *reterr)
{
        _cleanup_(container_info_unrefp) ContainerInfo *container = NULL;
        char ready_id[EXEC_ID_SIZE];
        bool ready;
        int r;

        r = spawner_reply_refusal(m, reterr);
        if (r >= 0)
                r = container_info_read_reply(m, &container);
        if (r < 0)
                return r;
        if (container_info_is_paused(container))
                return refuse(reterr, REFUSAL_CONFLICT, EBUSY,
                              "Container %s is paused, unpause the container before exec", c->reference);
        containers_seen_add(&c->manager->seen, container);
        creation_discharge(c);
        r = manager_may_create(c->manager, c->peer,
                               exec_request_size(c->request) + container_info_size(container), reterr);
        if (r >= 0)
                r = exec_creation_apply_container(container, c->request);
        if (r < 0)
                return r;
        container_info_keep_labels(container);
        ready = spare_runners_is_suitable(c->manager->spares, c->request) &&
                spare_runners_take(c->manager->spares, container, ready_id);
        r = exec_new(&c->manager->exec_env, container, c->peer, c->request, ready ? ready_id : NULL,
                     &c->exec);
        if (r < 0)
                return r;
        TAKE_PTR(c->request);
        c->exec->warnings = TAKE_PTR(c->warnings);
        manager_count_exec(c->manager, c->exec);
        return 0;
}

static int creation_on_container(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        ExecCreation *c = userdata;

        c->slot = sd_bus_slot_unref(c->slot);
        if (creation_new_exec(c, m, &refusal) < 0)
                creation_refuse(c, &refusal);
        else
                creation_authorize(c);
        return 0;
}

/* Applies the configuration to a request: the allowed properties, the defaults, and whether the kernel can
 * enforce its limits. */
static int creation_apply_config(ExecCreation *creation, Refusal *reterr)
{
        const ManagerConfig *c = &creation->manager->config;
        ExecRequest *q = creation->request;
        ScopePropertyList l = {.items = q->properties, .n = q->n_properties};
        const char *name;
        int r = 0;

        for (size_t i = 0; (name = scope_property_name(i)); i++)
                if (!(c->allowed_properties & UINT64_C(1) << i) && scope_property_list_find(&l, name))
                        return refuse(reterr, REFUSAL_DENIED, EACCES,
                                      "Properties.%s: not in AllowedProperties= of execd.conf", name);
        for (size_t i = 0; i < c->properties.n && r >= 0; i++)
                if (!scope_property_list_find(&l, c->properties.items[i].name))
                        r = scope_property_list_set(&l, c->properties.items[i].name,
                                                    c->properties.items[i].text, reterr);
        q->properties = l.items;
        q->n_properties = l.n;
        if (r >= 0)
                r = config_check_privileged(c, q->privileged, reterr);
        if (!q->on_disconnect_given)
                q->on_disconnect = c->on_disconnect;
        if (q->detach_keys.n_keys == 0 && !q->detach_keys.off)
                q->detach_keys = c->detach_keys;
        return r < 0 ? r
                     : limit_check(c->unenforceable_limits, &l, c->controllers_path, &creation->warnings,
                                   reterr);
}

static int creation_find_container(ExecCreation *c, Refusal *reterr)
{
        return spawner_get_container(c->manager->spawner, c->reference, creation_on_container, c, &c->slot,
                                     reterr);
}

static void creation_on_probed(void *userdata, int error, int fd, uint64_t size)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        ExecCreation *c = userdata;

        c->probe = NULL;
        if (exec_recording_probed(&c->manager->exec_env, error, &refusal) < 0 ||
            creation_find_container(c, &refusal) < 0)
                creation_refuse(c, &refusal);
}

/* A recording that is asked for must be possible. */
static int creation_probe(ExecCreation *c, Refusal *reterr)
{
        const ExecEnv *env = &c->manager->exec_env;
        int r = recorder_ask(env->recorder, RECORDER_PROBE, "", creation_on_probed, c, &c->probe);

        return r < 0 ? exec_recording_probed(env, r, reterr) : 0;
}

int exec_create(Manager *m, const ExecCreationOptions *o, exec_created_t callback, void *userdata,
                ExecCreation **ret, Refusal *reterr)
{
        _cleanup_(exec_creation_freep) ExecCreation *c = calloc(1, sizeof(ExecCreation));
        int r;

        if (!c) {
                exec_request_free(o->request);
                return -ENOMEM;
        }
        *c = (ExecCreation){
                .manager = m,
                .peer = peer_ref(o->peer),
                .reference = strdup(o->reference),
                .request = o->request,
                .interactive = o->interactive,
                .callback = callback,
                .userdata = userdata,
        };
        if (!c->reference)
                return -ENOMEM;
        r = creation_charge(c, reterr);
        if (r >= 0)
                r = creation_apply_config(c, reterr);
        if (r >= 0)
                r = exec_recording_decide(&m->exec_env, c->request, false, reterr);
        if (r < 0)
                return r;
        r = r > 0 && !recorder_is_usable(m->recorder) ? creation_probe(c, reterr)
                                                      : creation_find_container(c, reterr);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(c);
        return 0;
}
