/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* DetachKeys as text, and the sequence in a stream of any cut. */

#include <errno.h>

#include "base/cleanup.h"
#include "unit/test.h"
#include "wire/detach-keys.h"

static const struct {
        const char *text;
        int n; /* -1: refused */
        uint8_t keys[DETACH_KEYS_MAX];
} rows[] = {
        {"", 0, {0}},
        {"a", 1, {'a'}},
        {"Z", 1, {'Z'}},
        {" ", 1, {' '}},
        {"ctrl-p,ctrl-q", 2, {16, 17}},
        {"ctrl-a", 1, {1}},
        {"ctrl-z", 1, {26}},
        {"ctrl-@", 1, {0}},
        {"ctrl-[", 1, {27}},
        {"ctrl-\\", 1, {28}},
        {"ctrl-]", 1, {29}},
        {"ctrl-^", 1, {30}},
        {"ctrl-_", 1, {31}},
        {"ctrl-,", 1, {12}},
        {"ctrl-,,a", 2, {12, 'a'}},
        {"a,ctrl-,", 2, {'a', 12}},
        {"ctrl-,,ctrl-,", 2, {12, 12}},
        {"DEL", 1, {127}},
        {"DEL,a,ctrl-e,e", 4, {127, 'a', 5, 'e'}},
        {"a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p",
         16,
         {'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o', 'p'}},
        {"a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q", -1, {0}},
        {"abc", -1, {0}},
        {"ctrl-A", -1, {0}},
        {"ctrl-1", -1, {0}},
        {"ctrl-", -1, {0}},
        {"ctrl-,a", -1, {0}},
        {"ctrl-ab", -1, {0}},
        {"Ctrl-a", -1, {0}},
        {"ctrl_a", -1, {0}},
        {"del", -1, {0}},
        {",", -1, {0}},
        {"a,", -1, {0}},
        {",a", -1, {0}},
        {"a,,b", -1, {0}},
        {"a, b", -1, {0}},
        {"\xc3\xa4", -1, {0}},
};

static void test_parse(void)
{
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_refusal_ Refusal e = REFUSAL_INIT;
                DetachKeys keys = {.n_keys = 99};
                int r = detach_keys_parse(rows[i].text, &keys, &e);

                if (rows[i].n < 0) {
                        char text[128];

                        snprintf(text, sizeof(text), "Invalid escape keys (%s) provided", rows[i].text);
                        CHECK_ROW(rows[i].text, r == -EINVAL && e.kind == REFUSAL_BAD_REQUEST);
                        CHECK_ROW(rows[i].text, e.message && strncmp(e.message, text, strlen(text)) == 0 &&
                                                        strstr(e.message + strlen(text), "DetachKeys"));
                        CHECK_ROW(rows[i].text, keys.n_keys == 99);
                        continue;
                }
                CHECK_ROW(rows[i].text, r == 0 && keys.n_keys == (size_t) rows[i].n);
                CHECK_ROW(rows[i].text, memcmp(keys.keys, rows[i].keys, keys.n_keys) == 0);
        }
}

/* Every key that there can be, in the longest sequences, is printed so that it is read back. */
static void test_format(void)
{
        char text[DETACH_KEYS_TEXT_SIZE];
        DetachKeys keys = {0}, again;

        CHECK_TEXT("no keys", detach_keys_format(text, &keys), "ctrl-p,ctrl-q");
        CHECK(detach_keys_parse("none", &keys, NULL) == 0 && keys.off && keys.n_keys == 0);
        CHECK_TEXT("off", detach_keys_format(text, &keys), "none");
        keys = (DetachKeys){0};
        for (unsigned first = 0; first < 256; first++) {
                keys.n_keys = 0;
                for (unsigned i = 0; i < DETACH_KEYS_MAX; i++)
                        if ((uint8_t) (first + i) != ',')
                                keys.keys[keys.n_keys++] = (uint8_t) (first + i);
                detach_keys_format(text, &keys);
                CHECK_ROW(text, detach_keys_parse(text, &again, NULL) == 0 && again.n_keys == keys.n_keys &&
                                        memcmp(again.keys, keys.keys, keys.n_keys) == 0);
        }
        detach_keys_parse("ctrl-\\,DEL,a,ctrl-@,ctrl-a", &keys, NULL);
        CHECK_TEXT("some", detach_keys_format(text, &keys), "ctrl-\\,DEL,a,ctrl-@,ctrl-a");
}

#define P "\x10"
#define Q "\x11"

static const struct {
        const char *keys, *in, *out; /* `out` is what was delivered at the end of `in` */
        bool detached;
} streams[] = {
        {"", "", "", false},
        {"", "abc", "abc", false},
        {"none", P Q, P Q, false},
        {"", P, "", false},
        {"", P Q, "", true},
        {"", "a" P Q "b", "a", true},
        {"", P "a", P "a", false},
        {"", P P Q, P P Q, false}, /* as documented for Docker: the key that broke a match starts none */
        {"", P P P Q, P P, true},
        {"", P P P P Q, P P P P Q, false},
        {"", Q P Q, Q, true},
        {"", P "x" P Q, P "x", true},
        {"a", "xyza", "xyz", true},
        {"ctrl-a,b,c",
         "\x01"
         "b\x01"
         "bc",
         "\x01"
         "b\x01"
         "bc",
         false},
        {"ctrl-a,b,c",
         "\x01"
         "bx\x01"
         "bc",
         "\x01"
         "bx",
         true},
        {"a,a", "aab", "", true},
        {"a,a", "abaa", "ab", true},
        {"a,a,b", "aaab", "aaab", false},
};

/* Feeds pieces of `step` bytes after a first one. */
static void scan(size_t row, size_t first, size_t step)
{
        const char *in = streams[row].in;
        size_t size = strlen(in), n_out = 0;
        char out[256];
        DetachKeys keys;
        DetachScanner s = {.keys = &keys};
        bool detached = false;

        CHECK(detach_keys_parse(streams[row].keys, &keys, NULL) == 0);
        for (size_t at = 0, n = first; at < size && !detached; at += n, n = step) {
                uint8_t piece[128];
                size_t n_piece = 0;

                n = MIN(n, size - at);
                detach_scanner_feed(&s, (const uint8_t *) in + at, n, piece, &n_piece, &detached);
                CHECK_ROW(in, n_piece <= n + DETACH_KEYS_MAX);
                memcpy(out + n_out, piece, n_piece);
                n_out += n_piece;
        }
        out[n_out] = '\0';
        CHECK_TEXT(in, out, streams[row].out);
        CHECK_ROW(in, detached == streams[row].detached);
}

static void test_scan(void)
{
        static const uint8_t in[] = {16, 17};
        uint8_t out[sizeof(in) + DETACH_KEYS_MAX];
        DetachScanner s = {0};
        size_t n_out;
        bool detached;

        for (size_t i = 0; i < ELEMENTSOF(streams); i++) {
                size_t size = strlen(streams[i].in);

                scan(i, size, 1);
                scan(i, 1, 1);
                for (size_t cut = 1; cut < size; cut++)
                        scan(i, cut, size);
        }

        /* Without keys the default holds. */
        detach_scanner_feed(&s, in, sizeof(in), out, &n_out, &detached);
        CHECK(detached && n_out == 0);
}

int main(void)
{
        test_parse();
        test_format();
        test_scan();
        return test_finish("detach-keys");
}
