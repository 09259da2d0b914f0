/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "spawner/kill.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-event.h>

#include "base/fd.h"
#include "base/log.h"
#include "spawner/cgroup.h"
#include "spawner/proc-parse.h"
#include "wire/exec-id.h"

#define STATUS_MAX (64 * 1024)

/* A fork bomb may outrun us this often, and so often in one turn of the loop. */
#define ROUNDS_MAX    256
#define ROUNDS_A_TURN 4

/* The rounds after the first turn: others come first. */
#define SWEEP_PRIORITY 100

typedef struct Sweep {
        int signal_number;
        pid_t runner; /* is left alone; 0: none is */
        unsigned n_signalled;
} Sweep;

/* The runner is the parent of the command, as long as it lives. Namespaces do not distinguish it from the
 * command: those of a service may be the host's. */
static int find_runner(pid_t command, const char *scope, pid_t *ret)
{
        _cleanup_free_ char *text = NULL, *path = NULL;
        ProcStatus status;
        char file[48];
        int r;

        *ret = 0;
        snprintf(file, sizeof(file), "/proc/%d/status", command);
        r = file_read_at(AT_FDCWD, file, STATUS_MAX, &text, NULL);
        if (r >= 0)
                r = proc_status_parse(text, &status);
        if (r < 0)
                return r == -ENOENT ? -ESRCH : r;
        if (cgroup_of_unit(status.ppid, scope, &path) >= 0)
                *ret = status.ppid;
        return 0;
}

static int signal_one(pid_t pid, void *userdata)
{
        _cleanup_close_ int pidfd = pidfd_open_pid(pid);
        Sweep *s = userdata;

        if (pidfd < 0 || pidfd_is_alive(pidfd) <= 0)
                return 0;
        if (pid == s->runner)
                return 0;
        if (pidfd_signal(pidfd, s->signal_number) >= 0)
                s->n_signalled++;
        return 0;
}

/* The work that is left after a turn of the loop. */
typedef struct Sweeping {
        sd_event_source *source;
        char *path;
        pid_t runner;
        unsigned rounds;
} Sweeping;

/* SIGKILL is repeated until nobody is left to be signaled: what forks meanwhile would get away otherwise.
 * True when another turn is needed. */
static bool sweep_turn(const char *path, int signal_number, pid_t runner, unsigned *n_all, int *ret_error)
{
        *ret_error = 0;
        for (int round = 0; round < ROUNDS_A_TURN; round++) {
                Sweep s = {.signal_number = signal_number, .runner = runner};

                *ret_error = cgroup_foreach_process(path, signal_one, &s);
                if (*ret_error < 0)
                        return false;
                *n_all += s.n_signalled;
                if (signal_number != SIGKILL || s.n_signalled == 0)
                        return false;
        }
        return true;
}

static Sweeping *sweeping_free(Sweeping *w)
{
        if (!w)
                return NULL;
        sd_event_source_disable_unref(w->source);
        free(w->path);
        free(w);
        return NULL;
}
DEFINE_CLEANUP(Sweeping, sweeping_free);

static int on_sweep(sd_event_source *source, void *userdata)
{
        Sweeping *w = userdata;
        unsigned n = 0;
        int error;

        w->rounds += ROUNDS_A_TURN;
        if (sweep_turn(w->path, SIGKILL, w->runner, &n, &error) && w->rounds < ROUNDS_MAX)
                (void) sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
        else
                sweeping_free(w);
        return 0;
}

static int sweeping_new(const char *path, pid_t runner)
{
        _cleanup_(sweeping_freep) Sweeping *w = calloc(1, sizeof(*w));
        sd_event *event = NULL;
        int r;

        if (!w)
                return -ENOMEM;
        *w = (Sweeping){.path = strdup(path), .runner = runner};
        if (!w->path)
                return -ENOMEM;
        r = sd_event_default(&event);
        if (r < 0)
                return r;
        r = sd_event_add_defer(event, &w->source, on_sweep, w);
        sd_event_unref(event);
        if (r >= 0)
                r = sd_event_source_set_priority(w->source, SWEEP_PRIORITY);
        if (r < 0)
                return r;
        TAKE_PTR(w);
        return 0;
}

static int signal_all(const char *path, int signal_number, pid_t runner)
{
        unsigned n = 0;
        int error, r;

        if (sweep_turn(path, signal_number, runner, &n, &error)) {
                r = sweeping_new(path, runner);
                if (r < 0)
                        log_error_errno(r, "Failed to kill the processes of %s", path);
        }
        if (n > 0 || error == -ENOENT)
                return 0;
        return error < 0 ? error : -ESRCH;
}

int kill_exec(const char *exec_id, int pidfd, int signal_number, bool all, Refusal *reterr)
{
        _cleanup_free_ char *path = NULL;
        char unit[EXEC_UNIT_SIZE];
        pid_t pid, runner = 0;
        int r;

        exec_id_unit(exec_id, unit);
        r = pidfd_get_pid(pidfd, &pid);
        if (r < 0 && r != -ESRCH)
                return refuse(reterr, REFUSAL_BAD_REQUEST, EBADF, "not a pidfd");
        if (r >= 0)
                r = cgroup_of_unit(pid, unit, &path);
        if (r >= 0)
                r = find_runner(pid, unit, &runner);
        /* Data that was read by PID belongs to the command if the command still exists. */
        if (r >= 0 && pidfd_is_alive(pidfd) <= 0)
                r = -ESRCH;
        if (r == -ENOENT)
                return refuse(reterr, REFUSAL_DENIED, EPERM, "this process does not belong to exec %s",
                              exec_id);
        if (r >= 0)
                r = all ? signal_all(path, signal_number, runner) : pidfd_signal(pidfd, signal_number);
        return r;
}

void kill_scope_of(pid_t pid, const char *exec_id)
{
        _cleanup_free_ char *path = NULL;
        char unit[EXEC_UNIT_SIZE];
        int r;

        exec_id_unit(exec_id, unit);
        r = cgroup_of_unit(pid, unit, &path);
        if (r >= 0)
                r = signal_all(path, SIGKILL, 0);
        if (r < 0 && r != -ESRCH && r != -ENOENT)
                log_error_errno(r, "Failed to kill the processes of %s", unit);
}
