/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* api/top-column: how ps would write what is known of a process. */

#include "api/top-column.h"
#include "base/cleanup.h"
#include "unit/test.h"

static const char *written(const char *name, const Process *p)
{
        static char text[256];
        const Column *c = top_column_find(name);

        if (!c)
                return NULL;
        c->write(p, text, sizeof(text));
        return text;
}

int main(void)
{
        Process p = {.pid = 42,
                     .parent = 1,
                     .uid = 0,
                     .cpu_usec = 3723000000,
                     .command = "sh -c x",
                     .comm = "sh",
                     .vsize = 4096 * 1024,
                     .rss = 1024 * 1024,
                     .nice = -5,
                     .threads = 3,
                     .group = 42,
                     .session = 42};
        size_t n;

        CHECK_TEXT("pid", written("pid", &p), "42");
        CHECK_TEXT("ppid", written("ppid", &p), "1");
        CHECK_TEXT("args", written("args", &p), "sh -c x");
        CHECK_TEXT("comm", written("comm", &p), "sh");
        CHECK_TEXT("vsz", written("vsz", &p), "4096");
        CHECK_TEXT("rss", written("rss", &p), "1024");
        CHECK_TEXT("ni", written("ni", &p), "-5");
        CHECK_TEXT("time", written("time", &p), "01:02:03");
        CHECK_TEXT("tty", written("tty", &p), "?");
        CHECK(!top_column_find("nosuch") && !top_column_find(""));
        CHECK(top_columns_full(&n) && n > 0 && top_columns_user(&n) && n > 0);
        return test_finish("top-column");
}
