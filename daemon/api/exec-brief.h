/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The short form of an exec, for lists. A command may have 2 MiB of arguments and an exec 256 KiB of labels.
 * A list of thousands of execs has the beginning of both; the properties of one exec have all.
 */

#include "core/exec.h"

/* Bytes of the arguments that a list has, and of the labels. */
#define EXEC_BRIEF_MAX 1024

/* The first arguments, and "…" in the place of those that do not fit. NULL on lack of memory. */
char **exec_brief_command(const Exec *e);
/* The labels that fit, whole. NULL if there are none, or on lack of memory. */
char **exec_brief_labels(const Exec *e);

/* Bytes that a list takes for it, at most: with these two, or with all of them. */
size_t exec_brief_size(const Exec *e);
size_t exec_whole_size(const Exec *e);
