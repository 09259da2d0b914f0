/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "spawner/namespaces.h"

#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/decimal.h"
#include "base/fd.h"
#include "base/process-state.h"
#include "spawner/proc-parse.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

/* User namespaces are nested 32 deep at most. */
#define DEPTH_MAX 33

static const struct {
        const char *name, *title;
        uint64_t flag;
} types[_NS_MAX] = {
        [NS_MNT] = {"mnt", "mount", CLONE_NEWNS},    [NS_PID] = {"pid", "PID", CLONE_NEWPID},
        [NS_NET] = {"net", "network", CLONE_NEWNET}, [NS_IPC] = {"ipc", "IPC", CLONE_NEWIPC},
        [NS_UTS] = {"uts", "UTS", CLONE_NEWUTS},     [NS_CGROUP] = {"cgroup", "cgroup", CLONE_NEWCGROUP},
        [NS_USER] = {"user", "user", CLONE_NEWUSER}, [NS_TIME] = {"time", "time", CLONE_NEWTIME},
};

static Namespaces own, host;
static uint64_t host_bounding;

uint64_t namespace_flag(NamespaceType type)
{
        return types[type].flag;
}

const char *namespace_title(NamespaceType type)
{
        return types[type].title;
}

const Namespaces *namespaces_own(void)
{
        return &own;
}

const Namespaces *namespaces_host(void)
{
        return &host;
}

uint64_t namespaces_host_bounding(void)
{
        return host_bounding;
}

void namespace_fds_done(NamespaceFds *f)
{
        for (NamespaceType t = 0; t < _NS_MAX; t++)
                f->fds[t] = fd_close(f->fds[t]);
}

NamespaceSet *namespace_set_new(NamespaceFds *files)
{
        NamespaceSet *s = calloc(1, sizeof(*s));

        if (!s)
                return NULL;
        *s = (NamespaceSet){.n_ref = 1, .files = *files};
        *files = NAMESPACE_FDS_INIT;
        return s;
}

NamespaceSet *namespace_set_ref(NamespaceSet *s)
{
        if (s)
                s->n_ref++;
        return s;
}

NamespaceSet *namespace_set_unref(NamespaceSet *s)
{
        if (!s || --s->n_ref > 0)
                return NULL;
        namespace_fds_done(&s->files);
        free(s);
        return NULL;
}

/* A kernel without time namespaces has none anywhere. */
static bool is_unknown(NamespaceType type, int error)
{
        return error == ENOENT && type == NS_TIME;
}

static void path_of(NamespaceType type, char ret[static 16])
{
        snprintf(ret, 16, "ns/%s", types[type].name);
}

int namespaces_read(int proc_fd, Namespaces *ret)
{
        *ret = (Namespaces){0};
        for (NamespaceType t = 0; t < _NS_MAX; t++) {
                char path[16];
                struct stat st;

                path_of(t, path);
                if (fstatat(proc_fd, path, &st, 0) < 0) {
                        if (is_unknown(t, errno))
                                continue;
                        return -errno;
                }
                ret->inode[t] = st.st_ino;
                ret->device = st.st_dev;
        }
        return 0;
}

/* The link is "user:[4026531837]". */
int namespace_read_number(int proc_fd, NamespaceType type, uint64_t *ret)
{
        char path[16], text[64];
        const char *number;
        ssize_t n;

        path_of(type, path);
        *ret = 0;
        n = readlinkat(proc_fd, path, text, sizeof(text) - 1);
        if (n < 0)
                return is_unknown(type, errno) ? 0 : -errno;
        text[n] = 0;
        number = strchr(text, '[');
        if (!number)
                return -EBADMSG;
        number++;
        return decimal_take(&number, UINT64_MAX, ret) < 0 || *number != ']' ? -EBADMSG : 0;
}

int namespaces_read_numbers(int proc_fd, uint64_t ret[static _NS_MAX])
{
        for (NamespaceType t = 0; t < _NS_MAX; t++) {
                int r = namespace_read_number(proc_fd, t, &ret[t]);

                if (r < 0)
                        return r;
        }
        return 0;
}

int namespaces_open(int proc_fd, NamespaceFds *ret, Namespaces *ret_numbers)
{
        _cleanup_namespace_fds_ NamespaceFds found = NAMESPACE_FDS_INIT;
        Namespaces numbers = {0};

        for (NamespaceType t = 0; t < _NS_MAX; t++) {
                char path[16];
                struct stat st;

                path_of(t, path);
                found.fds[t] = openat(proc_fd, path, O_RDONLY | O_CLOEXEC);
                if (found.fds[t] < 0) {
                        if (is_unknown(t, errno))
                                continue;
                        return -errno;
                }
                if (fstat(found.fds[t], &st) < 0)
                        return -errno;
                numbers.inode[t] = st.st_ino;
                numbers.device = st.st_dev;
        }
        *ret = found;
        *ret_numbers = numbers;
        found = NAMESPACE_FDS_INIT;
        return 0;
}

static int read_bounding(int proc_fd, uint64_t *ret)
{
        _cleanup_free_ char *text = NULL;
        ProcStatus status;
        int r = file_read_at(proc_fd, "status", PROCESS_STATUS_MAX, &text, NULL);

        if (r >= 0)
                r = proc_status_parse(text, &status);
        if (r >= 0)
                *ret = status.cap_bounding;
        return r;
}

int namespaces_init(void)
{
        _cleanup_close_ int self = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC),
                            init = open("/proc/1", O_PATH | O_DIRECTORY | O_CLOEXEC);
        int r;

        if (self < 0 || init < 0)
                return -errno;
        r = namespaces_read(self, &own);
        if (r >= 0)
                r = namespaces_read(init, &host);
        return r < 0 ? r : read_bounding(init, &host_bounding);
}

uint64_t namespaces_to_join(const Namespaces *n)
{
        uint64_t flags = 0;

        for (NamespaceType t = 0; t < _NS_MAX; t++)
                if (n->inode[t] != own.inode[t])
                        flags |= types[t].flag;
        return flags;
}

int namespace_owner(int fd)
{
        int owner = ioctl(fd, NS_GET_USERNS);

        return owner < 0 ? -errno : owner;
}

int user_namespace_is_by_root(int fd)
{
        _cleanup_close_ int parent = ioctl(fd, NS_GET_PARENT);
        uid_t owner = (uid_t) -1;
        struct stat st;

        if (parent < 0)
                return errno == EPERM ? 0 : -errno;
        if (fstat(parent, &st) < 0 || ioctl(fd, NS_GET_OWNER_UID, &owner) < 0)
                return -errno;
        return owner == 0 && st.st_ino == own.inode[NS_USER];
}

int user_namespace_maker(int fd, uint32_t *ret)
{
        uid_t maker = 0;

        if (ioctl(fd, NS_GET_OWNER_UID, &maker) < 0)
                return -errno;
        *ret = maker;
        return 0;
}

int user_namespace_is_within(int fd, uint64_t inode)
{
        _cleanup_close_ int held = -EBADF;

        for (int depth = 0; depth < DEPTH_MAX; depth++) {
                struct stat st;
                int parent;

                if (fstat(fd, &st) < 0)
                        return -errno;
                if (st.st_ino == inode)
                        return 1;
                parent = ioctl(fd, NS_GET_PARENT);
                if (parent < 0)
                        return errno == EPERM ? 0 : -errno; /* above ours, or the first of all */
                fd_close(held);
                held = fd = parent;
        }
        return -ELOOP;
}
