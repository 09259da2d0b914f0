/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Confinement that the command takes over from the leader: labels (label.c), limits, scheduling, and at the
 * very end the seccomp filters.
 */

#include <linux/filter.h>
#include <linux/ioprio.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "runner/runner.h"

/* Newer than the headers of Debian 12. */
#ifndef PR_SET_MDWE
#define PR_SET_MDWE              65
#define PR_MDWE_REFUSE_EXEC_GAIN 1
#endif

/* The default of the kernel for every process. */
#define TIMER_SLACK_NSEC 50000

/* The leader's limits. If ours are lower and may not be raised, the command gets less than the leader has,
 * which is safe, while more would not be. */
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
        /* If it cannot be lowered, the command is killed sooner than the leader, which is not a privilege. */
        r = proc_read("/proc/self/oom_score_adj", now, sizeof(now));
        if (r < 0)
                return r;
        return sscanf(now, "%d", &current) == 1 && current >= s->oom_score_adj ? 0 : -EPERM;
}

static int set_scheduling(const RunnerSpec *s)
{
        struct sched_param param = {.sched_priority = s->sched_priority};
        cpu_set_t all;

        /* The kernel leaves those that the cgroup has. A service may have been given some of them only. */
        if (!s->service || sched_getaffinity((pid_t) s->leader_pid, sizeof(all), &all) < 0)
                memset(&all, 0xff, sizeof(all));
        (void) sched_setaffinity(0, sizeof(all), &all);

        if (setpriority(PRIO_PROCESS, 0, s->nice) < 0)
                return -errno;
        if (sched_setscheduler(0, s->sched_policy, &param) < 0)
                return -errno;
        return 0;
}

/* The attributes that execve(2) keeps, which would be execd-spawner's own. The leader's timer slack is not
 * known: reading it takes CAP_SYS_NICE. */
static int set_inherited(const RunnerSpec *s)
{
        long ioprio = syscall(SYS_ioprio_get, IOPRIO_WHO_PROCESS, 0);
        char text[16];

        if (ioprio >= 0 && (uint32_t) ioprio != s->ioprio &&
            syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, s->ioprio) < 0)
                return -errno;
        if (prctl(PR_SET_TIMERSLACK, TIMER_SLACK_NSEC, 0, 0, 0) < 0)
                return -errno;
        if (personality(s->personality) < 0)
                return -errno;
        if (s->coredump_filter == RUNNER_NO_COREDUMP_FILTER)
                return 0;
        snprintf(text, sizeof(text), "0x%x", s->coredump_filter);
        return proc_write("/proc/self/coredump_filter", text);
}

static int failed(Refusal *reterr, int r, const char *what)
{
        return refuse(reterr, REFUSAL_INTERNAL, r, "failed to apply the container's %s: %s", what,
                      strerrordesc_np(-r));
}

int confine_outside(const RunnerSpec *s, Refusal *reterr)
{
        int r;

        r = label_set(s, reterr);
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
        r = set_inherited(s);
        if (r < 0)
                return failed(reterr, r, "inherited attributes");
        return 0;
}

/* If the kernel does not support it, systemd has set a filter instead, which is copied with the others. */
static int deny_exec_memory(const RunnerSpec *s)
{
        if (!s->denies_exec_memory || prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0) >= 0)
                return 0;
        return errno == EINVAL && s->n_filters > 0 ? 0 : -errno;
}

/* The last step before execve(2): from the first filter on, the result of a system call is what the
 * container says it is. Hence nothing is reported from between the filters but that they could not be set.
 */
int confine_filters(const RunnerSpec *s, const char **ret_step)
{
        *ret_step = "no_new_privs";
        if (s->no_new_privs && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                return -errno;

        *ret_step = "MemoryDenyWriteExecute=";
        if (deny_exec_memory(s) < 0)
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
