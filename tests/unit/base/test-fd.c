/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Descriptors over sockets, sealed memory, bounded reads, processes as pidfds: on the real kernel. */

#include "base/fd.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "unit/count-fds.h"
#include "unit/test.h"

static void test_messages(void)
{
        int pair[2], sent[FD_PASS_MAX + 1], got[FD_PASS_MAX];
        size_t n_got = 99, before;
        char data[8];

        CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
        for (size_t i = 0; i < ELEMENTSOF(sent); i++)
                sent[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
        before = count_fds();

        CHECK(fd_send_message(pair[0], "abc", 3, sent, 2) == 0);
        CHECK(fd_recv_message(pair[1], data, sizeof(data), got, 2, &n_got) == 3);
        CHECK(n_got == 2 && memcmp(data, "abc", 3) == 0);
        for (size_t i = 0; i < n_got; i++) {
                CHECK(fcntl(got[i], F_GETFD) & FD_CLOEXEC);
                fd_close(got[i]);
        }

        CHECK(fd_send_message(pair[0], "x", 1, NULL, 0) == 0);
        CHECK(fd_recv_message(pair[1], data, sizeof(data), got, FD_PASS_MAX, &n_got) == 1 && n_got == 0);

        CHECK(fd_send_message(pair[0], "x", 1, sent, FD_PASS_MAX) == 0);
        CHECK(fd_recv_message(pair[1], data, sizeof(data), got, FD_PASS_MAX, &n_got) == 1);
        CHECK(n_got == FD_PASS_MAX);
        for (size_t i = 0; i < n_got; i++)
                fd_close(got[i]);
        CHECK(fd_send_message(pair[0], "x", 1, sent, FD_PASS_MAX + 1) == -EINVAL);

        /* Nothing is kept of what does not fit. */
        CHECK(fd_send_message(pair[0], "x", 1, sent, 3) == 0);
        CHECK(fd_recv_message(pair[1], data, sizeof(data), got, 2, &n_got) == -EMSGSIZE);
        CHECK(fd_send_message(pair[0], "123456789", 9, sent, 1) == 0);
        CHECK(fd_recv_message(pair[1], data, sizeof(data), got, 2, &n_got) == -EMSGSIZE);
        CHECK(count_fds() == before);

        CHECK(fd_set_nonblock(pair[1], true) == 0);
        CHECK(fd_recv_message(pair[1], data, sizeof(data), got, 2, &n_got) == -EAGAIN);
        CHECK(fd_set_nonblock(pair[1], false) == 0 && !(fcntl(pair[1], F_GETFL) & O_NONBLOCK));
        fd_close(pair[0]);
        CHECK(fd_recv_message(pair[1], data, sizeof(data), got, 2, &n_got) == 0);
        CHECK(fd_send_message(pair[1], "x", 1, NULL, 0) == -EPIPE); /* and no SIGPIPE */
        fd_close(pair[1]);
        for (size_t i = 0; i < ELEMENTSOF(sent); i++)
                fd_close(sent[i]);
        CHECK(fd_set_nonblock(-1, true) == -EBADF);
}

/* The other end has sent its last word, and is closed before it has read all that it was sent. */
static void test_last_word(bool peek)
{
        int pair[2], sent = open("/dev/null", O_RDONLY | O_CLOEXEC), got[1] = {-EBADF};
        size_t n_got = 0;
        char data[8];

        CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0);
        CHECK(fd_send_message(pair[0], "unread", 6, NULL, 0) == 0);
        CHECK(fd_send_message(pair[1], "last", 4, &sent, 1) == 0);
        fd_close(pair[1]);

        if (peek) {
                CHECK(fd_peek_message(pair[0], data, sizeof(data), got, 1, &n_got) == 4 && n_got == 1);
                fd_close(got[0]);
        }
        CHECK(fd_recv_message(pair[0], data, sizeof(data), got, 1, &n_got) == 4);
        CHECK(n_got == 1 && memcmp(data, "last", 4) == 0);
        CHECK(fd_recv_message(pair[0], data, sizeof(data), NULL, 0, NULL) == 0);
        CHECK(fd_recv_message(pair[0], data, sizeof(data), NULL, 0, NULL) == 0);
        fd_close(got[0]);
        fd_close(pair[0]);

        /* Without a last word it has just ended. */
        CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0);
        CHECK(fd_send_message(pair[0], "unread", 6, NULL, 0) == 0);
        fd_close(pair[1]);
        CHECK(peek ? fd_peek_message(pair[0], data, sizeof(data), NULL, 0, NULL) == 0
                   : fd_recv_message(pair[0], data, sizeof(data), NULL, 0, NULL) == 0);
        fd_close(pair[0]);
        fd_close(sent);
}

static void test_memfd(void)
{
        _cleanup_close_ int fd = memfd_sealed("test", "a\0b", 3), empty = memfd_sealed("test", "", 0);
        _cleanup_close_ int open_fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        _cleanup_free_ char *data = NULL, *nothing = NULL;
        size_t size = 0;

        CHECK(memfd_read(fd, 3, &data, &size) == 0 && size == 3 && memcmp(data, "a\0b", 4) == 0);
        CHECK(memfd_read(empty, 0, &nothing, &size) == 0 && size == 0);
        CHECK(memfd_read(fd, 2, &nothing, &size) == -EFBIG);
        CHECK(write(fd, "x", 1) < 0 && errno == EPERM);
        CHECK(ftruncate(fd, 0) < 0 && ftruncate(fd, 4) < 0);
        CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);

        /* A file that its sender could still change is not read. */
        CHECK(memfd_read(open_fd, 3, &nothing, &size) == -EPERM);
        CHECK(fcntl(open_fd, F_ADD_SEALS, F_SEAL_SHRINK) == 0);
        CHECK(memfd_read(open_fd, 3, &nothing, &size) == -EPERM);
}

static void check_file(int dir, size_t size, size_t max, int result)
{
        _cleanup_free_ char *data = NULL;
        size_t n = 0;
        int fd = openat(dir, "file", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        for (size_t i = 0; i < size; i++)
                CHECK(write(fd, &"0123456789"[i % 10], 1) == 1);
        fd_close(fd);
        CHECK(file_read_at(dir, "file", max, &data, &n) == result);
        if (result < 0) {
                CHECK(!data);
                return;
        }
        CHECK(n == size && data[n] == '\0');
        for (size_t i = 0; i < n; i++)
                if (data[i] != "0123456789"[i % 10]) {
                        CHECK(!"the bytes are those of the file");
                        break;
                }
}

static void test_file(void)
{
        char path[] = "/tmp/execd-test-fd-XXXXXX";
        _cleanup_close_ int dir = -EBADF;
        char *data = NULL;

        CHECK(mkdtemp(path));
        dir = open(path, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
        for (size_t size = 0; size < 4; size++) {
                check_file(dir, size, size + 1, 0);
                if (size > 0)
                        check_file(dir, size, size - 1, -EFBIG);
        }
        check_file(dir, 4095, 4096, 0);
        check_file(dir, 4097, 4096, -EFBIG);
        check_file(dir, 10000, 10000, 0);
        check_file(dir, 10000, 9999, -EFBIG);
        check_file(dir, 10000, 1 << 20, 0);
        CHECK(file_read_at(dir, "none", 1, &data, NULL) == -ENOENT);
        CHECK(file_read_at(dir, ".", 1, &data, NULL) == -EISDIR);

        /* A FIFO without a writer must not block the reader. */
        CHECK(mkfifoat(dir, "fifo", 0600) == 0);
        CHECK(file_read_at(dir, "fifo", 16, &data, NULL) == 0 && data && !*data);
        data = mfree(data);
        CHECK(unlinkat(dir, "fifo", 0) == 0 && unlinkat(dir, "file", 0) == 0 && rmdir(path) == 0);
}

static void test_processes(void)
{
        _cleanup_close_ int pidfd = -EBADF, proc = -EBADF;
        uint64_t started = 0, again = 0;
        char path[64];
        siginfo_t info;
        pid_t child = fork(), pid = 0;

        if (child == 0) {
                pause();
                _exit(0);
        }
        pidfd = pidfd_open_pid(child);
        CHECK(pidfd >= 0 && (fcntl(pidfd, F_GETFD) & FD_CLOEXEC));
        CHECK(pidfd_is_alive(pidfd) == 1);
        CHECK(pidfd_get_pid(pidfd, &pid) == 0 && pid == child);

        snprintf(path, sizeof(path), "/proc/%d", child);
        proc = open(path, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
        CHECK(proc_start_time(proc, &started) == 0 && started > 0);
        CHECK(proc_start_time(proc, &again) == 0 && again == started);

        CHECK(pidfd_signal(pidfd, 0) == 0);
        CHECK(pidfd_signal(pidfd, SIGKILL) == 0);
        CHECK(waitid(P_PID, (id_t) child, &info, WEXITED) == 0 && info.si_status == SIGKILL);
        CHECK(pidfd_is_alive(pidfd) == 0);
        CHECK(pidfd_signal(pidfd, SIGKILL) == -ESRCH);
        CHECK(pidfd_get_pid(pidfd, &pid) == -ESRCH);
        CHECK(proc_start_time(proc, &again) < 0);
        CHECK(pidfd_open_pid(child) == -ESRCH);
}

/* The command in /proc/PID/stat may look like the fields after it. */
static void test_start_time_of_odd_name(void)
{
        _cleanup_close_ int self = open("/proc/self", O_DIRECTORY | O_RDONLY | O_CLOEXEC), file = -EBADF;
        uint64_t plain = 0, odd = 1;

        CHECK(proc_start_time(self, &plain) == 0);
        file = openat(self, "comm", O_WRONLY | O_CLOEXEC);
        CHECK(write(file, ") S 1 2 3) 4", 12) == 12);
        CHECK(proc_start_time(self, &odd) == 0 && odd == plain);
}

int main(void)
{
        test_messages();
        test_last_word(false);
        test_last_word(true);
        test_memfd();
        test_file();
        test_processes();
        test_start_time_of_odd_name();
        return test_finish("fd");
}
