/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "spawner/cgroup.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "spawner/proc-parse.h"

#define PROCS_MAX (4 * 1024 * 1024)
#define DEPTH_MAX 16

/* The mount point of the hierarchy: alone, or next to the old ones. */
static int open_root(void)
{
        static const char *const places[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};

        for (size_t i = 0; i < ELEMENTSOF(places); i++) {
                _cleanup_close_ int fd = open(places[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                struct statfs fs;

                if (fd >= 0 && fstatfs(fd, &fs) >= 0 && fs.f_type == CGROUP2_SUPER_MAGIC)
                        return TAKE_FD(fd);
        }
        return -EOPNOTSUPP;
}

static int kept_root = -EBADF; /* the host's hierarchy stays where it is */

void cgroup_forget_root(void)
{
        kept_root = -EBADF;
}

static int keep_root(void)
{
        if (kept_root < 0)
                kept_root = open_root();
        return kept_root;
}

int cgroup_open(const char *path)
{
        int root = keep_root(), fd;

        if (root < 0)
                return root;
        path += strspn(path, "/");
        fd = openat(root, *path ? path : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        return fd < 0 ? -errno : fd;
}

/* The links of a directory are its own two, and one from each directory in it. */
int cgroup_count_children(const char *path)
{
        int root = keep_root();
        struct stat st;

        if (root < 0)
                return root;
        path += strspn(path, "/");
        if (fstatat(root, *path ? path : ".", &st, AT_SYMLINK_NOFOLLOW) < 0)
                return -errno;
        return st.st_nlink > 2 ? (int) MIN(st.st_nlink - 2, INT_MAX) : 0;
}

int cgroup_of(pid_t pid, char **ret)
{
        _cleanup_free_ char *text = NULL;
        char file[64];
        int r;

        snprintf(file, sizeof(file), "/proc/%d/cgroup", pid);
        r = file_read_at(AT_FDCWD, file, 16384, &text, NULL);
        if (r < 0)
                return r == -ENOENT ? -ESRCH : r;
        return proc_cgroup_parse(text, ret);
}

int cgroup_of_unit(pid_t pid, const char *unit, char **ret)
{
        _cleanup_free_ char *path = NULL;
        size_t n = strlen(unit);
        int r;

        r = cgroup_of(pid, &path);
        if (r < 0)
                return r;

        for (char *p = strstr(path, unit); p; p = strstr(p + 1, unit))
                if (p > path && p[-1] == '/' && (p[n] == '/' || p[n] == 0)) {
                        p[n] = 0;
                        *ret = TAKE_PTR(path);
                        return 0;
                }
        return -ENOENT;
}

static int foreach_in(int fd, int depth, CgroupProcess callback, void *userdata)
{
        _cleanup_free_ char *procs = NULL;
        char *rest, *line;
        DIR *d;
        int r;

        r = file_read_at(fd, "cgroup.procs", PROCS_MAX, &procs, NULL);
        /* A threaded one has its processes listed further up. */
        if (r < 0 && r != -EOPNOTSUPP)
                return r;
        rest = procs;
        while (procs && (line = strsep(&rest, "\n"))) {
                pid_t pid = (pid_t) strtol(line, NULL, 10);

                if (pid <= 0)
                        continue;
                r = callback(pid, userdata);
                if (r < 0)
                        return r;
        }

        if (depth >= DEPTH_MAX)
                return 0;
        d = fdopendir(fcntl(fd, F_DUPFD_CLOEXEC, 3));
        if (!d)
                return -errno;
        r = 0;
        for (struct dirent *e = readdir(d); e && r >= 0; e = readdir(d)) {
                _cleanup_close_ int child = -EBADF;

                if (e->d_type != DT_DIR || e->d_name[0] == '.')
                        continue;
                child = openat(fd, e->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
                if (child >= 0)
                        r = foreach_in(child, depth + 1, callback, userdata);
        }
        closedir(d);
        /* It may be removed during the walk. */
        return r == -ENODEV ? 0 : r;
}

int cgroup_foreach_process(const char *path, CgroupProcess callback, void *userdata)
{
        _cleanup_close_ int fd = cgroup_open(path);

        return fd < 0 ? fd : foreach_in(fd, 0, callback, userdata);
}
