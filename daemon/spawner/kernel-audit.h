/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

typedef struct AuditCommand {
        const char *exec_id;
        const char *container;
        const char *user;        /* as asked for; empty: the container's default */
        const char *working_dir; /* empty: the container's default */
        char *const *argv;
        bool tty;
} AuditCommand;

/* The text of an AUDIT_USER_CMD record of a command, as sudo writes it; owned by the caller, NULL without
 * memory. Text that is not plain is in hexadecimal digits, as ausearch(8) expects it; a long command line is
 * cut, since the kernel takes 8560 bytes. */
char *audit_command_text(const AuditCommand *c);
