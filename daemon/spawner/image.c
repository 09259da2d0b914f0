/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "spawner/image.h"

#include <stdint.h>
#include <string.h>

#include "base/strv.h"

int image_put(Image *i, const void *data, size_t size)
{
        if (size > i->left)
                return -E2BIG;
        memcpy(i->position, data, size);
        i->position += size;
        i->left -= size;
        return 0;
}

int image_take(Image *i, void *ret, size_t size)
{
        if (size > i->left)
                return -EBADMSG;
        memcpy(ret, i->position, size);
        i->position += size;
        i->left -= size;
        return 0;
}

/* A text has its size in front of it, with its end; 0: NULL. */
int image_put_text(Image *i, const char *text)
{
        uint64_t size = text ? strlen(text) + 1 : 0;
        int r = image_put(i, &size, sizeof(size));

        return r < 0 || !text ? r : image_put(i, text, size);
}

int image_take_text(Image *i, char **ret)
{
        char *text = NULL;
        uint64_t size;
        int r = image_take(i, &size, sizeof(size));

        if (r < 0)
                return r;
        if (size > i->left)
                return -EBADMSG;
        if (size > 0) {
                text = memdup_text(i->position, size - 1);
                if (!text)
                        return -ENOMEM;
        }
        i->position += size;
        i->left -= size;
        *ret = text;
        return 0;
}

int image_put_strv(Image *i, char *const *v)
{
        uint64_t n = strv_length(v);
        int r = image_put(i, &n, sizeof(n));

        for (size_t k = 0; r >= 0 && k < n; k++)
                r = image_put_text(i, v[k]);
        return r;
}

int image_take_strv(Image *i, char ***ret)
{
        _cleanup_strv_ char **v = NULL;
        size_t length = 0, room = 0;
        uint64_t n;
        int r = image_take(i, &n, sizeof(n));

        for (uint64_t k = 0; r >= 0 && k < n; k++) {
                _cleanup_free_ char *text = NULL;

                r = image_take_text(i, &text);
                if (r >= 0)
                        r = text ? strv_append_counted(&v, &length, &room, text) : -EBADMSG;
        }
        if (r < 0)
                return r;
        *ret = TAKE_PTR(v);
        return 0;
}
