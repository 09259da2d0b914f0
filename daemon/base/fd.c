/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "base/fd.h"

#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

int fd_set_nonblock(int fd, bool on)
{
        int flags = fcntl(fd, F_GETFL);

        if (flags < 0)
                return -errno;
        if (on == ((flags & O_NONBLOCK) != 0))
                return 0;
        if (fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK) < 0)
                return -errno;
        return 0;
}

int fd_send_message(int socket, const void *data, size_t size, const int *fds, size_t n_fds)
{
        union {
                struct cmsghdr header;
                char space[CMSG_SPACE(sizeof(int) * FD_PASS_MAX)];
        } control = {0};
        struct iovec iov = {.iov_base = (void *) data, .iov_len = size};
        struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};

        if (n_fds > FD_PASS_MAX)
                return -EINVAL;
        if (n_fds > 0) {
                struct cmsghdr *c;

                message.msg_control = &control;
                message.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
                c = CMSG_FIRSTHDR(&message);
                c->cmsg_level = SOL_SOCKET;
                c->cmsg_type = SCM_RIGHTS;
                c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
                memcpy(CMSG_DATA(c), fds, sizeof(int) * n_fds);
        }

        for (;;) {
                if (sendmsg(socket, &message, MSG_NOSIGNAL) >= 0)
                        return 0;
                if (errno != EINTR)
                        return -errno;
        }
}

/* Takes the fds out of a received message. Too many of them is an error, with all of them closed. */
static int message_take_fds(struct msghdr *message, int *ret_fds, size_t max_fds, size_t *ret_n)
{
        int fds[FD_PASS_MAX];
        size_t n = 0;

        for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
                size_t here;

                if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
                        continue;
                here = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
                here = MIN(here, FD_PASS_MAX - n);
                memcpy(fds + n, CMSG_DATA(c), here * sizeof(int));
                n += here;
        }

        if (n > max_fds || (message->msg_flags & (MSG_CTRUNC | MSG_TRUNC))) {
                for (size_t i = 0; i < n; i++)
                        fd_close(fds[i]);
                return -EMSGSIZE;
        }
        if (n > 0)
                memcpy(ret_fds, fds, n * sizeof(int));
        *ret_n = n;
        return 0;
}

/* When the other end is closed with input that it has not read, the kernel reports this once, before the
 * messages that the other end has sent. They count. */
static ssize_t receive(int socket, struct msghdr *message, int flags)
{
        bool was_reset = false;

        for (;;) {
                ssize_t n = recvmsg(socket, message, MSG_CMSG_CLOEXEC | flags);

                if (n >= 0)
                        return n;
                if (errno == ECONNRESET && !was_reset)
                        was_reset = true;
                else if (errno != EINTR)
                        return -errno;
        }
}

static ssize_t take_message(int socket, int flags, void *data, size_t size, int *ret_fds, size_t max_fds,
                            size_t *ret_n_fds)
{
        union {
                struct cmsghdr header;
                char space[CMSG_SPACE(sizeof(int) * FD_PASS_MAX)];
        } control;
        struct iovec iov = {.iov_base = data, .iov_len = size};
        struct msghdr message = {
                .msg_iov = &iov,
                .msg_iovlen = 1,
                .msg_control = &control,
                .msg_controllen = sizeof(control),
        };
        size_t n_fds = 0;
        ssize_t n;
        int r;

        n = receive(socket, &message, flags);
        if (n < 0)
                return n;

        r = message_take_fds(&message, ret_fds, max_fds, &n_fds);
        if (r < 0)
                return r;
        if (ret_n_fds)
                *ret_n_fds = n_fds;
        return n;
}

ssize_t fd_recv_message(int socket, void *data, size_t size, int *ret_fds, size_t max_fds, size_t *ret_n_fds)
{
        return take_message(socket, 0, data, size, ret_fds, max_fds, ret_n_fds);
}

ssize_t fd_peek_message(int socket, void *data, size_t size, int *ret_fds, size_t max_fds, size_t *ret_n_fds)
{
        return take_message(socket, MSG_PEEK | MSG_DONTWAIT, data, size, ret_fds, max_fds, ret_n_fds);
}

int fd_write_all(int fd, const void *data, size_t size)
{
        const char *p = data;

        while (size > 0) {
                ssize_t n = write(fd, p, size);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                p += n;
                size -= (size_t) n;
        }
        return 0;
}

int memfd_sealed(const char *name, const void *data, size_t size)
{
        _cleanup_close_ int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
        int r;

        if (fd < 0)
                return -errno;
        r = fd_write_all(fd, data, size);
        if (r < 0)
                return r;
        if (fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
                return -errno;
        return TAKE_FD(fd);
}

int memfd_read(int fd, size_t max, char **ret, size_t *ret_size)
{
        _cleanup_free_ char *data = NULL;
        struct stat st;
        size_t done = 0;
        int seals;

        seals = fcntl(fd, F_GET_SEALS);
        if (seals < 0)
                return -errno;
        if ((seals & (F_SEAL_SHRINK | F_SEAL_WRITE)) != (F_SEAL_SHRINK | F_SEAL_WRITE))
                return -EPERM;
        if (fstat(fd, &st) < 0)
                return -errno;
        if ((uint64_t) st.st_size > max)
                return -EFBIG;

        data = malloc((size_t) st.st_size + 1);
        if (!data)
                return -ENOMEM;
        while (done < (size_t) st.st_size) {
                ssize_t n = pread(fd, data + done, (size_t) st.st_size - done, (off_t) done);

                if (n < 0) {
                        if (errno == EINTR)
                                continue;
                        return -errno;
                }
                if (n == 0)
                        return -EIO;
                done += (size_t) n;
        }
        data[done] = 0;
        *ret = TAKE_PTR(data);
        *ret_size = done;
        return 0;
}

int file_read_at(int dir_fd, const char *path, size_t max, char **ret, size_t *ret_size)
{
        _cleanup_close_ int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        _cleanup_free_ char *data = NULL;
        size_t size = 0, room = MIN(max, 4096) + 2;

        if (fd < 0)
                return -errno;
        data = malloc(room);
        if (!data)
                return -ENOMEM;

        for (;;) {
                ssize_t n;

                if (size + 1 >= room) {
                        char *more;

                        if (size >= max)
                                return -EFBIG;
                        room = MIN(room * 2, max + 2);
                        more = realloc(data, room);
                        if (!more)
                                return -ENOMEM;
                        data = more;
                }
                n = read(fd, data + size, room - size - 1);
                if (n < 0) {
                        if (errno == EINTR)
                                continue;
                        return -errno;
                }
                if (n == 0)
                        break;
                size += (size_t) n;
                if (size > max)
                        return -EFBIG;
        }

        data[size] = 0;
        *ret = TAKE_PTR(data);
        if (ret_size)
                *ret_size = size;
        return 0;
}

int pidfd_open_pid(pid_t pid)
{
        int fd = (int) syscall(SYS_pidfd_open, pid, 0);

        return fd < 0 ? -errno : fd;
}

int pidfd_is_alive(int pidfd)
{
        struct pollfd p = {.fd = pidfd, .events = POLLIN};
        int r;

        do
                r = poll(&p, 1, 0);
        while (r < 0 && errno == EINTR);
        if (r < 0)
                return -errno;
        return r == 0;
}

int pidfd_signal(int pidfd, int signal_number)
{
        if (syscall(SYS_pidfd_send_signal, pidfd, signal_number, NULL, 0) < 0)
                return -errno;
        return 0;
}

int pidfd_get_pid(int pidfd, pid_t *ret)
{
        _cleanup_free_ char *info = NULL;
        char path[64];
        const char *p;
        int pid, r;

        snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
        r = file_read_at(AT_FDCWD, path, 4096, &info, NULL);
        if (r < 0)
                return r;
        p = strstr(info, "\nPid:");
        if (!p || sscanf(p, "\nPid:%d", &pid) != 1)
                return -EBADF;
        if (pid <= 0)
                return -ESRCH;
        *ret = pid;
        return 0;
}

int proc_open(pid_t pid)
{
        char path[32];
        int fd;

        snprintf(path, sizeof(path), "/proc/%d", (int) pid);
        fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

int proc_start_time(int proc_fd, uint64_t *ret)
{
        _cleanup_free_ char *text = NULL;
        const char *p;
        int r;

        r = file_read_at(proc_fd, "stat", 4096, &text, NULL);
        if (r < 0)
                return r;
        /* The second field is the command in parentheses and may hold anything, so count from its end. */
        p = strrchr(text, ')');
        if (!p)
                return -EBADMSG;
        for (int field = 2; field < 22; field++) {
                p = strchr(p + 1, ' ');
                if (!p)
                        return -EBADMSG;
        }
        if (sscanf(p, " %" SCNu64, ret) != 1)
                return -EBADMSG;
        return 0;
}
