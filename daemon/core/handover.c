/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/handover.h"

#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "base/fd.h"
#include "base/log.h"

#define NAME_PREFIX  "exec-"
#define NAME_SIZE    (sizeof(NAME_PREFIX) + EXEC_ID_SIZE + 8)
#define BARRIER_USEC (5 * USEC_PER_SEC)

/* A command that has run for so long is not one of many short ones, for which systemd need not be troubled.
 */
#define KEEP_AFTER_USEC (5 * USEC_PER_SEC)

static const char *const role_names[_HANDOVER_ROLE_MAX] = {
        [HANDOVER_CONTROL] = "control",
        [HANDOVER_PIDFD] = "pidfd",
        [HANDOVER_STDOUT] = "stdout",
        [HANDOVER_STDERR] = "stderr",
};

static void role_name(char name[static NAME_SIZE], const char *id, HandoverRole role)
{
        snprintf(name, NAME_SIZE, NAME_PREFIX "%.64s-%s", id, role_names[role]);
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
        strcpy(f->id, id);
        for (size_t i = 0; i < ELEMENTSOF(f->fds); i++)
                f->fds[i] = -EBADF;
        return f;
}

bool handover_add(Handover *h, const char *name, int fd)
{
        char id[EXEC_ID_SIZE] = "";
        int n = 0;

        if (sscanf(name, NAME_PREFIX "%64[0-9a-f]-%n", id, &n) != 1 || n == 0 ||
            strlen(id) != EXEC_ID_SIZE - 1)
                return false;
        for (size_t i = 0; i < ELEMENTSOF(role_names); i++) {
                HandoverFds *f;

                if (strcmp(name + n, role_names[i]) != 0)
                        continue;
                f = handover_get(h, id);
                if (!f || f->fds[i] >= 0)
                        return false;
                f->fds[i] = fd;
                return true;
        }
        return false;
}

static void forget(const char *id)
{
        char name[NAME_SIZE];

        for (size_t i = 0; i < ELEMENTSOF(role_names); i++) {
                role_name(name, id, i);
                (void) sd_notifyf(false, "FDSTOREREMOVE=1\nFDNAME=%s", name);
        }
}

void handover_done(Handover *h)
{
        for (size_t i = 0; i < h->n_execs; i++) {
                for (size_t k = 0; k < ELEMENTSOF(role_names); k++)
                        h->execs[i].fds[k] = fd_close(h->execs[i].fds[k]);
                forget(h->execs[i].id);
        }
        h->execs = mfree(h->execs);
        h->n_execs = 0;
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
        forget(e->id);
}

void handover_store(Manager *m)
{
        size_t n = 0;

        LIST_FOREACH_SAFE (node, &m->execs) {
                Exec *e = LIST_ENTRY(node, Exec, node);
                int r;

                if (e->state == EXEC_STARTING)
                        exec_fail(e, REFUSAL_UNAVAILABLE, "execd was stopped before the command ran");
                /* Its status is known, and nobody will wait for the rest of its output. */
                if (e->state == EXEC_DRAINING)
                        exec_set_state(e, EXEC_EXITED);
                if (e->state != EXEC_RUNNING || e->exit_known)
                        continue;
                r = store_exec(e);
                if (r < 0) {
                        log_error_errno(r, "Cannot leave exec %.12s with systemd: its end will not be known",
                                        e->id);
                        continue;
                }
                e->stored = true;
                n++;
        }
        if (n == 0)
                return;
        log_info("%u running execs are left with systemd until the next start", (unsigned) n);
        (void) sd_notify_barrier(false, BARRIER_USEC);
}
