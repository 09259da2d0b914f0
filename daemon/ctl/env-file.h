/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Files with environment variables: a line is NAME=VALUE, or NAME for a variable with the value that it has
 * here. Empty lines and lines that begin with '#' do not count. A value is taken as it is, without quoting,
 * as by docker and podman.
 */

/* Adds the variables to *env; returns 0, or an exit status after the error was printed. */
int env_file_read(const char *path, char ***env);
