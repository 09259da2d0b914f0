/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "spawner/kill.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/process-state.h"
#include "spawner/cgroup.h"
#include "spawner/proc-parse.h"
#include "spawner/sweep.h"
#include "wire/exec-id.h"

/* The runner is the parent of the command, as long as it lives. Namespaces do not distinguish it from the
 * command: a service may be in the host's. */
static int find_runner(pid_t command, const char *scope, pid_t *ret)
{
        _cleanup_free_ char *text = NULL, *path = NULL;
        ProcStatus status;
        char file[48];
        int r;

        *ret = 0;
        snprintf(file, sizeof(file), "/proc/%d/status", command);
        r = file_read_at(AT_FDCWD, file, PROCESS_STATUS_MAX, &text, NULL);
        if (r >= 0)
                r = proc_status_parse(text, &status);
        if (r < 0)
                return r == -ENOENT ? -ESRCH : r;
        if (cgroup_of_unit(status.ppid, scope, &path) >= 0)
                *ret = status.ppid;
        return 0;
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
                r = all ? sweep_start(path, signal_number, runner, reterr)
                        : pidfd_signal(pidfd, signal_number);
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
                r = sweep_start(path, SIGKILL, 0, NULL);
        if (r < 0 && r != -ESRCH && r != -ENOENT)
                log_error_errno(r, "Failed to kill the processes of %s", unit);
}
