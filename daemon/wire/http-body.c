/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "wire/http-body.h"

#include "wire/http-syntax.h"

/* Chunk extensions, trailer fields and the zeros in front of chunk sizes together, in bytes. */
#define TRAILER_MAX (8 * 1024)

/* The state of a chunked body. */
enum {
        CHUNK_SIZE_FIRST, /* a hexadecimal digit has to come */
        CHUNK_SIZE,       /* more digits, an extension, or the end of the line */
        CHUNK_EXTENSION,
        CHUNK_SIZE_LF,
        CHUNK_DATA,
        CHUNK_DATA_CR,
        CHUNK_DATA_LF,
        TRAILER_START, /* at the start of a trailer line: an empty one ends the body */
        TRAILER_NAME,
        TRAILER_VALUE,
        TRAILER_LF,
        TRAILER_LAST_LF,
};

void http_body_init(HttpBody *b, const HttpRequest *r, size_t max)
{
        *b = (HttpBody){
                .chunked = r->chunked,
                .remaining = r->chunked ? 0 : r->content_length,
                .done = !r->chunked && r->content_length == 0,
                .state = CHUNK_SIZE_FIRST,
                .max = max,
        };
}

void http_body_done(HttpBody *b)
{
        buf_done(&b->data);
        *b = (HttpBody){0};
}

static ssize_t body_take(HttpBody *b, const char *data, size_t size, HttpParseError *e)
{
        size_t n = (size_t) MIN((uint64_t) size, b->remaining);

        if (b->remaining > b->max - MIN(b->max, buf_length(&b->data)))
                return http_fail(e, 413, "the body exceeds the limit of 4 MiB");
        buf_append(&b->data, data, n);
        if (buf_error(&b->data) < 0)
                return http_fail(e, 503, "out of memory");
        b->remaining -= n;
        return (ssize_t) n;
}

/* One digit of a chunk's size, or what ends it. */
static ssize_t chunk_size_byte(HttpBody *b, char c, HttpParseError *e)
{
        int digit = http_hex_digit(c);

        if (digit >= 0) {
                if (b->remaining > UINT32_MAX)
                        return http_fail(e, 413, "a chunk is too large");
                b->remaining = b->remaining * 16 + (uint64_t) digit;
                b->state = CHUNK_SIZE;
                /* Leading zeros without end. */
                if (b->remaining == 0 && ++b->trailer_size > TRAILER_MAX)
                        return http_fail(e, 400, "malformed chunk size");
                return 0;
        }
        if (b->state == CHUNK_SIZE_FIRST)
                return http_fail(e, 400, "malformed chunk size");
        if (c == '\r')
                b->state = CHUNK_SIZE_LF;
        else if (c == ';')
                b->state = CHUNK_EXTENSION;
        else
                return http_fail(e, 400, "malformed chunk size");
        return 0;
}

/* A byte of a line whose text does not matter, but may not hide a line end. */
static ssize_t line_byte(HttpBody *b, char c, unsigned at_cr, HttpParseError *e)
{
        if (++b->trailer_size > TRAILER_MAX)
                return http_fail(e, 431, "chunk extensions and trailers exceed the limit of 8 KiB");
        if (c == '\r') {
                b->state = at_cr;
                return 0;
        }
        if (((unsigned char) c < 0x20 && c != '\t') || c == 0x7f)
                return http_fail(e, 400, "control character in a chunk line or trailer");
        return 0;
}

/* A byte of a trailer's name, up to and with the colon. */
static ssize_t trailer_name_byte(HttpBody *b, char c, HttpParseError *e)
{
        if (c == ':' && b->state == TRAILER_NAME)
                b->state = TRAILER_VALUE;
        else if (http_is_token_char((unsigned char) c))
                b->state = TRAILER_NAME;
        else
                return http_fail(e, 400, "malformed trailer");
        return line_byte(b, c, TRAILER_LF, e);
}

static ssize_t expect_byte(HttpBody *b, char c, char expected, unsigned next, HttpParseError *e)
{
        if (c != expected)
                return http_fail(e, 400, "malformed chunked encoding");
        b->state = next;
        return 0;
}

static ssize_t chunk_byte(HttpBody *b, char c, HttpParseError *e)
{
        ssize_t k;

        switch (b->state) {
        case CHUNK_SIZE_FIRST:
        case CHUNK_SIZE:
                return chunk_size_byte(b, c, e);
        case CHUNK_EXTENSION:
                return line_byte(b, c, CHUNK_SIZE_LF, e);
        case CHUNK_SIZE_LF:
                return expect_byte(b, c, '\n', b->remaining > 0 ? CHUNK_DATA : TRAILER_START, e);
        case CHUNK_DATA_CR:
                return expect_byte(b, c, '\r', CHUNK_DATA_LF, e);
        case CHUNK_DATA_LF:
                return expect_byte(b, c, '\n', CHUNK_SIZE_FIRST, e);
        case TRAILER_START:
                if (c != '\r')
                        return trailer_name_byte(b, c, e);
                b->state = TRAILER_LAST_LF;
                return 0;
        case TRAILER_NAME:
                return trailer_name_byte(b, c, e);
        case TRAILER_VALUE:
                return line_byte(b, c, TRAILER_LF, e);
        case TRAILER_LF:
                return expect_byte(b, c, '\n', TRAILER_START, e);
        default:
                k = expect_byte(b, c, '\n', TRAILER_LAST_LF, e);
                b->done = k >= 0;
                return k;
        }
}

ssize_t http_body_feed(HttpBody *b, const char *data, size_t size, HttpParseError *reterr)
{
        size_t used = 0;

        while (used < size && !b->done) {
                ssize_t k;

                if (b->chunked && b->state != CHUNK_DATA) {
                        k = chunk_byte(b, data[used], reterr);
                        if (k < 0)
                                return k;
                        used++;
                        continue;
                }
                k = body_take(b, data + used, size - used, reterr);
                if (k < 0)
                        return k;
                used += (size_t) k;
                if (b->remaining > 0)
                        continue;
                if (b->chunked)
                        b->state = CHUNK_DATA_CR;
                else
                        b->done = true;
        }
        return (ssize_t) used;
}
