/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A stream of frames: each header that is accepted is the one that would have been written. */

#include "fuzz/fuzz.h"
#include "wire/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        for (size_t at = 0; size - at >= FRAME_HEADER_SIZE;) {
                uint8_t header[FRAME_HEADER_SIZE];
                FrameType type;
                uint32_t length;

                if (frame_header_read(data + at, &type, &length) < 0) {
                        PROMISE(data[at] > FRAME_STDERR || data[at + 1] || data[at + 2] || data[at + 3]);
                        break;
                }
                PROMISE(type <= FRAME_STDERR);
                frame_header_write(header, type, length);
                PROMISE(memcmp(header, data + at, sizeof(header)) == 0);
                at += FRAME_HEADER_SIZE;
                at += MIN((size_t) length, size - at);
        }
        return 0;
}
