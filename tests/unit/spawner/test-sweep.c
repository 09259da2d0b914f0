/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* spawner/sweep: however many processes a command has, few of them get a signal in one turn of the loop, and all of them
 * in the end. */

#include "spawner/sweep.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "base/fd.h"
#include "spawner/cgroup.h"
#include "spawner/proc-parse.h"
#include "unit/need.h"
#include "unit/test.h"

#define N_PROCESSES 300
#define OF_TURN     64

static pid_t processes[N_PROCESSES];
static unsigned n_signals;

/* There is no control group of these alone: they are in the one of this test. */
int __wrap_cgroup_foreach_process(const char *path, CgroupProcess callback, void *userdata);
int __wrap_cgroup_foreach_process(const char *path, CgroupProcess callback, void *userdata)
{
        for (size_t i = 0; i < N_PROCESSES; i++)
                if (processes[i] > 0 && callback(processes[i], userdata) < 0)
                        return -ENOMEM;
        return 0;
}

int __real_pidfd_signal(int pidfd, int signal_number);
int __wrap_pidfd_signal(int pidfd, int signal_number);
int __wrap_pidfd_signal(int pidfd, int signal_number)
{
        n_signals++;
        return __real_pidfd_signal(pidfd, signal_number);
}

static void start_all(void)
{
        for (size_t i = 0; i < N_PROCESSES; i++) {
                processes[i] = fork();
                NEED(processes[i] >= 0);
                if (processes[i] == 0) {
                        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                        for (;;)
                                pause();
                }
        }
}

/* How many are there yet; those that have ended no longer are in the control group. */
static unsigned reap(void)
{
        unsigned n = 0;

        for (size_t i = 0; i < N_PROCESSES; i++) {
                if (processes[i] > 0 && waitpid(processes[i], NULL, WNOHANG) == processes[i])
                        processes[i] = 0;
                n += processes[i] > 0;
        }
        return n;
}

static void run_until_quiet(sd_event *event)
{
        unsigned before = n_signals;

        while (sd_event_run(event, 0) > 0) {
                CHECK(n_signals <= before + OF_TURN);
                before = n_signals;
        }
}

static char *own_path(void)
{
        _cleanup_free_ char *text = NULL;
        char *path;

        NEED(file_read_at(AT_FDCWD, "/proc/self/cgroup", 65536, &text, NULL) >= 0);
        return proc_cgroup_parse(text, &path) >= 0 ? path : strdup("/");
}

static void test_others_are_left_alone(sd_event *event, const char *path)
{
        _cleanup_free_ char *other = NULL;

        NEED(asprintf(&other, "%s/other", path) > 0);
        CHECK(sweep_start(other, SIGKILL, 0, NULL) >= 0);
        run_until_quiet(event);
        CHECK(n_signals == 0);
}

static void test_one_signal_for_each(sd_event *event, const char *path)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;

        CHECK(sweep_start(path, SIGCONT, processes[7], NULL) >= 0);
        CHECK(n_signals == OF_TURN - 1);
        CHECK(sweep_start(path, SIGCONT, processes[7], &refusal) < 0 && refusal.kind == REFUSAL_UNAVAILABLE);
        run_until_quiet(event);
        CHECK(n_signals == N_PROCESSES - 1 && reap() == N_PROCESSES);
}

/* Instead of the other signal. The runner is spared until all are to go. */
static void test_kill(sd_event *event, const char *path)
{
        n_signals = 0;
        CHECK(sweep_start(path, SIGCONT, processes[7], NULL) >= 0);
        CHECK(sweep_start(path, SIGKILL, processes[7], NULL) >= 0 && n_signals == 2 * (OF_TURN - 1));
        while (reap() > 1)
                run_until_quiet(event);
        CHECK(processes[7] > 0);
        run_until_quiet(event);
        CHECK(sweep_start(path, SIGKILL, 0, NULL) >= 0);
        while (reap() > 0)
                run_until_quiet(event);
        CHECK(sweep_start(path, SIGKILL, 0, NULL) == -ESRCH);
}

int main(void)
{
        _cleanup_free_ char *path = own_path();
        sd_event *event = NULL;

        alarm(60);
        NEED(sd_event_default(&event) >= 0);
        start_all();
        test_others_are_left_alone(event, path);
        test_one_signal_for_each(event, path);
        test_kill(event, path);
        sd_event_unref(event);
        return test_finish("sweep");
}
