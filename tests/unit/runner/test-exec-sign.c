/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A model of the runner: a command with a capability that execve(2) takes away, looked at as soon as the
 * channel has ended. A test that sees the capability has looked too early.
 * usage: test-exec-sign [ROUNDS [early]]
 *   early: without the gate, as a measure of what it is for; the result is only printed
 */

#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runner/runner.h"
#include "unit/need.h"

#define ROUNDS 300

static int set_capability(void)
{
        struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
        struct __user_cap_data_struct data[2] = {{.permitted = 1U << CAP_SYS_ADMIN}};

        if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 || setresuid(1000, 1000, 1000) < 0)
                return -errno;
        return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

/* The order that the gate forbids: the joiner's copy may be the last. */
static int fork_early(void)
{
        ChannelMessage m = {.type = CHANNEL_FORKED};
        long pid = syscall(SYS_clone, CLONE_PARENT | SIGCHLD, NULL, NULL, NULL, 0);

        if (pid <= 0)
                return (int) pid;
        m.pid = (int32_t) pid;
        channel_send(&m);
        return (int) pid;
}

static void joiner(bool early) __attribute__((noreturn));
static void joiner(bool early)
{
        char *const argv[] = {(char *) "/bin/true", NULL}, *const env[] = {NULL};

        if (set_capability() < 0)
                _exit(1);
        if ((early ? fork_early() : fork_command()) == 0)
                execve(argv[0], argv, env);
        _exit(0);
}

static unsigned long long permitted_of(pid_t pid)
{
        unsigned long long value = 0;
        char path[64], line[256];
        FILE *f;

        snprintf(path, sizeof(path), "/proc/%d/status", pid);
        f = fopen(path, "re");
        NEED(f);
        while (fgets(line, sizeof(line), f))
                if (sscanf(line, "CapPrm: %llx", &value) == 1)
                        break;
        fclose(f);
        return value;
}

/* 1 when the command was seen before its credentials were changed. */
static int play_round(bool early)
{
        ChannelMessage m = {0}, more;
        int channel[2], seen;
        pid_t pid;

        NEED(pipe2(channel, O_CLOEXEC) == 0);
        pid = fork();
        NEED(pid >= 0);
        if (pid == 0) {
                int end = fcntl(channel[1], F_DUPFD_CLOEXEC, 20);

                close(channel[0]);
                close(channel[1]);
                if (dup3(end, CHANNEL_FD, O_CLOEXEC) < 0)
                        _exit(1);
                close(end);
                joiner(early);
        }
        close(channel[1]);
        NEED(read(channel[0], &m, sizeof(m)) == sizeof(m) && m.type == CHANNEL_FORKED);
        NEED(read(channel[0], &more, sizeof(more)) == 0);
        seen = permitted_of(m.pid) != 0;
        close(channel[0]);
        NEED(waitpid(pid, NULL, 0) == pid && waitpid(m.pid, NULL, 0) == m.pid);
        return seen;
}

static bool may_try(void)
{
        int status;
        pid_t pid = fork();

        NEED(pid >= 0);
        if (pid == 0)
                _exit(set_capability() < 0);
        NEED(waitpid(pid, &status, 0) == pid);
        return status == 0;
}

int main(int argc, char **argv)
{
        int rounds = argc > 1 ? atoi(argv[1]) : ROUNDS, seen = 0;
        bool early = argc > 2;

        if (!may_try())
                return 77; /* takes root */
        for (int i = 0; i < rounds; i++)
                seen += play_round(early);
        printf("%d of %d looked at before execve(2) had changed the credentials\n", seen, rounds);
        return !early && seen > 0;
}
