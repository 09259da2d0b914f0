/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Files that only root can have written, so that their contents can be trusted. */

#include <stdbool.h>
#include <sys/stat.h>

#include "base/refusal.h"

/* Opens a directory when it and all above it are root's, and no other user may write to them (above it a
 * directory for all, where each has only his own, will do). Symbolic links that are root's are followed.
 * -ENOENT, without a refusal, when it is not there. */
int root_directory_open(const char *path, int *ret_fd, Refusal *reterr);

/* The same for one below an open directory. */
int root_directory_open_at(int dir_fd, const char *name, int *ret_fd, Refusal *reterr);

/* Reads a regular file that only root may write. The directory is one of those above. `ret_stat` may be
 * NULL. */
int root_file_read(int dir_fd, const char *name, size_t max, char **ret, size_t *ret_size,
                   struct stat *ret_stat, Refusal *reterr);

/* Nothing was written to it in between, nor was it replaced. */
bool root_file_is_same(const struct stat *a, const struct stat *b);
