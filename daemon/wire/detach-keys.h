/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * DetachKeys: a comma list of keys, each a single character or ctrl-<value>, typed in sequence to leave a
 * tty exec without ending it. The scanner finds the sequence in a stream of any cut and withholds a partial
 * match.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/refusal.h"

#define DETACH_KEYS_MAX 16 /* keys in one sequence */

typedef struct DetachKeys {
        uint8_t keys[DETACH_KEYS_MAX];
        size_t n_keys; /* 0: not given, the default ctrl-p,ctrl-q holds unless they are off */
        bool off;      /* no keys detach */
} DetachKeys;

extern const DetachKeys detach_keys_default;

/* "" gives n_keys = 0, "none" switches detaching off. ctrl- takes a-z @ [ \ ] ^ _ and the comma (0x0C); DEL
 * is accepted. "ctrl-," is one item in any position, since "ctrl-" alone names no key. The refusal reads
 * `Invalid escape keys (TEXT) provided` and names DetachKeys. */
int detach_keys_parse(const char *text, DetachKeys *ret, Refusal *reterr);

/* Large enough for detach_keys_format(). */
#define DETACH_KEYS_TEXT_SIZE (DETACH_KEYS_MAX * sizeof("ctrl-x,"))

/* The text that detach_keys_parse() reads back; for n_keys = 0 the text of the default. Returns buf. */
char *detach_keys_format(char buf[static DETACH_KEYS_TEXT_SIZE], const DetachKeys *keys);

typedef struct DetachScanner {
        const DetachKeys *keys; /* weak; NULL or n_keys = 0: the default */
        size_t matched;         /* keys of the sequence that were seen and withheld */
} DetachScanner;

/* Scans `in` and writes the bytes to deliver to `out`, which has room for size + DETACH_KEYS_MAX bytes.
 * Sets *ret_detached when the sequence was completed: bytes after it in `in` are not delivered. A broken
 * partial match is delivered literally together with the key that broke it, and matching starts anew after
 * that key (as Docker does: with ctrl-p,ctrl-q the input ^P ^P ^Q passes through and does not detach). */
void detach_scanner_feed(DetachScanner *s, const uint8_t *in, size_t size, uint8_t *out, size_t *ret_out,
                         bool *ret_detached);
