/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Requests and refusals as one line of text, so that a row of a table can say all that has to come out. */

#include "base/buf.h"
#include "base/strv.h"
#include "wire/exec-request.h"

static inline void text_list(Buf *b, const char *name, char *const *list)
{
        if (!list || !*list)
                return;
        buf_printf(b, " %s", name);
        for (; *list; list++)
                buf_printf(b, "[%s]", *list);
}

/* What differs from the defaults, in a fixed order. */
static inline char *request_to_text(const ExecRequest *r)
{
        static const struct {
                size_t offset;
                const char *name;
        } flags[] = {
                {offsetof(ExecRequest, attach_stdin), " stdin"},
                {offsetof(ExecRequest, attach_stdout), " stdout"},
                {offsetof(ExecRequest, attach_stderr), " stderr"},
                {offsetof(ExecRequest, tty), " tty"},
                {offsetof(ExecRequest, privileged), " privileged"},
        };
        Buf b = BUF_INIT;

        buf_puts(&b, "cmd");
        for (char **i = r->argv; i && *i; i++)
                buf_printf(&b, "[%s]", *i);
        text_list(&b, "env", r->env);
        if (r->user)
                buf_printf(&b, " user[%s]", r->user);
        if (r->working_dir)
                buf_printf(&b, " dir[%s]", r->working_dir);
        for (size_t i = 0; i < ELEMENTSOF(flags); i++)
                if (*(const bool *) ((const char *) r + flags[i].offset))
                        buf_puts(&b, flags[i].name);
        if (r->console_size.set)
                buf_printf(&b, " size[%ux%u]", r->console_size.rows, r->console_size.columns);
        if (r->detach_keys.n_keys > 0)
                buf_puts(&b, " keys[");
        for (size_t i = 0; i < r->detach_keys.n_keys; i++)
                buf_printf(&b, "%s%02x", i > 0 ? " " : "", r->detach_keys.keys[i]);
        if (r->detach_keys.n_keys > 0)
                buf_puts(&b, "]");
        text_list(&b, "labels", r->labels);
        if (r->n_properties > 0)
                buf_puts(&b, " properties");
        for (size_t i = 0; i < r->n_properties; i++)
                buf_printf(&b, "[%s=%s]", r->properties[i].name, r->properties[i].text);
        if (r->on_disconnect != ON_DISCONNECT_KEEP)
                buf_printf(&b, " on[%s]", on_disconnect_to_string(r->on_disconnect) ?: "?");
        buf_append(&b, "", 1);
        return b.data;
}

/* "BadRequest: what is wrong". */
static inline char *refusal_to_text(const Refusal *r)
{
        char *text;

        return asprintf(&text, "%s: %s", refusal_kind_to_string(r->kind), r->message ?: "(null)") < 0 ? NULL
                                                                                                      : text;
}
