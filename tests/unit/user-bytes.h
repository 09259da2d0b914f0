/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A passwd or group file that is bytes in memory, of which a read returns at most `step`; after the bytes comes `end`, which is
 * 0 or -errno. */

#include <string.h>

#include "base/cleanup.h"
#include "wire/user-file.h"

typedef struct UserBytes {
        const char *data;
        size_t size, step;
        ssize_t end;
        size_t n_reads;
} UserBytes;

static inline ssize_t user_bytes_read(void *userdata, char *ret, size_t size)
{
        UserBytes *b = userdata;
        size_t n = MIN(MIN(size, b->step), b->size);

        b->n_reads++;
        if (n == 0)
                return b->end;
        memcpy(ret, b->data, n);
        b->data += n;
        b->size -= n;
        return (ssize_t) n;
}
