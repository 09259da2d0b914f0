/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "runner/runner.h"

const char *errno_text(int error, char *buffer, size_t size)
{
        const char *text = strerrordesc_np(error);

        if (!text) {
                snprintf(buffer, size, "errno %d", error);
                return buffer;
        }
        snprintf(buffer, size, "%s", text);
        /* "Permission denied", but not "RPC …" and the like. */
        if (isupper((unsigned char) buffer[0]) && !isupper((unsigned char) buffer[1]))
                buffer[0] = (char) tolower((unsigned char) buffer[0]);
        return buffer;
}

/* The length of a well-formed UTF-8 sequence of more than one byte, or 0. */
static size_t utf8_length(const unsigned char *p)
{
        size_t n = p[0] >= 0xc2 && p[0] <= 0xdf   ? 2
                   : (p[0] & 0xf0) == 0xe0        ? 3
                   : p[0] >= 0xf0 && p[0] <= 0xf4 ? 4
                                                  : 0;

        for (size_t i = 1; i < n; i++)
                if ((p[i] & 0xc0) != 0x80)
                        return 0;
        if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
            (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
                return 0;
        /* U+0080 to U+009F are control characters too. */
        return n == 2 && p[0] == 0xc2 && p[1] < 0xa0 ? 0 : n;
}

/* In double quotes, with control characters and invalid bytes escaped as Go's %q does. NULL when out of
 * memory. */
char *quote_text(const char *s)
{
        static const char special[] = "\a\b\f\n\r\t\v\\\"", names[] = "abfnrtv\\\"";
        _cleanup_buf_ Buf b = BUF_INIT;

        buf_puts(&b, "\"");
        for (const unsigned char *p = (const unsigned char *) s; *p;) {
                const char *known = strchr(special, *p);
                size_t n = *p >= 0x80 ? utf8_length(p) : 0;

                if (known)
                        buf_append(&b, (char[]){'\\', names[known - special]}, 2);
                else if (n > 0)
                        buf_append(&b, p, n);
                else if (*p < 0x20 || *p >= 0x7f)
                        buf_printf(&b, "\\x%02x", *p);
                else
                        buf_append(&b, p, 1);
                p += n ?: 1;
        }
        buf_append(&b, "\"", 2);
        return buf_error(&b) < 0 ? NULL : TAKE_PTR(b.data);
}

int refuse_start(Refusal *r, RefusalKind kind, int error, const char *format, ...)
{
        _cleanup_free_ char *text = NULL;
        va_list ap;

        va_start(ap, format);
        if (vasprintf(&text, format, ap) < 0)
                text = NULL;
        va_end(ap);
        return refuse(r, kind, error,
                      "OCI runtime exec failed: exec failed: unable to start container process: %s: unknown",
                      text ?: "out of memory");
}

int refuse_act(Refusal *r, const char *act, int error)
{
        return refuse_start(
                r, REFUSAL_NOT_RUNNABLE, error, "failed to %s: %s%s", act, strerrordesc_np(abs(error)),
                abs(error) == EAGAIN ? ": the container, or the exec, may not have more tasks" : "");
}
