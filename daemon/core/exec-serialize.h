/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* An exec as one line of JSON (wire/exec-json): for the state file, for a slot and for the journal. */

#include "core/exec.h"

int exec_serialize(const Exec *e, char **ret);
