/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/exec-access.h"

#include <stdio.h>

#include "core/audit.h"
#include "wire/signal-name.h"

AuthzQuestion exec_access_question(const Exec *e, AuthzAction action, const char *verb)
{
        return (AuthzQuestion){
                .action = action,
                .container = e->container,
                .request = e->request,
                .command_line = e->command_line ?: "",
                .exec_id = e->id,
                .verb = verb,
                .owner = e->creator,
        };
}

static int record(AuditEvent event, const Exec *e, const Peer *peer, const char *detail, Refusal *reterr)
{
        int r = audit_exec(event, e, peer, detail);

        return r < 0 ? refuse(reterr, REFUSAL_UNAVAILABLE, r, AUDIT_REFUSAL) : 0;
}

int exec_access_attach(Exec *e, const Peer *peer, bool want_stdin, const char *input, Refusal *reterr)
{
        if (!e->stream ||
            (e->state != EXEC_STARTING && e->state != EXEC_RUNNING && e->state != EXEC_DRAINING))
                return refuse(reterr, REFUSAL_NOT_RUNNING, ESRCH, "exec %s is not running", e->id);
        if (want_stdin && stream_has_writer(e->stream))
                return refuse(reterr, REFUSAL_CONFLICT, EBUSY,
                              "%s: another client already writes to exec %s", input, e->id);
        if (stream_count_clients(e->stream) >= EXEC_CLIENTS_MAX)
                return refuse(reterr, REFUSAL_BUSY, EBUSY,
                              "too many clients are attached to exec %s: the limit is %d; try again", e->id,
                              EXEC_CLIENTS_MAX);
        return record(AUDIT_ATTACHED, e, peer, want_stdin ? "with its input" : "without its input", reterr);
}

int exec_access_kill(Exec *e, const Peer *peer, int signal_number, bool all,
                     sd_bus_message_handler_t callback, void *userdata, sd_bus_slot **ret_slot,
                     Refusal *reterr)
{
        char detail[SIGNAL_TEXT_SIZE + 8], name[SIGNAL_TEXT_SIZE];
        int r = 0;

        snprintf(detail, sizeof(detail), "with %s", signal_to_text(signal_number, name));
        if (exec_is_running(e))
                r = record(AUDIT_KILLED, e, peer, detail, reterr);
        return r < 0 ? r : exec_kill(e, signal_number, all, callback, userdata, ret_slot, reterr);
}

int exec_access_resize(Exec *e, const Peer *peer, uint16_t rows, uint16_t columns, Refusal *reterr)
{
        char detail[32];
        int r = 0;

        snprintf(detail, sizeof(detail), "to %ux%u", (unsigned) columns, (unsigned) rows);
        if (exec_is_running(e) && e->request->tty && peer->uid != e->creator->uid)
                r = record(AUDIT_RESIZED, e, peer, detail, reterr);
        return r < 0 ? r : exec_resize(e, rows, columns, reterr);
}

int exec_access_replay(Exec *e, const Peer *peer, const char *what, Refusal *reterr)
{
        return record(AUDIT_REPLAYED, e, peer, what, reterr);
}
