/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* spawner/hanging and leftover: a hanging process counts in its container and for its user until it has ended. */

#include "spawner/hanging.h"

#include <fcntl.h>

#include "spawner/cgroup.h"
#include "unit/count-fds.h"
#include "unit/spawner/container-child.h"
#include "unit/test.h"

#define EXEC_ID   "ee00000000000000000000000000000000000000000000000000000000000000"
#define N_LEADERS (HANGING_CALLER_MAX / HANGING_MAX)
#define IN_SCOPE  10

static sd_event *event;
static Leader leaders[N_LEADERS + 1];

/* The scope has the first one several times, and the second one, which has ended. */
static pid_t in_scope, ended;

int __wrap_cgroup_of_unit(pid_t pid, const char *unit, char **ret);
int __wrap_cgroup_of_unit(pid_t pid, const char *unit, char **ret)
{
        NEED(same_text(unit, "exec-" EXEC_ID ".scope"));
        *ret = strdup("/scope");
        return 0;
}

int __wrap_cgroup_foreach_process(const char *path, int (*each)(pid_t pid, void *userdata), void *userdata);
int __wrap_cgroup_foreach_process(const char *path, int (*each)(pid_t pid, void *userdata), void *userdata)
{
        int r = each(ended, userdata);

        for (unsigned i = 0; r >= 0 && i < IN_SCOPE; i++)
                r = each(in_scope, userdata);
        return r;
}

static void hang(pid_t pid, Leader *l, uid_t caller)
{
        int pidfd = pidfd_open_pid(pid);

        NEED(pidfd >= 0 && hanging_count(event, pid, pidfd, l, caller) == 0);
}

static bool is_refused(const Leader *l, uid_t caller, const char *text)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        int r = hanging_check(l, caller, &refusal);

        CHECK(r == 0 || (r == -EBUSY && refusal.kind == REFUSAL_UNAVAILABLE));
        CHECK(r == 0 || strstr(refusal.message, text));
        return r < 0;
}

/* Waits until all have ended. */
static void end(pid_t pid)
{
        NEED(kill(pid, SIGKILL) == 0);
        for (size_t i = 0; i < ELEMENTSOF(leaders); i++)
                while (leaders[i].n_hanging > 0)
                        NEED(sd_event_run(event, UINT64_MAX) >= 0);
}

static void test_container(void)
{
        pid_t pid = start_child();

        for (unsigned i = 0; i < HANGING_MAX; i++) {
                CHECK(!is_refused(&leaders[0], 1000, ""));
                hang(pid, &leaders[0], 1000);
        }
        CHECK(leaders[0].n_hanging == HANGING_MAX && leaders[0].n_ref == 1 + HANGING_MAX);
        /* Nobody may enter this container, but everybody another one. */
        CHECK(is_refused(&leaders[0], 1000, "16 runners hang in its file systems (limit 16)"));
        CHECK(is_refused(&leaders[0], 0, "16 runners hang"));
        CHECK(!is_refused(&leaders[1], 1000, ""));
        end(pid);
        CHECK(leaders[0].n_ref == 1 && !is_refused(&leaders[0], 1000, ""));
}

static void test_caller(void)
{
        const Leader *other = &leaders[N_LEADERS];
        pid_t pid = start_child();

        for (unsigned i = 0; i < HANGING_CALLER_MAX; i++) {
                CHECK(!is_refused(other, 1000, ""));
                hang(pid, &leaders[i / HANGING_MAX], 1000);
        }
        CHECK(is_refused(other, 1000, "64 runners for uid 1000 hang"));
        CHECK(!is_refused(other, 1001, "") && !is_refused(other, 0, ""));
        end(pid);
        CHECK(!is_refused(other, 1000, ""));

        /* Root has no limit. */
        pid = start_child();
        for (unsigned i = 0; i < HANGING_CALLER_MAX; i++)
                hang(pid, &leaders[i / HANGING_MAX], 0);
        CHECK(!is_refused(other, 0, "") && !is_refused(other, 1000, ""));
        end(pid);
}

static void test_scope(void)
{
        in_scope = start_child();
        ended = start_child();
        end_child(ended);
        hanging_count_scope(event, in_scope, EXEC_ID, &leaders[0], 1000);
        CHECK(leaders[0].n_hanging == 4);
        end(in_scope);
        CHECK(leaders[0].n_ref == 1);
}

int main(void)
{
        size_t n_fds;

        NEED(sd_event_new(&event) >= 0);
        for (size_t i = 0; i < ELEMENTSOF(leaders); i++)
                leaders[i] = (Leader){.n_ref = 1, .pidfd = -EBADF, .proc_fd = -EBADF};
        n_fds = count_fds();
        test_container();
        test_caller();
        test_scope();
        CHECK(count_fds() == n_fds);
        sd_event_unref(event);
        return test_finish("hanging");
}
