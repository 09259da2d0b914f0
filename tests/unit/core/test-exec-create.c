/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* core/exec-create: each step on the way to an exec, and the state after a refusal at any of them. */

#include <fcntl.h>
#include <stdio.h>

#include "base/fd.h"
#include "base/strv.h"
#include "core/exec-create.h"
#include "core/exec-internal.h"
#include "unit/core/world.h"

typedef struct Result {
        bool over;
        Exec *exec;
        Refusal refusal;
} Result;

static void on_created(void *userdata, Exec *e, const Refusal *refusal)
{
        Result *r = userdata;

        NEED(!r->over && (e != NULL) == (refusal == NULL));
        r->over = true;
        r->exec = e;
        if (refusal)
                r->refusal = (Refusal){.kind = refusal->kind, .message = strdup(refusal->message)};
}

static ExecCreation *begin(World *w, ExecRequest *q, Peer *peer, Result *r)
{
        const ExecCreationOptions o = {.peer = peer, .reference = "web", .request = q};
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        ExecCreation *c = NULL;

        *r = (Result){0};
        w->calls[0] = 0;
        NEED(exec_create(&w->manager, &o, on_created, r, &c, &refusal) >= 0);
        WORLD_UNTIL(w, world_was_called(w, "GetContainer web"));
        return c;
}

/* As the spawner finds it. */
static ContainerInfo *found(World *w)
{
        ContainerInfo *c = world_container(w, "web", 7);

        c->leader_pidfd = fcntl(w->listener, F_DUPFD_CLOEXEC, 3);
        return c;
}

static void answer(World *w, ContainerInfo *c)
{
        world_answer_container(w, c);
        container_info_unref(c);
}

static void done(ExecCreation *c, Result *r)
{
        exec_creation_free(c);
        refusal_done(&r->refusal);
}

static uint64_t held(const World *w)
{
        return w->manager.execs_budget.used + w->manager.memory_budget.used;
}

static void test_created(World *w)
{
        ExecCreation *c;
        Result r;

        c = begin(w, world_request("true", NULL), w->root, &r);
        answer(w, found(w));
        WORLD_UNTIL(w, r.over);
        CHECK(r.exec && manager_find_exec(&w->manager, r.exec->id) == r.exec);
        CHECK(r.exec && r.exec->state == EXEC_CREATED && r.exec->parked && r.exec->answered_monotonic == 0);
        CHECK(world_find_record(w, "EXEC_CMDLINE=true"));
        world_settle(w);
        CHECK(world_was_called(w, "Prepare") && strstr(w->calls, "park"));
        CHECK(w->manager.execs_budget.used == 1 && w->manager.n_live == 1);
        done(c, &r);
        CHECK(w->manager.execs_budget.used == 1);
}

/* A refused exec cannot be found, and counts for no user. */
static void check_refused(World *w, const char *row, ExecCreation *c, Result *r, RefusalKind kind,
                          uint64_t before)
{
        CHECK_ROW(row, r->over && !r->exec && r->refusal.kind == kind);
        done(c, r);
        CHECK_ROW(row, held(w) == before);
}

static void test_refusals(World *w)
{
        Peer user = {.n_ref = 1, .uid = 1000, .pidfd = -EBADF, .loginuid = UINT32_MAX};
        uint64_t before = held(w), max = w->manager.execs_budget.uid_max;
        ContainerInfo *paused = found(w);
        ExecCreation *c;
        Result r;

        c = begin(w, world_request("true", NULL), w->root, &r);
        world_answer_error(w, "NoSuchContainer", "no such container");
        WORLD_UNTIL(w, r.over);
        check_refused(w, "no container", c, &r, REFUSAL_NO_CONTAINER, before);

        free(paused->state);
        paused->state = strdup("paused");
        c = begin(w, world_request("true", NULL), w->root, &r);
        answer(w, paused);
        WORLD_UNTIL(w, r.over);
        check_refused(w, "paused", c, &r, REFUSAL_CONFLICT, before);

        w->manager.execs_budget.uid_max = w->manager.execs_budget.used;
        c = begin(w, world_request("true", NULL), w->root, &r);
        answer(w, found(w));
        WORLD_UNTIL(w, r.over);
        w->manager.execs_budget.uid_max = max;
        check_refused(w, "full", c, &r, REFUSAL_LIMIT, before);

        /* polkit cannot be asked about a user. */
        while (*world_record(w))
                ;
        c = begin(w, world_request("true", NULL), &user, &r);
        answer(w, found(w));
        WORLD_UNTIL(w, r.over);
        CHECK(world_find_record(w, "CALLER_UID=1000"));
        CHECK(!world_was_called(w, "Prepare"));
        check_refused(w, "not authorized", c, &r, REFUSAL_DENIED, before);
}

/* A request that the configuration forbids is refused before polkit is asked. */
static void test_refused_at_once(World *w)
{
        ScopePropertyList l = {0};
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        ExecRequest *q = world_request("true", NULL);
        ExecCreationOptions o = {.peer = w->root, .reference = "web", .request = q};
        ExecCreation *c = NULL;

        NEED(scope_property_list_set(&l, "MemoryMax", "1G", &refusal) >= 0);
        q->properties = l.items;
        q->n_properties = l.n;
        w->manager.config.allowed_properties = 0;
        w->calls[0] = 0;
        CHECK(exec_create(&w->manager, &o, on_created, NULL, &c, &refusal) < 0 && !c);
        CHECK(refusal.kind == REFUSAL_DENIED && strstr(refusal.message, "MemoryMax"));
        world_settle(w);
        CHECK(!world_was_called(w, "GetContainer"));
        w->manager.config.allowed_properties = UINT64_MAX;
}

static ExecRequest *limited_request(void)
{
        ScopePropertyList l = {0};
        ExecRequest *q = world_request("true", NULL);

        NEED(scope_property_list_set(&l, "TasksMax", "20", NULL) >= 0);
        q->properties = l.items;
        q->n_properties = l.n;
        return q;
}

/* A limit for which the kernel has no controller is reported, or refused. */
static void test_unenforceable_limits(World *w)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        ExecCreationOptions o = {.peer = w->root, .reference = "web"};
        char path[sizeof(w->dir) + 32];
        ExecCreation *c = NULL;
        FILE *f;
        Result r;

        snprintf(path, sizeof(path), "%s/controllers", w->dir);
        w->manager.config.controllers_path = path;
        c = begin(w, limited_request(), w->root, &r);
        answer(w, found(w));
        WORLD_UNTIL(w, r.over);
        CHECK(r.exec && strv_length(r.exec->warnings) == 1 &&
              strstr(r.exec->warnings[0], "TasksMax: not enf"));
        done(c, &r);

        w->manager.config.unenforceable_limits = LIMITS_REFUSE;
        o.request = limited_request();
        w->calls[0] = 0;
        c = NULL;
        CHECK(exec_create(&w->manager, &o, on_created, NULL, &c, &refusal) < 0 && !c);
        CHECK(refusal.kind == REFUSAL_DENIED && strstr(refusal.message, "Properties.TasksMax") &&
              strstr(refusal.message, "UnenforceableLimits="));

        /* The administrator's own. */
        refusal_done(&refusal);
        NEED(scope_property_list_set(&w->manager.config.properties, "MemoryMax", "1G", NULL) >= 0);
        o.request = world_request("true", NULL);
        CHECK(exec_create(&w->manager, &o, on_created, NULL, &c, &refusal) < 0 && !c);
        CHECK(refusal.kind == REFUSAL_DENIED && strstr(refusal.message, "Properties.MemoryMax"));
        scope_property_list_done(&w->manager.config.properties);
        world_settle(w);
        CHECK(!world_was_called(w, "GetContainer"));

        f = fopen(path, "w");
        NEED(f && fputs("memory pids\n", f) >= 0 && fclose(f) == 0);
        c = begin(w, limited_request(), w->root, &r);
        answer(w, found(w));
        WORLD_UNTIL(w, r.over);
        CHECK(r.exec && !r.exec->warnings);
        done(c, &r);
        w->manager.config.unenforceable_limits = LIMITS_WARN;
        w->manager.config.controllers_path = NULL;
        NEED(unlink(path) == 0);
}

/* A user by name has to exist before the exec does. */
static void test_named_user(World *w)
{
        ExecRequest *q = world_request("true", NULL);
        ExecCreation *c;
        Result r;

        q->user = strdup("nobody");
        c = begin(w, q, w->root, &r);
        answer(w, found(w));
        WORLD_UNTIL(w, world_was_called(w, "Prepare"));
        world_settle(w);
        CHECK(!r.over);
        world_answer_error(w, "BadRequest", "there is no user nobody");
        WORLD_UNTIL(w, r.over);
        CHECK(!r.exec && r.refusal.kind == REFUSAL_BAD_REQUEST);
        done(c, &r);

        q = world_request("true", NULL);
        q->user = strdup("nobody");
        c = begin(w, q, w->root, &r);
        answer(w, found(w));
        WORLD_UNTIL(w, world_was_called(w, "Prepare"));
        world_answer(w);
        WORLD_UNTIL(w, r.over);
        CHECK(r.exec != NULL);
        done(c, &r);
}

/* The caller has gone: the runner that was made for it goes too. */
static void test_given_up(World *w)
{
        ExecRequest *q = world_request("true", NULL);
        uint64_t before = held(w);
        ExecCreation *c;
        Result r;

        q->user = strdup("nobody");
        c = begin(w, q, w->root, &r);
        answer(w, found(w));
        WORLD_UNTIL(w, world_was_called(w, "Prepare"));
        CHECK(held(w) > before);
        done(c, &r);
        CHECK(held(w) == before && !r.over);
        WORLD_UNTIL(w, world_was_called(w, "Drop"));

        /* At its first step. */
        c = begin(w, world_request("true", NULL), w->root, &r);
        done(c, &r);
        answer(w, found(w));
        world_settle(w);
        CHECK(!r.over && held(w) == before);
}

/* The exec cannot be found before its record is written. */
static void test_record_comes_first(World *w)
{
        size_t live = w->manager.n_live;
        ExecCreation *c;
        Result r;

        world_settle(w);
        while (*world_record(w))
                ;
        world_stop_journal(w);
        c = begin(w, world_request("true", NULL), w->root, &r);
        answer(w, found(w));
        world_settle(w);
        CHECK(!r.over && w->manager.n_live == live);
        world_open_journal(w);
        WORLD_UNTIL(w, r.over);
        CHECK(r.exec && w->manager.n_live == live + 1);
        done(c, &r);
}

/* The container ends while the spawner has yet to answer. */
static void test_container_ends(World *w)
{
        ContainerInfo *ending = found(w);
        ExecRequest *q = world_request("true", NULL);
        uint64_t before = held(w);
        ExecCreation *c;
        int ends[2];
        Result r;

        NEED(pipe2(ends, O_CLOEXEC) == 0);
        fd_close(ending->leader_pidfd);
        ending->leader_pidfd = ends[0];
        q->user = strdup("nobody");
        c = begin(w, q, w->root, &r);
        answer(w, ending);
        WORLD_UNTIL(w, world_was_called(w, "Prepare"));
        fd_close(ends[1]);
        WORLD_UNTIL(w, held(w) == before);
        world_answer(w);
        WORLD_UNTIL(w, r.over);
        check_refused(w, "container gone", c, &r, REFUSAL_NOT_RUNNING, before);
}

/* One that takes a spare has its id, and no runner is asked for. */
static void test_takes_a_spare(World *w)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        ScopePropertyList l = {0};
        char spare[13] = "";
        char drop[32];
        ContainerInfo *other = world_container(w, "other", 9);
        ExecRequest *limited;
        ExecCreation *c;
        Result r;

        w->calls[0] = 0;
        spare_runners_set_stay(w->manager.spares, 60 * USEC_PER_SEC);
        spare_runners_request(w->manager.spares, other);
        spare_runners_make_now(w->manager.spares, other);
        WORLD_UNTIL(w, world_was_called(w, "Prepare"));
        NEED(sscanf(w->calls, "Prepare %12s park", spare) == 1);

        /* An exec whose time begins with its scope cannot use a scope that was made before. */
        limited = world_request("true", NULL);
        NEED(scope_property_list_set(&l, "RuntimeMaxSec", "60", &refusal) >= 0);
        limited->properties = l.items;
        limited->n_properties = l.n;
        other->leader_pidfd = fcntl(w->listener, F_DUPFD_CLOEXEC, 3);
        c = begin(w, limited, w->root, &r);
        world_answer_container(w, other);
        WORLD_UNTIL(w, r.over);
        world_settle(w);
        CHECK(r.exec && strncmp(r.exec->id, spare, 12) != 0 && !r.exec->parked);
        CHECK(!world_was_called(w, "Prepare"));
        done(c, &r);

        c = begin(w, world_request("true", NULL), w->root, &r);
        world_answer_container(w, other);
        WORLD_UNTIL(w, r.over);
        world_settle(w);
        CHECK(r.exec && strncmp(r.exec->id, spare, 12) == 0 && r.exec->parked);
        CHECK(!world_was_called(w, "Prepare"));

        /* It holds the runner no longer than one that was made for it, whatever the time of a spare. */
        LIST_FOREACH (Exec, e, &w->manager.created, queue_node)
                e->created_monotonic -= EXEC_PARKED_USEC + USEC_PER_SEC;
        snprintf(drop, sizeof(drop), "Drop %s", spare);
        (void) sd_event_source_set_time(w->manager.collect_source, 0);
        (void) sd_event_source_set_enabled(w->manager.collect_source, SD_EVENT_ONESHOT);
        WORLD_UNTIL(w, world_was_called(w, drop));
        CHECK(r.exec->state == EXEC_CREATED && !r.exec->parked && w->manager.parked_budget.used == 0);
        done(c, &r);
        container_info_unref(other);
}

int main(void)
{
        _cleanup_(world_freep) World *w = world_new();

        test_created(w);
        test_refusals(w);
        test_refused_at_once(w);
        test_unenforceable_limits(w);
        test_named_user(w);
        test_given_up(w);
        test_record_comes_first(w);
        test_container_ends(w);
        test_takes_a_spare(w);
        return test_finish("exec-create");
}
