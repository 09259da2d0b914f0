/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How long the processes of a control group have waited for memory. */

#include <stdint.h>

/* The time in microseconds since the group was made, for the group with this directory, and for the group of the calling
 * process. 0 if the kernel does not tell it. */
uint64_t pressure_of_memory(int cgroup_fd);
uint64_t pressure_of_own_memory(void);
