/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Finds an exec by its id: among those that execd knows, or in the journal, which a helper reads. */

#include "core/manager.h"

typedef struct ExecLookup ExecLookup;

/* Once, from the loop: the exec (weak), or NULL; then with a refusal if it is not known whether there is one. The
 * lookup is over. */
typedef void (*exec_found_t)(void *userdata, Exec *e, const Refusal *refusal);

/* NULL in *ret_exec: found() comes, unless the lookup is freed, or, without a lookup, there is none. */
int exec_lookup(Manager *m, const char *id, uid_t uid, exec_found_t found, void *userdata, Exec **ret_exec,
                ExecLookup **ret, Refusal *reterr);
ExecLookup *exec_lookup_free(ExecLookup *l);
DEFINE_CLEANUP(ExecLookup, exec_lookup_free);
