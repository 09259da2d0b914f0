/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "spawner/sweep.h"

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-event.h>

#include "base/fd.h"
#include "base/list.h"
#include "base/log.h"
#include "spawner/cgroup.h"
#include "spawner/proc-parse.h"

#define OF_TURN_MAX 64

/* After the first turn others come first. */
#define TURN_PRIORITY 100

/* A fork bomb may outrun us this often. */
#define ROUNDS_MAX 256

#define CGROUP_MAX (16 * 1024)

typedef struct Sweep {
        ListNode node;
        sd_event_source *turns;
        char *path;
        int signal_number;
        pid_t runner;
        int runner_fd; /* owned; negative: there is none to leave out */
        pid_t *pids;   /* owned: those that were in the control group when the round began */
        size_t n, room, next;
        unsigned rounds;
        size_t n_signaled; /* in this round */
        bool has_found;    /* in any */
} Sweep;

static List sweeps;

static Sweep *sweep_free(Sweep *w)
{
        if (!w)
                return NULL;
        list_remove(&sweeps, &w->node);
        sd_event_source_disable_unref(w->turns);
        fd_close(w->runner_fd);
        free(w->pids);
        free(w->path);
        return mfree(w);
}
DEFINE_CLEANUP(Sweep, sweep_free);

static int add(pid_t pid, void *userdata)
{
        Sweep *w = userdata;

        if (w->n == w->room) {
                size_t room = w->room * 2 + OF_TURN_MAX;
                pid_t *more = reallocarray(w->pids, room, sizeof(*more));

                if (!more)
                        return -ENOMEM;
                w->pids = more;
                w->room = room;
        }
        w->pids[w->n++] = pid;
        return 0;
}

static bool is_in(pid_t pid, const char *path)
{
        _cleanup_free_ char *text = NULL, *found = NULL;
        size_t n = strlen(path);
        char file[32];

        snprintf(file, sizeof(file), "/proc/%d/cgroup", pid);
        return file_read_at(AT_FDCWD, file, CGROUP_MAX, &text, NULL) >= 0 &&
               proc_cgroup_parse(text, &found) >= 0 && strncmp(found, path, n) == 0 &&
               (found[n] == 0 || found[n] == '/');
}

/* Another process may have the number by now. Its data counts if the process lives afterwards. */
static bool signal_one(const Sweep *w, pid_t pid)
{
        _cleanup_close_ int pidfd = pidfd_open_pid(pid);

        if (pidfd < 0 || (pid == w->runner && w->runner_fd >= 0 && pidfd_is_alive(w->runner_fd) > 0))
                return false;
        return is_in(pid, w->path) && pidfd_is_alive(pidfd) > 0 &&
               pidfd_signal(pidfd, w->signal_number) >= 0;
}

/* 1: there is more to do. */
static int turn(Sweep *w)
{
        size_t end;
        int r;

        if (w->next == w->n) {
                w->n = w->next = w->n_signaled = 0;
                r = cgroup_foreach_process(w->path, add, w);
                if (r < 0)
                        return r;
                w->rounds++;
        }
        for (end = MIN(w->n, w->next + OF_TURN_MAX); w->next < end; w->next++)
                w->n_signaled += signal_one(w, w->pids[w->next]);
        w->has_found = w->has_found || w->n_signaled > 0;
        return w->next < w->n ||
               (w->signal_number == SIGKILL && w->n_signaled > 0 && w->rounds < ROUNDS_MAX);
}

static int on_turn(sd_event_source *source, void *userdata)
{
        Sweep *w = userdata;
        int r = turn(w);

        if (r > 0)
                r = sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
        else if (r == 0 || r == -ENOENT || r == -ENODEV) {
                sweep_free(w);
                return 0;
        }
        if (r < 0) {
                log_error_errno(r, "Failed to signal the processes of %s", w->path);
                sweep_free(w);
        }
        return 0;
}

static int sweep_new(const char *path, int signal_number, pid_t runner, Sweep **ret)
{
        _cleanup_(sweep_freep) Sweep *w = calloc(1, sizeof(*w));

        if (!w)
                return -ENOMEM;
        *w = (Sweep){
                .path = strdup(path),
                .signal_number = signal_number,
                .runner = runner,
                .runner_fd = runner > 0 ? pidfd_open_pid(runner) : -EBADF,
        };
        list_append(&sweeps, &w->node);
        if (!w->path)
                return -ENOMEM;
        *ret = TAKE_PTR(w);
        return 0;
}

static int go_on(Sweep *w)
{
        sd_event *event = NULL;
        int r = sd_event_default(&event);

        if (r >= 0)
                r = sd_event_add_defer(event, &w->turns, on_turn, w);
        sd_event_unref(event);
        return r < 0 ? r : sd_event_source_set_priority(w->turns, TURN_PRIORITY);
}

int sweep_start(const char *path, int signal_number, pid_t runner, Refusal *reterr)
{
        _cleanup_(sweep_freep) Sweep *w =
                LIST_FIND(Sweep, other, &sweeps, node, strcmp(other->path, path) == 0);
        int r;

        if (w && signal_number != SIGKILL) {
                TAKE_PTR(w);
                return refuse(reterr, REFUSAL_UNAVAILABLE, EBUSY,
                              "the processes of the exec are still being signaled");
        }
        /* A sweep that kills instead, and spares no process if the other one does not. */
        if (w && w->runner_fd < 0)
                runner = 0;
        w = sweep_free(w);
        r = sweep_new(path, signal_number, runner, &w);
        if (r >= 0)
                r = turn(w);
        if (r > 0) {
                r = go_on(w);
                if (r >= 0)
                        TAKE_PTR(w);
                return r;
        }
        return r == -ENOENT || r == -ENODEV || (r == 0 && !w->has_found) ? -ESRCH : r;
}
