/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "wire/frame.h"

#include <errno.h>

void frame_header_write(uint8_t header[static FRAME_HEADER_SIZE], FrameType type, uint32_t size)
{
        header[0] = (uint8_t) type;
        header[1] = header[2] = header[3] = 0;
        header[4] = (uint8_t) (size >> 24);
        header[5] = (uint8_t) (size >> 16);
        header[6] = (uint8_t) (size >> 8);
        header[7] = (uint8_t) size;
}

int frame_header_read(const uint8_t header[static FRAME_HEADER_SIZE], FrameType *ret_type,
                      uint32_t *ret_size)
{
        if (header[0] > FRAME_STDERR || header[1] || header[2] || header[3])
                return -EBADMSG;

        *ret_type = (FrameType) header[0];
        *ret_size = (uint32_t) header[4] << 24 | (uint32_t) header[5] << 16 | (uint32_t) header[6] << 8 |
                    (uint32_t) header[7];
        return 0;
}
