/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/recurrence.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/fd.h"

#define FILE_NAME "recurrence"
#define FILE_MAX  128

/* A pause that is somewhat longer than expected is waited for as well: half as long again, and a moment. */
#define SLACK_USEC (5 * USEC_PER_SEC)

void recurrence_begin(Recurrence *r, uint64_t now, uint64_t max)
{
        uint64_t pause = r->left > 0 && now > r->left ? now - r->left : 0;

        if (pause > max)
                r->pause = 0;
        else if (pause >= r->pause && pause >= RECURRENCE_PAUSE_MIN)
                r->pause = pause;
        else if (pause >= RECURRENCE_PAUSE_MIN)
                r->pause -= (r->pause - pause) / 4;
}

void recurrence_end(Recurrence *r, uint64_t now)
{
        r->left = now;
}

uint64_t recurrence_stay(const Recurrence *r, uint64_t base, uint64_t max)
{
        uint64_t stay = r->pause > 0 && r->pause <= max ? r->pause + r->pause / 2 + SLACK_USEC : 0;

        return MAX(base, MIN(stay, max));
}

void recurrence_load(Recurrence *r, const char *directory)
{
        _cleanup_close_ int dir = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
        _cleanup_free_ char *text = NULL;
        Recurrence found;

        if (dir < 0 || file_read_at(dir, FILE_NAME, FILE_MAX, &text, NULL) < 0 ||
            sscanf(text, "%" SCNu64 " %" SCNu64, &found.left, &found.pause) != 2 ||
            found.left > now_usec(CLOCK_MONOTONIC) || found.pause > found.left)
                return;
        *r = found;
}

int recurrence_save(const Recurrence *r, const char *directory)
{
        _cleanup_close_ int dir = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC), fd = -EBADF;
        char text[FILE_MAX];
        int n = snprintf(text, sizeof(text), "%" PRIu64 " %" PRIu64 "\n", r->left, r->pause);

        if (dir < 0)
                return -errno;
        fd = openat(dir, FILE_NAME, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return -errno;
        return write(fd, text, (size_t) n) == n ? 0 : -EIO;
}
