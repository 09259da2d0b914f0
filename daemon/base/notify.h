/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Messages to systemd (sd_notify(3)), over a socket that never blocks. sd_notify(3) and the watchdog of sd-event wait
 * while systemd does not read, and a loop that waits serves no client. Messages that systemd has no room for are
 * queued here and sent in their order. A queued message gives way to a newer one of its kind.
 */

#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "base/cleanup.h"

#define NOTIFY_FDS_MAX 64

/* A message that is sent later is a success, too. -EOPNOTSUPP without a systemd, -ENOBUFS when too many are queued. */
int notify_send(const char *text);
int notify_sendf(const char *format, ...) _printf_(1, 2);
/* The fds stay the caller's. */
int notify_send_fds(const char *text, const int *fds, size_t n_fds);

/* From now on the loop sends queued messages, and serves systemd's watchdog if there is one. `on_lost` is called from the
 * loop for a queued message that cannot be sent. */
int notify_start(sd_event *event, void (*on_lost)(const char *text, int error));
/* The loop is over. Waits at most this long for queued messages. */
void notify_finish(uint64_t usec);
