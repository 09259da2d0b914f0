/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "base/ticket.h"

#include <errno.h>
#include <stdint.h>
#include <sys/timerfd.h>
#include <time.h>

/* Some hundred years: it never runs out. */
#define USED_SEC INT64_C(0xffffffff)

int ticket_new(void)
{
        int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);

        return fd < 0 ? -errno : fd;
}

int ticket_use(int fd)
{
        const struct itimerspec used = {.it_value.tv_sec = USED_SEC};
        struct itimerspec before;

        if (timerfd_settime(fd, 0, &used, &before) < 0)
                return -errno;
        return before.it_value.tv_sec != 0 || before.it_value.tv_nsec != 0 ? -EALREADY : 0;
}

int ticket_is_used(int fd)
{
        struct itimerspec now;

        if (timerfd_gettime(fd, &now) < 0)
                return -errno;
        return now.it_value.tv_sec != 0 || now.it_value.tv_nsec != 0;
}
