/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The differences for containers that are services of the host. */

#include "core/authz.h"

bool authz_is_in_service(const AuthzQuestion *q);

/* The action that such a question is asked as. */
AuthzAction authz_service_action(const AuthzQuestion *q);
/* Refuses acts that no rule of polkit can allow. */
int authz_check_service(const AuthzQuestion *q, Refusal *reterr);
