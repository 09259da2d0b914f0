/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "wire/login-shell.h"

#include <string.h>

bool login_shell_is(char *const *argv)
{
        static const char *const words[] = {"/bin/sh", "-c", LOGIN_SHELL_SCRIPT};

        for (int i = 0; i < 3; i++)
                if (!argv[i] || strcmp(argv[i], words[i]) != 0)
                        return false;
        return argv[3] && !argv[4] &&
               (strcmp(argv[3], LOGIN_SHELL_HOME) == 0 || strcmp(argv[3], LOGIN_SHELL_HERE) == 0);
}
