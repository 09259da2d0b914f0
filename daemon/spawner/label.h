/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Whether the loaded SELinux policy allows becoming a container's process, and the audit log. */

#include "base/refusal.h"

/* Whether a runner may become what has this label; NULL is none. The policy may still not let it do so with
 * the program at hand, which the runner finds out. */
int label_check_enterable(const char *runner, const char *label, Refusal *reterr);

/* A decision of execd's, for the kernel's audit log. */
int label_record_decision(const char *text, uid_t uid);
