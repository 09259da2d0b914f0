/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The id of an exec, and of a container: 64 hexadecimal digits. And the unit of an exec, which is named after
 * it. */

#include <stdbool.h>

#define EXEC_ID_LENGTH 64
#define EXEC_ID_SIZE   (EXEC_ID_LENGTH + 1)
#define EXEC_UNIT_SIZE (sizeof("exec-.scope") + EXEC_ID_LENGTH)

bool exec_id_is_valid(const char *id);

/* exec-ID.scope */
void exec_id_unit(const char *id, char ret[static EXEC_UNIT_SIZE]);
