/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "spawner/kernel-audit.h"

#include <string.h>

#include "base/buf.h"
#include "base/strv.h"

/* Of each text; in hexadecimal digits, command line and directory together stay below what the kernel takes.
 */
#define COMMAND_MAX    3072
#define DIRECTORY_MAX  512
#define NAME_BYTES_MAX 128

static bool is_plain(const char *text, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                unsigned char c = (unsigned char) text[i];

                /* The record is enclosed in single quotes. */
                if (c <= 0x20 || c == '"' || c == '\'' || c > 0x7e)
                        return false;
        }
        return true;
}

static void put_value(Buf *b, const char *name, const char *text, size_t max)
{
        size_t n = MIN(strlen(text), max);

        if (n == 0)
                buf_printf(b, " %s=?", name);
        else if (is_plain(text, n))
                buf_printf(b, " %s=\"%.*s\"", name, (int) n, text);
        else {
                buf_printf(b, " %s=", name);
                for (size_t i = 0; i < n; i++)
                        buf_printf(b, "%02X", (unsigned char) text[i]);
        }
}

char *audit_command_text(const AuditCommand *c)
{
        _cleanup_buf_ Buf b = BUF_INIT, line = BUF_INIT;

        for (size_t i = 0; c->argv[i] && buf_length(&line) <= COMMAND_MAX; i++) {
                if (i > 0)
                        buf_puts(&line, " ");
                buf_append(&line, c->argv[i], strnlen(c->argv[i], COMMAND_MAX + 1));
        }
        buf_append(&line, "", 1);

        buf_printf(&b, "op=exec exec=%s", c->exec_id);
        put_value(&b, "vm", c->container, NAME_BYTES_MAX);
        put_value(&b, "cwd", c->working_dir, DIRECTORY_MAX);
        if (buf_error(&line) >= 0)
                put_value(&b, "cmd", buf_head(&line), COMMAND_MAX);
        put_value(&b, "acct", c->user, NAME_BYTES_MAX);
        buf_printf(&b, " exe=\"execd\" hostname=? addr=? terminal=%s res=success", c->tty ? "pty" : "?");
        buf_append(&b, "", 1);
        return buf_error(&b) < 0 || buf_error(&line) < 0 ? NULL
                                                         : memdup_text(buf_head(&b), buf_length(&b) - 1);
}
