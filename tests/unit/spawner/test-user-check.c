/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* spawner/user-check: how many lookups run at the same time, and which one is next. The test provides the runners. */

#include "spawner/user-check.h"

#include "base/fd.h"
#include "spawner/hanging.h"
#include "spawner/order.h"
#include "spawner/runner-spawn.h"
#include "unit/bus-pair.h"
#include "unit/count-fds.h"
#include "unit/test.h"

#define OF_CONTAINER_MAX 16
#define OF_CALLER_MAX    64
#define RUNNERS_MAX      256

typedef struct World {
        Spawner spawner;
        Connection connections[2];
        Leader leaders[8];
        Container containers[8];
        int runners[RUNNERS_MAX]; /* the runners' ends of the control sockets */
        size_t n_runners;
        unsigned n_orders, n_hanging, n_answers;
        int runner_error;
        RefusalKind kind; /* of the last answer, as is the text */
        char text[256];
} World;

static World w;

int __wrap_runner_spawn(const char *program, Runner *ret);
int __wrap_runner_spawn(const char *program, Runner *ret)
{
        int ends[2];

        if (w.runner_error < 0)
                return w.runner_error;
        NEED(w.n_runners < RUNNERS_MAX);
        NEED(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
        w.runners[w.n_runners++] = ends[1];
        *ret = (Runner){.pid = 1, .pidfd = -EBADF, .control = ends[0]};
        return 0;
}

int __wrap_order_send(int control, const Order *o, Refusal *reterr);
int __wrap_order_send(int control, const Order *o, Refusal *reterr)
{
        NEED(o->mode == RUNNER_MODE_CHECK && same_text(o->spec->user, "app") && !o->stdio);
        w.n_orders++;
        return 0;
}

int __wrap_leader_fill_spec(Leader *l, RunnerSpec *spec, NamespaceSet **ret_namespaces, Refusal *reterr);
int __wrap_leader_fill_spec(Leader *l, RunnerSpec *spec, NamespaceSet **ret_namespaces, Refusal *reterr)
{
        NamespaceFds none = NAMESPACE_FDS_INIT;

        *ret_namespaces = namespace_set_new(&none);
        NEED(*ret_namespaces);
        return 0;
}

int __wrap_hanging_count(sd_event *event, pid_t pid, int pidfd, Leader *l, uid_t caller);
int __wrap_hanging_count(sd_event *event, pid_t pid, int pidfd, Leader *l, uid_t caller)
{
        w.n_hanging++;
        return 0;
}

static void on_done(Connection *c, sd_bus_message *m, const Refusal *refusal)
{
        w.n_answers++;
        w.kind = refusal ? refusal->kind : REFUSAL_NONE;
        snprintf(w.text, sizeof(w.text), "%s", refusal ? refusal->message : "");
}

static void begin(void)
{
        w = (World){.spawner = {.event = w.spawner.event}};
        for (size_t i = 0; i < ELEMENTSOF(w.connections); i++)
                w.connections[i].spawner = &w.spawner;
        for (size_t i = 0; i < ELEMENTSOF(w.leaders); i++) {
                w.leaders[i] = (Leader){.n_ref = 1, .pidfd = -EBADF, .proc_fd = -EBADF};
                w.containers[i].leader = &w.leaders[i];
        }
}

static void check(size_t connection, size_t container, uid_t caller)
{
        NEED(check_user(&w.connections[connection], NULL, &w.containers[container], "app", caller, on_done,
                        NULL) == 0);
}

/* As connection_free() does it. */
static void disconnect(size_t connection)
{
        List *jobs = &w.connections[connection].jobs;

        while (jobs->first) {
                ConnectionJob *j = LIST_ENTRY(jobs->first, ConnectionJob, node);

                j->cancel(j);
        }
}

static void end(void)
{
        for (size_t i = 0; i < ELEMENTSOF(w.connections); i++)
                disconnect(i);
        CHECK(list_is_empty(&w.spawner.checks) && list_is_empty(&w.spawner.waiting_checks));
        for (size_t i = 0; i < ELEMENTSOF(w.leaders); i++)
                CHECK(w.leaders[i].n_ref == 1);
        for (size_t i = 0; i < w.n_runners; i++)
                fd_close(w.runners[i]);
}

static void report(size_t runner, const RunnerReport *r)
{
        unsigned n_answers = w.n_answers;

        if (r)
                NEED(send(w.runners[runner], r, sizeof(*r), 0) == sizeof(*r));
        else
                w.runners[runner] = fd_close(w.runners[runner]);
        while (w.n_answers == n_answers)
                NEED(sd_event_run(w.spawner.event, UINT64_MAX) >= 0);
}

static const RunnerReport found = {.version = RUNNER_REPORT_VERSION, .type = RUNNER_CHECKED};

static void test_container(void)
{
        begin();
        for (unsigned i = 0; i < OF_CONTAINER_MAX + 2; i++)
                check(0, 0, i);
        CHECK(w.n_orders == OF_CONTAINER_MAX && w.n_answers == 0);
        /* Another container is not affected. */
        check(0, 1, 1000);
        CHECK(w.n_orders == OF_CONTAINER_MAX + 1);
        report(OF_CONTAINER_MAX, &found);
        CHECK(w.n_orders == OF_CONTAINER_MAX + 1 && w.kind == REFUSAL_NONE);
        report(0, &found);
        CHECK(w.n_orders == OF_CONTAINER_MAX + 2 && w.n_answers == 2);
        end();
}

static void test_caller(void)
{
        begin();
        for (unsigned i = 0; i < OF_CALLER_MAX + 1; i++)
                check(0, i % 6, 1000);
        CHECK(w.n_orders == OF_CALLER_MAX);
        check(0, 6, 1001);
        check(0, 6, 0);
        CHECK(w.n_orders == OF_CALLER_MAX + 2);
        report(5, &found);
        CHECK(w.n_orders == OF_CALLER_MAX + 3);
        end();

        /* Root has no limit but that of the container. */
        begin();
        for (unsigned i = 0; i < OF_CALLER_MAX + 10; i++)
                check(0, i % 6, 0);
        CHECK(w.n_orders == OF_CALLER_MAX + 10);
        end();
}

/* The lookups of a connection end with it. Others begin, and those of the connection do not. */
static void test_disconnected(void)
{
        begin();
        for (unsigned i = 0; i < OF_CONTAINER_MAX + 2; i++)
                check(0, 0, 0);
        check(1, 0, 0);
        CHECK(w.n_orders == OF_CONTAINER_MAX);
        disconnect(0);
        CHECK(w.n_orders == OF_CONTAINER_MAX + 1 && w.n_answers == 0);
        report(OF_CONTAINER_MAX, &found);
        CHECK(w.n_answers == 1 && w.kind == REFUSAL_NONE);
        end();
}

static void test_reports(void)
{
        static const struct {
                const char *name;
                RunnerReport report;
                RefusalKind kind;
                const char *text;
                bool hangs;
        } rows[] = {
                {"found",
                 {.version = RUNNER_REPORT_VERSION, .type = RUNNER_CHECKED},
                 REFUSAL_NONE,
                 "",
                 false},
                {"no such user",
                 {.version = RUNNER_REPORT_VERSION,
                  .type = RUNNER_FAILED,
                  .kind = REFUSAL_NOT_RUNNABLE,
                  .error = EINVAL,
                  .text = "no such user"},
                 REFUSAL_BAD_REQUEST,
                 "no such user",
                 false},
                {"its files do not answer",
                 {.version = RUNNER_REPORT_VERSION,
                  .type = RUNNER_FAILED,
                  .kind = REFUSAL_NOT_RUNNABLE,
                  .error = ETIMEDOUT,
                  .text = "slow"},
                 REFUSAL_UNAVAILABLE,
                 "slow",
                 true},
                {"the container has ended",
                 {.version = RUNNER_REPORT_VERSION,
                  .type = RUNNER_FAILED,
                  .kind = REFUSAL_NOT_RUNNING,
                  .error = ESRCH,
                  .text = "ended"},
                 REFUSAL_NOT_RUNNING,
                 "ended",
                 false},
                {"another report",
                 {.version = RUNNER_REPORT_VERSION, .type = RUNNER_EXITED},
                 REFUSAL_UNAVAILABLE,
                 "the runner has ended",
                 false},
                {"another version",
                 {.version = RUNNER_REPORT_VERSION + 1, .type = RUNNER_CHECKED},
                 REFUSAL_UNAVAILABLE,
                 "the runner has ended",
                 false},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                begin();
                check(0, 0, 1000);
                report(0, &rows[i].report);
                CHECK_ROW(rows[i].name, w.kind == rows[i].kind && w.n_hanging == rows[i].hangs);
                CHECK_TEXT(rows[i].name, w.text, rows[i].text);
                end();
        }
        begin();
        check(0, 0, 1000);
        report(0, NULL);
        CHECK(w.kind == REFUSAL_UNAVAILABLE && same_text(w.text, "the runner has ended"));
        end();
}

/* A lookup that cannot begin is answered, and so are those after it. */
static void test_no_runner(void)
{
        begin();
        for (unsigned i = 0; i < OF_CONTAINER_MAX + 2; i++)
                check(0, 0, 1000);
        w.runner_error = -EMFILE;
        report(0, &found);
        CHECK(w.n_answers == 3 && w.kind == REFUSAL_INTERNAL);
        CHECK_TEXT("no runner", w.text, "failed to look up the user in the container: Too many open files");
        CHECK(check_user(&w.connections[0], NULL, &w.containers[0], "app", 1000, on_done, NULL) == -EMFILE);
        end();
}

int main(void)
{
        size_t n_fds;

        NEED(sd_event_new(&w.spawner.event) >= 0);
        test_container();
        n_fds = count_fds();
        test_caller();
        test_disconnected();
        test_reports();
        test_no_runner();
        CHECK(count_fds() == n_fds);
        sd_event_unref(w.spawner.event);
        return test_finish("user-check");
}
