/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Names from public data. An attacker can foresee them. */

#include <stddef.h>
#include <stdint.h>

#define HASH_START UINT64_C(0xcbf29ce484222325)

/* FNV-1a from a start value on, and a finalizer that spreads the bits. */
static inline uint64_t hash_mix(uint64_t start, const void *data, size_t size)
{
        const uint8_t *bytes = data;
        uint64_t h = start;

        for (size_t i = 0; i < size; i++) {
                h ^= bytes[i];
                h *= UINT64_C(0x100000001b3);
        }
        h ^= h >> 33;
        h *= UINT64_C(0xff51afd7ed558ccd);
        h ^= h >> 33;
        h *= UINT64_C(0xc4ceb9fe1a85ec53);
        return h ^ (h >> 33);
}
