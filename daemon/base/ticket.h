/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A ticket is a file descriptor that two processes share and that can be used once. execd makes one for each
 * start, the spawner uses it right before it releases the runner. When the connection between them is lost,
 * execd knows by its ticket whether the command may have run, and no command runs twice.
 *
 * It is a timer that is not armed, and armed once it is used: setting one never waits, whatever the other
 * side does with it, and says what it was before.
 */

int ticket_new(void);
/* 0: it is used now; -EALREADY: it was before; another error: it is not a ticket. */
int ticket_use(int fd);
/* 1, 0, or an error: it is not a ticket. */
int ticket_is_used(int fd);
