/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "wire/cast.h"

#include <string.h>

#include "base/time.h"
#include "wire/json-scan.h"

#define DEPTH_MAX   16
#define SECONDS_MAX UINT64_C(1000000000) /* thirty years: beyond, a time is nonsense */
#define DIGITS_MAX  18                   /* of a number that are looked at: as many fit into 64 bits */

/* A JSON number, which the scanner has checked, in millionths. Negative and absurd ones are none. */
static int read_millionths(const JsonSpan *v, uint64_t *ret)
{
        const char *p = v->text, *end = v->text + v->size;
        int scale = 6, exponent = 0, digits = 0;
        bool fraction = false, negative = false;
        uint64_t n = 0;

        if (v->kind != JSON_KIND_NUMBER || *p == '-')
                return -EINVAL;
        for (; p < end && *p != 'e' && *p != 'E'; p++) {
                if (*p == '.') {
                        fraction = true;
                        continue;
                }
                if (digits < DIGITS_MAX) {
                        n = n * 10 + (uint64_t) (*p - '0');
                        digits += n > 0;
                        scale -= fraction;
                } else
                        scale += !fraction;
        }
        if (p < end) {
                p++;
                negative = *p == '-';
                for (p += *p == '-' || *p == '+'; p < end; p++)
                        exponent = MIN(exponent * 10 + (*p - '0'), 10000);
                scale += negative ? -exponent : exponent;
        }
        for (; scale > 0 && n > 0; scale--) {
                if (n > SECONDS_MAX * USEC_PER_SEC)
                        return -ERANGE;
                n *= 10;
        }
        for (; scale < 0 && n > 0; scale++)
                n /= 10;
        if (n > SECONDS_MAX * USEC_PER_SEC)
                return -ERANGE;
        *ret = n;
        return 0;
}

static bool span_is(const JsonSpan *s, const char *text)
{
        _cleanup_free_ char *decoded = NULL;
        size_t size;

        return json_span_string(s, &decoded, &size) >= 0 && size == strlen(text) &&
               memcmp(decoded, text, size) == 0;
}

/* The last member of a name, as is the rule; false when there is none. */
static bool find_member(const JsonSpan *object, const char *name, JsonSpan *ret)
{
        JsonSpan key, value;
        size_t position = 0;
        bool found = false;

        while (json_span_next(object, &position, &key, &value))
                if (span_is(&key, name)) {
                        *ret = value;
                        found = true;
                }
        return found;
}

static int read_dimension(const JsonSpan *object, const char *name, uint32_t *ret, Refusal *reterr)
{
        uint64_t n = 0;
        JsonSpan value;

        if (!find_member(object, name, &value))
                return refuse(reterr, REFUSAL_BAD_REQUEST, EBADMSG, "the header has no \"%s\"", name);
        if (read_millionths(&value, &n) < 0 || n % 1000000 != 0 || n / 1000000 > UINT16_MAX)
                return refuse(reterr, REFUSAL_BAD_REQUEST, EBADMSG,
                              "\"%s\" in the header is not a number of at most %d", name, UINT16_MAX);
        *ret = (uint32_t) (n / 1000000);
        return 0;
}

static int scan_line(const char *line, size_t size, JsonSpan *ret, Refusal *reterr)
{
        if (size > CAST_LINE_MAX)
                return refuse(reterr, REFUSAL_TOO_LARGE, E2BIG, "it is longer than %d bytes", CAST_LINE_MAX);
        return json_scan(line, size, DEPTH_MAX, ret, reterr);
}

static uint32_t read_uid(const JsonSpan *object)
{
        uint64_t n = 0;
        JsonSpan value;

        if (!find_member(object, "caller_uid", &value) || read_millionths(&value, &n) < 0 ||
            n % 1000000 != 0 || n / 1000000 > UINT32_MAX)
                return UINT32_MAX;
        return (uint32_t) (n / 1000000);
}

int cast_read_header(const char *line, size_t size, CastInfo *ret, Refusal *reterr)
{
        CastInfo info = {.idle_limit_usec = UINT64_MAX, .caller_uid = UINT32_MAX};
        JsonSpan header, value;
        uint64_t version = 0;
        int r;

        r = scan_line(line, size, &header, reterr);
        if (r < 0)
                return r;
        if (header.kind != JSON_KIND_OBJECT || !find_member(&header, "version", &value) ||
            read_millionths(&value, &version) < 0)
                return refuse(reterr, REFUSAL_BAD_REQUEST, EBADMSG, "not an asciicast header");
        if (version != 2000000)
                return refuse(reterr, REFUSAL_BAD_REQUEST, EBADMSG, "unsupported asciicast version");
        r = read_dimension(&header, "width", &info.columns, reterr);
        if (r >= 0)
                r = read_dimension(&header, "height", &info.rows, reterr);
        if (r < 0)
                return r;
        if (find_member(&header, "idle_time_limit", &value))
                (void) read_millionths(&value, &info.idle_limit_usec);
        if (find_member(&header, "execd", &value) && value.kind == JSON_KIND_OBJECT)
                info.caller_uid = read_uid(&value);
        *ret = info;
        return 0;
}

int cast_read_event(const char *line, size_t size, CastEvent *ret, Refusal *reterr)
{
        _cleanup_free_ char *code = NULL;
        JsonSpan event, parts[3];
        size_t position = 0, n = 0, code_size;
        CastEvent e = {0};
        int r;

        r = scan_line(line, size, &event, reterr);
        if (r < 0)
                return r;
        while (event.kind == JSON_KIND_ARRAY && n < ELEMENTSOF(parts) &&
               json_span_next(&event, &position, NULL, &parts[n]))
                n++;
        if (n < ELEMENTSOF(parts) || parts[1].kind != JSON_KIND_STRING || parts[2].kind != JSON_KIND_STRING)
                return refuse(reterr, REFUSAL_BAD_REQUEST, EBADMSG,
                              "not an asciicast event: [time, \"code\", \"data\"]");
        if (read_millionths(&parts[0], &e.usec) < 0)
                return refuse(reterr, REFUSAL_BAD_REQUEST, EBADMSG,
                              "its time is not a number of seconds from 0 to %u", (unsigned) SECONDS_MAX);
        r = json_span_string(&parts[1], &code, &code_size);
        if (r >= 0)
                r = json_span_string(&parts[2], &e.data, &e.size);
        if (r < 0)
                return r;
        if (code_size == 1 && strchr("oimr", code[0]))
                e.code = code[0];
        *ret = e;
        return 0;
}

void cast_event_done(CastEvent *e)
{
        e->data = mfree(e->data);
        e->size = 0;
}

void cast_look_at_end(const char *lines, size_t size, uint64_t *ret_usec, bool *ret_over)
{
        const char *before = size > 1 ? memrchr(lines, '\n', size - 1) : NULL;
        const char *last = before ? before + 1 : lines;
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        CastEvent e = {0};

        if (cast_read_event(last, size - (size_t) (last - lines) - 1, &e, &refusal) < 0)
                return;
        *ret_usec = e.usec;
        *ret_over = e.code == 'm' &&
                    (strcmp(e.data, CAST_TRUNCATED) == 0 || strcmp(e.data, CAST_INTERRUPTED) == 0);
        cast_event_done(&e);
}
