/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/exec-restore.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "core/command-line.h"
#include "core/exec-internal.h"
#include "core/exec-output.h"
#include "core/exec-recording.h"
#include "core/exec-start.h"
#include "core/manager.h"
#include "wire/exec-json.h"
#include "wire/service-name.h"

/* The command's side of the stream, from the descriptors that were handed over. */
static int exec_resume_streams(Exec *e, Stream *s, StoredFds *f)
{
        int r = 0;

        if (f->fds[KEEP_STDOUT] >= 0 && e->request->tty)
                return stream_set_tty(s, TAKE_FD(f->fds[KEEP_STDOUT]), &e->request->detach_keys);
        if (f->fds[KEEP_STDOUT] >= 0)
                r = stream_set_output(s, FRAME_STDOUT, TAKE_FD(f->fds[KEEP_STDOUT]));
        if (r >= 0 && f->fds[KEEP_STDERR] >= 0)
                r = stream_set_output(s, FRAME_STDERR, TAKE_FD(f->fds[KEEP_STDERR]));
        return r < 0 ? r : stream_set_input(s, TAKE_FD(f->fds[KEEP_STDIN]));
}

/* RUNNING again with these, which are taken, and with its clients of then if they are among them. */
static int exec_resume(Exec *e, StoredFds *f)
{
        Stream *s = exec_stream(e);
        int r;

        if (!s)
                return -ENOMEM;
        exec_recording_resume(e);
        r = exec_take_control(e, TAKE_FD(f->fds[KEEP_CONTROL]));
        if (r < 0)
                return r;
        e->pidfd = TAKE_FD(f->fds[KEEP_PIDFD]);
        r = exec_resume_streams(e, s, f);
        if (r >= 0 && f->fds[KEEP_LOG] >= 0) {
                e->logging = true;
                r = stream_set_log(s, TAKE_FD(f->fds[KEEP_LOG]), TAKE_PTR(f->slots[KEEP_LOG]));
        }
        if (r < 0)
                return r;
        /* The stream reports the disconnection of clients that are still attached. */
        if (!fdstore_take_stream(f, s) || stream_was_cut(s))
                e->client_gone = e->client_lost = !e->detached && !e->caller;
        e->slot = TAKE_PTR(f->slots[KEEP_CONTROL]);
        /* The execd before may have died right before it said so. */
        exec_confirm(e);
        stream_keep(s, e->env->slots, e->id);
        stream_begin(s);
        exec_apply_disconnect(e);
        exec_advance(e);
        return 0;
}

/* The kernel ends commands with the first process of a PID namespace. Services may have none. */
static void restore_leader(Exec *e, const ExecJson *r, StoredFds *f)
{
        ContainerInfo *c = e->container;

        if (exec_has_ended(e) || r->leader == 0 || strcmp(c->kind ?: "", SERVICE_KIND) != 0)
                return;
        c->leader = r->leader;
        c->leader_start = r->leader_start;
        c->leader_pidfd = TAKE_FD(f->fds[KEEP_LEADER]);
        if (c->leader_pidfd < 0)
                exec_container_gone(e);
        else if (exec_watch_leader(e) < 0)
                log_warning("Failed to watch the main process of %s, exec %.12s may outlive it", c->name,
                            e->id);
}

/* The needs of an exec that is not only a record of its end: clients will ask for it, and its end is yet to
 * be recorded. */
static int restore_running(Manager *m, Exec *e, ExecJson *r, StoredFds *f)
{
        int k;

        e->container->image = TAKE_PTR(r->container_image);
        e->container->label = TAKE_PTR(r->container_label);
        e->starter = peer_new_remembered(r->starter_uid, r->starter_pid, r->starter_login_uid);
        if (!e->starter)
                return -ENOMEM;
        if (r->caller_bus_name) {
                e->starter->bus_name = TAKE_PTR(r->caller_bus_name);
                k = exec_follow_caller(e, e->starter->bus_name, true);
                if (k < 0)
                        return k;
        }
        e->state = EXEC_RUNNING;
        manager_link_exec(m, e);
        k = exec_resume(e, f);
        if (k < 0) {
                manager_unlink_exec(m, e);
                exec_unref(e);
                return k;
        }
        restore_leader(e, r, f);
        return 0;
}

/* The output of an ended exec that clients have not read yet or may still request. */
static void restore_output(Exec *e, StoredFds *f)
{
        Stream *s = exec_stream(e);

        e->slot = TAKE_PTR(f->slots[KEEP_CONTROL]);
        if (s && fdstore_take_stream(f, s))
                stream_finish(s, e->detached);
}

/* The clock runs on over a restart of execd. A record that does not have it is of a version before. */
static uint64_t ended_when(const ExecJson *r)
{
        uint64_t now = now_usec(CLOCK_MONOTONIC), wall = now_usec(CLOCK_REALTIME);

        if (r->ended_monotonic > 0)
                return MIN(r->ended_monotonic, now);
        return now - MIN(now, wall > r->finished_usec ? wall - r->finished_usec : 0);
}

/* They are not stored: the kernel is still the same one. */
static int restore_warnings(Exec *e)
{
        const ScopePropertyList l = {.items = e->request->properties, .n = e->request->n_properties};

        return limit_check(LIMITS_WARN, &l, e->env->config->controllers_path, &e->warnings, NULL);
}

static int exec_restore(Manager *m, ExecJson *r, StoredFds *f, Exec **ret)
{
        _cleanup_(exec_unrefp) Exec *e = exec_alloc(&m->exec_env);

        if (!e)
                return -ENOMEM;
        e->container = container_info_new_remembered();
        e->creator = peer_new_remembered(r->caller_uid, r->caller_pid, r->caller_login_uid);
        e->request = TAKE_PTR(r->request);
        e->command_line = command_line_of_request(e->request, EXEC_COMMAND_LINE_MAX);
        if (!e->container || !e->creator || !e->command_line)
                return -ENOMEM;
        if (restore_warnings(e) < 0)
                log_warning("Failed to determine the unenforced limits of exec %.12s", r->id);
        e->container->id = TAKE_PTR(r->container_id);
        e->container->name = TAKE_PTR(r->container_name);
        e->container->kind = TAKE_PTR(r->container_kind);
        e->creator->session = TAKE_PTR(r->caller_session);
        snprintf(e->creator->program, PEER_COMM_SIZE, "%s", r->caller_program ?: "");
        strcpy(e->id, r->id); /* of exactly 64 characters: exec_json_read() has checked */
        exec_id_unit(e->id, e->unit);
        e->state = r->failed ? EXEC_FAILED : EXEC_EXITED;
        e->failure = TAKE_PTR(r->failure);
        e->recording_path = TAKE_PTR(r->recording_path);
        e->exit_code = r->exit_code;
        e->wait_status = r->wait_status;
        e->timed_out = r->timed_out;
        e->pid = r->pid;
        e->created_usec = r->created_usec;
        e->asked_monotonic = r->asked_monotonic;
        e->started_monotonic = r->started_monotonic;
        e->started_usec = r->started_usec;
        e->finished_usec = r->finished_usec;
        e->detached = r->detached;
        e->persistence = EXEC_RESTORED;
        if (r->running) {
                *ret = e;
                return restore_running(m, e, r, f);
        }
        e->ended_monotonic = ended_when(r);
        if (f)
                restore_output(e, f);
        manager_link_exec(m, e);
        *ret = e; /* the manager has a reference of its own */
        return 0;
}

int exec_restore_line(Manager *m, const char *line, FdStore *h, Exec **ret)
{
        ExecJson record = {0};
        StoredFds *f;
        int r;

        r = exec_json_read(line, &record);
        if (r < 0)
                return r;
        f = h ? fdstore_find(h, record.id) : NULL;
        if (manager_find_exec(m, record.id))
                r = -EEXIST;
        else if (record.running && (!f || f->fds[KEEP_CONTROL] < 0 || f->fds[KEEP_PIDFD] < 0)) {
                log_warning("Exec %.12s was running when execd was stopped, and its exit status is unknown",
                            record.id);
                r = -ENXIO;
        } else
                r = exec_restore(m, &record, f, ret);
        exec_json_done(&record);
        return r;
}

void exec_restore_stored(Manager *m, FdStore *h)
{
        for (size_t i = 0; i < h->n_execs; i++) {
                Exec *e;
                int r;

                if (!h->execs[i].record || manager_find_exec(m, h->execs[i].id))
                        continue;
                r = exec_restore_line(m, h->execs[i].record, h, &e);
                if (r < 0)
                        log_errno(LOG_WARNING, r, "Failed to restore exec %.12s", h->execs[i].id);
        }
}

Exec *exec_restore_ended(Manager *m, const char *id, const char *record)
{
        Exec *e = NULL;

        if (exec_restore_line(m, record, NULL, &e) < 0)
                return NULL;
        if (strcmp(e->id, id) != 0) {
                manager_unlink_exec(m, e);
                exec_unref(e);
                return NULL;
        }
        /* It was requested now, so its retention begins now. */
        e->ended_monotonic = now_usec(CLOCK_MONOTONIC);
        return e;
}
