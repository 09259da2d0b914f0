/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Texts for people. */

#include <inttypes.h>
#include <langinfo.h>
#include <poll.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <wchar.h>

#include "base/characters.h"
#include "base/time.h"
#include "ctl/ctl.h"

static void tell(const char *format, va_list ap, int error)
{
        _cleanup_free_ char *text = NULL, *clean = NULL;

        if (vasprintf(&text, format, ap) < 0)
                text = NULL;
        clean = text ? text_clean(text) : NULL;
        fflush(stdout);
        fprintf(stderr, "execctl: %s%s%s\n", clean ?: "Out of memory", error ? ": " : "",
                error ? strerror(error) : "");
}

int fail(const char *format, ...)
{
        va_list ap;

        va_start(ap, format);
        tell(format, ap, 0);
        va_end(ap);
        return EXIT_FAILURE;
}

int fail_errno(int error, const char *format, ...)
{
        va_list ap;

        va_start(ap, format);
        tell(format, ap, abs(error));
        va_end(ap);
        return EXIT_FAILURE;
}

int fail_memory(void)
{
        return fail("Out of memory");
}

static bool reader_has_left(void)
{
        struct pollfd out = {.fd = STDOUT_FILENO};

        return poll(&out, 1, 0) > 0 && out.revents & POLLERR;
}

/* A write that fails on the way to a full buffer leaves a mark in the stream, but no reason. */
int output_flush(void)
{
        static int error;

        if (fflush(stdout) != 0 && error == 0)
                error = errno;
        if (ferror(stdout) && error == 0)
                error = reader_has_left() ? EPIPE : EIO;
        return error;
}

static bool locale_is_utf8(void)
{
        return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

char *text_clean(const char *text)
{
        bool is_utf8 = locale_is_utf8();
        size_t size = strlen(text);
        char *copy = strdup(text);

        for (size_t i = 0; copy && i < size;) {
                uint32_t c = (unsigned char) text[i];
                int n = character_take(text + i, size - i, &c);

                /* A byte that is not UTF-8 is of another character set, or a control of one byte. To a terminal with
                 * another character set, so are the bytes of UTF-8. */
                n = MAX(n, 1);
                if (character_acts(c) || (c >= 0x80 && !is_utf8))
                        memset(copy + i, '?', (size_t) n);
                i += (size_t) n;
        }
        return copy;
}

/* Walks over `text` until `columns` are used up; returns the bytes, and the columns they take. */
static size_t walk(const char *text, size_t columns, size_t *ret_columns)
{
        size_t done = 0, width = 0, length = strlen(text);
        mbstate_t state = {0};

        while (done < length) {
                wchar_t wc;
                size_t n = mbrtowc(&wc, text + done, length - done, &state);
                int w = 1;

                if (n == 0 || n > length) {
                        n = 1; /* not of this locale: a byte is a column */
                        state = (mbstate_t){0};
                } else
                        w = MAX(wcwidth(wc), 0);
                if (width + (size_t) w > columns)
                        break;
                width += (size_t) w;
                done += n;
        }
        *ret_columns = width;
        return done;
}

size_t text_width(const char *text)
{
        size_t width;

        (void) walk(text, SIZE_MAX, &width);
        return width;
}

const char *text_mark(const char *utf8, const char *ascii)
{
        return locale_is_utf8() ? utf8 : ascii;
}

char *text_ellipsize(const char *text, size_t columns)
{
        const char *mark = MARK_ELLIPSIS;
        size_t of_mark = text_width(mark), width, bytes;
        char *shown;

        if (text_width(text) <= columns)
                return strdup(text);
        bytes = walk(text, columns > of_mark ? columns - of_mark : 0, &width);
        return asprintf(&shown, "%.*s%.*s", (int) bytes, text, (int) walk(mark, columns, &width), mark) < 0
                       ? NULL
                       : shown;
}

char *format_age(char buf[static AGE_SIZE], uint64_t usec)
{
        uint64_t now = now_usec(CLOCK_REALTIME), s = now > usec ? (now - usec) / USEC_PER_SEC : 0;

        if (usec == 0)
                snprintf(buf, AGE_SIZE, "-");
        else if (s < 60)
                snprintf(buf, AGE_SIZE, "%" PRIu64 "s ago", s);
        else if (s < 3600)
                snprintf(buf, AGE_SIZE, "%" PRIu64 "min ago", s / 60);
        else if (s < 86400)
                snprintf(buf, AGE_SIZE, "%" PRIu64 "h %" PRIu64 "min ago", s / 3600, s % 3600 / 60);
        else
                snprintf(buf, AGE_SIZE, "%" PRIu64 " day%s ago", s / 86400, s < 2 * 86400 ? "" : "s");
        return buf;
}

char *format_duration(char buf[static DURATION_SIZE], uint64_t usec)
{
        uint64_t s = usec / USEC_PER_SEC, ms = usec % USEC_PER_SEC / USEC_PER_MSEC;

        if (usec < USEC_PER_MSEC)
                snprintf(buf, DURATION_SIZE, "%" PRIu64 "us", usec);
        else if (s < 1)
                snprintf(buf, DURATION_SIZE, "%" PRIu64 "ms", ms);
        else if (s < 60)
                snprintf(buf, DURATION_SIZE, "%" PRIu64 ".%03" PRIu64 "s", s, ms);
        else if (s < 3600)
                snprintf(buf, DURATION_SIZE, "%" PRIu64 "min %" PRIu64 "s", s / 60, s % 60);
        else
                snprintf(buf, DURATION_SIZE, "%" PRIu64 "h %" PRIu64 "min", s / 3600, s % 3600 / 60);
        return buf;
}

char *format_timestamp(char buf[static TIMESTAMP_SIZE], uint64_t usec)
{
        time_t t = (time_t) (usec / USEC_PER_SEC);
        struct tm tm;

        if (usec == 0 || !localtime_r(&t, &tm) ||
            strftime(buf, TIMESTAMP_SIZE, "%a %Y-%m-%d %H:%M:%S %Z", &tm) == 0)
                snprintf(buf, TIMESTAMP_SIZE, "-");
        return buf;
}

char *user_name(uid_t uid)
{
        const struct passwd *p = getpwuid(uid);
        char *text;

        if (p)
                return strdup(p->pw_name);
        return asprintf(&text, "%u", (unsigned) uid) < 0 ? NULL : text;
}
