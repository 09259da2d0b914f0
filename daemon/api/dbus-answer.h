/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Bytes of answers over D-Bus. sd-bus queues messages that the bus does not take at once, without a limit: until
 * its queue is empty, an answer is charged to the caller, with the bytes of requests.
 *
 * execd cannot see whether a caller reads its answers. dbus-daemon takes no more from execd when it has 127
 * MiB of them, so a user other than root gets so many bytes, and then so many a second.
 */

#include <systemd/sd-bus.h>

#include "core/budget.h"

/* dbus-daemon ends the connection of a client that sends a message of more than 32 MiB. */
#define DBUS_ANSWER_MAX       (16 * 1024 * 1024)

#define DBUS_ANSWERS_AT_ONCE  (32 * 1024 * 1024)
#define DBUS_ANSWERS_A_SECOND (512 * 1024)

typedef struct DbusAnswers DbusAnswers;

/* `bus`, which is attached to an event loop, and `budget` are weak. */
int dbus_answers_new(sd_bus *bus, Budget *budget, DbusAnswers **ret);
DbusAnswers *dbus_answers_free(DbusAnswers *a);

/* Before an answer of about so many bytes is made: 1 if they were charged, 0 if the answer is small and none is
 * on its way. A refusal when it is too large, or when this caller has taken too much. `now` is
 * CLOCK_MONOTONIC. */
int dbus_answers_take(DbusAnswers *a, uid_t uid, size_t size, uint64_t now, Refusal *reterr);
/* The caller gets its share back after the bus has taken the answer. */
void dbus_answers_sent(DbusAnswers *a, uid_t uid, size_t size);
