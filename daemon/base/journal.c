/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "base/journal.h"

#include <endian.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/fd.h"

void journal_add(Buf *record, const char *name, const void *value, size_t size)
{
        uint64_t length = htole64(size);

        buf_puts(record, name);
        if (memchr(value, '\n', size)) {
                buf_puts(record, "\n");
                buf_append(record, &length, sizeof(length));
        } else
                buf_puts(record, "=");
        buf_append(record, value, size);
        buf_puts(record, "\n");
}

void journal_addf(Buf *record, const char *name, const char *format, ...)
{
        _cleanup_free_ char *value = NULL;
        va_list ap;
        int n;

        va_start(ap, format);
        n = vasprintf(&value, format, ap);
        va_end(ap);
        if (n < 0)
                record->failed = true;
        else
                journal_add(record, name, value, (size_t) n);
}

static int journal_connect(int fd, const char *path)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};

        if (strlen(path) >= sizeof(address.sun_path))
                return -ENAMETOOLONG;
        strcpy(address.sun_path, path);
        return connect(fd, (struct sockaddr *) &address, sizeof(address)) < 0 ? -errno : 0;
}

int journal_open(const char *path, int send_buffer)
{
        _cleanup_close_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        int r;

        if (fd < 0)
                return -errno;
        (void) setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &send_buffer, sizeof(send_buffer));
        r = journal_connect(fd, path);
        return r < 0 ? r : TAKE_FD(fd);
}

static int send_once(int fd, const void *record, size_t size)
{
        for (;;) {
                if (send(fd, record, size, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
                        return 0;
                if (errno != EINTR)
                        return -errno;
        }
}

/* A record that is too large for a datagram travels in a memfd. */
static int send_memfd(int fd, const void *record, size_t size)
{
        _cleanup_close_ int memfd = memfd_sealed("journal-record", record, size);
        union {
                struct cmsghdr header;
                char space[CMSG_SPACE(sizeof(int))];
        } control = {0};
        struct msghdr message = {.msg_control = control.space, .msg_controllen = sizeof(control.space)};

        if (memfd < 0)
                return memfd;
        control.header = (struct cmsghdr){
                .cmsg_len = CMSG_LEN(sizeof(int)),
                .cmsg_level = SOL_SOCKET,
                .cmsg_type = SCM_RIGHTS,
        };
        memcpy(CMSG_DATA(&control.header), &memfd, sizeof(int));
        return sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int journal_send(int fd, const char *path, const void *record, size_t size)
{
        int r = send_once(fd, record, size);

        if (r == -ECONNREFUSED || r == -ENOTCONN || r == -ECONNRESET) {
                r = journal_connect(fd, path);
                if (r >= 0)
                        r = send_once(fd, record, size);
        }
        if (r == -EMSGSIZE)
                r = send_memfd(fd, record, size);
        return r == -ENOBUFS ? -EAGAIN : r;
}
