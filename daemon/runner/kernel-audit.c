/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The kernel's audit: the command belongs to the login session of its caller, and has a record like a command
 * of sudo(8). Both as far as the kernel goes along: it may have no audit, a login uid may be immutable, and
 * it may ignore processes in other namespaces. The journal has the record in any case.
 */

#include <linux/netlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "runner/runner.h"

/* The type of user messages of the kernel; linux/audit.h has no name for it. */
#define AUDIT_USER_CMD 1123

static void set_login_uid(uint32_t uid)
{
        char text[16];

        snprintf(text, sizeof(text), "%u", uid);
        (void) proc_write("/proc/self/loginuid", text);
}

/* No answer is asked for: the kernel has taken the record when sendmsg(2) returns. */
static void send_record(const char *text)
{
        _cleanup_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_AUDIT);
        struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
        size_t size = strlen(text) + 1;
        struct nlmsghdr header = {
                .nlmsg_len = (uint32_t) NLMSG_LENGTH(size),
                .nlmsg_type = AUDIT_USER_CMD,
                .nlmsg_flags = NLM_F_REQUEST,
                .nlmsg_seq = 1,
        };
        struct iovec parts[] = {
                {.iov_base = &header, .iov_len = NLMSG_HDRLEN},
                {.iov_base = (char *) text, .iov_len = size},
        };
        struct msghdr message = {
                .msg_name = &kernel,
                .msg_namelen = sizeof(kernel),
                .msg_iov = parts,
                .msg_iovlen = ELEMENTSOF(parts),
        };

        if (fd >= 0)
                (void) sendmsg(fd, &message, MSG_NOSIGNAL);
}

void audit_command(const RunnerSpec *s)
{
        if (s->login_uid != UINT32_MAX)
                set_login_uid(s->login_uid);
        if (s->audit)
                send_record(s->audit);
}
