/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A connection's bytes, after the sizes of the pieces in which they arrive: the result must not depend on the
 * pieces. */

#include "fuzz/fuzz.h"
#include "unit/wire/http-play.h"

#define BODY_MAX 1024

static char *play(const FuzzInput *in, FuzzCuts *cuts, size_t *ret_size)
{
        HttpPlay p = {.body_max = BODY_MAX};
        char *said;

        for (size_t at = 0; at < in->size;) {
                size_t n = cuts ? fuzz_next_cut(cuts, in->size - at) : in->size;
                _cleanup_free_ char *piece = fuzz_copy(in->data + at, n);

                http_play_feed(&p, piece, n);
                at += n;
        }
        said = http_play_finish(&p);
        *ret_size = buf_length(&p.said);
        return said;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        FuzzInput in = {.data = data, .size = size};
        FuzzCuts cuts = fuzz_cuts(&in);
        _cleanup_free_ char *whole = NULL, *pieces = NULL;
        size_t n_whole, n_pieces;

        whole = play(&in, NULL, &n_whole);
        pieces = play(&in, &cuts, &n_pieces);
        PROMISE(whole && pieces);
        PROMISE(n_whole == n_pieces && memcmp(whole, pieces, n_whole) == 0);
        return 0;
}
