/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* spawner/scope: scopes are requested in a fair order, a few at a time, and each ends with one answer, whatever systemd
 * answers. The test is systemd, and provides the slice. */

#include "spawner/scope.h"

#include <fcntl.h>

#include "base/fd.h"
#include "spawner/scope-internal.h"
#include "unit/bus-pair.h"
#include "unit/count-fds.h"
#include "unit/test.h"

#define SLICE        "machine-execdaa1100000000.slice"
#define CALLS_MAX    64
#define N_SCOPES     (SCOPES_IN_FLIGHT_MAX + 8)
#define EXISTS       "org.freedesktop.systemd1.UnitExists"
#define DESTRUCTIVE  "org.freedesktop.systemd1.TransactionIsDestructive"
#define NO_SUCH_UNIT "org.freedesktop.systemd1.NoSuchUnit"

typedef struct Call {
        sd_bus_message *message; /* owned */
        char unit[EXEC_UNIT_SIZE];
} Call;

/* A scope that the test has requested. */
typedef struct Job {
        Scope *scope;
        char id[EXEC_ID_SIZE];
        unsigned n_answers;
        RefusalKind kind;
        char text[256];
} Job;

typedef struct World {
        sd_event *event;
        sd_bus *bus, *systemd;
        ScopeManager *manager;
        Slice slice;
        Call calls[CALLS_MAX]; /* of StartTransientUnit, without an answer */
        size_t n_calls, n_all;
        unsigned n_stops, n_making, n_found, n_stopping;
        bool is_there; /* the runner is in the scope */
} World;

static World w;

int __wrap_cgroup_of_unit(pid_t pid, const char *unit, char **ret);
int __wrap_cgroup_of_unit(pid_t pid, const char *unit, char **ret)
{
        *ret = NULL;
        return w.is_there ? 0 : -ENOENT;
}

SubSlice *__wrap_sub_slices_take(SubSlices *all);
SubSlice *__wrap_sub_slices_take(SubSlices *all)
{
        w.n_making++;
        return NULL;
}

void __wrap_sub_slices_give(SubSlices *all, SubSlice *sub);
void __wrap_sub_slices_give(SubSlices *all, SubSlice *sub)
{
        w.n_making--;
}

void __wrap_slice_on_found(Slice *s);
void __wrap_slice_on_found(Slice *s)
{
        w.n_found++;
        s->state = SLICE_ADOPTED;
}

void __wrap_slice_on_stopping(Slice *s);
void __wrap_slice_on_stopping(Slice *s)
{
        w.n_stopping++;
        s->state = SLICE_STOPPING;
}

static int on_call(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        const char *unit;

        if (sd_bus_message_is_method_call(m, NULL, "StartTransientUnit")) {
                Call *c = &w.calls[w.n_calls++];

                NEED(w.n_calls < CALLS_MAX && sd_bus_message_read(m, "s", &unit) > 0);
                c->message = sd_bus_message_ref(m);
                snprintf(c->unit, sizeof(c->unit), "%s", unit);
                w.n_all++;
                return 1;
        }
        if (sd_bus_message_is_method_call(m, NULL, "StopUnit"))
                w.n_stops++;
        if (!sd_bus_message_is_method_call(m, NULL, NULL))
                return 0;
        NEED(sd_bus_reply_method_errorf(m, NO_SUCH_UNIT, "there is nothing") >= 0);
        return 1;
}

static void on_ready(void *userdata, const Refusal *refusal)
{
        Job *j = userdata;

        j->n_answers++;
        j->kind = refusal ? refusal->kind : REFUSAL_NONE;
        snprintf(j->text, sizeof(j->text), "%s", refusal ? refusal->message : "");
        j->scope = scope_free(j->scope);
}

static sd_bus *connect_systemd(void)
{
        int ends[2];

        bus_socket(ends);
        w.systemd = bus_serve(ends[1], w.event, on_call, NULL);
        return bus_connect(ends[0], w.event);
}

static void begin(void)
{
        w = (World){.event = w.event, .slice = {.n_ref = 1, .name = SLICE, .state = SLICE_READY}};
        for (LimitType t = 0; t < _LIMIT_MAX; t++)
                w.slice.wanted.values[t] = LIMIT_NONE;
        w.bus = connect_systemd();
        NEED(scope_manager_new(w.bus, true, &w.manager) == 0);
}

static void turn(void)
{
        NEED(sd_event_run(w.event, UINT64_MAX) >= 0);
}

static void start(Job *j, uid_t caller)
{
        static unsigned last_number;
        const Runner runner = {.pid = 12345, .pidfd = -EBADF, .control = -EBADF};

        *j = (Job){0};
        snprintf(j->id, sizeof(j->id), "%064x", ++last_number);
        NEED(scope_start(w.manager,
                         &(ScopeRequest){.exec_id = j->id,
                                         .caller = caller,
                                         .slice = &w.slice,
                                         .description = "what",
                                         .runner = &runner},
                         on_ready, j, &j->scope, NULL) == 0);
}

static void wait_for_calls(size_t n)
{
        while (w.n_calls < n)
                turn();
}

static Call take_call(void)
{
        Call c;

        wait_for_calls(1);
        c = w.calls[0];
        memmove(&w.calls[0], &w.calls[1], --w.n_calls * sizeof(Call));
        return c;
}

/* The job of a call ends before the reply to the call. */
static void end_job(Call c, const char *result)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;

        NEED(sd_bus_message_new_signal(w.systemd, &m, SYSTEMD_PATH, SYSTEMD_MANAGER, "JobRemoved") >= 0);
        NEED(sd_bus_message_set_sender(m, SYSTEMD_NAME) >= 0);
        NEED(sd_bus_message_append(m, "uoss", 1, "/job/1", c.unit, result) >= 0 &&
             sd_bus_send(w.systemd, m, NULL) >= 0);
        NEED(sd_bus_reply_method_return(c.message, "o", "/job/1") >= 0);
        sd_bus_message_unref(c.message);
}

static void fail_call(Call c, const char *error, const char *unit)
{
        NEED(sd_bus_reply_method_errorf(c.message, error, "Unit %s is in the way.", unit) >= 0);
        sd_bus_message_unref(c.message);
}

static void wait_for(const Job *j)
{
        while (j->n_answers == 0)
                turn();
        CHECK(j->n_answers == 1 && !j->scope);
}

static void end(void)
{
        CHECK(w.n_making == 0 && w.slice.n_ref == 1 && w.n_calls == 0);
        CHECK(list_is_empty(&w.manager->queued) && list_is_empty(&w.manager->in_flight));
        CHECK(w.manager->n_in_flight == 0);
        scope_manager_free(w.manager);
        sd_bus_close_unref(w.bus);
        sd_bus_close_unref(w.systemd);
}

static void test_jobs(void)
{
        static const struct {
                const char *result;
                RefusalKind kind;
                const char *text;
        } rows[] = {
                {"done", REFUSAL_NONE, ""},
                {"failed", REFUSAL_UNAVAILABLE, "failed to create the scope of this exec: failed"},
                {"canceled", REFUSAL_UNAVAILABLE, "failed to create the scope of this exec: canceled"},
        };

        begin();
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                Job j;

                start(&j, 1000);
                end_job(take_call(), rows[i].result);
                wait_for(&j);
                CHECK_ROW(rows[i].result, j.kind == rows[i].kind);
                CHECK_TEXT(rows[i].result, j.text, rows[i].text);
        }
        end();
}

/* One user asks for many scopes, and another user for one. */
static void test_many(void)
{
        static Job jobs[N_SCOPES];
        Job other;

        begin();
        for (size_t i = 0; i < N_SCOPES; i++)
                start(&jobs[i], 1000);
        start(&other, 2000);
        wait_for_calls(SCOPES_IN_FLIGHT_MAX);
        CHECK(w.manager->n_in_flight == SCOPES_IN_FLIGHT_MAX && w.n_all == SCOPES_IN_FLIGHT_MAX);
        for (size_t i = 0; i < SCOPES_IN_FLIGHT_MAX; i++)
                CHECK(strstr(w.calls[i].unit, jobs[i].id));

        end_job(take_call(), "done");
        wait_for_calls(SCOPES_IN_FLIGHT_MAX);
        CHECK(strstr(w.calls[SCOPES_IN_FLIGHT_MAX - 1].unit, other.id));
        /* A scope that is freed before its call is not requested. */
        jobs[N_SCOPES - 1].scope = scope_free(jobs[N_SCOPES - 1].scope);
        for (size_t i = 1; i < N_SCOPES; i++)
                end_job(take_call(), "done");
        wait_for(&other);
        for (size_t i = 0; i < N_SCOPES - 1; i++)
                wait_for(&jobs[i]);
        CHECK(w.n_all == N_SCOPES && jobs[N_SCOPES - 1].n_answers == 0);
        end();
}

/* A scope waits for its slice, also if the slice is stopped during the call. */
static void test_slice(void)
{
        uint64_t timeout;
        Call c;
        Job j;

        begin();
        w.slice.state = SLICE_MAKING;
        start(&j, 1000);
        scope_manager_send(w.manager);
        CHECK(w.manager->n_in_flight == 0);
        w.slice.state = SLICE_READY;
        scope_manager_send(w.manager);
        c = take_call();
        /* The source by which it was to be sent has not taken the timeout with it. */
        NEED(sd_event_run(w.event, 0) >= 0);
        CHECK(j.scope->timeout && sd_event_source_get_time(j.scope->timeout, &timeout) >= 0);
        fail_call(c, DESTRUCTIVE, SLICE);
        while (w.n_stopping == 0)
                turn();
        CHECK(w.manager->n_in_flight == 0 && j.n_answers == 0);
        w.slice.state = SLICE_READY;
        scope_manager_send(w.manager);
        end_job(take_call(), "done");
        wait_for(&j);
        CHECK(j.kind == REFUSAL_NONE && w.n_all == 2);
        end();
}

static void test_errors(void)
{
        static const struct {
                const char *name, *error;
                bool is_there, is_asked_again;
                RefusalKind kind;
        } rows[] = {
                {"the answer was lost", EXISTS, true, false, REFUSAL_NONE},
                {"one of an earlier spawner", EXISTS, false, true, REFUSAL_NONE},
                {"a job of another unit", DESTRUCTIVE, false, true, REFUSAL_NONE},
                {"systemd is away", SD_BUS_ERROR_NO_REPLY, false, true, REFUSAL_NONE},
                {"refused", SD_BUS_ERROR_ACCESS_DENIED, false, false, REFUSAL_UNAVAILABLE},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                Job j;

                begin();
                w.is_there = rows[i].is_there;
                start(&j, 1000);
                fail_call(take_call(), rows[i].error, "exec.scope");
                if (rows[i].is_asked_again) {
                        Call again = take_call();

                        CHECK_ROW(rows[i].name, strstr(again.unit, j.id) && j.n_answers == 0);
                        end_job(again, "done");
                }
                wait_for(&j);
                CHECK_ROW(rows[i].name, j.kind == rows[i].kind);
                end();
        }
}

/* If nobody waits for a scope any longer, it is stopped when it exists. */
static void test_abandoned(void)
{
        Runner runner = RUNNER_INIT;
        int ends[2];
        Job j;

        begin();
        NEED(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0);
        runner.control = ends[0];
        start(&j, 1000);
        wait_for_calls(1);
        scope_abandon(TAKE_PTR(j.scope), &runner);
        CHECK(runner.control < 0 && fcntl(ends[0], F_GETFD) < 0 && w.n_making == 1);
        end_job(take_call(), "done");
        while (w.n_stops == 0)
                turn();
        CHECK(j.n_answers == 0 && w.n_stops == 1);
        close(ends[1]);
        end();
}

/* PID 1 has closed its connection, and the system bus takes its place. */
static void test_moved(void)
{
        sd_bus *old, *old_systemd;
        Job called, queued;

        begin();
        start(&called, 1000);
        wait_for_calls(1);
        sd_bus_message_unref(take_call().message);
        w.slice.state = SLICE_MAKING;
        start(&queued, 1000);
        old = w.bus;
        old_systemd = w.systemd;
        w.bus = connect_systemd();
        NEED(scope_manager_move(w.manager, w.bus) == 0);
        sd_bus_close_unref(old);
        sd_bus_close_unref(old_systemd);
        w.slice.state = SLICE_READY;
        scope_manager_send(w.manager);
        wait_for_calls(2);
        end_job(take_call(), "done");
        end_job(take_call(), "done");
        wait_for(&called);
        wait_for(&queued);
        CHECK(called.kind == REFUSAL_NONE && queued.kind == REFUSAL_NONE && w.n_all == 3);
        end();
}

int main(void)
{
        size_t n_fds;

        NEED(sd_event_new(&w.event) >= 0);
        test_jobs();
        n_fds = count_fds();
        test_many();
        test_slice();
        test_errors();
        test_abandoned();
        test_moved();
        CHECK(count_fds() == n_fds);
        sd_event_unref(w.event);
        return test_finish("scope");
}
