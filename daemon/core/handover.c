/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/handover.h"

#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "base/fd.h"
#include "base/log.h"
#include "core/exec-output.h"

#define NAME_PREFIX  "exec-"
#define NAME_CLIENT  "client" /* and which */
#define NAME_SIZE    (sizeof(NAME_PREFIX) + EXEC_ID_SIZE + 16)
#define BARRIER_USEC (5 * USEC_PER_SEC)
#define STREAMS_MAX  (128 * 1024 * 1024) /* bytes in all */

/* A command that has run for so long is not one of many short ones, for which systemd need not be troubled.
 */
#define KEEP_AFTER_USEC (5 * USEC_PER_SEC)

static const char *const role_names[HANDOVER_CLIENTS] = {
        [HANDOVER_CONTROL] = "control", [HANDOVER_PIDFD] = "pidfd", [HANDOVER_STDOUT] = "stdout",
        [HANDOVER_STDERR] = "stderr",   [HANDOVER_STDIN] = "stdin", [HANDOVER_STREAM] = "stream",
};

static void role_name(char name[static NAME_SIZE], const char *id, HandoverRole role)
{
        if (role < HANDOVER_CLIENTS)
                snprintf(name, NAME_SIZE, NAME_PREFIX "%.64s-%s", id, role_names[role]);
        else
                snprintf(name, NAME_SIZE, NAME_PREFIX "%.64s-" NAME_CLIENT "%u", id,
                         (unsigned) role - HANDOVER_CLIENTS);
}

/* The role of such a name behind the id, or negative. */
static int role_from_name(const char *name)
{
        unsigned which;
        int n = 0;

        for (size_t i = 0; i < ELEMENTSOF(role_names); i++)
                if (strcmp(name, role_names[i]) == 0)
                        return (int) i;
        if (sscanf(name, NAME_CLIENT "%2u%n", &which, &n) == 1 && !name[n] &&
            which < STREAM_SNAPSHOT_CLIENTS_MAX)
                return HANDOVER_CLIENTS + (int) which;
        return -EINVAL;
}

HandoverFds *handover_find(Handover *h, const char *id)
{
        for (size_t i = 0; i < h->n_execs; i++)
                if (strcmp(h->execs[i].id, id) == 0)
                        return &h->execs[i];
        return NULL;
}

static HandoverFds *handover_get(Handover *h, const char *id)
{
        HandoverFds *f = handover_find(h, id), *more;

        if (f)
                return f;
        more = reallocarray(h->execs, h->n_execs + 1, sizeof(HandoverFds));
        if (!more)
                return NULL;
        h->execs = more;
        f = &h->execs[h->n_execs++];
        *f = (HandoverFds){0};
        strcpy(f->id, id);
        for (size_t i = 0; i < ELEMENTSOF(f->fds); i++)
                f->fds[i] = -EBADF;
        return f;
}

bool handover_add(Handover *h, const char *name, int fd)
{
        char id[EXEC_ID_SIZE] = "";
        HandoverFds *f;
        int n = 0, role;

        if (sscanf(name, NAME_PREFIX "%64[0-9a-f]-%n", id, &n) != 1 || n == 0 ||
            strlen(id) != EXEC_ID_SIZE - 1)
                return false;
        role = role_from_name(name + n);
        f = role >= 0 ? handover_get(h, id) : NULL;
        if (!f || f->fds[role] >= 0)
                return false;
        f->fds[role] = fd;
        f->passed |= UINT64_C(1) << role;
        return true;
}

static void forget_role(const char *id, HandoverRole role)
{
        char name[NAME_SIZE];

        role_name(name, id, role);
        (void) sd_notifyf(false, "FDSTOREREMOVE=1\nFDNAME=%s", name);
}

void handover_done(Handover *h)
{
        for (size_t i = 0; i < h->n_execs; i++) {
                HandoverFds *f = &h->execs[i];

                for (size_t k = 0; k < ELEMENTSOF(f->fds); k++) {
                        f->fds[k] = fd_close(f->fds[k]);
                        if (f->passed & UINT64_C(1) << k)
                                forget_role(f->id, k);
                }
        }
        h->execs = mfree(h->execs);
        h->n_execs = 0;
}

bool handover_take_stream(HandoverFds *f, Stream *s)
{
        _cleanup_free_ char *data = NULL;
        size_t size = 0;
        int r;

        if (f->fds[HANDOVER_STREAM] < 0) {
                history_clear(stream_history(s));
                return false;
        }
        r = memfd_read(f->fds[HANDOVER_STREAM], STREAM_SNAPSHOT_SIZE_MAX, &data, &size);
        if (r >= 0)
                r = stream_snapshot_read(s, data, size, f->fds + HANDOVER_CLIENTS,
                                         STREAM_SNAPSHOT_CLIENTS_MAX);
        if (r < 0) {
                log_errno(LOG_WARNING, r, "The clients of exec %.12s cannot be served on", f->id);
                history_clear(stream_history(s));
        }
        return r >= 0;
}

static int store_fd(const Exec *e, HandoverRole role, int fd)
{
        char name[NAME_SIZE], message[NAME_SIZE + 32];
        int r;

        if (fd < 0)
                return 0;
        role_name(name, e->id, role);
        /* FDPOLL=0: it stays although its other end may hang up meanwhile. */
        snprintf(message, sizeof(message), "FDSTORE=1\nFDPOLL=0\nFDNAME=%s", name);
        r = sd_pid_notify_with_fds(0, false, message, &fd, 1);
        return r > 0 ? 0 : r < 0 ? r : -ENOTCONN;
}

static int store_exec(const Exec *e)
{
        int r = store_fd(e, HANDOVER_CONTROL, e->control_fd);

        if (r >= 0)
                r = store_fd(e, HANDOVER_PIDFD, e->pidfd);
        if (r >= 0 && e->stream)
                r = store_fd(e, HANDOVER_STDOUT, stream_output_fd(e->stream, FRAME_STDOUT));
        if (r >= 0 && e->stream)
                r = store_fd(e, HANDOVER_STDERR, stream_output_fd(e->stream, FRAME_STDERR));
        return r;
}

/* What its stream has in memory, and its clients. Output that nobody is just reading is left to the journal
 * when there is more than `budget` of it. */
static int store_stream(const Exec *e, size_t *budget)
{
        _cleanup_buf_ Buf b = BUF_INIT;
        _cleanup_close_ int memfd = -EBADF;
        int clients[STREAM_SNAPSHOT_CLIENTS_MAX], r;
        size_t n_clients = 0;

        if (!e->stream || (!e->stored && !stream_snapshot_is_wanted(e->stream)))
                return 0;
        r = stream_snapshot_write(e->stream, &b, clients, &n_clients);
        if (r < 0)
                return r;
        if (n_clients == 0 && buf_length(&b) > *budget)
                return 0;
        *budget -= MIN(*budget, buf_length(&b));
        memfd = memfd_sealed("execd-stream", buf_head(&b), buf_length(&b));
        if (memfd < 0)
                return memfd;
        r = store_fd(e, HANDOVER_STREAM, memfd);
        if (r >= 0)
                r = store_fd(e, HANDOVER_STDIN, stream_input_fd(e->stream));
        for (size_t i = 0; r >= 0 && i < n_clients; i++)
                r = store_fd(e, HANDOVER_CLIENTS + i, clients[i]);
        return r;
}

bool handover_keep(Manager *m)
{
        uint64_t now = now_usec(CLOCK_REALTIME);
        bool changed = m->kept_changed;

        LIST_FOREACH_SAFE (node, &m->execs) {
                Exec *e = LIST_ENTRY(node, Exec, node);

                if (e->kept || e->state != EXEC_RUNNING || e->exit_known ||
                    now < e->started_usec + KEEP_AFTER_USEC)
                        continue;
                e->kept = true;
                changed = true;
                if (store_exec(e) < 0)
                        log_debug("Cannot leave exec %.12s with systemd", e->id);
        }
        m->kept_changed = false;
        return changed;
}

void handover_forget(Exec *e)
{
        if (!e->kept)
                return;
        e->kept = false;
        e->manager->kept_changed = true;
        for (HandoverRole role = HANDOVER_CONTROL; role <= HANDOVER_STDERR; role++)
                forget_role(e->id, role);
}

/* Before the last look at the execs: nothing of them is between two states any more. */
static void settle(Exec *e)
{
        if (e->state == EXEC_STARTING)
                exec_fail(e, REFUSAL_UNAVAILABLE, "execd was stopped before the command ran");
        /* Its status is known, and nobody will wait for the rest of its output. */
        if (e->state == EXEC_DRAINING)
                exec_set_state(e, EXEC_EXITED);
        exec_output_flush(e);
}

void handover_store(Manager *m)
{
        size_t n_running = 0, n = 0, budget = STREAMS_MAX;

        LIST_FOREACH_SAFE (node, &m->execs) {
                Exec *e = LIST_ENTRY(node, Exec, node);
                bool running;
                int r = 0;

                settle(e);
                running = e->state == EXEC_RUNNING && !e->exit_known;
                if (running)
                        r = store_exec(e);
                if (r < 0) {
                        log_error_errno(r, "Cannot leave exec %.12s with systemd: its end will not be known",
                                        e->id);
                        continue;
                }
                e->stored = running;
                n_running += running;
                n++;
                if (!m->leave.is_stop && !e->hidden && store_stream(e, &budget) < 0)
                        log_warning("The clients of exec %.12s are cut off", e->id);
        }
        if (n == 0)
                return;
        log_info("%u running execs are left with systemd until the next start", (unsigned) n_running);
        (void) sd_notify_barrier(false, BARRIER_USEC);
}
