/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "base/stdio-fd.h"

#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/vfs.h>

/* linux/magic.h has it only from Linux 5.9 on. */
#ifndef PIPEFS_MAGIC
#define PIPEFS_MAGIC 0x50495045
#endif

/* A FIFO that has a name is one, too, but in another file system. */
static bool is_on_pipefs(int fd)
{
        struct statfs fs;

        return fstatfs(fd, &fs) >= 0 && fs.f_type == PIPEFS_MAGIC;
}

/* NULL for an anonymous pipe. */
static const char *what_else(int fd, int flags, const struct stat *st)
{
        if (flags & O_PATH)
                return "an O_PATH file descriptor";
        switch (st->st_mode & S_IFMT) {
        case S_IFIFO:
                return is_on_pipefs(fd) ? NULL : "a named FIFO";
        case S_IFREG:
                return "a regular file";
        case S_IFDIR:
                return "a directory";
        case S_IFSOCK:
                return "a socket";
        case S_IFCHR:
                return isatty(fd) ? "a terminal" : "a device";
        case S_IFBLK:
                return "a device";
        default:
                return "an object of the kernel";
        }
}

int stdio_fd_check(int fd, int number, Refusal *reterr)
{
        static const char *const names[] = {"stdin", "stdout", "stderr"};
        int flags = fcntl(fd, F_GETFL), mode = flags & O_ACCMODE;
        const char *what;
        struct stat st;

        if (flags < 0 || fstat(fd, &st) < 0)
                what = "an invalid file descriptor";
        else
                what = what_else(fd, flags, &st);
        if (what)
                return refuse(reterr, REFUSAL_BAD_REQUEST, EINVAL,
                              "%s: only an anonymous pipe can be passed, not %s", names[number], what);
        if (mode != O_RDWR && mode != (number == STDIN_FILENO ? O_RDONLY : O_WRONLY))
                return refuse(reterr, REFUSAL_BAD_REQUEST, EINVAL, "%s: the pipe is not open for %s",
                              names[number], number == STDIN_FILENO ? "reading" : "writing");
        return 0;
}
