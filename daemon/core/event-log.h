/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The newest events, for GET /events, in one ring that all readers share. Each reader has a position in it
 * and reads at its own pace; nothing is kept for a reader that falls behind.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "base/strv.h"

#define EVENT_LOG_SIZE  4096
#define EVENT_LOG_BYTES (2 * 1024 * 1024)

typedef struct Event {
        uint64_t time_usec; /* CLOCK_REALTIME */
        char *action;       /* "exec_create: ls -l", "exec_die", "start", … */
        char *container_id;
        char **attributes; /* "key=value": name, image, execID, exitCode, … */
        size_t size;       /* bytes that it takes */
} Event;

/* The value of an attribute, "" when there is none. */
const char *event_attribute(const Event *e, const char *key);

typedef struct EventLog EventLog;

typedef struct EventReader {
        ListNode node;
        uint64_t position;
        void (*on_new)(struct EventReader *r); /* there is something to read */
} EventReader;

EventLog *event_log_new(void);
EventLog *event_log_free(EventLog *l);
DEFINE_CLEANUP(EventLog, event_log_free);

/* Lack of memory, or an event that is larger than the ring, drops it. The attributes are copied. */
void event_log_add(EventLog *l, const char *action, const char *container_id, char *const *attributes);

/* Begins with the next event from now on, or with the oldest one that is still known. */
void event_log_join(EventLog *l, EventReader *r, bool from_oldest);
void event_log_leave(EventLog *l, EventReader *r);

/* The next event, which is valid until one is added, or NULL. True in *ret_lost: the reader has fallen so
 * far behind that events which it has not read are gone. */
const Event *event_log_next(EventLog *l, EventReader *r, bool *ret_lost);
