/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The first processes of containers, and the file systems, that have recently kept a scout waiting (scout.h). */

#include <stdbool.h>
#include <sys/types.h>

bool suspects_have(pid_t group);
/* Remembers the group for a minute. If there are too many, the one whose minute ends first is forgotten. */
void suspects_add(pid_t group);
