/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* NULL-terminated arrays of strings, owned with their elements. NULL counts as the empty array. */

#include "base/cleanup.h"

#define STRV_FOREACH(i, strv) for (char **i = (strv); i && *i; i++)

char **strv_free(char **v);
DEFINE_CLEANUP(char *, strv_free);
#define _cleanup_strv_ _cleanup_(strv_freep)

/* A copy of bytes that need not end with a NUL, which is added. */
char *memdup_text(const char *data, size_t size);

size_t strv_length(char *const *v);

/* Bytes of memory that it takes. A short string takes many times its length. */
size_t strv_size(char *const *v);

/* Appends an owned string (freed on failure). */
int strv_consume(char ***v, char *s);
int strv_append(char ***v, const char *s);
/* For long arrays, whose length and room the caller keeps, both 0 at first. */
int strv_append_counted(char ***v, size_t *n, size_t *room, const char *s);
char **strv_copy(char *const *v);

/* The index of a name, or -EINVAL if it is not in the table. Gaps in the table are NULL. */
int names_find(const char *const *names, size_t n, const char *name);
#define NAMES_FIND(names, name) names_find(names, ELEMENTSOF(names), name)
