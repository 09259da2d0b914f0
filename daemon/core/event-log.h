/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What happened, for those who follow it (GET /events, D-Bus signals): the newest events in a ring, and
 * subscribers that are told each new one.
 */

#include <stdint.h>

#include "base/list.h"
#include "base/strv.h"

#define EVENT_LOG_SIZE 512

typedef struct Event {
        uint64_t time_usec; /* CLOCK_REALTIME */
        char *action;       /* "exec_create: ls -l", "exec_die", "start", … */
        char *container_id;
        char **attributes; /* "key=value": name, image, execID, exitCode, … */
} Event;

typedef struct EventLog EventLog;

typedef struct EventSubscriber {
        ListNode node;
        void (*callback)(struct EventSubscriber *s, const Event *e);
} EventSubscriber;

EventLog *event_log_new(void);
EventLog *event_log_free(EventLog *l);
DEFINE_CLEANUP(EventLog, event_log_free);

/* Lack of memory drops the event for later, not for the subscribers of now. The attributes are copied. */
void event_log_add(EventLog *l, const char *action, const char *container_id, char *const *attributes);

void event_log_subscribe(EventLog *l, EventSubscriber *s);
void event_log_unsubscribe(EventLog *l, EventSubscriber *s);

/* Calls back for each remembered event, oldest first. */
void event_log_replay(EventLog *l, void (*callback)(void *userdata, const Event *e), void *userdata);
