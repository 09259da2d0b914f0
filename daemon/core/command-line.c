/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/command-line.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "wire/login-shell.h"

/* The maximum length of one escaped word; a line is truncated to less. */
#define WORD_BYTES_MAX 8192

/* Bytes of a character that changes how a line is shown: C1 controls (U+0080 to U+009F) and the marks that
 * turn the direction of writing (U+202A to U+202E, U+2066 to U+2069). */
static size_t hidden_length(const unsigned char *p)
{
        if (p[0] == 0xc2 && p[1] >= 0x80 && p[1] <= 0x9f)
                return 2;
        if (p[0] == 0xe2 && ((p[1] == 0x80 && p[2] >= 0xaa && p[2] <= 0xae) ||
                             (p[1] == 0x81 && p[2] >= 0xa6 && p[2] <= 0xa9)))
                return 3;
        return 0;
}

static void word_escape(Buf *b, const char *word)
{
        static const char plain[] =
                "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./=:,+@%^~";

        if (*word && word[strspn(word, plain)] == 0) {
                buf_puts(b, word);
                return;
        }
        buf_puts(b, "\"");
        for (const unsigned char *p = (const unsigned char *) word; *p; p++) {
                if (*p == '"' || *p == '\\')
                        buf_printf(b, "\\%c", *p);
                else if (*p == '\n')
                        buf_puts(b, "\\n");
                else if (*p == '\t')
                        buf_puts(b, "\\t");
                else if (*p < 0x20 || *p == 0x7f)
                        buf_printf(b, "\\x%02x", *p);
                else if (hidden_length(p) > 0) {
                        for (size_t i = hidden_length(p); i > 0; i--)
                                buf_printf(b, "\\x%02x", *p++);
                        p--;
                } else
                        buf_append(b, p, 1);
                if (buf_length(b) > WORD_BYTES_MAX)
                        break;
        }
        buf_puts(b, "\"");
}

char *command_line_escape(char *const *argv, size_t max)
{
        _cleanup_buf_ Buf b = BUF_INIT;
        size_t length;
        char *line;

        for (size_t i = 0; argv[i] && buf_length(&b) <= max; i++) {
                if (i > 0)
                        buf_puts(&b, " ");
                word_escape(&b, argv[i]);
        }
        if (buf_error(&b) < 0)
                return NULL;
        length = MIN(buf_length(&b), max);
        line = malloc(length + 4);
        if (!line)
                return NULL;
        memcpy(line, buf_head(&b), length);
        strcpy(line + length, buf_length(&b) > max ? "..." : "");
        return line;
}

char *command_line_of_request(const ExecRequest *q, size_t max)
{
        _cleanup_free_ char *user = NULL;
        char *line;

        if (!login_shell_is(q->argv))
                return command_line_escape(q->argv, max);
        user = command_line_escape((char *[]){(char *) exec_request_user(q), NULL}, max / 2);
        return user && asprintf(&line, "login shell of %s", user) >= 0 ? line : NULL;
}
