/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The eight bytes before each run of output. */

#include <errno.h>

#include "base/cleanup.h"
#include "unit/test.h"
#include "wire/frame.h"

static const struct {
        const char *name;
        uint8_t header[FRAME_HEADER_SIZE];
        int result;
        FrameType type;
        uint32_t size;
} rows[] = {
        {"stdout", {1, 0, 0, 0, 0, 0, 0, 3}, 0, FRAME_STDOUT, 3},
        {"stderr", {2, 0, 0, 0, 0, 0, 0x80, 0}, 0, FRAME_STDERR, 32768},
        {"stdin", {0, 0, 0, 0, 0, 0, 0, 1}, 0, FRAME_STDIN, 1},
        {"empty", {1, 0, 0, 0, 0, 0, 0, 0}, 0, FRAME_STDOUT, 0},
        {"each byte in its place", {1, 0, 0, 0, 0x12, 0x34, 0x56, 0x78}, 0, FRAME_STDOUT, 0x12345678},
        {"largest", {2, 0, 0, 0, 0xff, 0xff, 0xff, 0xff}, 0, FRAME_STDERR, UINT32_MAX},
        {"system error", {3, 0, 0, 0, 0, 0, 0, 1}, -EBADMSG, 0, 0},
        {"unknown type", {255, 0, 0, 0, 0, 0, 0, 1}, -EBADMSG, 0, 0},
        {"second byte", {1, 1, 0, 0, 0, 0, 0, 1}, -EBADMSG, 0, 0},
        {"third byte", {1, 0, 1, 0, 0, 0, 0, 1}, -EBADMSG, 0, 0},
        {"fourth byte", {1, 0, 0, 1, 0, 0, 0, 1}, -EBADMSG, 0, 0},
        {"text", {'H', 'T', 'T', 'P', '/', '1', '.', '1'}, -EBADMSG, 0, 0},
};

int main(void)
{
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                uint8_t header[FRAME_HEADER_SIZE];
                FrameType type = 99;
                uint32_t size = 0;

                CHECK_ROW(rows[i].name, frame_header_read(rows[i].header, &type, &size) == rows[i].result);
                if (rows[i].result < 0)
                        continue;
                CHECK_ROW(rows[i].name, type == rows[i].type && size == rows[i].size);
                memset(header, 0xaa, sizeof(header));
                frame_header_write(header, rows[i].type, rows[i].size);
                CHECK_ROW(rows[i].name, memcmp(header, rows[i].header, sizeof(header)) == 0);
        }
        return test_finish("frame");
}
