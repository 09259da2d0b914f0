/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "spawner/user-check.h"

#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/time.h"
#include "spawner/hanging.h"
#include "spawner/order.h"
#include "spawner/runner-spawn.h"

#define REPORT_SEC_MAX (RUNNER_STARVED_SEC_MAX + 5)

/* How many are under way. Checks of users other than root leave some to root. */
#define OF_CONTAINER_MAX 16
#define OF_CALLER_MAX    64
#define OF_OTHERS_MAX    512

/* How long one waits to begin. */
#define QUEUED_USEC (5 * USEC_PER_SEC)

typedef struct Check {
        ConnectionJob job;
        ListNode node;
        Spawner *spawner; /* weak */
        sd_bus_message *message;
        Leader *leader; /* owned reference */
        uid_t caller;
        RunnerSpec spec;
        NamespaceSet *namespaces; /* owned reference */
        bool has_begun;
        Runner runner;
        sd_event_source *control, *timer;
        CheckDone callback;
} Check;

static Check *check_free(Check *k)
{
        if (!k)
                return NULL;
        connection_remove_job(&k->job);
        list_remove(k->has_begun ? &k->spawner->checks : &k->spawner->waiting_checks, &k->node);
        sd_event_source_disable_unref(k->control);
        sd_event_source_disable_unref(k->timer);
        runner_release(&k->runner, k->spawner->event);
        runner_spec_done(&k->spec);
        namespace_set_unref(k->namespaces);
        leader_unref(k->leader);
        sd_bus_message_unref(k->message);
        free(k);
        return NULL;
}
DEFINE_CLEANUP(Check, check_free);

static void check_answer(Check *k, const Refusal *refusal)
{
        Connection *c = k->job.connection;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *message = TAKE_PTR(k->message);
        CheckDone callback = k->callback;

        check_free(k);
        callback(c, message, refusal);
}

static bool may_begin(const Check *k)
{
        size_t n_container = 0, n_caller = 0, n_others = 0;

        LIST_FOREACH (const Check, other, &k->spawner->checks, node) {
                n_container += other->leader == k->leader;
                n_caller += other->caller == k->caller;
                n_others += other->caller != 0;
        }
        return n_container < OF_CONTAINER_MAX &&
               (k->caller == 0 || (n_caller < OF_CALLER_MAX && n_others < OF_OTHERS_MAX));
}

static int on_report(sd_event_source *source, int fd, uint32_t events, void *userdata);

static int begin(Check *k, Refusal *reterr)
{
        int r;

        list_remove(&k->spawner->waiting_checks, &k->node);
        list_append(&k->spawner->checks, &k->node);
        k->has_begun = true;
        r = hanging_check(k->leader, k->caller, reterr);
        if (r >= 0)
                r = runner_spawn(k->spawner->options.runner, &k->runner);
        if (r >= 0)
                r = sd_event_add_io(k->spawner->event, &k->control, k->runner.control, EPOLLIN, on_report,
                                    k);
        if (r >= 0)
                r = sd_event_source_set_time_relative(k->timer, REPORT_SEC_MAX * USEC_PER_SEC);
        if (r >= 0)
                r = order_send(k->runner.control,
                               &(Order){
                                       .mode = RUNNER_MODE_CHECK,
                                       .spec = &k->spec,
                                       .leader = k->leader->pidfd,
                                       .namespaces = &k->namespaces->files,
                               },
                               reterr);
        k->namespaces = namespace_set_unref(k->namespaces);
        return r;
}

/* `except` is the connection that is being closed, or NULL. */
static void begin_next(Spawner *s, const Connection *except)
{
        Check *k;

        while ((k = LIST_FIND(Check, waiting, &s->waiting_checks, node,
                              waiting->job.connection != except && may_begin(waiting)))) {
                _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
                int r = begin(k, &refusal);

                if (r >= 0)
                        continue;
                if (refusal.kind == REFUSAL_NONE)
                        refuse(&refusal, REFUSAL_INTERNAL, -r,
                               "failed to look up the user in the container: %s", strerrordesc_np(-r));
                check_answer(k, &refusal);
        }
}

static void check_cancel(ConnectionJob *j)
{
        const Connection *c = j->connection;
        Check *k = (Check *) j;
        Spawner *s = k->spawner;

        check_free(k);
        begin_next(s, c);
}

static void check_finish(Check *k, const Refusal *refusal)
{
        Spawner *s = k->spawner;

        check_answer(k, refusal);
        begin_next(s, NULL);
}

/* A runner ends after all of its processes. */
static void check_leave_runner(Check *k)
{
        int r = hanging_count(k->spawner->event, k->runner.pid, k->runner.pidfd, k->leader, k->caller);

        if (r >= 0)
                k->runner.pidfd = -EBADF;
        else
                log_error_errno(r, "Failed to watch runner %d", k->runner.pid);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        Check *k = userdata;

        if (!k->has_begun)
                refuse(&refusal, REFUSAL_UNAVAILABLE, EBUSY,
                       "too many users are being looked up in containers (limit %d in a container, %d for a user)",
                       OF_CONTAINER_MAX, OF_CALLER_MAX);
        else {
                check_leave_runner(k);
                refuse(&refusal, REFUSAL_UNAVAILABLE, ETIMEDOUT, "the user was not found in time");
        }
        check_finish(k, &refusal);
        return 0;
}

/* Nothing is to be run yet: a user that is not there is an error of the request. */
static RefusalKind failed_kind(const RunnerReport *report)
{
        if (report->kind != REFUSAL_NOT_RUNNABLE)
                return report->kind;
        return report->error == ETIMEDOUT ? REFUSAL_UNAVAILABLE : REFUSAL_BAD_REQUEST;
}

static int on_report(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        Check *k = userdata;
        RunnerReport report;
        ssize_t n = fd_recv_message(fd, &report, sizeof(report), NULL, 0, NULL);

        if (n == -EAGAIN)
                return 0;
        if (n <= 0 || runner_report_check(&report, (size_t) n) < 0 ||
            (report.type != RUNNER_CHECKED && report.type != RUNNER_FAILED)) {
                refuse(&refusal, REFUSAL_UNAVAILABLE, EIO, "the runner has ended");
                check_finish(k, &refusal);
        } else if (report.type == RUNNER_FAILED) {
                refuse(&refusal, failed_kind(&report), EINVAL, "%s", report.text);
                if (report.error == ETIMEDOUT)
                        check_leave_runner(k);
                check_finish(k, &refusal);
        } else
                check_finish(k, NULL);
        return 0;
}

int check_user(Connection *c, sd_bus_message *message, Container *container, const char *user, uid_t caller,
               CheckDone callback, Refusal *reterr)
{
        _cleanup_(check_freep) Check *k = calloc(1, sizeof(*k));
        int r;

        if (!k)
                return -ENOMEM;
        *k = (Check){
                .spawner = c->spawner,
                .leader = leader_ref(container->leader),
                .caller = caller,
                .message = sd_bus_message_ref(message),
                .runner = RUNNER_INIT,
                .callback = callback,
        };
        connection_add_job(c, &k->job, check_cancel);
        list_append(&c->spawner->waiting_checks, &k->node);
        r = hanging_check(k->leader, caller, reterr);
        if (r >= 0)
                r = leader_fill_spec(container->leader, &k->spec, &k->namespaces, reterr);
        if (r < 0)
                return r;
        k->spec.user = strdup(user);
        if (!k->spec.user)
                return -ENOMEM;
        r = sd_event_add_time_relative(c->spawner->event, &k->timer, CLOCK_MONOTONIC, QUEUED_USEC,
                                       USEC_PER_SEC, on_timer, k);
        if (r >= 0 && may_begin(k))
                r = begin(k, reterr);
        if (r < 0)
                return r;
        TAKE_PTR(k);
        return 0;
}
