/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/recorder-turn.h"

#include <fcntl.h>

#include "base/cleanup.h"

/* The number of the one that comes next is in the file. There is only one execd at a time. */
int recorder_take_turn(const char *path, uint64_t *ret_turn)
{
        _cleanup_close_ int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        struct flock own = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
        uint64_t turn = 0, next;

        if (fd < 0)
                return -errno;
        if (pread(fd, &turn, sizeof(turn), 0) != sizeof(turn) || turn == 0 || turn >= INT64_MAX)
                turn = 1;
        next = turn + 1;
        own.l_start = (off_t) turn;
        if (fcntl(fd, F_OFD_SETLK, &own) < 0)
                return -errno;
        if (pwrite(fd, &next, sizeof(next), 0) != sizeof(next))
                return -EIO;
        *ret_turn = turn;
        return TAKE_FD(fd);
}

void recorder_wait_turn(int fd, uint64_t turn)
{
        struct flock before = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_len = (off_t) turn};

        while (fcntl(fd, F_OFD_SETLKW, &before) < 0 && errno == EINTR)
                ;
}
