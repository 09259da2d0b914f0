/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Values as bytes, one after the other, for memory that a scout shares with us. */

#include <stddef.h>

typedef struct Image {
        char *position;
        size_t left;
} Image;

/* -E2BIG when there is no room for it. */
int image_put(Image *i, const void *data, size_t size);
int image_put_text(Image *i, const char *text); /* or NULL */
int image_put_strv(Image *i, char *const *v);

/* In the same order. -EBADMSG when that is not there. The returned text is owned. */
int image_take(Image *i, void *ret, size_t size);
int image_take_text(Image *i, char **ret);
int image_take_strv(Image *i, char ***ret);
