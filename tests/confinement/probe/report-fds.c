/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <termios.h>
#include <unistd.h>

#include "probe.h"

/* Not through /proc, which may be anybody's: every number that could be one is asked for. */
#define FD_CHECKED 8192

static const char *type_of(const struct stat *st)
{
        switch (st->st_mode & S_IFMT) {
        case S_IFIFO:
                return "pipe";
        case S_IFSOCK:
                return "socket";
        case S_IFCHR:
                return "chr";
        case S_IFBLK:
                return "blk";
        case S_IFREG:
                return "file";
        case S_IFDIR:
                return "dir";
        default:
                return "other";
        }
}

void report_fds(void)
{
        int count = 0;

        for (int fd = 0; fd < FD_CHECKED; fd++) {
                struct stat st;
                char key[32], device[32] = "";
                int flags = fcntl(fd, F_GETFL), at_exec;

                if (flags < 0)
                        continue;
                count++;
                at_exec = fcntl(fd, F_GETFD);
                snprintf(key, sizeof(key), "fd.%d", fd);
                if (fstat(fd, &st) < 0) {
                        emit(key, "%s", errno_name(errno));
                        continue;
                }
                /* A pty's number is whatever was free. */
                if (S_ISCHR(st.st_mode) && major(st.st_rdev) == 136)
                        snprintf(device, sizeof(device), " pts");
                else if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode))
                        snprintf(device, sizeof(device), " %u:%u", major(st.st_rdev), minor(st.st_rdev));
                emit(key, "%s%s flags %o fdflags %d owner %u:%u mode %o", type_of(&st), device,
                     (unsigned) flags & ~(unsigned) O_LARGEFILE & ~0100000U, at_exec, st.st_uid, st.st_gid,
                     st.st_mode & 07777U);
        }
        emit("fd.count", "%d", count);
}

static void emit_terminal_of(int fd)
{
        struct termios t;
        struct winsize size;
        char key[64], *name;

        if (tcgetattr(fd, &t) < 0)
                return;
        snprintf(key, sizeof(key), "tty.%d.modes", fd);
        emit(key, "%x %x %x %x", t.c_iflag, t.c_oflag, t.c_cflag, t.c_lflag);
        snprintf(key, sizeof(key), "tty.%d.characters", fd);
        emit_bytes(key, (const char *) t.c_cc, NCCS);
        if (ioctl(fd, TIOCGWINSZ, &size) == 0) {
                snprintf(key, sizeof(key), "tty.%d.size", fd);
                emit(key, "%ux%u", size.ws_row, size.ws_col);
        }
        name = ttyname(fd);
        snprintf(key, sizeof(key), "tty.%d.name", fd);
        emit(key, "%.9s", name ? name : errno_name(errno));
        snprintf(key, sizeof(key), "tty.%d.controlling", fd);
        emit(key, "%d", tcgetsid(fd) == getsid(0));
        snprintf(key, sizeof(key), "tty.%d.foreground", fd);
        emit(key, "%d", tcgetpgrp(fd) == getpgrp());
}

void report_terminal(void)
{
        int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);

        emit("tty.controlling", "%s", fd >= 0 ? "yes" : errno_name(errno));
        if (fd >= 0)
                close(fd);
        for (fd = 0; fd < 3; fd++)
                emit_terminal_of(fd);
}

/* A fresh program maps itself and what the kernel gives; anything else came along. */
void report_mappings(void)
{
        static char buffer[1 << 18];
        char *save = NULL, exe[4096] = "";
        int foreign = 0;
        long size = read_whole("/proc/self/maps", buffer, sizeof(buffer));
        ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

        if (size < 0 || n < 0) {
                emit("maps.foreign", "unreadable");
                return;
        }
        for (char *line = strtok_r(buffer, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
                const char *path = strchr(line, '/');

                if (path && strcmp(path, exe) != 0)
                        foreign++;
        }
        emit("maps.foreign", "%d", foreign);
}
