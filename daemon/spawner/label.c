/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "spawner/label.h"

#include <linux/audit.h>
#include <linux/netlink.h>
#include <selinux/selinux.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"

#define RECORD_MAX 4096

static void freeconp(char **label)
{
        freecon(*label);
}

/* 1, or 0 where the policy says no and is enforced. */
static int may_become(const char *runner, const char *label)
{
        _cleanup_(freeconp) char *own = NULL, *file = NULL, *from = NULL;
        security_class_t class = string_to_security_class("process");
        access_vector_t transition;
        struct av_decision decision;
        int enforcing = security_getenforce();

        if (enforcing == 0)
                return 1;
        transition = class ? string_to_av_perm(class, "transition") : 0;
        if (enforcing < 0 || transition == 0)
                return -EOPNOTSUPP;
        if (getcon_raw(&own) < 0 || getfilecon_raw(runner, &file) < 0 ||
            security_compute_create_raw(own, file, class, &from) < 0)
                return errno > 0 ? -errno : -EIO;
        /* Nothing to become. */
        if (strcmp(from, label) == 0)
                return 1;
        if (security_compute_av_flags_raw(from, label, class, transition, &decision) < 0)
                return errno > 0 ? -errno : -EIO;
        return (decision.allowed & transition) || (decision.flags & SELINUX_AVD_FLAGS_PERMISSIVE);
}

int label_check_enterable(const char *runner, const char *label, Refusal *reterr)
{
        int r;

        if (!label)
                return 0;
        r = may_become(runner, label);
        if (r < 0)
                return refuse(reterr, REFUSAL_UNSUPPORTED, r,
                              "failed to check with SELinux whether %s may be entered: %s", label,
                              strerrordesc_np(-r));
        if (r == 0)
                return refuse(reterr, REFUSAL_UNSUPPORTED, EACCES,
                              "the SELinux policy lets no program that execd executes become %s, which is "
                              "the label of the container's first process: its type is not one of a "
                              "container's (attribute execd_target_domain), or a boolean would have to "
                              "allow it (execd_enter_*)",
                              label);
        return 0;
}

/* Without a daemon of the audit system it is the kernel's log that has it. A kernel without audit has no
 * such log. */
int label_record_decision(const char *text, uid_t uid)
{
        struct {
                struct nlmsghdr head;
                char text[RECORD_MAX];
        } m = {.head = {.nlmsg_type = AUDIT_USER_AVC, .nlmsg_flags = NLM_F_REQUEST}};
        const struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
        _cleanup_close_ int fd = -EBADF;
        int n;

        n = snprintf(m.text, sizeof(m.text),
                     "%s exe=\"/usr/lib/execd/execd\" sauid=%u hostname=? addr=? terminal=?", text,
                     (unsigned) uid);
        if (n < 0 || (size_t) n >= sizeof(m.text))
                return -E2BIG;
        m.head.nlmsg_len = (uint32_t) (NLMSG_HDRLEN + n + 1);

        fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_AUDIT);
        if (fd < 0)
                return errno == EPROTONOSUPPORT || errno == EAFNOSUPPORT ? 0 : -errno;
        if (sendto(fd, &m, m.head.nlmsg_len, 0, (const struct sockaddr *) &kernel, sizeof(kernel)) < 0)
                return errno == ECONNREFUSED ? 0 : -errno;
        return 0;
}
