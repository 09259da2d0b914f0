/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The recorder writes recordings, and opens them to be read: a child of ours (core/helper.h), because a disk may
 * take any time and the loop must not wait for it. It is started when it is first needed. It writes all data
 * that it has received, also when execd has crashed or been stopped.
 */

#include "core/helper.h"
#include "core/recorder-protocol.h"

typedef struct Recorder Recorder;
typedef struct RecorderQuestion RecorderQuestion;

/* A recording that is being written (core/recording.h). */
typedef struct RecorderTarget {
        ListNode node, queue_node; /* these are the recorder's */
        List *queue;
        uint64_t ref;
        const struct RecorderTargetEvents *events;
} RecorderTarget;

typedef struct RecorderTargetEvents {
        void (*on_written)(RecorderTarget *t, uint64_t size);
        void (*on_over)(RecorderTarget *t, int error, const char *why);
        void (*on_closed)(RecorderTarget *t); /* may free it */
        void (*on_ready)(RecorderTarget *t);  /* the recorder takes more; may be called at any time */
        /* At the end of execd: sends all that it has, and says whether that was possible. Then it is freed. */
        bool (*on_leave)(RecorderTarget *t);
        void (*on_drop)(RecorderTarget *t);
} RecorderTargetEvents;

/* In `state_path`, a directory in memory, is a file through which a recorder waits for recorders of earlier execds. */
Recorder *recorder_new(sd_event *event, HelperPool *helpers, const RecordingStoreOptions *options,
                       const char *state_path);
/* If the recorder takes no more messages, a child process sends the rest of them. */
Recorder *recorder_free(Recorder *c);
DEFINE_CLEANUP(Recorder, recorder_free);

sd_event *recorder_event(const Recorder *c);
const char *recorder_path(const Recorder *c);
/* Of a finished recording; owned by the caller. NULL on lack of memory. */
char *recorder_path_of(const Recorder *c, const char *id);
/* Recordings could be written when that was last seen, so that RECORDER_PROBE need not be asked. */
bool recorder_is_usable(const Recorder *c);
void recorder_set_limits(Recorder *c, uint64_t size_max, uint64_t total_max);
/* Soon: recordings that a crash has cut off get an end. */
void recorder_recover(Recorder *c);

void recorder_join(Recorder *c, RecorderTarget *t);
void recorder_leave(Recorder *c, RecorderTarget *t);
/* -EAGAIN: the recorder takes no more for now, and on_ready() comes. */
int recorder_send(Recorder *c, RecorderTarget *t, RecorderMessage *m, const void *data, size_t size);

/* Whether more bytes of recordings of this user may wait in memory. If not, on_ready() comes. */
bool recorder_has_room(Recorder *c, RecorderTarget *t, uid_t uid);
void recorder_take(Recorder *c, uid_t uid, size_t size);
void recorder_give(Recorder *c, uid_t uid, size_t size);

/* The answer comes from the loop: an error (-ETIMEDOUT after ten seconds) or 0; `fd`, which is weak, to
 * RECORDER_OPEN. */
typedef void (*recorder_answer_t)(void *userdata, int error, int fd, uint64_t size);
/* RECORDER_PROBE or RECORDER_OPEN. 0, or a negative errno. */
int recorder_ask(Recorder *c, RecorderType type, const char *id, recorder_answer_t callback, void *userdata,
                 RecorderQuestion **ret);
RecorderQuestion *recorder_question_free(RecorderQuestion *q);
DEFINE_CLEANUP(RecorderQuestion, recorder_question_free);
