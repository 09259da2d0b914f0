/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Questions to polkit, a few at a time. dbus-daemon takes a limited number of unanswered calls of a connection and
 * refuses the rest, so that questions without an answer would lock out all users. Each uid has some of its own
 * under way and the next ones wait their turn. A question that was given up counts until polkit has answered
 * it, because the bus counts it until then.
 */

#include <systemd/sd-bus.h>

#include "base/cleanup.h"
#include "core/budget.h"

typedef struct Polkit Polkit;
typedef struct PolkitQuestion PolkitQuestion;

typedef enum PolkitOutcome {
        POLKIT_ANSWERED,  /* the reply is there, and may be an error */
        POLKIT_LATE,      /* no answer in time */
        POLKIT_NOT_ASKED, /* it was not its turn in time */
} PolkitOutcome;

/* Once. The question has gone by then. */
typedef void (*polkit_callback_t)(void *userdata, PolkitOutcome outcome, sd_bus_message *reply);

typedef struct PolkitOptions {
        uid_t uid;
        uint64_t wait_usec;   /* for its turn */
        uint64_t answer_usec; /* for the answer */
        polkit_callback_t callback;
        void *userdata;
} PolkitOptions;

/* `budget` is weak and counts the questions under way. */
Polkit *polkit_new(sd_bus *bus, Budget *budget);
Polkit *polkit_free(Polkit *p);
DEFINE_CLEANUP(Polkit, polkit_free);

/* A call of the authority's, to be filled in; *ret_id is what CancelCheckAuthorization knows it by. */
int polkit_question_new(Polkit *p, PolkitQuestion **ret, sd_bus_message **ret_call, const char **ret_id);

/* Asks now or later. A refusal when too many wait. */
int polkit_question_ask(PolkitQuestion *q, const PolkitOptions *o, Refusal *reterr);

/* Cancels it: the callback is not called. */
PolkitQuestion *polkit_question_free(PolkitQuestion *q);
DEFINE_CLEANUP(PolkitQuestion, polkit_question_free);
