/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "base/origin.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/process-state.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77 /* Linux 6.5; newer than the headers of Debian 12 */
#endif

#define MAP_MAX 65536

/* "/" is among the first mounts; a container can have a hundred thousand, and no request waits for them.
 */
#define MOUNTS_MAX (64 * 1024)

/* So much at once, and at most, when the host's own "/" is looked for. */
#define MOUNTS_PIECE 128
#define MOUNTS_EARLY 2048

#define GONE         "it has exited"

void origin_done(Origin *o)
{
        fd_close(o->pidfd);
        fd_close(o->proc_fd);
        *o = ORIGIN_INIT;
}

bool origin_is_alive(const Origin *o)
{
        return o->pidfd >= 0 && pidfd_is_alive(o->pidfd) == 1;
}

static bool in_other_pid_namespace(int proc_fd)
{
        _cleanup_free_ char *status = NULL;
        const char *p;
        int here, below;

        if (file_read_at(proc_fd, "status", PROCESS_STATUS_MAX, &status, NULL) < 0)
                return true;
        p = strstr(status, "\nNSpid:");
        return !p || sscanf(p, "\nNSpid:%d%d", &here, &below) != 1;
}

static bool in_other_user_namespace(int proc_fd)
{
        static char *own; /* does not change */
        _cleanup_free_ char *map = NULL;

        if (!own && file_read_at(AT_FDCWD, "/proc/self/uid_map", MAP_MAX, &own, NULL) < 0)
                return true;
        return file_read_at(proc_fd, "uid_map", MAP_MAX, &map, NULL) < 0 || strcmp(map, own) != 0;
}

/* The fields of a mountinfo line that say what is mounted: "MAJOR:MINOR ROOT". NULL unless it is at "/". */
static char *line_root(const char *line)
{
        char device[32], root[4096], point[8], *text = NULL;
        const char *end = strchrnul(line, '\n');

        /* Most lines are of other places, and are not worth more than a look. */
        if (!memmem(line, (size_t) (end - line), " / ", 3))
                return NULL;
        if (sscanf(line, "%*d %*d %31s %4095s %7s ", device, root, point) != 3 || strcmp(point, "/") != 0)
                return NULL;
        return asprintf(&text, "%s %s", device, root) < 0 ? NULL : text;
}

static const char *next_line(const char *line)
{
        const char *end = strchr(line, '\n');

        return end ? end + 1 : NULL; /* a line that was cut does not count */
}

static bool has_root(const char *mountinfo, const char *root)
{
        for (const char *line = mountinfo, *next; (next = next_line(line)); line = next) {
                _cleanup_free_ char *found = line_root(line);

                if (found && strcmp(found, root) == 0)
                        return true;
        }
        return false;
}

/* All that lies at "/" has to be the host's, since one mount can hide another. */
bool origin_same_root(const char *mountinfo, const char *host)
{
        bool any = false;

        for (const char *line = mountinfo, *next; (next = next_line(line)); line = next) {
                _cleanup_free_ char *root = line_root(line);

                if (!root)
                        continue;
                if (!has_root(host, root))
                        return false;
                any = true;
        }
        return any;
}

/* Its number, its parent's, the device, the root and "/". */
char *origin_root_line(const char *mountinfo)
{
        const char *found = NULL;
        size_t size = 0;

        for (const char *line = mountinfo, *next; (next = next_line(line)); line = next) {
                int n = 0;

                (void) sscanf(line, "%*d %*d %*31s %*4095s / %n", &n);
                if (n == 0 || line[n - 1] != ' ')
                        continue;
                if (found)
                        return NULL; /* one hides the other */
                found = line;
                size = (size_t) n;
        }
        return found ? strndup(found, size) : NULL;
}

static bool has_line(const char *text, const char *beginning)
{
        size_t size = strlen(beginning);

        for (const char *line = text; line; line = next_line(line))
                if (strncmp(line, beginning, size) == 0)
                        return true;
        return false;
}

/* Reads until a line begins with `wanted`, unless that is NULL. The kernel describes only as many mounts at a
 * time as there is room for, and each takes microseconds. */
static int read_mounts(int fd, const char *wanted, char **ret, bool *ret_found)
{
        _cleanup_free_ char *text = malloc(MOUNTS_MAX + 1);
        size_t size = 0;
        ssize_t n;

        *ret_found = false;
        if (!text)
                return -ENOMEM;
        while (!*ret_found && size < MOUNTS_MAX &&
               (n = read(fd, text + size, MIN(wanted ? MOUNTS_PIECE : MOUNTS_MAX, MOUNTS_MAX - size))) !=
                       0) {
                if (n < 0)
                        return -errno;
                size += (size_t) n;
                text[size] = 0;
                *ret_found = wanted && has_line(text, wanted);
                if (size >= MOUNTS_EARLY)
                        wanted = NULL;
        }
        text[size] = 0;
        *ret = TAKE_PTR(text);
        return 0;
}

static int open_mounts(int dir_fd, const char *path)
{
        int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC);

        return fd < 0 ? -errno : fd;
}

/* The host's root directory, which does not change. */
typedef struct HostRoot {
        char *mounts; /* our own mountinfo */
        char *line; /* the beginning of the line of PID 1's root mount; NULL if it is not known to be ours */
        int held;   /* PID 1's mountinfo: while it is open, the number of the mount is given to no other */
} HostRoot;

/* Where PID 1 has the same root directory as we, its mount is remembered. */
static void find_root_mount(HostRoot *h)
{
        _cleanup_close_ int fd = open_mounts(AT_FDCWD, "/proc/1/mountinfo");
        _cleanup_free_ char *mounts = NULL;
        bool found;

        if (fd < 0 || read_mounts(fd, NULL, &mounts, &found) < 0 || !origin_same_root(mounts, h->mounts))
                return;
        h->line = origin_root_line(mounts);
        if (h->line)
                h->held = TAKE_FD(fd);
}

static const HostRoot *host_root(void)
{
        static HostRoot h = {.held = -EBADF};
        _cleanup_close_ int fd = -EBADF;
        bool found;

        if (h.mounts)
                return &h;
        fd = open_mounts(AT_FDCWD, "/proc/self/mountinfo");
        if (fd < 0 || read_mounts(fd, NULL, &h.mounts, &found) < 0)
                return NULL;
        find_root_mount(&h);
        return &h;
}

/* Mounts are described as seen from the root directory of the process, and only those of its mount namespace
 * that can be seen from there. So the mount of PID 1's root directory is at "/" for those whose root directory
 * is this very one. Others, as services with mount namespaces of their own, may have the same file system there. */
static bool in_other_root(int proc_fd)
{
        const HostRoot *host = host_root();
        _cleanup_close_ int fd = open_mounts(proc_fd, "mountinfo");
        _cleanup_free_ char *mounts = NULL;
        bool found;

        if (!host || fd < 0 || read_mounts(fd, host->line, &mounts, &found) < 0)
                return true;
        return !found && !origin_same_root(mounts, host->mounts);
}

static const char *judge(const Origin *o)
{
        if (in_other_pid_namespace(o->proc_fd))
                return "its PID namespace is not the host's";
        if (in_other_user_namespace(o->proc_fd))
                return "its user namespace is not the host's";
        if (in_other_root(o->proc_fd))
                return "its root directory is not the host's";
        return NULL;
}

/* Everything is read through one directory of /proc. Where the pidfd was opened by number, the process of
 * that directory had the number then if it can still be read afterwards, which judge() does. Where the pidfd
 * was passed and its process still lives at the end, the number was its own all the time. */
Origin origin_of_process(pid_t pid, int pidfd)
{
        Origin o = {.pidfd = pidfd, .proc_fd = -EBADF, .pid = pid, .foreign = GONE};

        if (pid <= 0) {
                o.foreign = "it is in a PID namespace that cannot be seen from here";
                return o;
        }
        o.proc_fd = proc_open(pid);
        if (o.proc_fd < 0)
                return o;
        if (o.pidfd < 0)
                o.pidfd = pidfd_open_pid(pid);
        o.foreign = judge(&o);
        if (!origin_is_alive(&o))
                o.foreign = GONE;
        return o;
}

Origin origin_of_socket(int fd, pid_t pid)
{
        int pidfd = -EBADF;
        socklen_t size = sizeof(pidfd);

        if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &size) < 0) {
                /* The kernel says so when the process has gone. Only one that does not know the option
                 * leaves us with the number. */
                if (errno != ENOPROTOOPT) {
                        Origin o = ORIGIN_INIT;

                        o.pid = pid;
                        o.foreign = GONE;
                        return o;
                }
                pidfd = -EBADF;
        }
        return origin_of_process(pid, pidfd);
}
