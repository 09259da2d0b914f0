/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A command is judged by what the kernel says of it, against a container that was found with less. */

#include "spawner/verify.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "unit/need.h"

typedef enum Kind {
        CHILD_WAITS,    /* has executed nothing, and goes on */
        CHILD_FAILED,   /* has executed nothing, and has ended */
        CHILD_EXECUTED, /* has executed something, and has ended */
        CHILD_UNSHARED, /* has made a user namespace of its own */
} Kind;

static void become(Kind kind, int ready) __attribute__((noreturn));
static void become(Kind kind, int ready)
{
        char *const argv[] = {(char *) "/bin/true", NULL}, *const env[] = {NULL};

        if (kind == CHILD_FAILED)
                _exit(255);
        if (kind == CHILD_EXECUTED) {
                execve(argv[0], argv, env);
                _exit(1);
        }
        if (kind == CHILD_UNSHARED && unshare(CLONE_NEWUSER) < 0)
                _exit(1);
        if (write(ready, "x", 1) != 1)
                _exit(1);
        for (;;)
                pause();
}

/* Returns once the child is what it is to be. */
static pid_t start(Kind kind)
{
        siginfo_t info;
        int ready[2];
        char byte;
        pid_t pid;

        NEED(pipe2(ready, O_CLOEXEC) == 0);
        pid = fork();
        NEED(pid >= 0);
        if (pid == 0)
                become(kind, ready[1]);
        close(ready[1]);
        if (read(ready[0], &byte, 1) != 1)
                NEED(waitid(P_PID, (id_t) pid, &info, WEXITED | WNOWAIT) == 0);
        close(ready[0]);
        return pid;
}

/* 0, or what the command is said not to have got. */
static char *judge(Kind kind, const Leader *l)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        _cleanup_close_ int pidfd = -EBADF;
        RunnerSpec spec = {.cap_bounding = l->found.status.cap_bounding};
        pid_t pid = start(kind);
        int r;

        pidfd = pidfd_open_pid(pid);
        NEED(pidfd >= 0);
        r = verify_command(pid, pidfd, l, &spec, &refusal);
        kill(pid, SIGKILL);
        NEED(waitpid(pid, NULL, 0) == pid);
        return r < 0 ? strdup(refusal.message ?: "?") : NULL;
}

static void need_mismatch(Kind kind, const Leader *l, const char *what)
{
        _cleanup_free_ char *said = judge(kind, l);

        NEED_ROW(what, said && strstr(said, what));
}

static void need_match(Kind kind, const Leader *l)
{
        _cleanup_free_ char *said = judge(kind, l);

        NEED_ROW(said ?: "", !said);
}

static bool may_unshare(void)
{
        int status;
        pid_t pid = fork();

        NEED(pid >= 0);
        if (pid == 0)
                _exit(unshare(CLONE_NEWUSER) < 0);
        NEED(waitpid(pid, &status, 0) == pid);
        return status == 0;
}

int main(void)
{
        _cleanup_close_ int self = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        Leader l = {.n_ref = 1};
        uint64_t bounding;

        /* A root with less than PID 1 has may not look at it. */
        if (namespaces_init() == -EACCES)
                return 77;
        NEED(self >= 0 && leader_facts_read(self, &l.found, NULL, &refusal) == 0);
        bounding = l.found.status.cap_bounding;
        if (bounding == 0)
                return 77;

        need_match(CHILD_WAITS, &l);
        need_match(CHILD_EXECUTED, &l);

        l.found.status.cap_bounding = 0;
        need_mismatch(CHILD_WAITS, &l, "capabilities");
        need_mismatch(CHILD_EXECUTED, &l, "capabilities");
        need_match(CHILD_FAILED, &l);
        if (may_unshare())
                need_match(CHILD_UNSHARED, &l);
        l.found.status.cap_bounding = bounding;

        /* It is in ours, which is the host's for it. */
        l.found.namespaces.inode[NS_UTS] ^= 1;
        need_mismatch(CHILD_WAITS, &l, "UTS namespace");
        l.found.namespaces.inode[NS_UTS] ^= 1;
        l.found.namespaces.inode[NS_USER] ^= 1;
        need_mismatch(CHILD_WAITS, &l, "user namespace");
        need_mismatch(CHILD_EXECUTED, &l, "user namespace");
        l.found.namespaces.inode[NS_USER] ^= 1;

        free(l.found.uid_map);
        l.found.uid_map = strdup("0 4000000000 1\n");
        need_mismatch(CHILD_WAITS, &l, "user and groups");
        leader_facts_done(&l.found);
        return 0;
}
