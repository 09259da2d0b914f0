/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* DetachKeys, NUL, sizes of pieces, what is typed. The scanner agrees with a simple one that sees all at
 * once, however the input is cut. */

#include "base/buf.h"
#include "fuzz/fuzz.h"
#include "wire/detach-keys.h"

/* The delivered bytes, and whether the sequence was completed. */
static bool scan_simply(const DetachKeys *keys, const uint8_t *in, size_t size, Buf *out)
{
        if (keys->off) {
                buf_append(out, in, size);
                return false;
        }
        for (size_t i = 0; i < size;) {
                size_t n = 0;

                while (n < keys->n_keys && i + n < size && in[i + n] == keys->keys[n])
                        n++;
                if (n == keys->n_keys)
                        return true;
                if (i + n == size)
                        return false; /* withheld: the rest may come */
                buf_append(out, in + i, n + 1);
                i += n + 1;
        }
        return false;
}

static bool scan_pieces(const DetachKeys *keys, const FuzzInput *in, FuzzCuts *cuts, Buf *out)
{
        DetachScanner s = {.keys = keys};
        bool detached = false;

        for (size_t at = 0; at < in->size && !detached;) {
                size_t n = cuts ? fuzz_next_cut(cuts, in->size - at) : in->size, n_out = 0;
                _cleanup_free_ uint8_t *piece = malloc(n + DETACH_KEYS_MAX);

                detach_scanner_feed(&s, in->data + at, n, piece, &n_out, &detached);
                PROMISE(n_out <= n + DETACH_KEYS_MAX);
                buf_append(out, piece, n_out);
                at += n;
        }
        return detached;
}

static void check_same(const Buf *a, const Buf *b)
{
        PROMISE(buf_length(a) == buf_length(b));
        PROMISE(buf_length(a) == 0 || memcmp(buf_head(a), buf_head(b), buf_length(a)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        FuzzInput in = {.data = data, .size = size};
        _cleanup_free_ char *text = fuzz_text(&in);
        FuzzCuts cuts = fuzz_cuts(&in);
        _cleanup_buf_ Buf simple = BUF_INIT, whole = BUF_INIT, pieces = BUF_INIT;
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        DetachKeys keys;
        bool detached;

        if (detach_keys_parse(text, &keys, &refusal) < 0) {
                PROMISE(refusal.kind == REFUSAL_BAD_REQUEST && strstr(refusal.message, "DetachKeys"));
                return 0;
        }
        PROMISE(keys.off == (strcmp(text, "none") == 0));
        PROMISE(keys.n_keys <= DETACH_KEYS_MAX && (keys.n_keys == 0) == (*text == 0 || keys.off));

        detached = scan_simply(keys.n_keys > 0 || keys.off ? &keys : &detach_keys_default, in.data, in.size,
                               &simple);
        PROMISE(scan_pieces(&keys, &in, NULL, &whole) == detached);
        PROMISE(scan_pieces(&keys, &in, &cuts, &pieces) == detached);
        check_same(&simple, &whole);
        check_same(&simple, &pieces);
        return 0;
}
