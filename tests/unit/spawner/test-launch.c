/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* spawner/launch: each way in which a launch ends releases everything that belongs to it. The test provides the slice,
 * the scope and the runner. */

#include "spawner/launch.h"

#include "base/fd.h"
#include "unit/bus-pair.h"
#include "unit/count-fds.h"
#include "unit/spawner/container-child.h"
#include "unit/test.h"

#define EXEC_ID "ee00000000000000000000000000000000000000000000000000000000000000"
#define ID      "aa00000000000000000000000000000000000000000000000000000000000000"
#define OTHER   "bb00000000000000000000000000000000000000000000000000000000000000"
#define LOOKS   10 /* looks at a start before it fails */

typedef struct World {
        Spawner spawner;
        Connection connection;
        Container *container;
        pid_t pid;
        Slice slice;
        int peer; /* the runner's end of its control socket */
        ScopeReady on_ready;
        void *userdata;
        int slice_error, runner_error, scope_error, verify_error;
        bool is_frozen;
        unsigned n_ready, n_reports, n_gone, n_failed, n_freed, n_abandoned;
        int error;
        RefusalKind kind;
} World;

static World w;

/* The linker replaces the real functions by these. */
int __wrap_slices_get(Slices *all, Container *c, Slice **ret, Refusal *reterr);
int __wrap_slices_get(Slices *all, Container *c, Slice **ret, Refusal *reterr)
{
        if (w.slice_error == 0) {
                w.slice.n_ref++;
                *ret = &w.slice;
        }
        return w.slice_error;
}

int __wrap_runner_spawn(const char *program, Runner *ret);
int __wrap_runner_spawn(const char *program, Runner *ret)
{
        int ends[2];

        if (w.runner_error < 0)
                return w.runner_error;
        NEED(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
        w.peer = ends[1];
        *ret = (Runner){.pid = w.pid, .pidfd = -EBADF, .control = ends[0]};
        return 0;
}

int __wrap_scope_start(ScopeManager *m, const ScopeRequest *q, ScopeReady callback, void *userdata,
                       Scope **ret, Refusal *reterr);
int __wrap_scope_start(ScopeManager *m, const ScopeRequest *q, ScopeReady callback, void *userdata,
                       Scope **ret, Refusal *reterr)
{
        if (w.scope_error < 0)
                return w.scope_error;
        NEED(same_text(q->exec_id, EXEC_ID) && same_text(q->description, "what") && q->slice == &w.slice);
        w.on_ready = callback;
        w.userdata = userdata;
        return 0;
}

void __wrap_scope_abandon(Scope *s, Runner *runner);
void __wrap_scope_abandon(Scope *s, Runner *runner)
{
        w.n_abandoned++;
}

int __wrap_cgroup_of_unit(pid_t pid, const char *unit, char **ret);
int __wrap_cgroup_of_unit(pid_t pid, const char *unit, char **ret)
{
        NEED(pid == w.pid);
        *ret = strdup("/a.slice/exec.scope");
        return 0;
}

int __wrap_slice_verify(Slice *s, const char *scope, Refusal *reterr);
int __wrap_slice_verify(Slice *s, const char *scope, Refusal *reterr)
{
        NEED(s == &w.slice && same_text(scope, "/a.slice/exec.scope"));
        return w.verify_error < 0 ? refuse(reterr, REFUSAL_UNSUPPORTED, -w.verify_error, "another slice")
                                  : 0;
}

int __wrap_cgroup_is_frozen(const char *cgroup);
int __wrap_cgroup_is_frozen(const char *cgroup)
{
        return w.is_frozen;
}

int __wrap_cgroup_open(const char *path);
int __wrap_cgroup_open(const char *path)
{
        return -ENOENT;
}

static void on_scope_ready(Launch *l)
{
        w.n_ready++;
}

static void on_report(Launch *l)
{
        w.n_reports++;
        launch_free(l);
}

static void on_leader_gone(Launch *l)
{
        w.n_gone++;
        launch_free(l);
}

static void on_failed(Launch *l, const Refusal *refusal, int error)
{
        w.n_failed++;
        w.error = error;
        w.kind = refusal->kind;
        launch_free(l);
}

static void on_free(Launch *l)
{
        l->start = NULL;
        w.n_freed++;
}

static const LaunchEvents events = {
        .on_scope_ready = on_scope_ready,
        .on_report = on_report,
        .on_leader_gone = on_leader_gone,
        .on_failed = on_failed,
        .on_free = on_free,
};

static void begin(void)
{
        sd_event *event = w.spawner.event;

        w = (World){.spawner = {.event = event}, .peer = -EBADF};
        w.slice = (Slice){.n_ref = 1, .cgroup = (char *) "/a.slice"};
        for (LimitType t = 0; t < _LIMIT_MAX; t++)
                w.slice.limits.values[t] = LIMIT_NONE;
        w.connection.spawner = &w.spawner;
        w.container = make_container("machine", ID, "web", &w.pid);
}

static int new_launch(Launch **ret)
{
        return launch_new(&w.connection, w.container,
                          &(LaunchRequest){.exec_id = EXEC_ID,
                                           .description = "what",
                                           .caller = 1000,
                                           .parked_usec = PARKED_USEC_MAX,
                                           .events = &events},
                          ret, &(Refusal){0});
}

static Launch *make_launch(void)
{
        Launch *l = NULL;

        NEED(new_launch(&l) == 0 && l);
        CHECK(launch_find(&w.spawner, EXEC_ID) == l && !launch_find(&w.spawner, OTHER));
        return l;
}

/* Everything was released. */
static void end(void)
{
        CHECK(w.n_freed == 1 && w.n_abandoned == 1 && w.slice.n_ref == 1 && w.container->n_ref == 1);
        CHECK(list_is_empty(&w.connection.jobs) && list_is_empty(&w.spawner.launches));
        fd_close(w.peer);
        if (w.pid > 0)
                end_child(w.pid);
        container_unref(w.container);
}

static void turn(void)
{
        NEED(sd_event_run(w.spawner.event, UINT64_MAX) >= 0);
}

/* Makes the timer expire. */
static void end_time(Launch *l)
{
        NEED(sd_event_source_set_time(l->timer, 0) >= 0);
        turn();
}

static void test_not_made(void)
{
        static const struct {
                const char *name;
                int slice_error, runner_error, scope_error;
        } rows[] = {
                {"no slice", -ENOSPC, 0, 0},
                {"no runner", 0, -EMFILE, 0},
                {"no scope", 0, 0, -ENOTCONN},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                Launch *l = NULL;

                begin();
                w.slice_error = rows[i].slice_error;
                w.runner_error = rows[i].runner_error;
                w.scope_error = rows[i].scope_error;
                CHECK_ROW(rows[i].name, new_launch(&l) == rows[i].slice_error + rows[i].runner_error +
                                                                  rows[i].scope_error);
                CHECK_ROW(rows[i].name, !l);
                end();
        }
}

static void test_ends(void)
{
        Launch *l;

        /* The connection is closed. */
        begin();
        l = make_launch();
        l->job.cancel(&l->job);
        end();

        /* It is not used in time. */
        begin();
        end_time(make_launch());
        CHECK(w.n_failed + w.n_gone + w.n_reports == 0);
        end();

        begin();
        make_launch();
        w.peer = fd_close(w.peer);
        while (w.n_freed == 0)
                turn();
        CHECK(w.n_reports == 1);
        end();

        begin();
        make_launch();
        end_child(w.pid);
        w.pid = 0;
        while (w.n_freed == 0)
                turn();
        CHECK(w.n_gone == 1);
        end();

        /* The spawner counts prepared runners. */
        begin();
        l = make_launch();
        l->is_prepared = true;
        w.spawner.n_prepared = 3;
        launch_free(l);
        CHECK(w.spawner.n_prepared == 2);
        end();
}

static void test_scope(void)
{
        static const struct {
                const char *name;
                RefusalKind refusal; /* of systemd */
                int verify_error;
                bool is_dead;
                int error;
                RefusalKind kind;
        } rows[] = {
                {"made", REFUSAL_NONE, 0, false, 0, REFUSAL_NONE},
                {"refused", REFUSAL_LIMIT, 0, false, -EIO, REFUSAL_LIMIT},
                {"elsewhere", REFUSAL_NONE, -EXDEV, false, -EXDEV, REFUSAL_UNSUPPORTED},
                {"refused, since the container has ended", REFUSAL_LIMIT, 0, true, -ESRCH,
                 REFUSAL_NOT_RUNNING},
                {"elsewhere, since the container has ended", REFUSAL_NONE, -EXDEV, true, -ESRCH,
                 REFUSAL_NOT_RUNNING},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                const Refusal refusal = {.kind = rows[i].refusal};
                Launch *l;

                begin();
                l = make_launch();
                w.verify_error = rows[i].verify_error;
                if (rows[i].is_dead)
                        end_child(w.pid);
                w.on_ready(w.userdata, rows[i].refusal == REFUSAL_NONE ? NULL : &refusal);
                CHECK_ROW(rows[i].name, w.error == rows[i].error && w.kind == rows[i].kind);
                CHECK_ROW(rows[i].name, (w.n_failed == 1) == (rows[i].error != 0));
                CHECK_ROW(rows[i].name, (w.n_ready == 1) == (rows[i].error == 0));
                if (rows[i].error == 0) {
                        CHECK_ROW(rows[i].name, l->scope_is_ready && w.n_freed == 0);
                        launch_free(l);
                }
                if (rows[i].is_dead)
                        w.pid = 0;
                end();
        }
}

/* A start does not time out while it is frozen with its container. */
static void test_time(void)
{
        Launch *l;

        begin();
        l = make_launch();
        l->start = (Start *) &w;
        NEED(launch_arm(l) >= 0);
        w.is_frozen = true;
        for (unsigned i = 0; i < 2 * LOOKS; i++)
                end_time(l);
        CHECK(w.n_failed == 0 && l->n_looks == 0);
        w.is_frozen = false;
        for (unsigned i = 0; i + 1 < LOOKS; i++)
                end_time(l);
        CHECK(w.n_failed == 0 && l->n_looks == LOOKS - 1);
        end_time(l);
        CHECK(w.n_failed == 1 && w.error == ETIMEDOUT && w.kind == REFUSAL_UNAVAILABLE);
        end();
}

static Container *copy_container(void)
{
        Container *c = make_container("machine", ID, "renamed", &(pid_t){0});
        pid_t pid = c->leader->pid;

        end_child(pid);
        c->leader->pid = w.pid;
        c->leader->start_time = w.container->leader->start_time;
        c->slice = strdup(w.container->slice);
        c->cgroup = w.container->cgroup ? strdup(w.container->cgroup) : NULL;
        NEED(c->slice);
        return c;
}

typedef enum Change {
        SAME,
        OTHER_ID,
        OTHER_PID,
        OTHER_RUN,
        OTHER_SLICE,
        OTHER_CGROUP,
        NO_CGROUP,
} Change;

/* A renamed container keeps its launches; another run of the container does not. */
static void test_follow(void)
{
        static const struct {
                const char *name;
                Change change;
        } rows[] = {
                {"the same run", SAME},          {"another container", OTHER_ID},
                {"another process", OTHER_PID},  {"another run", OTHER_RUN},
                {"another slice", OTHER_SLICE},  {"another control group", OTHER_CGROUP},
                {"no control group", NO_CGROUP},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                Container *c;
                Launch *l;

                begin();
                w.container->slice = strdup("a.slice");
                w.container->cgroup = strdup("/a.slice/web");
                c = copy_container();
                if (rows[i].change == OTHER_ID)
                        memcpy(c->id, OTHER, sizeof(OTHER));
                c->leader->pid += rows[i].change == OTHER_PID;
                c->leader->start_time += rows[i].change == OTHER_RUN;
                c->slice[0] += rows[i].change == OTHER_SLICE;
                c->cgroup[1] += rows[i].change == OTHER_CGROUP;
                if (rows[i].change == NO_CGROUP)
                        c->cgroup = mfree(c->cgroup);
                l = make_launch();
                CHECK_ROW(rows[i].name, launch_follow(l, w.container) && l->container == w.container);
                CHECK_ROW(rows[i].name, launch_follow(l, c) == (rows[i].change == SAME));
                CHECK_ROW(rows[i].name, (l->container == c) == (rows[i].change == SAME));
                launch_free(l);
                CHECK_ROW(rows[i].name, c->n_ref == 1);
                container_unref(c);
                end();
        }
}

int main(void)
{
        size_t n_fds;

        NEED(sd_event_new(&w.spawner.event) >= 0);
        /* The first timer opens one. */
        test_ends();
        n_fds = count_fds();
        test_not_made();
        test_ends();
        test_scope();
        test_time();
        test_follow();
        CHECK(count_fds() == n_fds);
        sd_event_unref(w.spawner.event);
        return test_finish("launch");
}
