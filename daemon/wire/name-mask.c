/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "wire/name-mask.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"

static int name_bit(NameAt name_at, const char *name, uint64_t *ret)
{
        for (size_t i = 0; name_at(i); i++)
                if (strcmp(name_at(i), name) == 0) {
                        *ret = UINT64_C(1) << i;
                        return 0;
                }
        return -EINVAL;
}

int name_mask_parse(NameAt name_at, const char *text, uint64_t *ret)
{
        _cleanup_free_ char *copy = strdup(text);
        char *word, *rest = copy;
        uint64_t mask = 0, bit;

        if (!copy)
                return -ENOMEM;
        if (strcmp(text, "all") == 0)
                mask = UINT64_MAX;
        else if (strcmp(text, "none") != 0)
                while ((word = strsep(&rest, " \t"))) {
                        if (!*word)
                                continue;
                        if (name_bit(name_at, word, &bit) < 0)
                                return -EINVAL;
                        mask |= bit;
                }
        *ret = mask;
        return 0;
}

void name_mask_print(NameAt name_at, uint64_t mask, Buf *b)
{
        const char *before = "";

        if (mask == UINT64_MAX)
                buf_puts(b, "all");
        else if (mask == 0)
                buf_puts(b, "none");
        else
                for (size_t i = 0; name_at(i); i++)
                        if (mask & UINT64_C(1) << i) {
                                buf_printf(b, "%s%s", before, name_at(i));
                                before = " ";
                        }
}

void name_mask_expect(NameAt name_at, Buf *b)
{
        buf_puts(b, "all, none, or some of");
        for (size_t i = 0; name_at(i); i++)
                buf_printf(b, " %s", name_at(i));
}
