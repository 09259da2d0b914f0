/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "wire/json-scan.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* The part that has to come next. */
enum {
        SCAN_VALUE,
        SCAN_FIRST_VALUE, /* or the end of the array */
        SCAN_FIRST_KEY,   /* or the end of the object */
        SCAN_KEY,
        SCAN_KEY_REST, /* of a string that has begun */
        SCAN_COLON,
        SCAN_STRING_REST,
        SCAN_NEXT, /* in an array or object: a comma or its end */
        SCAN_DONE,
};

_Static_assert(sizeof(((JsonScan *) NULL)->objects) * 8 >= JSON_DEPTH_MAX, "a bit for each level");

const char *json_kind_to_string(JsonKind kind)
{
        static const char *const names[_JSON_KIND_MAX] = {
                [JSON_KIND_NULL] = "null",     [JSON_KIND_BOOL] = "bool",   [JSON_KIND_NUMBER] = "number",
                [JSON_KIND_STRING] = "string", [JSON_KIND_ARRAY] = "array", [JSON_KIND_OBJECT] = "object",
        };

        return (unsigned) kind < _JSON_KIND_MAX ? names[kind] : "value";
}

static int scan_eof(JsonScan *s)
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

static int scan_unexpected(JsonScan *s, const char *where)
{
        char buf[16];

        if (s->p == s->end)
                return scan_eof(s);
        return refuse(s->reterr, REFUSAL_BAD_REQUEST, EBADMSG, "invalid JSON: invalid character %s %s",
                      quote_byte((uint8_t) *s->p, buf), where);
}

/* A pause comes within white space or a string, or after a token. */
static bool is_paused(const JsonScan *s)
{
        return s->p >= s->pause && s->pause < s->end;
}

static void skip_space(JsonScan *s)
{
        while (s->p < s->pause && (*s->p == ' ' || *s->p == '\t' || *s->p == '\n' || *s->p == '\r'))
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
static int scan_escape(JsonScan *s)
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

/* After the opening quote, or after a pause. 1: up to the closing quote. */
static int scan_string(JsonScan *s)
{
        while (s->p < s->pause) {
                int r;

                if (*s->p == '"') {
                        s->p++;
                        return 1;
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
        return is_paused(s) ? 0 : scan_eof(s);
}

static int scan_digits(JsonScan *s, const char *where)
{
        if (s->p == s->end || !is_digit(*s->p))
                return scan_unexpected(s, where);
        while (s->p < s->end && is_digit(*s->p))
                s->p++;
        return 0;
}

static int scan_number(JsonScan *s)
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

static int scan_literal(JsonScan *s, const char *word)
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

static bool is_in_object(const JsonScan *s)
{
        return s->objects & UINT64_C(1) << (s->depth - 1);
}

static JsonSpan span_from(const JsonScan *s, const char *start, JsonKind kind)
{
        return (JsonSpan){.text = start, .size = (size_t) (s->p - start), .kind = kind};
}

static int add_member(JsonScan *s)
{
        if (s->n_members == s->members_max)
                return refuse(s->reterr, REFUSAL_TOO_LARGE, E2BIG,
                              "invalid JSON: the object has more than %zu members, which is the limit",
                              s->members_max);
        s->members[s->n_members++] = (JsonMember){s->key, s->member};
        return 0;
}

/* After a value. */
static int value_end(JsonScan *s)
{
        s->state = s->depth > 0 ? SCAN_NEXT : SCAN_DONE;
        if (s->depth == 0)
                s->value = span_from(s, s->value.text, s->value.kind);
        if (s->depth != 1 || !s->members || !is_in_object(s))
                return 0;
        s->member = span_from(s, s->member.text, s->member.kind);
        return add_member(s);
}

static int open_container(JsonScan *s, bool is_object)
{
        uint64_t bit;

        if (s->depth >= s->max_depth)
                return refuse(s->reterr, REFUSAL_BAD_REQUEST, EBADMSG,
                              "invalid JSON: exceeded max depth (%u levels)", s->max_depth);
        bit = UINT64_C(1) << s->depth++;
        s->objects = is_object ? s->objects | bit : s->objects & ~bit;
        s->p++;
        s->state = is_object ? SCAN_FIRST_KEY : SCAN_FIRST_VALUE;
        return 0;
}

static int close_container(JsonScan *s)
{
        s->p++;
        s->depth--;
        return value_end(s);
}

/* Notes where a value begins that somebody asks for. */
static int value_begin(JsonScan *s, JsonKind kind)
{
        if (++s->n_values > s->values_max)
                return refuse(s->reterr, REFUSAL_TOO_LARGE, E2BIG,
                              "invalid JSON: there are more than %zu values, which is the limit",
                              s->values_max);
        if (s->depth == 0)
                s->value = (JsonSpan){.text = s->p, .kind = kind};
        else if (s->depth == 1)
                s->member = (JsonSpan){.text = s->p, .kind = kind};
        return 0;
}

static int scan_scalar(JsonScan *s, JsonKind kind)
{
        int r = value_begin(s, kind);

        if (r < 0)
                return r;
        switch (kind) {
        case JSON_KIND_NUMBER:
                r = scan_number(s);
                break;
        case JSON_KIND_BOOL:
                r = scan_literal(s, *s->p == 't' ? "true" : "false");
                break;
        default:
                r = scan_literal(s, "null");
        }
        return r < 0 ? r : value_end(s);
}

static int scan_value(JsonScan *s)
{
        int r;

        if (s->p == s->end)
                return scan_eof(s);
        switch (*s->p) {
        case '{':
        case '[':
                r = value_begin(s, *s->p == '{' ? JSON_KIND_OBJECT : JSON_KIND_ARRAY);
                return r < 0 ? r : open_container(s, *s->p == '{');
        case '"':
                r = value_begin(s, JSON_KIND_STRING);
                s->p++;
                s->state = SCAN_STRING_REST;
                return r;
        case 't':
        case 'f':
                return scan_scalar(s, JSON_KIND_BOOL);
        case 'n':
                return scan_scalar(s, JSON_KIND_NULL);
        case '-':
        case '0' ... '9':
                return scan_scalar(s, JSON_KIND_NUMBER);
        default:
                return scan_unexpected(s, "looking for beginning of value");
        }
}

static int scan_key(JsonScan *s)
{
        if (s->p == s->end || *s->p != '"')
                return scan_unexpected(s, "looking for beginning of object key string");
        /* Those of deeper objects are of no use to anybody. */
        if (s->depth == 1)
                s->key.text = s->p;
        s->p++;
        s->state = SCAN_KEY_REST;
        return 0;
}

static int scan_key_rest(JsonScan *s)
{
        int r = scan_string(s);

        if (r <= 0)
                return r;
        if (s->depth == 1)
                s->key = span_from(s, s->key.text, JSON_KIND_STRING);
        s->state = SCAN_COLON;
        return 0;
}

static int scan_string_rest(JsonScan *s)
{
        int r = scan_string(s);

        return r <= 0 ? r : value_end(s);
}

static int scan_colon(JsonScan *s)
{
        if (s->p == s->end || *s->p != ':')
                return scan_unexpected(s, "after object key");
        s->p++;
        s->state = SCAN_VALUE;
        return 0;
}

/* After an element or a member. */
static int scan_next(JsonScan *s)
{
        bool in_object = is_in_object(s);

        if (s->p < s->end && *s->p == (in_object ? '}' : ']'))
                return close_container(s);
        if (s->p == s->end || *s->p != ',')
                return scan_unexpected(s, in_object ? "after object key:value pair" : "after array element");
        s->p++;
        s->state = in_object ? SCAN_KEY : SCAN_VALUE;
        return 0;
}

static int scan_token(JsonScan *s)
{
        switch (s->state) {
        case SCAN_KEY_REST:
                return scan_key_rest(s);
        case SCAN_STRING_REST:
                return scan_string_rest(s);
        default:
                break;
        }
        skip_space(s);
        if (is_paused(s))
                return 0;
        switch (s->state) {
        case SCAN_FIRST_VALUE:
                return s->p < s->end && *s->p == ']' ? close_container(s) : scan_value(s);
        case SCAN_FIRST_KEY:
                return s->p < s->end && *s->p == '}' ? close_container(s) : scan_key(s);
        case SCAN_KEY:
                return scan_key(s);
        case SCAN_COLON:
                return scan_colon(s);
        case SCAN_NEXT:
                return scan_next(s);
        default:
                return scan_value(s);
        }
}

/* 1: a whole value. */
static int scan_until(JsonScan *s, const char *pause)
{
        s->pause = pause;
        while (s->state != SCAN_DONE && !is_paused(s)) {
                int r = scan_token(s);

                if (r < 0)
                        return r;
        }
        return s->state == SCAN_DONE;
}

void json_scan_begin(JsonScan *s, const char *json, size_t size, unsigned max_depth)
{
        assert(max_depth <= JSON_DEPTH_MAX);
        *s = (JsonScan){
                .text = json,
                .p = json,
                .end = json + size,
                .max_depth = max_depth,
                .values_max = SIZE_MAX,
                .state = SCAN_VALUE,
        };
}

/* Nothing may follow the value but white space, and it is not nothing. */
static int scan_around(JsonScan *s)
{
        skip_space(s);
        if (is_paused(s))
                return 0;
        if (s->state != SCAN_DONE && s->p == s->end)
                return refuse(s->reterr, REFUSAL_BAD_REQUEST, EBADMSG,
                              "invalid JSON: got EOF while reading request body");
        if (s->state == SCAN_DONE && s->p < s->end)
                return refuse(s->reterr, REFUSAL_BAD_REQUEST, EBADMSG, "unexpected content after JSON");
        return 1;
}

int json_scan_step(JsonScan *s, size_t bytes, Refusal *reterr)
{
        const char *pause = s->p + MIN(bytes, (size_t) (s->end - s->p));
        int r = 1;

        s->reterr = reterr;
        s->pause = pause;
        if (s->n_values == 0)
                r = scan_around(s);
        if (r > 0)
                r = scan_until(s, pause);
        return r > 0 ? scan_around(s) : r;
}

int json_scan(const char *json, size_t size, unsigned max_depth, JsonSpan *ret, Refusal *reterr)
{
        JsonScan s;
        int r;

        json_scan_begin(&s, json, size, max_depth);
        r = json_scan_step(&s, SIZE_MAX, reterr);
        if (r < 0)
                return r;
        *ret = s.value;
        return 0;
}

bool json_span_next(const JsonSpan *container, size_t *position, JsonSpan *ret_key, JsonSpan *ret_value)
{
        const char *end = container->text + container->size;
        JsonScan s;

        /* The depth was bounded when the whole text was checked. After the opening bracket, or after the comma that
         * follows the last element. */
        json_scan_begin(&s, container->text, container->size, JSON_DEPTH_MAX);
        s.p = container->text + (*position ?: 1);
        s.pause = end;
        skip_space(&s);
        if (s.p == s.end || *s.p == '}' || *s.p == ']')
                return false;
        if (container->kind == JSON_KIND_OBJECT) {
                const char *key = s.p++;

                if (scan_string(&s) <= 0)
                        return false;
                *ret_key = span_from(&s, key, JSON_KIND_STRING);
                skip_space(&s);
                if (scan_colon(&s) < 0)
                        return false;
        }
        if (scan_until(&s, end) <= 0)
                return false;
        *ret_value = s.value;
        skip_space(&s);
        if (s.p < s.end && *s.p == ',')
                s.p++;
        *position = (size_t) (s.p - container->text);
        return true;
}
