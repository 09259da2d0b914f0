/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Security labels, set while /proc is still the host's and read back from the kernel: a container may have
 * put anything at the same path. Where the kernel has system calls for it (Linux 6.8), no path is needed.
 */

#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#include "base/fd.h"
#include "runner/runner.h"

#define LABEL_MAX 4096

/* <linux/lsm.h>; newer than the headers of Debian 12. The numbers are the same on all architectures. */
#ifndef SYS_lsm_get_self_attr
#define SYS_lsm_get_self_attr 459
#define SYS_lsm_set_self_attr 460
#endif
#define ID_SELINUX     101
#define ATTR_EXEC      101
#define ATTR_KEYCREATE 103
#define FLAG_SINGLE    1

typedef struct LsmContext {
        uint64_t id;
        uint64_t flags;
        uint64_t length; /* of all of it */
        uint64_t text_length;
        char text[LABEL_MAX];
} LsmContext;

static int proc_open_checked(const char *path, int flags)
{
        _cleanup_close_ int fd = open(path, flags | O_CLOEXEC | O_NOCTTY);
        struct statfs fs;

        if (fd < 0)
                return -errno;
        if (fstatfs(fd, &fs) < 0)
                return -errno;
        if (fs.f_type != PROC_SUPER_MAGIC)
                return -EBADF;
        return TAKE_FD(fd);
}

int proc_write(const char *path, const char *text)
{
        _cleanup_close_ int fd = proc_open_checked(path, O_WRONLY);
        size_t size = strlen(text);
        ssize_t n;

        if (fd < 0)
                return fd;
        n = write(fd, text, size);
        if (n < 0)
                return -errno;
        return (size_t) n == size ? 0 : -EIO;
}

int proc_read(const char *path, char *ret, size_t size)
{
        _cleanup_close_ int fd = proc_open_checked(path, O_RDONLY);
        ssize_t n;

        if (fd < 0)
                return fd;
        n = read(fd, ret, size - 1);
        if (n < 0)
                return -errno;
        ret[n] = 0;
        ret[strcspn(ret, "\n")] = 0;
        return 0;
}

static int lsm_set(unsigned attribute, const char *label)
{
        LsmContext c = {.id = ID_SELINUX};

        c.text_length = strlen(label);
        if (c.text_length >= sizeof(c.text))
                return -ENAMETOOLONG;
        c.length = offsetof(LsmContext, text) + c.text_length;
        memcpy(c.text, label, c.text_length);
        return syscall(SYS_lsm_set_self_attr, attribute, &c, (uint32_t) c.length, 0) < 0 ? -errno : 0;
}

static int lsm_get(unsigned attribute, char *ret, size_t size)
{
        LsmContext c = {.id = ID_SELINUX};
        uint32_t n = sizeof(c);

        if (syscall(SYS_lsm_get_self_attr, attribute, &c, &n, FLAG_SINGLE) < 0)
                return -errno;
        if (c.id != ID_SELINUX || c.text_length > sizeof(c.text) || c.text_length >= size)
                return -EBADMSG;
        memcpy(ret, c.text, c.text_length);
        ret[c.text_length] = 0;
        return 0;
}

/* In AppArmor, the mode follows the name. */
static bool is_label(const char *text, const char *label)
{
        size_t n = strlen(label);

        return strncmp(text, label, n) == 0 && (text[n] == 0 || text[n] == ' ');
}

static int refuse_label(const char *label, int r, Refusal *reterr)
{
        return refuse(reterr, REFUSAL_NOT_RUNNABLE, r,
                      "failed to apply the container's security label %s: %s", label, strerrordesc_np(-r));
}

static int set_by_path(const char *path, const char *text, const char *label)
{
        char now[LABEL_MAX] = "";
        int r;

        r = proc_write(path, text);
        if (r >= 0)
                r = proc_read(path, now, sizeof(now));
        if (r >= 0 && !is_label(now, label))
                r = -EBADE;
        return r;
}

static int set_selinux(unsigned attribute, const char *path, const char *label, Refusal *reterr)
{
        char now[LABEL_MAX] = "";
        int r;

        r = lsm_set(attribute, label);
        if (r == -ENOSYS || r == -EOPNOTSUPP)
                r = set_by_path(path, label, label);
        else if (r >= 0) {
                r = lsm_get(attribute, now, sizeof(now));
                if (r >= 0 && !is_label(now, label))
                        r = -EBADE;
        }
        return r < 0 ? refuse_label(label, r, reterr) : 0;
}

int label_set(const RunnerSpec *s, Refusal *reterr)
{
        char text[LABEL_MAX];
        int r;

        if (s->label) {
                r = set_selinux(ATTR_EXEC, "/proc/thread-self/attr/exec", s->label, reterr);
                if (r >= 0)
                        r = set_selinux(ATTR_KEYCREATE, "/proc/thread-self/attr/keycreate", s->label,
                                        reterr);
                if (r < 0)
                        return r;
        }
        if (!s->apparmor)
                return 0;
        if (snprintf(text, sizeof(text), "exec %s", s->apparmor) >= (int) sizeof(text))
                return -ENAMETOOLONG;
        r = set_by_path("/proc/thread-self/attr/apparmor/exec", text, s->apparmor);
        return r < 0 ? refuse_label(s->apparmor, r, reterr) : 0;
}
