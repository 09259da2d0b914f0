/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A request as one line, so that a table can say what is expected: every field that is not at its default.
 */

#include "base/buf.h"
#include "base/strv.h"
#include "wire/exec-request.h"

static inline void dump_list(Buf *b, const char *name, char *const *list)
{
        if (!list || !*list)
                return;
        buf_printf(b, " %s=", name);
        for (; *list; list++)
                buf_printf(b, "[%s]", *list);
}

static inline void dump_console_size(Buf *b, const ConsoleSize *size)
{
        if (size->set)
                buf_printf(b, " size=%ux%u", size->rows, size->columns);
}

/* Owned by the caller. */
static inline char *dump_request(const ExecRequest *r)
{
        Buf b = BUF_INIT;

        dump_list(&b, "argv", r->argv);
        dump_list(&b, "env", r->env);
        if (r->user)
                buf_printf(&b, " user=%s", r->user);
        if (r->working_dir)
                buf_printf(&b, " dir=%s", r->working_dir);
        for (size_t i = 0; i < r->detach_keys.n_keys; i++)
                buf_printf(&b, "%s%02x", i == 0 ? " keys=" : "", r->detach_keys.keys[i]);
        dump_list(&b, "labels", r->labels);
        for (size_t i = 0; i < r->n_properties; i++)
                buf_printf(&b, " %s=%s", r->properties[i].name, r->properties[i].text);
        if (r->on_disconnect != ON_DISCONNECT_KEEP)
                buf_printf(&b, " on-disconnect=%s", on_disconnect_to_string(r->on_disconnect));
        dump_console_size(&b, &r->console_size);
        if (r->attach_stdin)
                buf_puts(&b, " stdin");
        if (r->attach_stdout)
                buf_puts(&b, " stdout");
        if (r->attach_stderr)
                buf_puts(&b, " stderr");
        if (r->tty)
                buf_puts(&b, " tty");
        if (r->privileged)
                buf_puts(&b, " privileged");
        if (r->record)
                buf_puts(&b, " record");
        buf_append(&b, "", 1);
        return b.data;
}
