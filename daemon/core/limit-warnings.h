/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Limits that the kernel cannot enforce, since the unified cgroup hierarchy lacks the controller or its file: systemd
 * accepts them all the same. Callers are warned of them, or refused, as the configuration has it.
 */

#include "wire/scope-property.h"

typedef enum LimitMode {
        LIMITS_WARN,
        LIMITS_REFUSE,
} LimitMode;

/* A text for each limit that needs a controller or file that is not in the list; NULL if there is none. */
int limit_warnings(const ScopePropertyList *l, const char *controllers, char ***ret);

/* Refuses the first of these limits. */
int limit_refuse(const ScopePropertyList *l, const char *controllers, Refusal *reterr);

/* Both on this machine as it is now. The path is as for controllers_read(); it is not read if no property needs
 * a controller. */
int limit_check(LimitMode mode, const ScopePropertyList *l, const char *path, char ***ret_warnings,
                Refusal *reterr);
