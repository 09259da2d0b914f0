/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/exec-start.h"

#include <assert.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/time.h"
#include "core/audit.h"
#include "core/command-line.h"
#include "core/exec-internal.h"
#include "core/exec-output.h"
#include "core/exec-recording.h"
#include "core/fdstore.h"
#include "wire/runner-spec.h"

#define DESCRIPTION_MAX 256

/* The spawner's view of it. */
static SpawnerExec exec_describe(const Exec *e, char **ret_description)
{
        _cleanup_free_ char *line = command_line_of_request(e->request, DESCRIPTION_MAX);

        if (asprintf(ret_description, "%s: %s", e->container->name, line ?: "") < 0)
                *ret_description = NULL;
        return (SpawnerExec){
                .id = e->id,
                .container = e->container,
                .description = *ret_description ?: e->container->name,
                .request = e->request,
                .caller = (e->starter ?: e->creator)->uid,
                .log = e->detached,
                .cap_privileged = e->env->config->privileged_capabilities,
        };
}

int exec_prepare(Exec *e, bool park, sd_bus_message_handler_t callback, void *userdata,
                 sd_bus_slot **ret_slot, Refusal *reterr)
{
        _cleanup_free_ char *description = NULL;
        SpawnerExec describe = exec_describe(e, &description);
        int r;

        assert(!callback == !ret_slot);
        r = spawner_prepare(e->env->spawner, &describe, park ? EXEC_PARKED_USEC : 0, callback, userdata,
                            callback ? ret_slot : &e->prepare_slot, reterr);
        if (r < 0)
                return r;
        if (park)
                exec_park(e);
        return 0;
}

/* The last word of a runner, or the end of the stream without one: then it was killed with its scope. */
static int exec_on_control(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
        Exec *e = userdata;
        RunnerReport report;
        ssize_t n;

        if (e->exit_known) {
                /* The runner has closed it: all output is in the journal. */
                e->log_ended = true;
                e->control_source = sd_event_source_disable_unref(e->control_source);
                exec_advance(e);
                return 0;
        }
        /* The report stays in the socket, so that the status is still there if execd crashes before the end
         * of the exec is recorded. */
        n = fd_peek_message(fd, &report, sizeof(report), NULL, 0, NULL);
        if (n == -EAGAIN)
                return 0;
        if (n > 0 && runner_report_check(&report, (size_t) n) >= 0 && report.type == RUNNER_EXITED)
                e->wait_status = report.wait_status;
        else
                e->wait_status = SIGKILL;
        e->exit_known = true;
        if (!e->logging || sd_event_source_set_io_events(e->control_source, 0) < 0) {
                e->log_ended = true;
                e->control_source = sd_event_source_disable_unref(e->control_source);
        }
        exec_advance(e);
        return 0;
}

int exec_take_control(Exec *e, int fd)
{
        int r;

        assert(e->control_fd < 0 && fd >= 0);
        r = sd_event_add_io(e->env->event, &e->control_source, fd, EPOLLIN, exec_on_control, e);

        if (r < 0)
                fd_close(fd);
        else
                e->control_fd = fd;
        return r;
}

static int dup_fd(int fd)
{
        int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);

        return copy < 0 ? -errno : copy;
}

typedef struct StartReply {
        int control, pidfd, streams[3]; /* owned */
        size_t n_streams;
        uint32_t pid;
} StartReply;

static void start_reply_done(StartReply *p)
{
        fd_close(p->control);
        fd_close(p->pidfd);
        for (size_t i = 0; i < ELEMENTSOF(p->streams); i++)
                fd_close(p->streams[i]);
}

/* The message owns its fds, so each is duplicated. */
static int start_reply_read(sd_bus_message *m, StartReply *p)
{
        int control, pidfd, fd, r;

        r = sd_bus_message_read(m, "hhu", &control, &pidfd, &p->pid);
        if (r < 0)
                return r;
        p->control = dup_fd(control);
        p->pidfd = dup_fd(pidfd);
        if (p->control < 0 || p->pidfd < 0)
                return MIN(p->control, p->pidfd);
        r = sd_bus_message_enter_container(m, 'a', "h");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_read(m, "h", &fd)) > 0) {
                if (p->n_streams >= ELEMENTSOF(p->streams))
                        return -EBADMSG;
                p->streams[p->n_streams] = dup_fd(fd);
                if (p->streams[p->n_streams] < 0)
                        return p->streams[p->n_streams];
                p->n_streams++;
        }
        return r;
}

/* They are the caller's, for whom they are to be as pipe(2) makes them. */
static int exec_take_pipes(Exec *e, StartReply *p)
{
        int r = p->n_streams == 3 ? 0 : -EBADMSG;

        for (size_t i = 0; r >= 0 && i < p->n_streams; i++) {
                e->stdio[i] = TAKE_FD(p->streams[i]);
                r = fd_set_nonblock(e->stdio[i], false);
        }
        return r;
}

static int exec_take_streams(Exec *e, StartReply *p)
{
        Stream *s = exec_stream(e);
        int r;

        if (!s)
                return -ENOMEM;
        if (e->piped)
                return exec_take_pipes(e, p);
        /* Without streams of ours (the caller passed its own) the output has ended before it began. */
        if (p->n_streams == 0)
                return 0;
        if (e->request->tty) {
                if (p->n_streams != 1)
                        return -EBADMSG;
                return stream_set_tty(s, TAKE_FD(p->streams[0]), &e->request->detach_keys);
        }
        if (p->n_streams != 3)
                return -EBADMSG;
        r = stream_set_output(s, FRAME_STDOUT, TAKE_FD(p->streams[1]));
        if (r >= 0)
                r = stream_set_output(s, FRAME_STDERR, TAKE_FD(p->streams[2]));
        if (r >= 0)
                r = stream_set_input(s, e->request->attach_stdin ? TAKE_FD(p->streams[0]) : -EBADF);
        return r;
}

/* The spawner and execd know the command: from here on it runs until its end. If it has ended with its scope
 * meanwhile, the socket is at its end. */
void exec_confirm(Exec *e)
{
        int r = e->logging ? 0 : fd_send_message(e->control_fd, RUNNER_TAKEN, 1, NULL, 0);

        if (r < 0 && r != -EPIPE && r != -ECONNRESET)
                log_error_errno(r, "Failed to take over exec %.12s", e->id);
}

static void exec_fail_lost(Exec *e)
{
        _cleanup_free_ char *text = NULL;

        if (asprintf(&text,
                     "execd-spawner ended while it started the command, which may still run: see systemctl "
                     "status %s",
                     e->unit) < 0)
                text = NULL;
        exec_fail(e, REFUSAL_UNAVAILABLE, text ?: "execd-spawner ended while it started the command");
}

static int exec_on_lost_ended(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        Exec *e = userdata;

        e->start_slot = sd_bus_slot_unref(e->start_slot);
        if (spawner_reply_refusal(m, &refusal) < 0) {
                log_error("Failed to end exec %.12s: %s", e->id, refusal.message ?: "no reason given");
                exec_fail_lost(e);
        } else
                exec_fail(e, REFUSAL_UNAVAILABLE,
                          "execd-spawner ended while it started the command: the command was ended, and may "
                          "have run");
        return 0;
}

/* The answer to the start is lost, and the command may run. The clients get the error once it is certain that
 * no process of it runs. */
static void exec_end_lost(Exec *e)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;

        if (spawner_end_exec(e->env->spawner, e->id, exec_on_lost_ended, e, &e->start_slot, &refusal) < 0)
                exec_fail_lost(e);
}

static int exec_on_reply(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        _cleanup_(start_reply_done) StartReply p = {-EBADF, -EBADF, {-EBADF, -EBADF, -EBADF}, 0, 0};
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        Exec *e = userdata;
        int r;

        e->start_slot = sd_bus_slot_unref(e->start_slot);
        exec_unpark(e);
        if (spawner_start_is_lost(m)) {
                exec_end_lost(e);
                return 0;
        }
        if (spawner_reply_refusal(m, &refusal) < 0) {
                exec_fail(e, refusal.kind, refusal.message ?: "execd-spawner gave no reason");
                return 0;
        }
        r = start_reply_read(m, &p);
        if (r >= 0)
                r = exec_take_control(e, TAKE_FD(p.control));
        if (r < 0) {
                log_error_errno(r, "Failed to take over exec %.12s", e->id);
                exec_end_lost(e);
                return 0;
        }
        e->pidfd = TAKE_FD(p.pidfd);
        e->pid = (pid_t) p.pid;
        e->started_usec = now_usec(CLOCK_REALTIME);
        e->started_monotonic = now_usec(CLOCK_MONOTONIC);

        exec_ref(e);
        exec_recording_begin(e);
        r = exec_take_streams(e, &p);
        if (e->stream)
                (void) stream_need_map(e->stream);
        if (r >= 0 && e->detached)
                r = exec_output_log(e);
        exec_set_state(e, EXEC_RUNNING);
        /* The caller has them now, or has left. */
        exec_close_stdio(e);
        fdstore_keep(e);
        exec_confirm(e);
        if (r < 0) {
                log_error_errno(r, "Failed to serve the streams of exec %.12s", e->id);
                e->output_ended = true;
                (void) exec_kill(e, SIGKILL, true, NULL, NULL, NULL, &refusal);
        }
        if (e->stream) {
                stream_begin(e->stream);
                stream_release_idle(e->stream);
        }
        exec_apply_disconnect(e);
        /* A short command has ended by now. */
        if (e->control_source && !e->exit_known)
                (void) exec_on_control(e->control_source, e->control_fd, EPOLLIN, e);
        exec_advance(e);
        exec_unref(e);
        return 0;
}

/* The start is on record: the spawner is asked. */
static int exec_launch(Exec *e, Refusal *reterr)
{
        _cleanup_free_ char *description = NULL;
        SpawnerExec describe;
        int r;

        exec_tell_command(e, "exec_start");
        describe = exec_describe(e, &description);
        describe.one_output = e->one_output;
        r = spawner_start(e->env->spawner, &describe, &e->start_size, e->starter->loginuid,
                          e->stdio[0] >= 0 ? e->stdio : NULL, exec_on_reply, e, &e->start_slot, reterr);
        exec_close_stdio(e);
        if (r < 0) {
                exec_fail(e, reterr->kind ?: REFUSAL_INTERNAL,
                          reterr->message ?: "failed to call execd-spawner");
                return r;
        }
        return 0;
}

static void exec_on_recorded(void *userdata, int error)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        Exec *e = userdata;

        e->record = NULL;
        if (error < 0)
                exec_fail(e, REFUSAL_UNAVAILABLE, AUDIT_REFUSAL);
        else
                (void) exec_launch(e, &refusal);
}

int exec_start(Exec *e, Peer *starter, const ConsoleSize *size, bool detached, Refusal *reterr)
{
        int r;

        if (e->hidden)
                return refuse(reterr, REFUSAL_NOT_RUNNING, ESRCH, "container %s is not running",
                              e->container->name);
        if (e->state != EXEC_CREATED)
                return refuse(reterr, REFUSAL_CONFLICT, EBUSY, "exec command %s %s", e->id,
                              e->state == EXEC_RUNNING || e->state == EXEC_STARTING ? "is already running"
                                                                                    : "has already run");
        e->starter = detached ? peer_remember(starter) : peer_remember_alive(starter);
        if (!e->starter)
                return -ENOMEM;
        e->detached = detached;
        e->start_size = size->set ? *size : e->request->console_size;
        e->asked_monotonic = now_usec(CLOCK_MONOTONIC);
        exec_set_state(e, EXEC_STARTING);

        r = config_check_privileged(e->env->config, e->request->privileged, reterr);
        if (r < 0) {
                exec_fail(e, reterr->kind, reterr->message);
                return r;
        }
        r = audit_exec_wait(AUDIT_STARTED, e, e->starter, exec_on_recorded, e, &e->record);
        if (r < 0) {
                exec_fail(e, REFUSAL_UNAVAILABLE, AUDIT_REFUSAL);
                return refuse(reterr, REFUSAL_UNAVAILABLE, r, AUDIT_REFUSAL);
        }
        return r == 0 ? 0 : exec_launch(e, reterr);
}
