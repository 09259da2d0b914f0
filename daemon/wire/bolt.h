/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Looking up a value in a bbolt database, which is how Podman before 5 keeps its containers. Pure: the caller
 * has read the file, and bolt_transaction() shows whether the file has changed meanwhile.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BOLT_META_SIZE (2 * 65536) /* the most that bolt_transaction() needs of the file */

/* The number of the newest transaction. -EBADMSG if this is not a database. */
int bolt_transaction(const void *data, size_t size, uint64_t *ret);

/* The value of the last key below the buckets that the others name; keys end with NULL. *ret belongs to
 * `data`. -ENOENT if there is none, -EBADMSG if the database is malformed. */
int bolt_find(const void *data, size_t size, const char *const *keys, const char **ret, size_t *ret_size);
