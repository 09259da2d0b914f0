/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* JSON taken apart: the spans lie in the text and are JSON by themselves, json-c can decode every string,
 * and what comes out is UTF-8. */

#include "base/buf.h"
#include "fuzz/fuzz.h"
#include "wire/json-scan.h"

#define DEPTH 16

static int is_utf8(const unsigned char *p, size_t size)
{
        for (size_t i = 0; i < size;) {
                size_t n = p[i] < 0x80 ? 1 : p[i] < 0xe0 ? 2 : p[i] < 0xf0 ? 3 : 4;

                if (p[i] >= 0x80 && (p[i] < 0xc2 || p[i] > 0xf4))
                        return 0;
                if (n > size - i)
                        return 0;
                for (size_t k = 1; k < n; k++)
                        if ((p[i + k] & 0xc0) != 0x80)
                                return 0;
                if ((p[i] == 0xe0 && p[i + 1] < 0xa0) || (p[i] == 0xed && p[i + 1] > 0x9f) ||
                    (p[i] == 0xf0 && p[i + 1] < 0x90) || (p[i] == 0xf4 && p[i + 1] > 0x8f))
                        return 0;
                i += n;
        }
        return 1;
}

/* The same text with all escaped that can be, surrogates in pairs, is the same text again. */
static void check_escaped(const char *text, size_t size)
{
        _cleanup_buf_ Buf b = BUF_INIT;
        _cleanup_free_ char *again = NULL;
        size_t n_again, n;
        JsonSpan span;

        buf_puts(&b, "\"");
        for (size_t i = 0; i < size; i += n) {
                const unsigned char *p = (const unsigned char *) text + i;
                uint32_t c;

                n = p[0] < 0x80 ? 1 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
                c = n == 1 ? p[0] : p[0] & (0x7fu >> n);
                for (size_t k = 1; k < n; k++)
                        c = c << 6 | (p[k] & 0x3f);
                if (c < 0x10000)
                        buf_printf(&b, "\\u%04x", c);
                else
                        buf_printf(&b, "\\u%04X\\u%04X", 0xd7c0 + (c >> 10), 0xdc00 | (c & 0x3ff));
        }
        buf_puts(&b, "\"");
        PROMISE(json_scan(buf_head(&b), buf_length(&b), DEPTH, &span, NULL) == 0);
        PROMISE(json_span_string(&span, &again, &n_again) == 0);
        PROMISE(n_again == size && memcmp(again, text, size) == 0);
}

static void check_string(const JsonSpan *s)
{
        _cleanup_free_ char *text = NULL;
        size_t size;

        PROMISE(s->kind == JSON_KIND_STRING && s->text[0] == '"' && s->text[s->size - 1] == '"');
        PROMISE(json_span_string(s, &text, &size) == 0);
        PROMISE(text[size] == 0 && is_utf8((unsigned char *) text, size));
        check_escaped(text, size);
}

static void check_span(const JsonSpan *s, unsigned depth)
{
        JsonSpan key, value, again;
        size_t position = 0;

        PROMISE(depth <= DEPTH + 1 && s->size > 0);
        PROMISE(json_scan(s->text, s->size, DEPTH, &again, NULL) == 0);
        PROMISE(again.text == s->text && again.size == s->size && again.kind == s->kind);
        if (s->kind == JSON_KIND_STRING)
                check_string(s);
        if (s->kind != JSON_KIND_ARRAY && s->kind != JSON_KIND_OBJECT)
                return;
        while (json_span_next(s, &position, &key, &value)) {
                if (s->kind == JSON_KIND_OBJECT) {
                        PROMISE(key.text > s->text && key.text + key.size < value.text);
                        check_string(&key);
                }
                PROMISE(value.text > s->text && value.text + value.size < s->text + s->size);
                check_span(&value, depth + 1);
        }
        /* The walk came to the end and did not stop on its way. */
        while (position < s->size && strchr(" \t\r\n", s->text[position]) && s->text[position])
                position++;
        PROMISE(position <= 1 || position == s->size - 1);
}

/* In steps, with the same end. */
static void check_steps(const uint8_t *data, size_t size, const JsonSpan *span, const Refusal *expected)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        size_t bytes = size > 0 ? 1 + data[size / 2] % 16 : 1;
        JsonScan scan;
        int r;

        json_scan_begin(&scan, (const char *) data, size, DEPTH);
        do {
                const char *before = scan.p;

                r = json_scan_step(&scan, bytes, &refusal);
                PROMISE(r != 0 || scan.p > before);
        } while (r == 0);
        PROMISE(fuzz_same(refusal.message, expected->message));
        PROMISE(r < 0 || (scan.value.text == span->text && scan.value.size == span->size &&
                          scan.value.kind == span->kind));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        JsonSpan span = {0};

        if (json_scan((const char *) data, size, DEPTH, &span, &refusal) < 0)
                PROMISE(refusal.kind == REFUSAL_BAD_REQUEST && refusal.message);
        else
                check_span(&span, 1);
        check_steps(data, size, &span, &refusal);
        return 0;
}
