/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>

/* A command line for people: words that need it are quoted as C strings, the whole is bounded. */
char *command_line_escape(char *const *argv, size_t max);
