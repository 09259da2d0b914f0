/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "wire/oci-json.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/decimal.h"
#include "base/time.h"

int oci_bad(Refusal *reterr, const char *what)
{
        return refuse(reterr, REFUSAL_INTERNAL, EBADMSG, "%s is missing or not valid", what);
}

int oci_json_scan(const char *json, size_t size, size_t max, JsonKind kind, JsonSpan *ret, Refusal *reterr)
{
        _cleanup_refusal_ Refusal why = REFUSAL_INIT;
        int r;

        if (size > max)
                return refuse(reterr, REFUSAL_INTERNAL, EFBIG, "has more than %zu bytes", max);
        r = json_scan(json, size, OCI_JSON_DEPTH, ret, &why);
        if (r < 0)
                return refuse(reterr, REFUSAL_INTERNAL, EBADMSG, "%s", why.message ?: "invalid JSON");
        return ret->kind == kind ? 0 : oci_bad(reterr, "the value");
}

bool oci_json_is(const JsonSpan *string, const char *text)
{
        size_t n = strlen(text);

        /* The programs that write such files write these texts without escapes. */
        return string->size == n + 2 && memcmp(string->text + 1, text, n) == 0;
}

/* The last one of the name counts, as with Go's decoder. -ENOENT when there is none, or null, or another
 * kind. */
int oci_member(const JsonSpan *object, const char *name, JsonKind kind, JsonSpan *ret)
{
        JsonSpan key, value, found = {.kind = JSON_KIND_NULL};
        size_t position = 0;

        if (object->kind != JSON_KIND_OBJECT)
                return -ENOENT;
        while (json_span_next(object, &position, &key, &value))
                if (oci_json_is(&key, name))
                        found = value;
        if (found.kind != kind)
                return -ENOENT;
        *ret = found;
        return 0;
}

int oci_text(const JsonSpan *value, char **ret)
{
        _cleanup_free_ char *s = NULL;
        size_t size;
        int r;

        r = json_span_string(value, &s, &size);
        if (r < 0)
                return r;
        if (memchr(s, 0, size))
                return -EBADMSG;
        *ret = TAKE_PTR(s);
        return 0;
}

/* -ENOENT when there is none. */
int oci_member_text(const JsonSpan *object, const char *name, char **ret)
{
        JsonSpan value;
        int r = oci_member(object, name, JSON_KIND_STRING, &value);

        return r < 0 ? r : oci_text(&value, ret);
}

int oci_number(const JsonSpan *value, uint64_t max, uint64_t *ret)
{
        if (value->kind != JSON_KIND_NUMBER || decimal_read(value->text, value->size, max, ret) < 0)
                return -EBADMSG;
        return 0;
}

int oci_member_number(const JsonSpan *object, const char *name, uint64_t max, uint64_t *ret)
{
        JsonSpan value;
        int r = oci_member(object, name, JSON_KIND_NUMBER, &value);

        return r < 0 ? r : oci_number(&value, max, ret);
}

/* An id of the kernel's; as it is when the object says nothing. */
int oci_member_number_or(const JsonSpan *object, const char *name, uint64_t *ret)
{
        int r = oci_member_number(object, name, UINT32_MAX - 1, ret);

        return r == -ENOENT ? 0 : r;
}

/* "2026-11-24T16:36:30.343607322Z", or with an offset. */
static int parse_time(const char *text, uint64_t *ret_usec)
{
        struct tm tm = {0};
        uint64_t fraction = 0, scale = USEC_PER_SEC / 10;
        int n = 0, hours, minutes;
        time_t t;
        char sign;

        if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour,
                   &tm.tm_min, &tm.tm_sec, &n) != 6 ||
            n != 19 || strspn(text, "0123456789-T:") < 19)
                return -EBADMSG;
        text += n;
        if (*text == '.')
                for (text++; *text >= '0' && *text <= '9'; text++, scale /= 10)
                        fraction += (uint64_t) (*text - '0') * scale;
        if (tm.tm_year < 1970 || tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_mday < 1 || tm.tm_mday > 31 ||
            tm.tm_hour < 0 || tm.tm_hour > 23 || tm.tm_min < 0 || tm.tm_min > 59 || tm.tm_sec < 0 ||
            tm.tm_sec > 60)
                return -EBADMSG;
        tm.tm_year -= 1900;
        tm.tm_mon -= 1;
        t = timegm(&tm);
        if (strcmp(text, "Z") != 0) {
                if (strlen(text) != 6 || sscanf(text, "%c%2d:%2d", &sign, &hours, &minutes) != 3 ||
                    (sign != '+' && sign != '-') || hours < 0 || hours > 23 || minutes < 0 || minutes > 59)
                        return -EBADMSG;
                t -= (sign == '-' ? -1 : 1) * (time_t) (hours * 60 + minutes) * 60;
        }
        if (t < 0)
                return -EBADMSG;
        *ret_usec = (uint64_t) t * USEC_PER_SEC + fraction;
        return 0;
}

int oci_member_time(const JsonSpan *object, const char *name, uint64_t *ret_usec)
{
        _cleanup_free_ char *text = NULL;
        int r = oci_member_text(object, name, &text);

        return r < 0 ? r : parse_time(text, ret_usec);
}
