/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The acts of a caller on an exec, for both transports: the question for the authorization, and what follows it: the
 * state is checked, the act is recorded, and then it is done. An act that cannot be recorded is refused.
 */

#include "core/authz.h"
#include "core/exec.h"

/* Whether a peer may do something with an exec. The question borrows from it, and `peer` is the caller's to set. */
AuthzQuestion exec_access_question(const Exec *e, AuthzAction action, const char *verb);

/* Before a client is added to the stream. `input` is the name of the option that asks for stdin. */
int exec_access_attach(Exec *e, const Peer *peer, bool want_stdin, const char *input, Refusal *reterr);

/* As exec_kill(). */
int exec_access_kill(Exec *e, const Peer *peer, int signal_number, bool all,
                     sd_bus_message_handler_t callback, void *userdata, sd_bus_slot **ret_slot,
                     Refusal *reterr);

/* As exec_resize(). The creator's own window is not worth a record. */
int exec_access_resize(Exec *e, const Peer *peer, uint16_t rows, uint16_t columns, Refusal *reterr);

/* Before its output or its recording is read. `what` names which. */
int exec_access_replay(Exec *e, const Peer *peer, const char *what, Refusal *reterr);
