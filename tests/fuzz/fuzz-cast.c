/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Recordings. The first byte chooses: lines as a player reads them, or output as it is recorded, which must
 * come back as it was but for what is no character, and harmless. */

#include "fuzz/fuzz.h"
#include "wire/cast.h"
#include "wire/json-scan.h"
#include "wire/plain-text.h"

static void check_plain(const char *data, size_t size)
{
        _cleanup_buf_ Buf whole = BUF_INIT, cut = BUF_INIT;
        PlainText a = {0}, b = {0};

        plain_text_put(&a, &whole, data, size);
        for (size_t i = 0; i < size; i++)
                plain_text_put(&b, &cut, data + i, 1);
        PROMISE(buf_length(&whole) == buf_length(&cut));
        for (size_t i = 0; i < buf_length(&whole); i++) {
                unsigned char c = (unsigned char) buf_head(&whole)[i];

                PROMISE(c == (unsigned char) buf_head(&cut)[i]);
                PROMISE(c == '\n' || c == '\t' || (c >= 0x20 && c != 0x7f));
        }
}

static void read_lines(FuzzInput *in)
{
        while (in->size > 0) {
                const uint8_t *newline = memchr(in->data, '\n', in->size);
                size_t n = newline ? (size_t) (newline - in->data) : in->size;
                _cleanup_free_ char *line = fuzz_copy(in->data, n);
                _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
                CastInfo info = {0};
                CastEvent e = {0};

                if (cast_read_header(line, n, &info, &refusal) == 0)
                        PROMISE(info.columns <= UINT16_MAX && info.rows <= UINT16_MAX);
                else
                        PROMISE(refusal.message && info.columns == 0);
                refusal_done(&refusal);
                if (cast_read_event(line, n, &e, &refusal) == 0) {
                        PROMISE(e.data && e.data[e.size] == 0 && e.usec <= UINT64_C(1000000000000000));
                        check_plain(e.data, e.size);
                } else
                        PROMISE(refusal.message && !e.data);
                cast_event_done(&e);
                in->data += n + (newline ? 1 : 0);
                in->size -= n + (newline ? 1 : 0);
        }
}

/* All events of a buffer, put together. */
static void collect(const Buf *lines, Buf *text)
{
        const char *p = lines->data ? buf_head(lines) : "", *end = p + buf_length(lines);

        while (p < end) {
                const char *newline = memchr(p, '\n', (size_t) (end - p));
                CastEvent e = {0};

                PROMISE(newline);
                for (const char *c = p; c < newline; c++)
                        PROMISE((unsigned char) *c >= 0x20 && *c != 0x7f);
                PROMISE(cast_read_event(p, (size_t) (newline - p), &e, NULL) == 0 && e.code == 'o' &&
                        e.size > 0);
                buf_append(text, e.data, e.size);
                cast_event_done(&e);
                p = newline + 1;
        }
}

static void record(FuzzInput *in)
{
        _cleanup_buf_ Buf once = BUF_INIT, pieces = BUF_INIT, a = BUF_INIT, b = BUF_INIT, third = BUF_INIT;
        CastText whole = {0}, cut = {0}, again = {0};
        FuzzCuts cuts;

        whole.crlf = cut.crlf = fuzz_byte(in) & 1;
        cuts = fuzz_cuts(in);
        cast_put_output(&once, &whole, 7, in->data, in->size);
        cast_put_output_end(&once, &whole, 7);
        while (in->size > 0) {
                size_t n = fuzz_next_cut(&cuts, in->size);

                cast_put_output(&pieces, &cut, 7, in->data, n);
                in->data += n;
                in->size -= n;
        }
        cast_put_output_end(&pieces, &cut, 7);
        collect(&once, &a);
        collect(&pieces, &b);
        PROMISE(buf_length(&a) == buf_length(&b));
        PROMISE(buf_length(&a) == 0 || memcmp(buf_head(&a), buf_head(&b), buf_length(&a)) == 0);

        /* The recorded text consists of characters, and is recorded again unchanged. */
        if (buf_length(&a) == 0)
                return;
        buf_done(&pieces);
        cast_put_output(&pieces, &again, 7, buf_head(&a), buf_length(&a));
        PROMISE(again.n_part == 0);
        collect(&pieces, &third);
        PROMISE(buf_length(&a) == buf_length(&third));
        PROMISE(memcmp(buf_head(&a), buf_head(&third), buf_length(&a)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        FuzzInput in = {data, size};

        if (fuzz_byte(&in) & 1)
                record(&in);
        else
                read_lines(&in);
        return 0;
}
