/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * One Start: the leader is read as template and the stdio made while the scope is still being made; then the
 * runner is released, its report awaited, the command compared with its container, and everything handed to
 * the peer.
 */

#include "spawner/launch-start.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/stdio-fd.h"
#include "base/strv.h"
#include "base/ticket.h"
#include "base/time.h"
#include "spawner/hanging.h"
#include "spawner/kernel-audit.h"
#include "spawner/kill.h"
#include "spawner/label.h"
#include "spawner/order.h"
#include "spawner/verify.h"

#define PIPE_SIZE (1024 * 1024)

/* Parked runners of which each has forked already, at most; and where fewer tasks are allowed, none does. */
#define PREPARED_MAX       64
#define PREPARED_TASKS_MIN 64

/* Of output that goes to the journal, which is slower: the rest of it takes time at the end. */
#define LOGGED_PIPE_SIZE (64 * 1024)

struct Start {
        sd_bus_message *message;
        RunnerSpec spec;
        NamespaceSet *namespaces; /* owned reference: those that the runner joins */
        int command[3];           /* owned: the command's ends */
        int peer[3];              /* owned: the peer's ends, where we made pipes */
        int ticket;               /* weak: the message has it */
        VerifyJob verify;
        int pidfd, tty; /* owned: of the command */
        bool released;
        bool log; /* the runner is to write the output to the journal */
};

static Start *start_free(Start *s)
{
        if (!s)
                return NULL;
        scout_job_cancel(&s->verify.job);
        sd_bus_message_unref(s->message);
        runner_spec_done(&s->spec);
        fd_close(s->pidfd);
        fd_close(s->tty);
        namespace_set_unref(s->namespaces);
        for (int i = 0; i < 3; i++) {
                fd_close(s->command[i]);
                fd_close(s->peer[i]);
        }
        free(s);
        return NULL;
}
DEFINE_CLEANUP(Start, start_free);

/* The user namespace's root owns what we make for it: only then can the command's user come to own it. */
static void give_to_container(int fd, const Leader *leader)
{
        uid_t uid;
        gid_t gid;

        if (leader->found.namespaces.inode[NS_USER] == namespaces_own()->inode[NS_USER])
                return;
        if (leader_root_ids(leader, &uid, &gid) < 0 || fchown(fd, uid, gid) < 0)
                log_debug("Failed to pass a pipe to the container");
}

/* Ends are separate files of the kernel: ours does not block, the command's does. */
static int make_pipe(bool to_command, int size, const Leader *leader, int *ret_command, int *ret_peer)
{
        int ends[2], r;

        if (pipe2(ends, O_CLOEXEC) < 0)
                return -errno;
        *ret_command = ends[to_command ? 0 : 1];
        *ret_peer = ends[to_command ? 1 : 0];
        (void) fcntl(ends[0], F_SETPIPE_SZ, size);
        r = fd_set_nonblock(*ret_peer, true);
        give_to_container(*ret_command, leader);
        return r;
}

/* An end of a pipe that has no other end. */
static int make_lone_end(bool to_write, int *ret)
{
        int ends[2];

        if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
                return -errno;
        fd_close(ends[to_write ? 0 : 1]);
        fd_close(*ret);
        *ret = ends[to_write ? 1 : 0];
        return 0;
}

static int make_stdio(Start *s, const Leader *leader, const LaunchStart *q)
{
        int size = s->log ? LOGGED_PIPE_SIZE : PIPE_SIZE, r;

        s->spec.own_pipes = true;
        for (int i = 0; i < (q->one_output ? 2 : 3); i++) {
                r = make_pipe(i == 0, size, leader, &s->command[i], &s->peer[i]);
                if (r < 0)
                        return r;
        }
        if (q->one_output) {
                s->command[2] = fcntl(s->command[1], F_DUPFD_CLOEXEC, 3);
                r = s->command[2] < 0 ? -errno : make_lone_end(false, &s->peer[2]);
                if (r < 0)
                        return r;
        }
        s->spec.null_stdin = q->null_stdin;
        return q->null_stdin ? make_lone_end(true, &s->peer[0]) : 0;
}

/* A pipe that has no writer and no bytes: the caller has no input for the command. */
static bool is_at_end(int fd)
{
        struct pollfd p = {.fd = fd, .events = POLLIN};

        return poll(&p, 1, 0) > 0 && !(p.revents & POLLIN);
}

/* execd has checked them, too, but it talks to strangers. */
static int take_stdio(Start *s, const int *fds, Refusal *reterr)
{
        for (int i = 0; i < 3; i++) {
                int r;

                s->command[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 3);
                if (s->command[i] < 0)
                        return -errno;
                r = stdio_fd_check(s->command[i], i, reterr);
                if (r < 0)
                        return r;
        }
        s->spec.null_stdin = is_at_end(s->command[0]);
        return 0;
}

static int fill_audit(RunnerSpec *spec, const Launch *l, const LaunchStart *q)
{
        const AuditCommand command = {
                .exec_id = l->exec_id,
                .container = l->container->name,
                .user = q->user,
                .working_dir = q->working_dir,
                .argv = q->argv,
                .tty = q->tty,
        };

        spec->login_uid = q->login_uid;
        spec->audit = audit_command_text(&command);
        return spec->audit ? 0 : -ENOMEM;
}

/* Docker gives them to every user, the others to the user whom the container itself runs as. */
static bool has_groups(const Container *c, const char *user)
{
        return strcmp(c->kind, "docker") == 0 || !*user || strcmp(user, c->user) == 0;
}

/* In a service a command runs as the main process's user, unless the request names another one. */
static void fill_service(RunnerSpec *spec, const Container *c, const LaunchStart *q)
{
        if (!container_is_service(c))
                return;
        spec->as_leader = !*q->user || strcmp(q->user, c->user) == 0;
        spec->is_root_refused = !q->privileged;
        spec->denies_exec_memory = c->denies_exec_memory;
}

/* A program with the set-user-ID bit can make it another user. The right to run commands as the user of the
 * unit does not include that one. */
static int check_is_users(const RunnerSpec *spec, const Container *c, Refusal *reterr)
{
        if (!spec->as_leader || spec->privileged || !c->is_other_user)
                return 0;
        return refuse(
                reterr, REFUSAL_DENIED, EPERM,
                "Privileged: the main process of %s runs as the user %s, and not as the user of the unit",
                c->name, c->user);
}

static int fill_request(RunnerSpec *spec, const Container *c, LaunchStart *q)
{
        fill_service(spec, c, q);
        spec->argv = TAKE_PTR(q->argv);
        spec->env_request = TAKE_PTR(q->env);
        /* The variables of a service are for its own user. */
        spec->env_container = strv_copy(
                container_is_service(c) && (!spec->as_leader || q->privileged) ? NULL : c->environment);
        if (*q->user && !spec->as_leader)
                spec->user = strdup(q->user);
        if (*q->working_dir)
                spec->working_dir = strdup(q->working_dir);
        spec->groups = strv_copy(has_groups(c, q->user) ? c->groups : NULL);
        if (!spec->env_container || !spec->groups || (*q->user && !spec->as_leader && !spec->user) ||
            (*q->working_dir && !spec->working_dir))
                return -ENOMEM;
        spec->tty = q->tty;
        spec->privileged = q->privileged;
        spec->cap_privileged = q->cap_privileged;
        spec->rows = q->rows;
        spec->columns = q->columns;
        return 0;
}

static int release(Launch *l, Refusal *reterr)
{
        Start *s = l->start;
        int r;

        /* It may have been paused while the scope was made. */
        r = container_check_unpaused(l->container, reterr);
        if (r >= 0)
                r = launch_copy_programs(l, reterr);
        if (r < 0)
                return r;
        /* A caller that finds it unused may start the command again. */
        r = ticket_use(s->ticket);
        if (r < 0)
                return r;
        r = order_send(l->runner.control,
                       &(Order){
                               .mode = RUNNER_MODE_EXEC,
                               .spec = &s->spec,
                               .leader = l->container->leader->pidfd,
                               .namespaces = &s->namespaces->files,
                               .stdio = s->spec.tty ? NULL : s->command,
                       },
                       reterr);
        if (r < 0)
                return r;

        s->released = true;
        s->namespaces = namespace_set_unref(s->namespaces);
        for (int i = 0; i < 3; i++)
                s->command[i] = fd_close(s->command[i]);
        return 0;
}

static void launch_fail(Launch *l, const Refusal *refusal, int error)
{
        if (l->start) {
                int r = reply_refusal(l->start->message, refusal, error);

                if (r < 0)
                        log_error_errno(r, "Failed to answer a start");
                if (l->start->released)
                        kill_scope_of(l->runner.pid, l->exec_id);
                if (l->start->released && abs(error) == ETIMEDOUT)
                        hanging_count_scope(l->spawner->event, l->runner.pid, l->exec_id,
                                            l->container->leader, l->caller);
        } else if (refusal)
                log_warning("Exec %s: %s", l->exec_id, refusal->message ?: "failed to prepare the exec");
        launch_free(l);
}

static void release_or_fail(Launch *l)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        int r = release(l, &refusal);

        if (r == -EIO)
                (void) launch_limits_explain(&l->limits, l->slice, EIO, &refusal);
        if (r < 0)
                launch_fail(l, &refusal, r);
}

/* execd asks for it as Privileged, which only the host's root may have there. */
static int check_is_no_host(const Container *c, const LaunchStart *q, Refusal *reterr)
{
        if (container_is_confined(c) || q->privileged)
                return 0;
        return refuse(
                reterr, REFUSAL_DENIED, EPERM,
                "Privileged: %s runs as root without any confinement: a command in it is a command on the host",
                c->name);
}

int launch_start(Launch *l, sd_bus_message *message, LaunchStart *q, Refusal *reterr)
{
        _cleanup_(start_freep) Start *s = calloc(1, sizeof(*s));
        int r;

        if (!s)
                return -ENOMEM;
        s->pidfd = s->tty = -EBADF;
        s->log = q->log;
        for (int i = 0; i < 3; i++)
                s->command[i] = s->peer[i] = -EBADF;

        r = check_is_no_host(l->container, q, reterr);
        if (r >= 0)
                r = leader_fill_spec(l->container->leader, &s->spec, &s->namespaces, reterr);
        if (r >= 0)
                r = fill_audit(&s->spec, l, q);
        if (r >= 0)
                r = label_check_enterable(l->spawner->options.runner, s->spec.label, reterr);
        if (r >= 0)
                r = leader_fill_inherited(l->container->leader, &s->spec, reterr);
        if (r >= 0)
                r = fill_request(&s->spec, l->container, q);
        if (r >= 0)
                r = check_is_users(&s->spec, l->container, reterr);
        if (r >= 0 && !q->tty)
                r = q->stdio ? take_stdio(s, q->stdio, reterr) : make_stdio(s, l->container->leader, q);
        if (r >= 0)
                r = launch_arm(l);
        if (r < 0)
                return r;

        launch_limits_mark(&l->limits, l->slice);
        s->message = sd_bus_message_ref(message);
        s->ticket = q->ticket;
        l->start = TAKE_PTR(s);
        if (l->scope_is_ready)
                release_or_fail(l);
        return 0;
}

static int append_streams(sd_bus_message *reply, const Start *s, int tty)
{
        int r = sd_bus_message_open_container(reply, 'a', "h");

        if (r >= 0 && tty >= 0)
                r = sd_bus_message_append(reply, "h", tty);
        else
                for (int i = 0; r >= 0 && i < 3 && s->peer[i] >= 0; i++)
                        r = sd_bus_message_append(reply, "h", s->peer[i]);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int reply_started(Launch *l)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        Start *s = l->start;
        int r;

        r = sd_bus_message_new_method_return(s->message, &reply);
        if (r >= 0)
                r = sd_bus_message_append(reply, "hhu", l->runner.control, s->pidfd,
                                          (uint32_t) s->verify.pid);
        if (r >= 0)
                r = append_streams(reply, s, s->tty);
        return r < 0 ? r : sd_bus_send(l->job.connection->bus, reply, NULL);
}

static void hand_over(void *userdata, int error, const Refusal *refusal)
{
        Launch *l = userdata;
        /* The peer takes it over. If the answer does not arrive, the runner ends it. */
        int r = error < 0 ? error : reply_started(l);

        if (r < 0) {
                log_error_errno(r, "Exec %s: %s", l->exec_id,
                                refusal->message ?: "failed to hand over the command");
                launch_fail(l, refusal, r);
                return;
        }
        launch_free(l);
}

/* The command runs. Further messages of its runner are for the peer. */
static void take_started(Launch *l, const RunnerReport *report, int *fds, size_t n_fds)
{
        const Refusal none = REFUSAL_INIT;
        Start *s = l->start;
        int r = n_fds == (s->spec.tty ? 2 : 1) ? 0 : -EBADMSG;

        if (r >= 0 && s->spec.tty)
                r = fd_set_nonblock(fds[1], true);
        if (r >= 0)
                r = sd_event_source_set_enabled(l->control, SD_EVENT_OFF);
        if (r >= 0) {
                s->pidfd = TAKE_FD(fds[0]);
                s->tty = s->spec.tty ? TAKE_FD(fds[1]) : -EBADF;
                s->verify = (VerifyJob){
                        .pid = report->pid,
                        .caller = l->caller,
                        .pidfd = s->pidfd,
                        .leader = l->container->leader,
                        .spec = &s->spec,
                        .callback = hand_over,
                        .userdata = l,
                };
                r = verify_start(&s->verify);
        }
        if (r < 0)
                hand_over(l, r, &none);
}

/* To fork fails with the same error where the container has lost its first process. */
static bool lacks_memory(const Launch *l, const RunnerReport *report)
{
        return report->error == ENOMEM && report->kind == REFUSAL_NOT_RUNNING &&
               leader_is_alive(l->container->leader);
}

static void take_failed(Launch *l, const RunnerReport *report)
{
        Refusal refusal = REFUSAL_INIT;

        /* The text was cut to a length, and its writer could have been attacked. */
        (void) refuse(&refusal, report->kind, 0, "%s", report->text);
        if (report->error == ECHILD || lacks_memory(l, report))
                (void) launch_limits_explain(&l->limits, l->slice, report->error, &refusal);
        log_debug("Exec %s: %s (%s)", l->exec_id, report->text, strerrordesc_np(report->error) ?: "?");
        launch_fail(l, &refusal, report->error ?: EIO);
        refusal_done(&refusal);
}

static void on_report(Launch *l)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        RunnerReport report;
        int fds[2] = {-EBADF, -EBADF};
        size_t n_fds = 0;
        ssize_t n;

        n = fd_recv_message(l->runner.control, &report, sizeof(report), fds, ELEMENTSOF(fds), &n_fds);
        if (n == -EAGAIN)
                return;
        if (n > 0 && l->start && l->start->released && runner_report_check(&report, (size_t) n) >= 0 &&
            (report.type == RUNNER_STARTED || report.type == RUNNER_FAILED)) {
                if (report.type == RUNNER_STARTED)
                        take_started(l, &report, fds, n_fds);
                else
                        take_failed(l, &report);
        } else if (!l->start && container_is_service(l->container))
                launch_free(l); /* the service is stopped, and its scopes before it */
        else {
                if (!launch_limits_explain(&l->limits, l->slice, EIO, &refusal))
                        refuse(&refusal, REFUSAL_UNAVAILABLE, EIO, "the runner of this exec has ended");
                launch_fail(l, &refusal, EIO);
        }
        for (size_t i = 0; i < n_fds; i++)
                fd_close(fds[i]);
}

/* Its scope counts what it forks, and so does the slice: where few tasks are allowed, they are for commands. */
static void prepare_runner(Launch *l)
{
        if (l->slice->limits.values[LIMIT_TASKS_MAX] < PREPARED_TASKS_MIN ||
            l->spawner->n_prepared >= PREPARED_MAX ||
            fd_send_message(l->runner.control, RUNNER_PREPARE, strlen(RUNNER_PREPARE), NULL, 0) < 0)
                return;
        l->is_prepared = true;
        l->spawner->n_prepared++;
}

static void on_scope_ready(Launch *l)
{
        if (l->start)
                release_or_fail(l);
        else
                prepare_runner(l);
}

static void on_leader_gone(Launch *l)
{
        /* The runner of a start that is under way will say so. */
        if (!l->start)
                launch_free(l);
}

static void on_free(Launch *l)
{
        l->start = start_free(l->start);
}

const LaunchEvents launch_start_events = {
        .on_scope_ready = on_scope_ready,
        .on_report = on_report,
        .on_leader_gone = on_leader_gone,
        .on_failed = launch_fail,
        .on_free = on_free,
};
