/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>

#include "runner/runner.h"

void channel_send(const ChannelMessage *m)
{
        /* Nothing can be done when the monitor is gone: the scope is coming down. */
        (void) !write(CHANNEL_FD, m, sizeof(*m));
}

void channel_fail(const Refusal *r, int error)
{
        ChannelMessage m = {
                .type = CHANNEL_FAILED,
                .kind = r->kind == REFUSAL_NONE ? REFUSAL_INTERNAL : r->kind,
                .error = error < 0 ? -error : error,
        };
        char buffer[128];

        if (r->message)
                snprintf(m.text, sizeof(m.text), "%s", r->message);
        else
                snprintf(m.text, sizeof(m.text), "failed to enter the container: %s",
                         errno_text(m.error, buffer, sizeof(buffer)));
        channel_send(&m);
}
