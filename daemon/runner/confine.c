/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Confinement that the command takes over from the leader: labels, limits, scheduling, and at the very end
 * the seccomp filters. Labels go through the kernel's own files while /proc is still the host's, and are
 * read back from the kernel: a container may have put anything at the same path.
 */

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/magic.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#include "base/fd.h"
#include "runner/runner.h"

#define LABEL_MAX 4096

static int open_proc(const char *path, int flags)
{
        _cleanup_close_ int fd = open(path, flags | O_CLOEXEC | O_NOCTTY);
        struct statfs fs;

        if (fd < 0)
                return -errno;
        if (fstatfs(fd, &fs) < 0)
                return -errno;
        if (fs.f_type != PROC_SUPER_MAGIC)
                return -EBADF;
        return TAKE_FD(fd);
}

int proc_write(const char *path, const char *text)
{
        _cleanup_close_ int fd = open_proc(path, O_WRONLY);
        size_t size = strlen(text);
        ssize_t n;

        if (fd < 0)
                return fd;
        n = write(fd, text, size);
        if (n < 0)
                return -errno;
        return (size_t) n == size ? 0 : -EIO;
}

static int read_proc(const char *path, char *ret, size_t size)
{
        _cleanup_close_ int fd = open_proc(path, O_RDONLY);
        ssize_t n;

        if (fd < 0)
                return fd;
        n = read(fd, ret, size - 1);
        if (n < 0)
                return -errno;
        ret[n] = 0;
        ret[strcspn(ret, "\n")] = 0;
        return 0;
}

/* AppArmor says its mode behind the name. */
static bool is_label(const char *text, const char *label)
{
        size_t n = strlen(label);

        return strncmp(text, label, n) == 0 && (text[n] == 0 || text[n] == ' ');
}

static int write_label(const char *path, const char *text, const char *label, Refusal *reterr)
{
        char now[LABEL_MAX] = "";
        int r;

        r = proc_write(path, text);
        if (r >= 0)
                r = read_proc(path, now, sizeof(now));
        if (r >= 0 && !is_label(now, label))
                r = -EBADE;
        if (r < 0)
                return refuse(reterr, REFUSAL_NOT_RUNNABLE, r,
                              "cannot take the container's security label %s: %s", label,
                              strerrordesc_np(-r));
        return 0;
}

static int set_labels(const RunnerSpec *s, Refusal *reterr)
{
        int r;

        if (s->label) {
                r = write_label("/proc/thread-self/attr/exec", s->label, s->label, reterr);
                if (r >= 0)
                        r = write_label("/proc/thread-self/attr/keycreate", s->label, s->label, reterr);
                if (r < 0)
                        return r;
        }
        if (s->apparmor) {
                char text[LABEL_MAX];

                if (snprintf(text, sizeof(text), "exec %s", s->apparmor) >= (int) sizeof(text))
                        return -ENAMETOOLONG;
                return write_label("/proc/thread-self/attr/apparmor/exec", text, s->apparmor, reterr);
        }
        return 0;
}

/* The leader's limits. Where ours are lower and may not be raised, the command gets less than the leader
 * has: that is no harm, while more would be. */
static int set_rlimits(const RunnerSpec *s)
{
        for (int i = 0; i < RUNNER_N_RLIMITS && s->rlimits_set; i++) {
                struct rlimit want = {.rlim_cur = s->rlimits[i][0], .rlim_max = s->rlimits[i][1]}, have;

                if (setrlimit(i, &want) >= 0)
                        continue;
                if (errno != EPERM || getrlimit(i, &have) < 0)
                        return -errno;
                want.rlim_max = MIN(want.rlim_max, have.rlim_max);
                want.rlim_cur = MIN(want.rlim_cur, want.rlim_max);
                if (setrlimit(i, &want) < 0)
                        return -errno;
        }
        return 0;
}

static int set_oom_score(const RunnerSpec *s)
{
        char text[16], now[16] = "";
        int r, current;

        snprintf(text, sizeof(text), "%d", s->oom_score_adj);
        r = proc_write("/proc/self/oom_score_adj", text);
        if (r != -EACCES && r != -EPERM)
                return r;
        /* May not be lowered: to be killed sooner than the leader is no privilege. */
        r = read_proc("/proc/self/oom_score_adj", now, sizeof(now));
        if (r < 0)
                return r;
        return sscanf(now, "%d", &current) == 1 && current >= s->oom_score_adj ? 0 : -EPERM;
}

static int set_scheduling(const RunnerSpec *s)
{
        struct sched_param param = {.sched_priority = s->sched_priority};
        cpu_set_t all;

        /* The kernel leaves those that the cgroup has. */
        memset(&all, 0xff, sizeof(all));
        (void) sched_setaffinity(0, sizeof(all), &all);

        if (setpriority(PRIO_PROCESS, 0, s->nice) < 0)
                return -errno;
        if (sched_setscheduler(0, s->sched_policy, &param) < 0)
                return -errno;
        return 0;
}

static int failed(Refusal *reterr, int r, const char *what)
{
        return refuse(reterr, REFUSAL_INTERNAL, r, "cannot take over the container's %s: %s", what,
                      strerrordesc_np(-r));
}

int confine_outside(const RunnerSpec *s, Refusal *reterr)
{
        int r;

        r = set_labels(s, reterr);
        if (r < 0)
                return r;
        r = set_oom_score(s);
        if (r < 0)
                return failed(reterr, r, "oom_score_adj");
        r = set_scheduling(s);
        if (r < 0)
                return failed(reterr, r, "scheduling");
        r = set_rlimits(s);
        if (r < 0)
                return failed(reterr, r, "resource limits");
        return 0;
}

/* The last step before execve(2): from the first filter on, the result of a system call is what the
 * container says it is. Hence nothing is reported from between the filters but that they could not be set.
 */
int confine_filters(const RunnerSpec *s, const char **ret_step)
{
        *ret_step = "no_new_privs";
        if (s->no_new_privs && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                return -errno;

        *ret_step = "seccomp filters";
        for (uint32_t i = 0; i < s->n_filters; i++) {
                struct sock_fprog program = {
                        .len = (unsigned short) s->filters[i].n_instructions,
                        .filter = (struct sock_filter *) s->filters[i].instructions,
                };
                unsigned flags = s->filters[i].log ? SECCOMP_FILTER_FLAG_LOG : 0;

                if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program) < 0)
                        return -errno;
        }
        return 0;
}
