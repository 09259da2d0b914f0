/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A library that leaves a mark where it was loaded, whatever it was loaded as. */

#include <fcntl.h>
#include <unistd.h>

__attribute__((constructor)) static void leave_mark(void)
{
        int fd = open("/pwned", O_CREAT | O_WRONLY | O_CLOEXEC, 0666);

        if (fd >= 0)
                close(fd);
}

int gconv_init(void *step);
int gconv_init(void *step)
{
        (void) step;
        leave_mark();
        return 1;
}

int gconv(void);
int gconv(void)
{
        return 1;
}
