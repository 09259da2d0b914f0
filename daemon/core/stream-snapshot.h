/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What a stream has in memory, as bytes, for the execd that comes next (core/handover): the recent output,
 * the input that the command has not taken yet, and where each client is. The fds go beside them. The bytes
 * never leave the host, and are read back with as little trust as if they had.
 */

#include "core/stream.h"

#define STREAM_SNAPSHOT_CLIENTS_MAX 32
/* Bytes of one snapshot: the largest ring that can be configured, and what clients have sent. */
#define STREAM_SNAPSHOT_SIZE_MAX (64 * 1024 * 1024)

/* There are clients, or output that somebody may ask for. */
bool stream_snapshot_is_wanted(const Stream *s);

/* Appends the bytes; `ret_fds` are the sockets of the clients in them, weak. More clients than there is room
 * for are left out. 0, or -ENOMEM. */
int stream_snapshot_write(const Stream *s, Buf *b, int ret_fds[static STREAM_SNAPSHOT_CLIENTS_MAX],
                          size_t *ret_n_fds);

/* Into a stream that has its command's fds, but has not begun. Fds that are used are taken from `fds`; a
 * client whose fd is negative is left out. 0, -ENOMEM, or -EBADMSG: then the stream has no clients and no
 * history. */
int stream_snapshot_read(Stream *s, const void *data, size_t size, int *fds, size_t n_fds);
