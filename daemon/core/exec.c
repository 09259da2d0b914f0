/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/exec.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/time.h"
#include "core/command-line.h"
#include "core/exec-internal.h"
#include "core/exec-recording.h"
#include "wire/login-shell.h"

static const char *const state_names[_EXEC_STATE_MAX] = {
        [EXEC_CREATED] = "created",   [EXEC_STARTING] = "starting", [EXEC_RUNNING] = "running",
        [EXEC_DRAINING] = "draining", [EXEC_EXITED] = "exited",     [EXEC_FAILED] = "failed",
};

/* The allowed changes: a bit for each state that may follow. */
static const unsigned moves[_EXEC_STATE_MAX] = {
        [EXEC_CREATED] = 1U << EXEC_STARTING | 1U << EXEC_FAILED,
        [EXEC_STARTING] = 1U << EXEC_RUNNING | 1U << EXEC_FAILED,
        [EXEC_RUNNING] = 1U << EXEC_DRAINING,
        [EXEC_DRAINING] = 1U << EXEC_EXITED,
};

const char *exec_state_to_string(ExecState s)
{
        return state_names[s];
}

const char *exec_status_name(const Exec *e)
{
        if (e->state == EXEC_STARTING)
                return "running";
        if (e->state == EXEC_DRAINING)
                return "exited";
        return state_names[e->state];
}

bool exec_status_exists(const char *name)
{
        int state = NAMES_FIND(state_names, name);

        return state >= 0 && state != EXEC_STARTING && state != EXEC_DRAINING;
}

int exec_make_id(char id[static EXEC_ID_SIZE])
{
        uint8_t bytes[(EXEC_ID_SIZE - 1) / 2];

        if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
                return -EIO;
        for (size_t i = 0; i < sizeof(bytes); i++)
                snprintf(id + 2 * i, 3, "%02x", bytes[i]);
        return 0;
}

void exec_park(Exec *e)
{
        if (e->parked)
                return;
        e->parked = true;
        if (e->env->parked)
                budget_force(e->env->parked, e->creator->uid, 1);
}

static int exec_on_leader(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
        Exec *e = userdata;

        e->leader_source = sd_event_source_disable_unref(e->leader_source);
        exec_container_gone(e);
        return 0;
}

int exec_watch_leader(Exec *e)
{
        int fd = e->container->leader_pidfd;

        if (fd < 0)
                return 0;
        return sd_event_add_io(e->env->event, &e->leader_source, fd, EPOLLIN, exec_on_leader, e);
}

Exec *exec_alloc(ExecEnv *env)
{
        Exec *e;

        assert(env->event && env->config && env->events);
        e = calloc(1, sizeof(Exec));
        if (!e)
                return NULL;
        e->n_ref = 1;
        e->env = env;
        e->control_fd = e->pidfd = -EBADF;
        e->stdio[0] = e->stdio[1] = e->stdio[2] = -EBADF;
        return e;
}

int exec_new(ExecEnv *env, ContainerInfo *c, Peer *creator, ExecRequest *request, const char *ready_id,
             Exec **ret)
{
        _cleanup_(exec_unrefp) Exec *e = exec_alloc(env);
        int r;

        if (!e)
                return -ENOMEM;
        e->created_usec = now_usec(CLOCK_REALTIME);
        e->created_monotonic = now_usec(CLOCK_MONOTONIC);
        e->container = container_info_ref(c);
        e->creator = peer_remember(creator);
        if (!e->creator)
                return -ENOMEM;
        if (ready_id) {
                memcpy(e->id, ready_id, sizeof(e->id));
                exec_park(e);
        } else {
                r = exec_make_id(e->id);
                if (r < 0)
                        return r;
        }
        exec_id_unit(e->id, e->unit);
        e->command_line = command_line_of_request(request, EXEC_COMMAND_LINE_MAX);
        if (!e->command_line)
                return -ENOMEM;
        r = exec_watch_leader(e);
        if (r < 0)
                return r;
        /* From here on nothing fails, so the request is taken. */
        e->request = request;
        *ret = TAKE_PTR(e);
        return 0;
}

size_t exec_size(const Exec *e)
{
        return sizeof(Exec) + exec_request_size(e->request) + container_info_size(e->container) +
               strv_size(e->warnings) + strlen(e->command_line ?: "");
}

Exec *exec_ref(Exec *e)
{
        assert(e->n_ref > 0);
        e->n_ref++;
        return e;
}

void exec_close_stdio(Exec *e)
{
        for (size_t i = 0; i < ELEMENTSOF(e->stdio); i++)
                e->stdio[i] = fd_close(e->stdio[i]);
}

void exec_unpark(Exec *e)
{
        if (!e->parked)
                return;
        e->parked = false;
        if (e->env->parked)
                budget_give(e->env->parked, e->creator->uid, 1);
}

/* Gives up all that only a live exec needs. */
static void exec_release(Exec *e)
{
        exec_unpark(e);
        e->record = journal_wait_free(e->record);
        e->prepare_slot = sd_bus_slot_unref(e->prepare_slot);
        e->start_slot = sd_bus_slot_unref(e->start_slot);
        e->leader_source = sd_event_source_disable_unref(e->leader_source);
        container_info_forget_leader(e->container);
        e->caller = caller_watch_free(e->caller);
        e->control_source = sd_event_source_disable_unref(e->control_source);
        e->drain_timer = sd_event_source_disable_unref(e->drain_timer);
        e->control_fd = fd_close(e->control_fd);
        e->pidfd = fd_close(e->pidfd);
        exec_close_stdio(e);
}

void exec_uncharge_ring(Exec *e)
{
        if (e->ring_charge > 0)
                budget_give(e->env->outputs, e->creator->uid, e->ring_charge);
        e->ring_charge = 0;
}

Exec *exec_unref(Exec *e)
{
        assert(!e || e->n_ref > 0);
        if (!e || --e->n_ref > 0)
                return NULL;
        assert(list_is_empty(&e->watches) && !e->linked);
        exec_release(e);
        exec_uncharge_ring(e);
        e->kill_slot = sd_bus_slot_unref(e->kill_slot);
        exec_recording_end(e);
        e->slot = slot_release(e->slot);
        stream_free(e->stream);
        exec_request_free(e->request);
        container_info_unref(e->container);
        peer_unref(e->creator);
        peer_unref(e->starter);
        free(e->command_line);
        strv_free(e->warnings);
        free(e->failure);
        free(e->recording_path);
        return mfree(e);
}

void exec_watch(Exec *e, ExecWatch *w, void (*callback)(ExecWatch *, Exec *))
{
        assert(!w->exec && callback);
        w->exec = e;
        w->callback = callback;
        list_append(&e->watches, &w->node);
}

void exec_unwatch(ExecWatch *w)
{
        if (w->exec)
                list_remove(&w->exec->watches, &w->node);
        w->exec = NULL;
}

void exec_tell(Exec *e, const char *action)
{
        const char *code = NULL;
        char id[sizeof("execID=") + EXEC_ID_SIZE], exit_code[32];
        _cleanup_strv_ char **attributes = NULL;

        snprintf(id, sizeof(id), "execID=%s", e->id);
        if (e->state == EXEC_EXITED) {
                snprintf(exit_code, sizeof(exit_code), "exitCode=%d", e->exit_code);
                code = exit_code;
        }
        if (strv_append(&attributes, id) < 0 || (code && strv_append(&attributes, code) < 0) ||
            container_info_attributes(e->container, &attributes) < 0)
                return;
        event_log_add(e->env->event_log, action, e->container->id, attributes);
}

/* Docker's form: the words joined by blanks, and a trailing blank when there is only one. */
void exec_tell_command(Exec *e, const char *verb)
{
        _cleanup_buf_ Buf b = BUF_INIT;

        if (login_shell_is(e->request->argv)) {
                _cleanup_free_ char *text = NULL;

                if (asprintf(&text, "%s: %s", verb, e->command_line) >= 0)
                        exec_tell(e, text);
                return;
        }
        buf_printf(&b, "%s: %s ", verb, e->request->argv[0]);
        for (size_t i = 1; e->request->argv[i] && buf_length(&b) < EXEC_COMMAND_LINE_MAX; i++)
                buf_printf(&b, "%s%s", i > 1 ? " " : "", e->request->argv[i]);
        buf_append(&b, "", 1);
        if (buf_error(&b) < 0)
                return;
        if (buf_length(&b) > EXEC_COMMAND_LINE_MAX)
                buf_head(&b)[EXEC_COMMAND_LINE_MAX] = 0;
        exec_tell(e, buf_head(&b));
}

void exec_set_state(Exec *e, ExecState state)
{
        const ExecEvents *events = e->env->events;
        ExecState old = e->state;

        assert(state < _EXEC_STATE_MAX);
        if (old == state)
                return;
        if (!(moves[old] & 1U << state)) {
                log_error("Refused to change exec %.12s from %s to %s", e->id, state_names[old],
                          state_names[state]);
                return;
        }
        log_debug("Exec %.12s: %s -> %s", e->id, state_names[old], state_names[state]);
        e->state = state;

        exec_ref(e);
        if (exec_has_ended(e)) {
                e->ended_monotonic = now_usec(CLOCK_MONOTONIC);
                exec_release(e);
                strv_free(TAKE_PTR(e->request->env)); /* it is never shown */
        }
        events->on_change(e->env->userdata, e, old);
        LIST_FOREACH (ExecWatch, w, &e->watches, node) {
                w->callback(w, e);
        }
        /* The clients see the end only now, when the exit status is stored. */
        if (exec_has_ended(e) && e->stream)
                stream_finish(e->stream, e->detached);
        events->on_settled(e->env->userdata, e);
        exec_unref(e);
}

void exec_fail(Exec *e, RefusalKind kind, const char *text)
{
        if (exec_has_ended(e))
                return;
        e->failure_kind = kind;
        e->failure = strdup(text);
        e->exit_code = kind == REFUSAL_NOT_FOUND ? 127 : 126;
        e->finished_usec = now_usec(CLOCK_REALTIME);
        exec_close_stdio(e);
        if (e->stream) {
                _cleanup_free_ char *line = NULL;

                if (asprintf(&line, "%s\r\n", text) >= 0)
                        stream_inject(e->stream, line);
        }
        exec_set_state(e, EXEC_FAILED);
}

static int exec_on_drain(sd_event_source *source, uint64_t usec, void *userdata)
{
        Exec *e = userdata;

        /* The journal gets the remaining records later. */
        e->log_ended = true;
        stream_drain_rest(e->stream);
        exec_advance(e);
        return 0;
}

/* The end is on record after all that was written. */
static bool exec_has_drained(const Exec *e)
{
        return e->output_ended && (!e->logging || e->log_ended);
}

/* RuntimeMaxSec shows only as a signal that came when the time was up. It began with the scope, which was
 * made once the start was asked for. */
static bool exec_ran_out_of_time(const Exec *e)
{
        return WIFSIGNALED(e->wait_status) && e->asked_monotonic > 0 &&
               now_usec(CLOCK_MONOTONIC) - e->asked_monotonic >= exec_request_runtime_max(e->request);
}

void exec_advance(Exec *e)
{
        if (e->state == EXEC_RUNNING && e->exit_known) {
                e->exit_code = WIFSIGNALED(e->wait_status) ? 128 + WTERMSIG(e->wait_status)
                                                           : WEXITSTATUS(e->wait_status);
                e->finished_usec = e->stream ? stream_recorded(e->stream) : 0;
                if (e->finished_usec == 0)
                        e->finished_usec = now_usec(CLOCK_REALTIME);
                e->timed_out = exec_ran_out_of_time(e);
                if (!exec_has_drained(e) &&
                    sd_event_add_time_relative(e->env->event, &e->drain_timer, CLOCK_MONOTONIC,
                                               e->env->config->drain_usec, 0, exec_on_drain, e) < 0)
                        e->output_ended = e->log_ended = true;
                exec_set_state(e, EXEC_DRAINING);
        }
        if (e->state == EXEC_DRAINING && exec_has_drained(e) && exec_recording_finish(e, exec_advance))
                exec_set_state(e, EXEC_EXITED);
}

int exec_resize(Exec *e, uint16_t rows, uint16_t columns, Refusal *reterr)
{
        int r;

        if (e->state != EXEC_RUNNING)
                return refuse(reterr, REFUSAL_NOT_RUNNING, ESRCH, "exec process is not running");
        r = stream_resize(e->stream, rows, columns);
        if (r < 0)
                return refuse(reterr, REFUSAL_INTERNAL, r, "failed to resize the terminal: %s",
                              strerror(-r));
        exec_recording_resize(e, rows, columns);
        return 0;
}

int exec_kill(Exec *e, int signal_number, bool all, sd_bus_message_handler_t callback, void *userdata,
              sd_bus_slot **ret_slot, Refusal *reterr)
{
        if (e->state != EXEC_RUNNING && !(all && e->state == EXEC_DRAINING))
                return refuse(reterr, REFUSAL_NOT_RUNNING, ESRCH, "exec %s is not running", e->id);
        return spawner_kill(e->env->spawner, e->id, e->pidfd, signal_number, all, callback, userdata,
                            ret_slot, reterr);
}

void exec_container_gone(Exec *e)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;

        switch (e->state) {
        case EXEC_CREATED:
                e->hidden = true;
                exec_fail(e, REFUSAL_NO_EXEC, "the container has stopped");
                break;
        case EXEC_RUNNING:
                /* With a pid namespace of its own the kernel has done this already. */
                e->kill_slot = sd_bus_slot_unref(e->kill_slot);
                (void) exec_kill(e, SIGKILL, true, NULL, NULL, NULL, &refusal);
                break;
        default:
                break;
        }
}
