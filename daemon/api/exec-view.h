/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* An exec as its observers see it, whatever the transport. */

#include "core/exec.h"
#include "wire/exec-json.h"

ExecView exec_view(const Exec *e);

/* "success", "exit-code", "signal", "timeout", "failed", or NULL while it has not ended. */
const char *exec_result(const Exec *e);
