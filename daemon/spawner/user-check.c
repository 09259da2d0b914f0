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

typedef struct Check {
        ConnectionJob job;
        Spawner *spawner; /* weak */
        sd_bus_message *message;
        Leader *leader; /* owned reference */
        Runner runner;
        sd_event_source *control, *timer;
        CheckDone callback;
} Check;

static Check *check_free(Check *k)
{
        if (!k)
                return NULL;
        connection_remove_job(&k->job);
        sd_event_source_disable_unref(k->control);
        sd_event_source_disable_unref(k->timer);
        runner_release(&k->runner, k->spawner->event);
        leader_unref(k->leader);
        sd_bus_message_unref(k->message);
        free(k);
        return NULL;
}
DEFINE_CLEANUP(Check, check_free);

static void check_cancel(ConnectionJob *j)
{
        check_free((Check *) j);
}

static void check_finish(Check *k, const Refusal *refusal)
{
        k->callback(k->job.connection, k->message, refusal);
        check_free(k);
}

/* A runner ends after all of its processes. */
static void check_leave_runner(Check *k)
{
        int r = hanging_count(k->spawner->event, k->runner.pid, k->runner.pidfd, k->leader);

        if (r >= 0)
                k->runner.pidfd = -EBADF;
        else
                log_error_errno(r, "Failed to watch runner %d", k->runner.pid);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        Check *k = userdata;

        check_leave_runner(k);
        refuse(&refusal, REFUSAL_UNAVAILABLE, ETIMEDOUT, "the user was not found in time");
        check_finish(k, &refusal);
        return 0;
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
                /* Nothing is to be run yet: a user that is not there is an error of the request. */
                refuse(&refusal, report.kind == REFUSAL_NOT_RUNNABLE ? REFUSAL_BAD_REQUEST : report.kind,
                       EINVAL, "%s", report.text);
                if (report.error == ETIMEDOUT)
                        check_leave_runner(k);
                check_finish(k, &refusal);
        } else
                check_finish(k, NULL);
        return 0;
}

static int send_order(Check *k, Container *container, const char *user, Refusal *reterr)
{
        _cleanup_(runner_spec_done) RunnerSpec spec = {0};
        _cleanup_namespace_fds_ NamespaceFds namespaces = NAMESPACE_FDS_INIT;
        int r;

        r = leader_fill_spec(container->leader, &spec, &namespaces, reterr);
        if (r < 0)
                return r;
        spec.user = strdup(user);
        if (!spec.user)
                return -ENOMEM;
        return order_send(k->runner.control,
                          &(Order){
                                  .mode = RUNNER_MODE_CHECK,
                                  .spec = &spec,
                                  .leader = container->leader->pidfd,
                                  .namespaces = &namespaces,
                          },
                          reterr);
}

int check_user(Connection *c, sd_bus_message *message, Container *container, const char *user,
               CheckDone callback, Refusal *reterr)
{
        _cleanup_(check_freep) Check *k = calloc(1, sizeof(*k));
        sd_event *event = c->spawner->event;
        int r;

        if (!k)
                return -ENOMEM;
        *k = (Check){
                .spawner = c->spawner,
                .leader = leader_ref(container->leader),
                .message = sd_bus_message_ref(message),
                .runner = RUNNER_INIT,
                .callback = callback,
        };
        connection_add_job(c, &k->job, check_cancel);
        r = hanging_check(k->leader, reterr);
        if (r < 0)
                return r;
        r = runner_spawn(c->spawner->options.runner, &k->runner);
        if (r >= 0)
                r = sd_event_add_io(event, &k->control, k->runner.control, EPOLLIN, on_report, k);
        if (r >= 0)
                r = sd_event_add_time_relative(event, &k->timer, CLOCK_MONOTONIC,
                                               REPORT_SEC_MAX * USEC_PER_SEC, USEC_PER_SEC, on_timer, k);
        if (r >= 0)
                r = send_order(k, container, user, reterr);
        if (r < 0)
                return r;
        TAKE_PTR(k);
        return 0;
}
