/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The command of `execctl shell`: a script that executes the user's own shell, as at a login, with SHELL,
 * USER and LOGNAME set. The script is always the same, so that programs that show commands recognize it.
 */

#include <stdbool.h>

/* The script's $0: whether the shell starts in the home directory, or where it is. */
#define LOGIN_SHELL_HOME "login"
#define LOGIN_SHELL_HERE "login-here"

/* Without a shell of the user's own that can be executed it is bash, or else sh. */
#define LOGIN_SHELL_SCRIPT                                                                      \
        "[ \"$0\" = login ] && cd 2>/dev/null; u=$(id -u); while IFS=: read -r n p i g c h s; " \
        "do [ \"$i\" = \"$u\" ] && break; done </etc/passwd 2>/dev/null; "                      \
        "[ \"$i\" = \"$u\" ] || { n=; s=; }; "                                                  \
        "[ -z \"$n\" ] || export USER=\"$n\" LOGNAME=\"$n\"; "                                  \
        "[ -x \"$s\" ] || s=/bin/bash; [ -x \"$s\" ] || s=/bin/sh; export SHELL=\"$s\"; "       \
        "unset n p i u g c h; exec \"$s\" -l"

/* Is this the command above? */
bool login_shell_is(char *const *argv);
