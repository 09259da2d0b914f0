/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>

#include "wire/exec-request.h"

/* A command line for people: words that need it are quoted as C strings, the whole is bounded. */
char *command_line_escape(char *const *argv, size_t max);
/* The command of a request; of the shell that `execctl shell` starts, "login shell of USER". */
char *command_line_of_request(const ExecRequest *q, size_t max);
