/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "spawner/kill.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/log.h"
#include "spawner/cgroup.h"
#include "spawner/leader.h"
#include "spawner/scope.h"

/* A fork bomb may outrun us this often. */
#define ROUNDS_MAX 64

typedef struct Sweep {
        int signal_number;
        bool with_runner;
        unsigned n_signalled;
} Sweep;

/* A runner is the only one in a scope that is in our pid namespace. */
static bool is_runner(pid_t pid)
{
        struct stat st;
        char path[48];

        snprintf(path, sizeof(path), "/proc/%d/ns/pid", pid);
        return stat(path, &st) >= 0 && st.st_ino == namespaces_own()->inode[NS_PID];
}

static int signal_one(pid_t pid, void *userdata)
{
        _cleanup_close_ int pidfd = pidfd_open_pid(pid);
        Sweep *s = userdata;

        if (pidfd < 0 || pidfd_is_alive(pidfd) <= 0)
                return 0;
        if (!s->with_runner && is_runner(pid))
                return 0;
        if (pidfd_signal(pidfd, s->signal_number) >= 0)
                s->n_signalled++;
        return 0;
}

/* SIGKILL is repeated until nobody is left to be signalled: what forks meanwhile would get away otherwise.
 */
static int signal_all(const char *path, int signal_number, bool with_runner)
{
        unsigned n_all = 0;

        for (int round = 0; round < ROUNDS_MAX; round++) {
                Sweep s = {.signal_number = signal_number, .with_runner = with_runner};
                int r = cgroup_foreach_process(path, signal_one, &s);

                if (r < 0)
                        return n_all > 0 || r == -ENOENT ? 0 : r;
                n_all += s.n_signalled;
                if (signal_number != SIGKILL || s.n_signalled == 0)
                        break;
        }
        return n_all > 0 ? 0 : -ESRCH;
}

int kill_exec(const char *exec_id, int pidfd, int signal_number, bool all, Refusal *reterr)
{
        _cleanup_free_ char *path = NULL;
        char unit[SCOPE_NAME_SIZE];
        pid_t pid;
        int r;

        scope_name(exec_id, unit);
        r = pidfd_get_pid(pidfd, &pid);
        if (r < 0 && r != -ESRCH)
                return refuse(reterr, REFUSAL_BAD_REQUEST, EBADF, "pidfd is not one");
        if (r >= 0)
                r = cgroup_of_unit(pid, unit, &path);
        if (r >= 0 && pidfd_is_alive(pidfd) <= 0)
                r = -ESRCH;
        if (r == -ENOENT)
                return refuse(reterr, REFUSAL_DENIED, EPERM, "this process does not belong to exec %s",
                              exec_id);
        if (r >= 0)
                r = all ? signal_all(path, signal_number, false) : pidfd_signal(pidfd, signal_number);
        return r;
}

void kill_scope_of(pid_t pid, const char *exec_id)
{
        _cleanup_free_ char *path = NULL;
        char unit[SCOPE_NAME_SIZE];
        int r;

        scope_name(exec_id, unit);
        r = cgroup_of_unit(pid, unit, &path);
        if (r >= 0)
                r = signal_all(path, SIGKILL, true);
        if (r < 0 && r != -ESRCH && r != -ENOENT)
                log_error_errno(r, "Cannot end the processes of %s", unit);
}
