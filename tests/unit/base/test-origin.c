/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Which root directories are the host's; which processes are ours. */

#include "base/origin.h"

#include <sched.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../test.h"
#include "base/fd.h"

#define HOST "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n23 22 0:21 / /proc rw - proc proc rw\n"

static void test_roots(void)
{
        static const struct {
                const char *name, *mountinfo;
                bool same;
        } rows[] = {
                {"the host", HOST, true},
                {"read-only, in a private namespace",
                 "90 80 8:1 / / ro,nosuid master:1 - ext4 /dev/sda1 rw\n", true},
                {"after others",
                 "23 22 0:21 / /proc rw - proc proc rw\n22 1 8:1 / / rw - ext4 /dev/sda1 rw\n", true},
                {"another file system", "90 80 0:55 / / rw - overlay overlay rw\n", false},
                {"a directory of the host's", "90 80 8:1 /srv/root / rw - ext4 /dev/sda1 rw\n", false},
                {"the host's below another",
                 "90 80 0:55 / / rw - overlay o rw\n91 90 8:1 / /host rw - ext4 x rw\n", false},
                {"the host's over another",
                 "90 80 0:55 / / rw - overlay o rw\n91 90 8:1 / / rw - ext4 x rw\n", false},
                {"another over the host's",
                 "90 80 8:1 / / rw - ext4 x rw\n91 90 0:55 / / rw - overlay o rw\n", false},
                {"no mount point", "90 80 8:1 / /usr rw - ext4 /dev/sda1 rw\n", false},
                {"nothing", "", false},
                {"cut", "22 1 8:1 / / rw,relatime sha", false},
                {"no line of mounts", "8:1 / /\n\n\n", false},
        };

        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
                CHECK_ROW(rows[i].name, origin_same_root(rows[i].mountinfo, HOST) == rows[i].same);
}

static void test_root_line(void)
{
        static const struct {
                const char *name, *mountinfo, *line;
        } rows[] = {
                {"the host", HOST, "22 1 8:1 / / "},
                {"after others",
                 "23 22 0:21 / /proc rw - proc proc rw\n22 1 8:1 /root / rw - ext4 /dev/sda1 rw\n",
                 "22 1 8:1 /root / "},
                {"two, one of which is hidden",
                 "22 1 8:1 / / rw - ext4 x rw\n91 22 8:1 / / rw - ext4 x rw\n", NULL},
                {"none", "90 80 8:1 / /usr rw - ext4 /dev/sda1 rw\n", NULL},
                {"cut", "22 1 8:1 / / rw,relatime sha", NULL},
                {"nothing", "", NULL},
        };

        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                _cleanup_free_ char *line = origin_root_line(rows[i].mountinfo);

                CHECK_TEXT(rows[i].name, line, rows[i].line);
        }
}

static bool enter_nothing(void)
{
        return true;
}

/* As services have it. */
static bool enter_own_mounts(void)
{
        return unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

static bool enter_directory(void)
{
        return chroot("/usr") == 0;
}

static bool enter_same_root_again(void)
{
        return enter_own_mounts() && mount("/", "/tmp", NULL, MS_BIND, NULL) == 0 && chroot("/tmp") == 0;
}

static bool enter_other_root(void)
{
        return enter_own_mounts() && mount("x", "/tmp", "tmpfs", 0, NULL) == 0 && chroot("/tmp") == 0;
}

/* The host's mount stays in the namespace, but not at the root of the process. */
static bool enter_root_with_the_hosts_below(void)
{
        return enter_own_mounts() && mount("x", "/tmp", "tmpfs", 0, NULL) == 0 &&
               mkdir("/tmp/host", 0755) == 0 && mount("/", "/tmp/host", NULL, MS_BIND, NULL) == 0 &&
               chroot("/tmp") == 0;
}

static const char *origin_after(bool (*enter)(void))
{
        int ready[2], go[2];
        const char *foreign;
        char c = 0;
        pid_t child;
        Origin o;

        CHECK(pipe(ready) == 0 && pipe(go) == 0);
        child = fork();
        if (child == 0) {
                c = enter() ? 'y' : 'n';
                _exit(write(ready[1], &c, 1) != 1 || read(go[0], &c, 1) != 1);
        }
        CHECK(child > 0 && read(ready[0], &c, 1) == 1 && c == 'y');
        o = origin_of_process(child, -EBADF);
        foreign = o.foreign;
        origin_done(&o);
        CHECK(write(go[1], "x", 1) == 1 && waitpid(child, NULL, 0) == child);
        for (int i = 0; i < 2; i++) {
                fd_close(ready[i]);
                fd_close(go[i]);
        }
        return foreign;
}

static void test_roots_of_processes(void)
{
        static const struct {
                const char *name;
                bool (*enter)(void);
                bool same;
        } rows[] = {
                {"ours", enter_nothing, true},
                {"ours, in a private namespace", enter_own_mounts, true},
                {"a directory of ours", enter_directory, false},
                {"ours, bound elsewhere", enter_same_root_again, true},
                {"another", enter_other_root, false},
                {"another, with ours below", enter_root_with_the_hosts_below, false},
        };

        if (geteuid() != 0)
                return;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
                CHECK_TEXT(rows[i].name, origin_after(rows[i].enter),
                           rows[i].same ? NULL : "its root directory is not the host's");
}

static void test_own_process(void)
{
        int pair[2];
        Origin o;

        CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
        o = origin_of_socket(pair[0], getpid());
        CHECK_TEXT("ourselves", o.foreign, NULL);
        CHECK(origin_is_alive(&o) && o.pid == getpid());
        origin_done(&o);
        CHECK(o.pidfd < 0 && o.proc_fd < 0 && !origin_is_alive(&o));
        fd_close(pair[0]);
        fd_close(pair[1]);
}

static void test_processes_that_cannot_be_seen(void)
{
        pid_t child = fork();
        Origin o;

        if (child == 0)
                _exit(0);
        CHECK(child > 0);
        /* A zombie, and then nothing. */
        CHECK(waitid(P_PID, (id_t) child, &(siginfo_t){0}, WEXITED | WNOWAIT) == 0);
        o = origin_of_process(child, -EBADF);
        CHECK(o.foreign && !origin_is_alive(&o));
        origin_done(&o);
        CHECK(waitpid(child, NULL, 0) == child);
        o = origin_of_process(child, -EBADF);
        CHECK(o.foreign && !origin_is_alive(&o));
        origin_done(&o);
        o = origin_of_process(0, -EBADF);
        CHECK(o.foreign && !origin_is_alive(&o));
        origin_done(&o);
}

int main(void)
{
        test_roots();
        test_root_line();
        test_roots_of_processes();
        test_own_process();
        test_processes_that_cannot_be_seen();
        return test_finish("origin");
}
