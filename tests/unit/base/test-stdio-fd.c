/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Descriptors that may become a command's stdin, stdout or stderr: on the real kernel. */

#include "base/stdio-fd.h"

#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>

#include "unit/test.h"

/* NULL where it may be passed. The caller frees it. */
static char *verdict(int fd, int number)
{
        Refusal refusal = REFUSAL_INIT;
        int r = stdio_fd_check(fd, number, &refusal);

        CHECK(r == (refusal.kind == REFUSAL_NONE ? 0 : -EINVAL));
        CHECK(refusal.kind == REFUSAL_NONE || refusal.kind == REFUSAL_BAD_REQUEST);
        return refusal.message;
}

static void check_refused(const char *row, int fd, const char *what)
{
        static const char *const names[] = {"stdin", "stdout", "stderr"};

        CHECK_ROW(row, fd >= 0);
        for (int i = 0; i < 3; i++) {
                _cleanup_free_ char *found = verdict(fd, i), *expected = NULL;

                if (asprintf(&expected, "%s: only an anonymous pipe can be passed, not %s", names[i],
                             what) >= 0)
                        CHECK_TEXT(row, found, expected);
        }
        if (fd >= 0)
                close(fd);
}

static void check_pipe_end(const char *row, int fd, bool readable, bool writable)
{
        for (int i = 0; i < 3; i++) {
                _cleanup_free_ char *found = verdict(fd, i);
                const char *expected = NULL;

                if (i == 0 && !readable)
                        expected = "stdin: the pipe is not open for reading";
                else if (i == 1 && !writable)
                        expected = "stdout: the pipe is not open for writing";
                else if (i == 2 && !writable)
                        expected = "stderr: the pipe is not open for writing";
                CHECK_TEXT(row, found, expected);
        }
}

static int reopen(int fd, int flags)
{
        char path[32];

        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        return open(path, flags | O_CLOEXEC);
}

static void test_pipes(void)
{
        static const int flags[] = {0, O_NONBLOCK, O_DIRECT};

        for (size_t i = 0; i < ELEMENTSOF(flags); i++) {
                int ends[2], both;

                CHECK(pipe2(ends, O_CLOEXEC | flags[i]) == 0);
                both = reopen(ends[0], O_RDWR);
                check_pipe_end("read end", ends[0], true, false);
                check_pipe_end("write end", ends[1], false, true);
                check_pipe_end("opened anew", both, true, true);
                check_refused("O_PATH of a pipe", reopen(ends[0], O_PATH), "an O_PATH file descriptor");
                close(both);
                close(ends[1]);
                check_pipe_end("without a writer", ends[0], true, false);
                close(ends[0]);
        }
}

static int named_fifo(void)
{
        char path[] = "/tmp/execd-test-XXXXXX";
        int fd = mkstemp(path);

        if (fd < 0)
                return -1;
        close(fd);
        unlink(path);
        CHECK(mkfifo(path, 0600) == 0);
        fd = open(path, O_RDWR | O_CLOEXEC);
        unlink(path);
        return fd;
}

static void test_files(void)
{
        static const char regular[] = "a regular file", device[] = "a device";

        check_refused("named FIFO", named_fifo(), "a named FIFO");
        check_refused("file", open("/etc/passwd", O_RDONLY | O_CLOEXEC), regular);
        check_refused("temporary file", open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600), regular);
        check_refused("memory", memfd_create("test", MFD_CLOEXEC), regular);
        check_refused("namespace", open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC), regular);
        check_refused("procfs", open("/proc/self/mem", O_RDONLY | O_CLOEXEC), regular);
        check_refused("directory", open("/", O_RDONLY | O_CLOEXEC), "a directory");
        check_refused("O_PATH", open("/etc/passwd", O_PATH | O_CLOEXEC), "an O_PATH file descriptor");
        check_refused("null device", open("/dev/null", O_RDWR | O_CLOEXEC), device);
        check_refused("zero device", open("/dev/zero", O_RDWR | O_CLOEXEC), device);
}

static void test_kernel_objects(void)
{
        static const char object[] = "an object of the kernel";
        int pair[2], master, slave;
        sigset_t none;

        sigemptyset(&none);
        CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
        check_refused("socket", pair[0], "a socket");
        check_refused("socket", pair[1], "a socket");
        if (openpty(&master, &slave, NULL, NULL, NULL) == 0) {
                check_refused("terminal", slave, "a terminal");
                check_refused("terminal's master", master, "a terminal");
        }
        check_refused("eventfd", eventfd(0, EFD_CLOEXEC), object);
        check_refused("epoll", epoll_create1(EPOLL_CLOEXEC), object);
        check_refused("inotify", inotify_init1(IN_CLOEXEC), object);
        check_refused("timerfd", timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC), object);
        check_refused("signalfd", signalfd(-1, &none, SFD_CLOEXEC), object);
}

/* In kernels from 6.9 on a file of pidfs. */
static void test_pidfd(void)
{
        int fd = (int) syscall(SYS_pidfd_open, getpid(), 0);

        for (int i = 0; i < 3; i++) {
                _cleanup_free_ char *found = verdict(fd, i);

                CHECK(found && strstr(found, "only an anonymous pipe can be passed"));
        }
        close(fd);
}

static void test_none(void)
{
        for (int i = 0; i < 3; i++) {
                _cleanup_free_ char *found = verdict(-EBADF, i);

                CHECK(found && strstr(found, "an invalid file descriptor"));
        }
        CHECK(stdio_fd_check(-EBADF, 0, NULL) == -EINVAL);
}

int main(void)
{
        test_pipes();
        test_files();
        test_kernel_objects();
        test_pidfd();
        test_none();
        return test_finish("stdio-fd");
}
