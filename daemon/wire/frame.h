/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Docker's stream framing: an 8-byte header [type,0,0,0,size in big endian] before each run of bytes. */

#include <stddef.h>
#include <stdint.h>

#define FRAME_HEADER_SIZE 8

typedef enum FrameType {
        FRAME_STDIN = 0, /* never sent */
        FRAME_STDOUT = 1,
        FRAME_STDERR = 2,
} FrameType;

void frame_header_write(uint8_t header[static FRAME_HEADER_SIZE], FrameType type, uint32_t size);
/* 0, or -EBADMSG for an unknown type or bytes that must be zero and are not. */
int frame_header_read(const uint8_t header[static FRAME_HEADER_SIZE], FrameType *ret_type,
                      uint32_t *ret_size);
