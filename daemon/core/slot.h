/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Where file descriptors survive a crash. A slot is a Unix socket that is connected to itself, and systemd
 * has a copy of it in the file descriptor store of execd.service. A message in its queue, and the
 * descriptors in the message, stay there when execd dies, and the next execd finds them. Slots are used
 * again and again, so that systemd is asked once for many slots and not for each exec: an exec costs one send
 * and one receive.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/fd.h"

/* Bytes of one message. */
#define SLOT_MESSAGE_MAX (64 * 1024)
/* The name of all slots in systemd's store. */
#define SLOT_FD_NAME "slot"

typedef struct Slot Slot;
typedef struct SlotPool SlotPool;

/* NULL on lack of memory. Without a systemd to ask there are no slots. */
SlotPool *slot_pool_new(void);
SlotPool *slot_pool_free(SlotPool *p);

/* Before the start is over: there are free slots when the first exec needs one. */
void slot_pool_prepare(SlotPool *p);
/* Nothing is left in any slot: systemd forgets them all. */
void slot_pool_forget(void);

/* A slot that an earlier execd made; takes the fd, also on failure. It has to be released when its content is
 * not needed. NULL when it is not a slot. */
Slot *slot_pool_adopt(SlotPool *p, int fd);

/* An empty slot, or NULL when systemd takes no more. */
Slot *slot_take(SlotPool *p);
/* Empties it: descriptors without another holder are closed. NULL is accepted. Returns NULL. */
Slot *slot_release(Slot *s);

/* Gives up our side of it and leaves its content to the next execd. NULL is accepted. Returns NULL. */
Slot *slot_leave(Slot *s);

int slot_put(Slot *s, const void *data, size_t size, const int *fds, size_t n_fds);

/* The messages one after the other; they stay where they are. slot_rewind() comes first. Returns the size,
 * -EAGAIN after the last one, or another -errno; the fds are the caller's. */
int slot_rewind(Slot *s);
ssize_t slot_peek(Slot *s, void *data, size_t size, int ret_fds[static FD_PASS_MAX], size_t *ret_n_fds);
