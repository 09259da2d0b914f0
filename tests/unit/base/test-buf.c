/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A buffer is filled at its end and consumed at its front: the bytes come out in order. */

#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "unit/test.h"

static void test_text(void)
{
        _cleanup_buf_ Buf b = BUF_INIT;

        CHECK(buf_length(&b) == 0 && buf_error(&b) == 0);
        buf_puts(&b, "");
        buf_append(&b, NULL, 0);
        CHECK(buf_length(&b) == 0);
        buf_puts(&b, "ab");
        buf_append(&b, "\0c", 2);
        buf_printf(&b, "%d%s", 42, "x");
        CHECK(buf_length(&b) == 7 && memcmp(buf_head(&b), "ab\0c42x", 7) == 0);
        buf_consume(&b, 3);
        CHECK(buf_length(&b) == 4 && memcmp(buf_head(&b), "c42x", 4) == 0);
        buf_consume(&b, 4);
        CHECK(buf_length(&b) == 0 && !b.data);
        buf_puts(&b, "again");
        CHECK(buf_length(&b) == 5 && memcmp(buf_head(&b), "again", 5) == 0);
}

/* Many sizes of writes and reads against a counter: byte i of the stream is always (uint8_t) (i * 7). */
static void test_stream(void)
{
        _cleanup_buf_ Buf b = BUF_INIT;
        uint64_t in = 0, out = 0;
        unsigned good = 1;

        for (unsigned round = 0; round < 2000; round++) {
                size_t n = (round * 37) % 1500, take;
                char *p = buf_reserve(&b, n);

                CHECK(n == 0 || p);
                for (size_t i = 0; i < n; i++)
                        p[i] = (char) (uint8_t) ((in + i) * 7);
                if (n > 0)
                        buf_commit(&b, n);
                in += n;

                take = MIN(buf_length(&b), (size_t) (round * 53) % 1400);
                for (size_t i = 0; i < take; i++)
                        good = good && (uint8_t) buf_head(&b)[i] == (uint8_t) ((out + i) * 7);
                if (take > 0)
                        buf_consume(&b, take);
                out += take;
                CHECK(good && buf_length(&b) == in - out);
        }
        CHECK(in > 1000000 && out > 1000000);
}

/* Consuming makes room again, so a stream that is drained does not grow. */
static void test_room(void)
{
        _cleanup_buf_ Buf b = BUF_INIT;

        for (unsigned i = 0; i < 10000; i++) {
                buf_append(&b, "0123456789", 10);
                if (buf_length(&b) > 100)
                        buf_consume(&b, 100);
        }
        CHECK(b.allocated <= 512);
}

static void test_failure(void)
{
        _cleanup_buf_ Buf b = BUF_INIT;

        buf_puts(&b, "kept");
        CHECK(!buf_reserve(&b, SIZE_MAX / 2 + 10));
        CHECK(buf_error(&b) == -ENOMEM);
        buf_puts(&b, "lost");
        CHECK(!buf_reserve(&b, 1));
        CHECK(buf_error(&b) == -ENOMEM && buf_length(&b) == 4 && memcmp(buf_head(&b), "kept", 4) == 0);
}

int main(void)
{
        test_text();
        test_stream();
        test_room();
        test_failure();
        return test_finish("buf");
}
