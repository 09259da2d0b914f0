/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A first process that changes its identity on request: the word in DIRECTORY/go says how, and
 * DIRECTORY/did has the result.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hostile.h"

/* The user namespace of a child, which has nothing else to do. */
static int enter_childs(void)
{
        int ready[2], fd, r;
        char path[64], byte;
        pid_t child;

        if (pipe(ready) < 0)
                return -1;
        child = fork();
        if (child == 0) {
                if (unshare(CLONE_NEWUSER) < 0 || write(ready[1], "x", 1) != 1)
                        _exit(1);
                for (;;)
                        pause();
        }
        close(ready[1]);
        if (child < 0 || read(ready[0], &byte, 1) != 1)
                return -1;
        close(ready[0]);
        snprintf(path, sizeof(path), "/proc/%d/ns/user", child);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        r = fd < 0 ? -1 : setns(fd, CLONE_NEWUSER);
        if (fd >= 0)
                close(fd);
        return r;
}

/* Everything that is permitted, inheritable and ambient. */
static int raise_ambient(void)
{
        struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
        struct __user_cap_data_struct data[2];

        if (syscall(SYS_capget, &header, data) < 0)
                return -1;
        for (int i = 0; i < 2; i++)
                data[i].inheritable = data[i].effective = data[i].permitted;
        if (syscall(SYS_capset, &header, data) < 0)
                return -1;
        for (int cap = 0; cap < 64; cap++)
                if (data[cap / 32].permitted & (1U << cap % 32) &&
                    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) < 0)
                        return -1;
        return 0;
}

static int become_app_with_ambient(void)
{
        if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 || setresgid(1000, 1000, 1000) < 0 ||
            setresuid(1000, 1000, 1000) < 0)
                return -1;
        return raise_ambient();
}

static int unshare_with_ambient(void)
{
        return unshare(CLONE_NEWUSER) < 0 ? -1 : raise_ambient();
}

/* A process that falls to PID 1. */
static int leave_orphan(void)
{
        pid_t child = fork();
        int status;

        if (child == 0) {
                pid_t orphan = fork();

                if (orphan == 0)
                        for (;;)
                                pause();
                _exit(orphan < 0);
        }
        if (child < 0 || waitpid(child, &status, 0) < 0)
                return -1;
        return status == 0 ? 0 : -1;
}

static bool leave_first_thread; /* once it has said what came of it */

static int act(const char *what)
{
        static const struct {
                const char *name;
                int flags;
        } unshared[] = {
                {"user", CLONE_NEWUSER},
                {"user+mount", CLONE_NEWUSER | CLONE_NEWNS},
                {"user+network", CLONE_NEWUSER | CLONE_NEWNET},
                {"mount", CLONE_NEWNS},
                {"network", CLONE_NEWNET},
                {"uts", CLONE_NEWUTS},
                {"ipc", CLONE_NEWIPC},
                {"cgroup", CLONE_NEWCGROUP},
        };

        for (size_t i = 0; i < sizeof(unshared) / sizeof(unshared[0]); i++)
                if (strcmp(what, unshared[i].name) == 0)
                        return unshare(unshared[i].flags);
        if (strcmp(what, "childs-user") == 0)
                return enter_childs();
        if (strcmp(what, "ambient") == 0)
                return become_app_with_ambient();
        if (strcmp(what, "user+ambient") == 0)
                return unshare_with_ambient();
        if (strcmp(what, "orphan") == 0)
                return leave_orphan();
        if (strcmp(what, "root") == 0)
                return chroot("/probe");
        if (strcmp(what, "thread") == 0) {
                leave_first_thread = true;
                return 0;
        }
        errno = EINVAL;
        return -1;
}

static void obey(int directory)
{
        char what[64] = "";
        const char *result;
        int fd = openat(directory, "go", O_RDONLY | O_CLOEXEC);

        if (fd < 0)
                return;
        if (read(fd, what, sizeof(what) - 1) <= 0) {
                close(fd);
                return;
        }
        close(fd);
        result = act(what) < 0 ? strerrorname_np(errno) : "done";
        unlinkat(directory, "go", 0);
        fd = openat(directory, "did.new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
        if (fd < 0 || write(fd, result, strlen(result)) < 0)
                exit(4);
        close(fd);
        if (renameat(directory, "did.new", directory, "did") < 0)
                exit(4);
}

static volatile sig_atomic_t ended;

static void on_term(int signal_number)
{
        (void) signal_number;
        ended = 1;
}

static void *go_on(void *directory)
{
        while (!ended) {
                obey(*(int *) directory);
                usleep(10000); /* until it looks again */
        }
        exit(0);
}

/* The directory is held open: it has the same files whatever is done to the mounts. */
int leaver(const char *directory)
{
        struct sigaction action = {.sa_handler = on_term};
        static int fd;
        pthread_t other;

        fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0) {
                perror(directory);
                return 3;
        }
        sigaction(SIGTERM, &action, NULL);
        while (!ended && !leave_first_thread) {
                obey(fd);
                usleep(10000); /* until it looks again */
        }
        if (!ended && pthread_create(&other, NULL, go_on, &fd) == 0)
                pthread_exit(NULL);
        return 0;
}

/* A command that makes namespaces of its own at once. */
int unshared(void)
{
        if (unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWUTS) < 0) {
                perror("unshare");
                return 3;
        }
        return 0;
}
