/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "wire/json-scan.h"

#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/characters.h"

typedef struct Scanner {
        const char *p;
        const char *end;
        unsigned depth;
        unsigned max_depth;
        Refusal *reterr;
} Scanner;

const char *json_kind_to_string(JsonKind kind)
{
        static const char *const names[_JSON_KIND_MAX] = {
                [JSON_KIND_NULL] = "null",     [JSON_KIND_BOOL] = "bool",   [JSON_KIND_NUMBER] = "number",
                [JSON_KIND_STRING] = "string", [JSON_KIND_ARRAY] = "array", [JSON_KIND_OBJECT] = "object",
        };

        return (unsigned) kind < _JSON_KIND_MAX ? names[kind] : "value";
}

static int scan_eof(Scanner *s)
{
        return refuse(s->reterr, REFUSAL_BAD_REQUEST, EBADMSG, "invalid JSON: unexpected EOF");
}

/* Names a byte as Go does, which takes it for a Latin-1 character. */
static const char *quote_byte(uint8_t c, char buf[static 16])
{
        static const char escaped[] = "\a\b\f\n\r\t\v\\", letters[] = "abfnrtv\\";
        const char *e = c ? strchr(escaped, c) : NULL;

        if (c == '\'')
                return "'\\''";
        if (e)
                snprintf(buf, 16, "'\\%c'", letters[e - escaped]);
        else if (c < 0x20 || c == 0x7f)
                snprintf(buf, 16, "'\\x%02x'", c);
        else if (c < 0x7f)
                snprintf(buf, 16, "'%c'", c);
        else if (c <= 0xa0 || c == 0xad)
                snprintf(buf, 16, "'\\u%04x'", c);
        else
                snprintf(buf, 16, "'%c%c'", 0xc0 | c >> 6, 0x80 | (c & 0x3f));
        return buf;
}

static int scan_unexpected(Scanner *s, const char *where)
{
        char buf[16];

        if (s->p == s->end)
                return scan_eof(s);
        return refuse(s->reterr, REFUSAL_BAD_REQUEST, EBADMSG, "invalid JSON: invalid character %s %s",
                      quote_byte((uint8_t) *s->p, buf), where);
}

static void skip_space(Scanner *s)
{
        while (s->p < s->end && (*s->p == ' ' || *s->p == '\t' || *s->p == '\n' || *s->p == '\r'))
                s->p++;
}

static bool is_digit(char c)
{
        return c >= '0' && c <= '9';
}

static bool is_hex(char c)
{
        return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* At a backslash. */
static int scan_escape(Scanner *s)
{
        s->p++;
        if (s->p == s->end)
                return scan_eof(s);
        if (*s->p == 'u') {
                s->p++;
                for (unsigned i = 0; i < 4; i++, s->p++)
                        if (s->p == s->end || !is_hex(*s->p))
                                return scan_unexpected(s, "in \\u hexadecimal character escape");
                return 0;
        }
        if (!*s->p || !strchr("\"\\/bfnrt", *s->p))
                return scan_unexpected(s, "in string escape code");
        s->p++;
        return 0;
}

/* At the opening quote. */
static int scan_string(Scanner *s)
{
        s->p++;
        while (s->p < s->end) {
                int r;

                if (*s->p == '"') {
                        s->p++;
                        return 0;
                }
                if ((uint8_t) *s->p < 0x20)
                        return scan_unexpected(s, "in string literal");
                if (*s->p != '\\') {
                        s->p++;
                        continue;
                }
                r = scan_escape(s);
                if (r < 0)
                        return r;
        }
        return scan_eof(s);
}

static int scan_digits(Scanner *s, const char *where)
{
        if (s->p == s->end || !is_digit(*s->p))
                return scan_unexpected(s, where);
        while (s->p < s->end && is_digit(*s->p))
                s->p++;
        return 0;
}

static int scan_number(Scanner *s)
{
        int r;

        if (*s->p == '-')
                s->p++;
        if (s->p < s->end && *s->p == '0')
                s->p++;
        else {
                r = scan_digits(s, "in numeric literal");
                if (r < 0)
                        return r;
        }
        if (s->p < s->end && *s->p == '.') {
                s->p++;
                r = scan_digits(s, "after decimal point in numeric literal");
                if (r < 0)
                        return r;
        }
        if (s->p < s->end && (*s->p == 'e' || *s->p == 'E')) {
                s->p++;
                if (s->p < s->end && (*s->p == '+' || *s->p == '-'))
                        s->p++;
                return scan_digits(s, "in exponent of numeric literal");
        }
        return 0;
}

static int scan_literal(Scanner *s, const char *word)
{
        for (const char *w = word; *w; w++, s->p++) {
                char where[64];

                if (s->p < s->end && *s->p == *w)
                        continue;
                snprintf(where, sizeof(where), "in literal %s (expecting '%c')", word, *w);
                return scan_unexpected(s, where);
        }
        return 0;
}

static int scan_value(Scanner *s, JsonSpan *ret);

/* At the start of a member. Takes it with its colon and value. */
static int scan_member(Scanner *s, JsonSpan *ret_key, JsonSpan *ret_value)
{
        const char *key = s->p;
        int r;

        if (s->p == s->end || *s->p != '"')
                return scan_unexpected(s, "looking for beginning of object key string");
        r = scan_string(s);
        if (r < 0)
                return r;
        *ret_key = (JsonSpan){.text = key, .size = (size_t) (s->p - key), .kind = JSON_KIND_STRING};

        skip_space(s);
        if (s->p == s->end || *s->p != ':')
                return scan_unexpected(s, "after object key");
        s->p++;
        return scan_value(s, ret_value);
}

/* At the opening bracket. */
static int scan_container(Scanner *s, bool is_object)
{
        char close = is_object ? '}' : ']';
        int r;

        if (++s->depth > s->max_depth)
                return refuse(s->reterr, REFUSAL_BAD_REQUEST, EBADMSG,
                              "invalid JSON: exceeded max depth (%u levels)", s->max_depth);
        s->p++;
        skip_space(s);
        if (s->p < s->end && *s->p == close)
                goto finish;

        for (;;) {
                JsonSpan key, value;

                r = is_object ? scan_member(s, &key, &value) : scan_value(s, &value);
                if (r < 0)
                        return r;
                skip_space(s);
                if (s->p < s->end && *s->p == close)
                        goto finish;
                if (s->p == s->end || *s->p != ',')
                        return scan_unexpected(s, is_object ? "after object key:value pair"
                                                            : "after array element");
                s->p++;
                skip_space(s);
        }

finish:
        s->p++;
        s->depth--;
        return 0;
}

/* Recursion is bounded by max_depth. */
static int scan_value(Scanner *s, JsonSpan *ret)
{
        const char *start;
        JsonKind kind;
        int r;

        skip_space(s);
        if (s->p == s->end)
                return scan_eof(s);

        start = s->p;
        switch (*s->p) {
        case '{':
                kind = JSON_KIND_OBJECT;
                r = scan_container(s, true);
                break;
        case '[':
                kind = JSON_KIND_ARRAY;
                r = scan_container(s, false);
                break;
        case '"':
                kind = JSON_KIND_STRING;
                r = scan_string(s);
                break;
        case 't':
                kind = JSON_KIND_BOOL;
                r = scan_literal(s, "true");
                break;
        case 'f':
                kind = JSON_KIND_BOOL;
                r = scan_literal(s, "false");
                break;
        case 'n':
                kind = JSON_KIND_NULL;
                r = scan_literal(s, "null");
                break;
        case '-':
        case '0' ... '9':
                kind = JSON_KIND_NUMBER;
                r = scan_number(s);
                break;
        default:
                return scan_unexpected(s, "looking for beginning of value");
        }
        if (r < 0)
                return r;

        *ret = (JsonSpan){.text = start, .size = (size_t) (s->p - start), .kind = kind};
        return 0;
}

int json_scan(const char *json, size_t size, unsigned max_depth, JsonSpan *ret, Refusal *reterr)
{
        Scanner s = {.p = json, .end = json + size, .max_depth = max_depth, .reterr = reterr};
        JsonSpan value;
        int r;

        skip_space(&s);
        if (s.p == s.end)
                return refuse(reterr, REFUSAL_BAD_REQUEST, EBADMSG,
                              "invalid JSON: got EOF while reading request body");
        r = scan_value(&s, &value);
        if (r < 0)
                return r;
        skip_space(&s);
        if (s.p < s.end)
                return refuse(reterr, REFUSAL_BAD_REQUEST, EBADMSG, "unexpected content after JSON");

        *ret = value;
        return 0;
}

bool json_span_next(const JsonSpan *container, size_t *position, JsonSpan *ret_key, JsonSpan *ret_value)
{
        /* The depth was bounded when the whole text was checked. */
        Scanner s = {.end = container->text + container->size, .max_depth = UINT_MAX};

        /* After the opening bracket, or after the comma that follows the last element. */
        s.p = container->text + (*position ?: 1);
        skip_space(&s);
        if (s.p == s.end || *s.p == '}' || *s.p == ']')
                return false;
        if ((container->kind == JSON_KIND_OBJECT ? scan_member(&s, ret_key, ret_value)
                                                 : scan_value(&s, ret_value)) < 0)
                return false;
        skip_space(&s);
        if (s.p < s.end && *s.p == ',')
                s.p++;
        *position = (size_t) (s.p - container->text);
        return true;
}

/* Four hexadecimal digits. */
static uint32_t hex_quad(const char *p)
{
        uint32_t c = 0;

        for (unsigned i = 0; i < 4; i++)
                c = c << 4 | (uint32_t) (is_digit(p[i]) ? p[i] - '0' : (p[i] | 0x20) - 'a' + 10);
        return c;
}

static void append_utf8(Buf *b, uint32_t c)
{
        uint8_t bytes[4];
        size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
        static const uint8_t lead[] = {0, 0, 0xc0, 0xe0, 0xf0};

        for (size_t i = n - 1; i > 0; i--, c >>= 6)
                bytes[i] = (uint8_t) (0x80 | (c & 0x3f));
        bytes[0] = (uint8_t) (lead[n] | c);
        buf_append(b, bytes, n);
}

/* Decodes the checked escape at the backslash p and returns the text after it. json-c's decoder is not used:
 * it takes a pair whose character has 0xd800 to 0xdfff in its lower bits for a surrogate once more. */
static const char *take_escape(const char *p, const char *end, Buf *b)
{
        static const char letters[] = "bfnrt", meanings[] = "\b\f\n\r\t";
        const char *letter = strchr(letters, p[1]);
        uint32_t c, low;

        if (p[1] != 'u') {
                buf_append(b, letter ? meanings + (letter - letters) : p + 1, 1);
                return p + 2;
        }
        c = hex_quad(p + 2);
        p += 6;
        if (c >= 0xd800 && c <= 0xdbff && end - p >= 6 && p[0] == '\\' && p[1] == 'u') {
                low = hex_quad(p + 2);
                if (low >= 0xdc00 && low <= 0xdfff) {
                        append_utf8(b, 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00));
                        return p + 6;
                }
        }
        append_utf8(b, c >= 0xd800 && c <= 0xdfff ? 0xfffd : c);
        return p;
}

int json_span_string(const JsonSpan *s, char **ret, size_t *ret_size)
{
        _cleanup_buf_ Buf b = BUF_INIT;
        const char *p, *end;

        if (s->kind != JSON_KIND_STRING || s->size < 2)
                return -EBADMSG;
        p = s->text + 1;
        end = s->text + s->size - 1;
        while (p < end) {
                const char *escape = memchr(p, '\\', (size_t) (end - p)) ?: end;

                buf_append(&b, p, (size_t) (escape - p));
                p = escape < end ? take_escape(escape, end, &b) : end;
        }
        if (buf_error(&b) < 0)
                return -ENOMEM;
        return utf8_repair(b.data ? buf_head(&b) : "", buf_length(&b), ret, ret_size);
}

int json_span_copy(const JsonSpan *s, char **ret)
{
        size_t size;

        return utf8_repair(s->text, s->size, ret, &size);
}
