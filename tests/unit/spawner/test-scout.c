/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* spawner/scout: one that a process keeps waiting is killed, but later if that process only waits for the processor; and
 * not many wait so long. */

#include "spawner/scout.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit/need.h"
#include "unit/test.h"

#define N_PATIENT 6 /* more than may wait so long */

typedef struct Work {
        ScoutJob job;
        bool is_done;
        int error;
} Work;

static int prepare(void *userdata, void *data)
{
        return -EBADF;
}

/* Waits in the kernel as for a lock: for a child that executes nothing. */
static int run(void *data, int fd, ScoutFindings *ret)
{
        long pid = syscall(SYS_clone, CLONE_VFORK | SIGCHLD, NULL, NULL, NULL, 0);

        if (pid == 0) {
                (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                for (;;)
                        pause();
        }
        return pid < 0 ? -errno : 0;
}

static void on_done(void *userdata, int error, const void *data, ScoutFindings *found)
{
        Work *w = userdata;

        w->is_done = true;
        w->error = error;
}

static const ScoutWork work = {.prepare = prepare, .run = run, .on_done = on_done};

static pid_t start_process(bool burns)
{
        pid_t pid = fork();

        NEED(pid >= 0);
        if (pid != 0)
                return pid;
        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
                if (!burns)
                        pause();
}

static void wait_for(sd_event *event, const Work *w)
{
        while (!w->is_done)
                NEED(sd_event_run(event, UINT64_MAX) >= 0);
        CHECK(w->error == -ETIMEDOUT);
}

int main(void)
{
        static Work burning[N_PATIENT], sleeping;
        pid_t burns = start_process(true), sleeps = start_process(false);
        sd_event *event = NULL;

        NEED(sd_event_new(&event) >= 0 && scouts_init(event) >= 0);
        NEED(scout_job_start(&sleeping.job, &work, &sleeping, N_PATIENT + 1, sleeps) >= 0);
        for (size_t i = 0; i < N_PATIENT; i++)
                NEED(scout_job_start(&burning[i].job, &work, &burning[i], (pid_t) i + 1, burns) >= 0);

        wait_for(event, &sleeping);
        wait_for(event, &burning[N_PATIENT - 1]);
        CHECK(!burning[0].is_done);

        /* It no longer waits for the processor. */
        NEED(kill(burns, SIGSTOP) == 0);
        for (size_t i = 0; i < N_PATIENT; i++)
                wait_for(event, &burning[i]);

        (void) kill(burns, SIGKILL);
        (void) kill(sleeps, SIGKILL);
        (void) waitpid(burns, NULL, 0);
        (void) waitpid(sleeps, NULL, 0);
        scouts_done();
        sd_event_unref(event);
        return test_finish("scout");
}
