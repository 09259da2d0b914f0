/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Puts the terminal at `fd` into raw mode, or with `watch` only so far that it shows what another terminal
 * shows; from then on it is given back its old mode whenever execctl ends. Again: after another process
 * has changed the mode. 0 or -errno. */
int terminal_raw(int fd, bool watch);
void terminal_restore(void);
/* Stops until the terminal is given to this process, as the kernel stops a process that touches it before. -EIO if
 * no process can give it. For use before signals are blocked. */
int terminal_await(int fd);

/* A process in the background that reads from its terminal, or writes to it where the terminal does not let
 * it, is stopped, and after SIGCONT it tries again at once and is stopped again, even if other signals are
 * pending. From here on the call is interrupted instead, and the process has to stop by itself after it has
 * handled those. */
void terminal_catch_stops(void);
bool terminal_wants_stop(void);
/* Returns after SIGCONT. */
void terminal_stop(void);
/* Before the end of execctl: remaining output is written, and nothing is read. */
void terminal_ignore_stops(void);

/* The window of the terminal at stdout, stdin or stderr; false when there is none or it has no size. */
bool terminal_size(uint16_t *ret_rows, uint16_t *ret_columns);
/* From $COLUMNS or the terminal, otherwise 80. */
size_t terminal_columns(void);
