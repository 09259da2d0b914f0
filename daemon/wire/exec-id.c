/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "wire/exec-id.h"

#include <stdio.h>
#include <string.h>

bool exec_id_is_valid(const char *id)
{
        return strspn(id, "0123456789abcdef") == EXEC_ID_LENGTH && id[EXEC_ID_LENGTH] == 0;
}

void exec_id_unit(const char *id, char ret[static EXEC_UNIT_SIZE])
{
        snprintf(ret, EXEC_UNIT_SIZE, "exec-%s.scope", id);
}
