/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* spawner/scout: one that a process keeps waiting is killed, but later if that process only waits for the processor; and
 * not many wait so long. A user whose containers all do so leaves scouts to others. */

#include "spawner/scout.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/time.h"
#include "unit/need.h"
#include "unit/test.h"

#define PATIENT_MAX  4 /* may wait so long: a quarter of the scouts */
#define N_PATIENT    6
#define N_CONTAINERS 20

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

static int run_quick(void *data, int fd, ScoutFindings *ret)
{
        return 0;
}

static void on_done(void *userdata, int error, const void *data, ScoutFindings *found)
{
        Work *w = userdata;

        w->is_done = true;
        w->error = error;
}

static const ScoutWork work = {.prepare = prepare, .run = run, .on_done = on_done};
static const ScoutWork quick_work = {.prepare = prepare, .run = run_quick, .on_done = on_done};

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

static int start_job(Work *w, pid_t group, pid_t process, uid_t caller)
{
        return scout_job_start(&w->job, &work, w,
                               &(ScoutTarget){.group = group, .process = process, .caller = caller});
}

/* How often the loop has turned: the scouts at work are looked at ten times a second. */
static unsigned turns;

static void wait_for(sd_event *event, const Work *w)
{
        for (; !w->is_done; turns++)
                NEED(sd_event_run(event, UINT64_MAX) >= 0);
        CHECK(w->error == -ETIMEDOUT);
}

static size_t count_done(const Work *w, size_t n)
{
        size_t n_done = 0;

        for (size_t i = 0; i < n; i++)
                n_done += w[i].is_done;
        return n_done;
}

/* All containers of a user keep their scouts waiting at the same time, each for the first time. */
static void test_many_containers_of_one_user(sd_event *event, pid_t sleeps)
{
        static const uid_t others[] = {0, 2000, SCOUT_NOBODY};
        static Work hanging[N_CONTAINERS], quick[ELEMENTSOF(others)];

        for (size_t i = 0; i < N_CONTAINERS; i++)
                NEED(start_job(&hanging[i], (pid_t) (100 + i), sleeps, 1000) >= 0);
        for (size_t i = 0; i < ELEMENTSOF(others); i++)
                NEED(scout_job_start(&quick[i].job, &quick_work, &quick[i],
                                     &(ScoutTarget){.group = (pid_t) (200 + i), .caller = others[i]}) >= 0);
        while (!(quick[0].is_done && quick[1].is_done && quick[2].is_done))
                NEED(sd_event_run(event, UINT64_MAX) >= 0);
        for (size_t i = 0; i < ELEMENTSOF(others); i++)
                CHECK(quick[i].error == 0);
        for (size_t i = 0; i < N_CONTAINERS; i++)
                CHECK(!hanging[i].is_done);
        for (size_t i = 0; i < N_CONTAINERS; i++)
                scout_job_cancel(&hanging[i].job);
}

int main(void)
{
        static Work burning[N_PATIENT], sleeping;
        pid_t burns = start_process(true), sleeps = start_process(false);
        uint64_t begun = now_usec(CLOCK_MONOTONIC);
        sd_event *event = NULL;

        NEED(sd_event_new(&event) >= 0 && scouts_init(event) >= 0);
        NEED(start_job(&sleeping, N_PATIENT + 1, sleeps, 1000) >= 0);
        for (size_t i = 0; i < N_PATIENT; i++)
                NEED(start_job(&burning[i], (pid_t) i + 1, burns, (uid_t) i + 1) >= 0);

        wait_for(event, &sleeping);
        for (; count_done(burning, N_PATIENT) < N_PATIENT - PATIENT_MAX; turns++)
                NEED(sd_event_run(event, UINT64_MAX) >= 0);
        /* The first ones may wait, and with them the sleeping one has waited. But this machine may be so slow that it took
         * the ten seconds that any scout works: on a quick one, these are a hundred turns. */
        CHECK(count_done(burning, PATIENT_MAX - 1) == 0 ||
              (turns < 90 && now_usec(CLOCK_MONOTONIC) - begun >= 9 * USEC_PER_SEC));

        /* It no longer waits for the processor. */
        NEED(kill(burns, SIGSTOP) == 0);
        for (size_t i = 0; i < N_PATIENT; i++)
                wait_for(event, &burning[i]);

        test_many_containers_of_one_user(event, sleeps);

        (void) kill(burns, SIGKILL);
        (void) kill(sleeps, SIGKILL);
        (void) waitpid(burns, NULL, 0);
        (void) waitpid(sleeps, NULL, 0);
        scouts_done();
        sd_event_unref(event);
        return test_finish("scout");
}
