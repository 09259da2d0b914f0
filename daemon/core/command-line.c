/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/command-line.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/characters.h"
#include "wire/login-shell.h"

/* The maximum length of one escaped word; a line is truncated to less. */
#define WORD_BYTES_MAX 8192

static void put_escaped(Buf *b, const char *bytes, size_t size)
{
        for (size_t i = 0; i < size; i++)
                buf_printf(b, "\\x%02x", (unsigned char) bytes[i]);
}

static void put_character(Buf *b, const char *bytes, size_t size, uint32_t c)
{
        if (c == '"' || c == '\\')
                buf_printf(b, "\\%c", (char) c);
        else if (c == '\n')
                buf_puts(b, "\\n");
        else if (c == '\t')
                buf_puts(b, "\\t");
        else if (character_acts(c))
                put_escaped(b, bytes, size);
        else
                buf_append(b, bytes, size);
}

static void word_escape(Buf *b, const char *word)
{
        static const char plain[] =
                "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./=:,+@%^~";
        uint32_t c;

        if (*word && word[strspn(word, plain)] == 0) {
                buf_puts(b, word);
                return;
        }
        buf_puts(b, "\"");
        for (const char *p = word; *p && buf_length(b) <= WORD_BYTES_MAX;) {
                int n = character_take(p, strnlen(p, 4), &c);

                if (n > 0)
                        put_character(b, p, (size_t) n, c);
                else
                        put_escaped(b, p, 1);
                p += n > 0 ? n : 1;
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
        length = characters_cut(buf_head(&b), buf_length(&b), max);
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
