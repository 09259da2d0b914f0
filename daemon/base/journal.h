/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Records for the journal, in its native protocol, over a socket that never blocks. sd_journal_sendv(3)
 * waits for as long as journald does not read, and calls a missing journal a success.
 */

#include "base/buf.h"

#define JOURNAL_SOCKET "/run/systemd/journal/socket"

/* Appends a field of any bytes to a record. */
void journal_add(Buf *record, const char *name, const void *value, size_t size);
void journal_addf(Buf *record, const char *name, const char *format, ...) _printf_(3, 4);

/* A socket that is connected to the journal's at `path`. `send_buffer` bounds what may wait there unread
 * before the socket is full, in bytes as setsockopt(2) counts them. -errno when there is no journal. */
int journal_open(const char *path, int send_buffer);

/* Sends one record: 0, or -EAGAIN when the journal takes none now and the socket is to be polled for
 * POLLOUT. Connects again where the journal has got another socket meanwhile. */
int journal_send(int fd, const char *path, const void *record, size_t size);
