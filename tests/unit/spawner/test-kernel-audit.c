/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The record for the kernel's audit: in its own form, whatever a client puts into a command line, and never
 * too long for it. */

#include <stdlib.h>

#include "base/cleanup.h"
#include "spawner/kernel-audit.h"
#include "unit/need.h"

#define AUDIT_TEXT_MAX 8560

static const struct {
        const char *const *argv;
        const char *user, *working_dir;
        bool tty;
        const char *expected;
} rows[] = {
        {(const char *const[]){"/bin/true", NULL}, "", "", false,
         "op=exec exec=ab vm=\"web\" cwd=? cmd=\"/bin/true\" acct=? exe=\"execd\" hostname=? addr=? "
         "terminal=? "
         "res=success"},
        {(const char *const[]){"ls", "-l", NULL}, "root", "/srv", true,
         "op=exec exec=ab vm=\"web\" cwd=\"/srv\" cmd=6C73202D6C acct=\"root\" exe=\"execd\" hostname=? "
         "addr=? "
         "terminal=pty res=success"},
        {(const char *const[]){"\" res=failed\n", NULL}, "a b", "/\xc3\xa4", false,
         "op=exec exec=ab vm=\"web\" cwd=2FC3A4 cmd=22207265733D6661696C65640A acct=612062 exe=\"execd\" "
         "hostname=? addr=? terminal=? res=success"},
        {(const char *const[]){"'res=failed", NULL}, "", "", false,
         "op=exec exec=ab vm=\"web\" cwd=? cmd=277265733D6661696C6564 acct=? exe=\"execd\" hostname=? "
         "addr=? "
         "terminal=? res=success"},
        {(const char *const[]){"", NULL}, "", "", false,
         "op=exec exec=ab vm=\"web\" cwd=? cmd=? acct=? exe=\"execd\" hostname=? addr=? terminal=? "
         "res=success"},
};

int main(void)
{
        static char longest[100000];

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                AuditCommand c = {
                        .exec_id = "ab",
                        .container = "web",
                        .user = rows[i].user,
                        .working_dir = rows[i].working_dir,
                        .argv = (char *const *) rows[i].argv,
                        .tty = rows[i].tty,
                };
                char *text = audit_command_text(&c);

                NEED_ROW(rows[i].expected, same_text(text, rows[i].expected));
                free(text);
        }

        memset(longest, '\n', sizeof(longest) - 1);
        AuditCommand c = {
                .exec_id = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
                .container = longest,
                .user = longest,
                .working_dir = longest,
                .argv = (char *const[]){longest, longest, NULL},
        };
        char *text = audit_command_text(&c);

        NEED(text && strlen(text) < AUDIT_TEXT_MAX && strstr(text, "res=success"));
        free(text);
        return 0;
}
