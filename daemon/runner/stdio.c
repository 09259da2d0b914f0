/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The command's stdio. A terminal comes from the container's own devpts, by fds that were checked to be what
 * they should be, never by name; owner and mode are only ever changed on what was made for this very exec.
 */

#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "base/fd.h"
#include "runner/runner.h"

#ifndef PIPEFS_MAGIC
#define PIPEFS_MAGIC 0x50495045
#endif

#define PTMX_DEVICE makedev(5, 2)
#define PTMX_INODE  2
#define NULL_DEVICE makedev(1, 3)
#define TTY_GROUP   5

static int open_ptmx(void)
{
        _cleanup_close_ int fd =
                open("/dev/pts/ptmx", O_RDWR | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
        struct statfs fs;
        struct stat st;

        if (fd < 0)
                return -errno;
        if (fstat(fd, &st) < 0 || fstatfs(fd, &fs) < 0)
                return -errno;
        if (fs.f_type != DEVPTS_SUPER_MAGIC || !S_ISCHR(st.st_mode) || st.st_rdev != PTMX_DEVICE ||
            st.st_ino != PTMX_INODE)
                return -ENOTTY;
        return TAKE_FD(fd);
}

static int open_pair(int *ret_master, int *ret_slave)
{
        _cleanup_close_ int master = open_ptmx();
        int unlock = 0, slave;

        if (master < 0)
                return master;
        if (ioctl(master, TIOCSPTLCK, &unlock) < 0)
                return -errno;
        slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
        if (slave < 0)
                return -errno;
        *ret_master = TAKE_FD(master);
        *ret_slave = slave;
        return 0;
}

int stdio_open_tty(const RunnerSpec *s, const UserCredentials *u, int *ret_master, Refusal *reterr)
{
        struct winsize size = {.ws_row = s->rows, .ws_col = s->columns};
        _cleanup_close_ int master = -EBADF, slave = -EBADF;
        int r;

        r = open_pair(&master, &slave);
        if (r < 0)
                return refuse_start(
                        reterr, REFUSAL_NOT_RUNNABLE, r,
                        "failed to create a terminal in the container's /dev/pts: %s%s", strerrordesc_np(-r),
                        r == -ENOSPC ? " (the limits are kernel.pty.max and the mount option max=)" : "");
        if (ioctl(master, TIOCSWINSZ, &size) < 0)
                return -errno;
        /* A user namespace need not have the group; the mode then excludes all other users as well. */
        if (fchown(slave, u->uid, TTY_GROUP) < 0 && fchown(slave, u->uid, (gid_t) -1) < 0)
                return refuse_start(reterr, REFUSAL_NOT_RUNNABLE, errno,
                                    "uid %u does not exist in the container's user namespace", u->uid);
        if (fchmod(slave, 0620) < 0)
                return -errno;

        for (int i = 0; i < 3; i++)
                if (dup2(slave, i) < 0)
                        return -errno;
        *ret_master = TAKE_FD(master);
        return 0;
}

/* The container's null device if it has one; else stdin stays what was passed, a pipe at its end. */
static int open_null_stdin(void)
{
        _cleanup_close_ int fd =
                open("/dev/null", O_RDONLY | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
        struct stat st;

        if (fd < 0)
                return 0;
        if (fstat(fd, &st) < 0 || !S_ISCHR(st.st_mode) || st.st_rdev != NULL_DEVICE)
                return 0;
        if (fd_set_nonblock(fd, false) < 0 || dup2(fd, STDIN_FILENO) < 0)
                return -errno;
        return 0;
}

/* Lets the user open /dev/stdout and the like. Only for pipes that were created for this exec. */
static void give_pipes(const UserCredentials *u)
{
        for (int i = 0; i < 3; i++) {
                struct statfs fs;
                struct stat st;

                if (fstat(i, &st) < 0 || fstatfs(i, &fs) < 0)
                        continue;
                /* Where it may not be given (another user namespace made it), it still works as fd 0, 1, 2.
                 */
                if (S_ISFIFO(st.st_mode) && fs.f_type == PIPEFS_MAGIC && fchown(i, u->uid, u->gid) < 0)
                        continue;
        }
}

int stdio_settle_pipes(const RunnerSpec *s, const UserCredentials *u, Refusal *reterr)
{
        int r = s->null_stdin ? open_null_stdin() : 0;

        if (r < 0)
                return refuse(reterr, REFUSAL_INTERNAL, r, "failed to set the stdin of the command");
        if (s->own_pipes)
                give_pipes(u);
        return 0;
}
