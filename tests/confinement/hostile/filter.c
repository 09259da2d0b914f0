/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Leaders that have put seccomp filters on themselves: harmless ones, many, and ones that answer 0 for a
 * call which they did not let through.
 */

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hostile.h"

#define NUMBERS_MAX 12

typedef struct Kind {
        const char *name;
        unsigned answer;          /* SECCOMP_RET_… */
        int numbers[NUMBERS_MAX]; /* ends with -1 */
        unsigned flags;
} Kind;

static const Kind kinds[] = {
        {"mkdir", SECCOMP_RET_ERRNO | EPERM, {SYS_mkdir, SYS_mkdirat, -1}, 0},
        {"setresuid", SECCOMP_RET_ERRNO | 0, {SYS_setresuid, SYS_setuid, SYS_setreuid, SYS_setfsuid, -1}, 0},
        {"setresgid",
         SECCOMP_RET_ERRNO | 0,
         {SYS_setresgid, SYS_setgid, SYS_setregid, SYS_setgroups, SYS_setfsgid, -1},
         0},
        {"capset", SECCOMP_RET_ERRNO | 0, {SYS_capset, SYS_prctl, -1}, 0},
        {"clone", SECCOMP_RET_ERRNO | 0, {SYS_clone, SYS_clone3, SYS_fork, SYS_vfork, -1}, 0},
        {"execve", SECCOMP_RET_ERRNO | 0, {SYS_execve, SYS_execveat, -1}, 0},
        {"seccomp", SECCOMP_RET_ERRNO | 0, {SYS_seccomp, -1}, 0},
        {"exit", SECCOMP_RET_ERRNO | 0, {SYS_execve, SYS_execveat, SYS_exit, SYS_exit_group, -1}, 0},
        {"close", SECCOMP_RET_ERRNO | 0, {SYS_close, SYS_close_range, SYS_dup2, SYS_dup3, -1}, 0},
        {"kill-write", SECCOMP_RET_KILL_PROCESS, {SYS_mkdir, SYS_mkdirat, -1}, 0},
        {"log", SECCOMP_RET_ERRNO | EPERM, {SYS_mkdir, SYS_mkdirat, -1}, SECCOMP_FILTER_FLAG_LOG},
        {"notify", SECCOMP_RET_USER_NOTIF, {SYS_mkdir, SYS_mkdirat, -1}, SECCOMP_FILTER_FLAG_NEW_LISTENER},
        {"trace", SECCOMP_RET_TRACE, {SYS_mkdir, SYS_mkdirat, -1}, 0},
};

static const Kind *find_kind(const char *name)
{
        for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
                if (strcmp(kinds[i].name, name) == 0)
                        return &kinds[i];
        fprintf(stderr, "hostile: no filter %s\n", name);
        exit(2);
}

static int by_prctl;

/* Every filter of a stack is another program: `serial` is loaded into a register that is never read. */
static int install(const Kind *kind, unsigned serial)
{
        struct sock_filter code[NUMBERS_MAX + 4];
        struct sock_fprog program = {.filter = code};
        unsigned n = 0, count = 0;

        while (kind->numbers[count] >= 0)
                count++;
        code[n++] = (struct sock_filter) BPF_STMT(BPF_LDX | BPF_IMM, serial);
        code[n++] =
                (struct sock_filter) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
        for (unsigned i = 0; i < count; i++)
                code[n++] =
                        (struct sock_filter) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned) kind->numbers[i],
                                                      (unsigned char) (count - i), 0);
        code[n++] = (struct sock_filter) BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
        code[n++] = (struct sock_filter) BPF_STMT(BPF_RET | BPF_K, kind->answer);
        program.len = (unsigned short) n;
        if (kind->flags == 0 && by_prctl)
                return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0);
        return (int) syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, kind->flags, &program);
}

/* One filter that fakes seccomp(2), and above it, loaded by prctl(2), the one that forbids something:
 * a program that installs both by seccomp(2) gets only the first, and no error. */
static int install_hidden(void)
{
        int r = install(find_kind("seccomp"), 0);

        by_prctl = 1;
        return r < 0 ? r : install(find_kind("mkdir"), 0);
}

int filter_payload(const char *kind, int count)
{
        if (strcmp(kind, "hidden") == 0) {
                if (install_hidden() < 0)
                        return 3;
                return wait_for_end();
        }
        for (int i = 0; i < count; i++) {
                /* Above a filter that fakes seccomp(2) no other gets in; that is the attack. */
                if (install(find_kind(kind), (unsigned) i) < 0) {
                        perror("seccomp");
                        return 3;
                }
        }
        return wait_for_end();
}

/* The leader is traced by a child of its own, so that no other process can attach. */
int traced_leader(const char *kind)
{
        pid_t leader = getpid();

        if (install(find_kind(kind), 0) < 0)
                return 3;
        if (fork() == 0) {
                int status;

                if (ptrace(PTRACE_SEIZE, leader, NULL, NULL) < 0) {
                        perror("seize");
                        _exit(3);
                }
                for (;;) {
                        pid_t pid = waitpid(leader, &status, __WALL);

                        if (pid < 0)
                                _exit(0);
                        if (WIFSTOPPED(status))
                                ptrace(PTRACE_CONT, pid, NULL,
                                       WSTOPSIG(status) == SIGTRAP ? 0L : (long) WSTOPSIG(status));
                }
        }
        return wait_for_end();
}

/* The leader waits in vfork(2) for a child that never executes anything: nothing stops it there. */
int vforked_leader(const char *kind)
{
        if (install(find_kind(kind), 0) < 0)
                return 3;
        if (vfork() == 0)
                for (;;)
                        pause();
        return 0;
}
