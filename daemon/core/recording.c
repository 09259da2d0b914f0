/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/recording.h"

#include <stdio.h>
#include <string.h>

#include "base/time.h"

/* The amount of data for which a write is worthwhile. */
#define CHUNK_MIN (64 * 1024)

/* How long less than that waits. */
#define FLUSH_USEC (250 * USEC_PER_MSEC)

/* How long the end of an exec waits for the disk. */
#define END_USEC (2 * USEC_PER_SEC)

struct Recording {
        RecorderTarget target;
        Recorder *recorder; /* weak */
        char id[RECORDING_ID_SIZE];
        uid_t uid; /* whose exec it is */
        RecorderMessage begin;
        RecorderType end;          /* how it ends; RECORDER_NEW: not yet */
        bool has_begun, has_ended; /* sent to the recorder */
        Buf buffer;
        CastText texts[2]; /* stdout and stderr */
        uint64_t began;    /* CLOCK_MONOTONIC */
        uint64_t unacked;  /* bytes that the recorder has not written */
        sd_event_source *timer;
        bool armed;
        bool over;                     /* nothing more is taken */
        bool refused;                  /* a writer waits for room */
        const RecordingEvents *events; /* NULL: it was forgotten */
        void *userdata;
};

static uint64_t recording_now(const Recording *r)
{
        return now_usec(CLOCK_MONOTONIC) - r->began;
}

static Recording *recording_free(Recording *r)
{
        if (!r)
                return NULL;
        recorder_give(r->recorder, r->uid, buf_length(&r->buffer));
        recorder_leave(r->recorder, &r->target);
        sd_event_source_disable_unref(r->timer);
        buf_done(&r->buffer);
        return mfree(r);
}
DEFINE_CLEANUP(Recording, recording_free);

static void drop_buffer(Recording *r)
{
        recorder_give(r->recorder, r->uid, buf_length(&r->buffer));
        buf_done(&r->buffer);
}

static void tell_over(Recording *r, bool exists, const char *why)
{
        const RecordingEvents *events = r->events;

        if (r->over)
                return;
        r->over = true;
        drop_buffer(r);
        if (events)
                events->on_over(r->userdata, exists, why);
}

/* The next message to the recorder; false if there is none. */
static bool next_message(const Recording *r, bool whatever, RecorderMessage *ret, size_t *ret_size)
{
        size_t all = buf_length(&r->buffer), size = MIN(all, (size_t) RECORDER_DATA_MAX);

        *ret_size = size;
        if (!r->has_begun) {
                *ret = r->begin;
                *ret_size = r->begin.type == RECORDER_NEW ? size : 0;
                return true;
        }
        *ret = (RecorderMessage){.type = RECORDER_DATA};
        if (r->end != RECORDER_NEW && size == all) {
                ret->type = r->end;
                return !r->has_ended;
        }
        return size > 0 && (whatever || r->unacked + size <= RECORDER_WINDOW);
}

/* All that the recorder takes, which may not be in the way of others' bytes. */
static void send_out(Recording *r, bool whatever)
{
        RecorderMessage m;
        size_t size;

        while (next_message(r, whatever, &m, &size)) {
                int k = recorder_send(r->recorder, &r->target, &m, size > 0 ? buf_head(&r->buffer) : NULL,
                                      size);

                if (k == -EAGAIN)
                        return;
                if (k < 0) {
                        tell_over(r, r->has_begun,
                                  "because of an error of the process that writes recordings");
                        return;
                }
                r->has_begun = true;
                r->has_ended = m.type == RECORDER_END || m.type == RECORDER_SUSPEND;
                r->unacked += m.type == RECORDER_DATA ? size : 0;
                if (size > 0) {
                        buf_consume(&r->buffer, size);
                        recorder_give(r->recorder, r->uid, size);
                }
        }
}

static void tell_closed(Recording *r)
{
        const RecordingEvents *events = r->events;

        r->events = NULL;
        if (events)
                events->on_closed(r->userdata);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
        Recording *r = userdata;

        r->armed = false;
        if (r->end != RECORDER_NEW)
                tell_closed(r);
        else
                send_out(r, false);
        return 0;
}

bool recording_has_room(Recording *r)
{
        bool has_room = r->over || (buf_length(&r->buffer) < CHUNK_MIN &&
                                    recorder_has_room(r->recorder, &r->target, r->uid));

        r->refused = !has_room;
        return has_room;
}

static void tell_room(Recording *r)
{
        if (r->refused && recording_has_room(r) && r->events)
                r->events->on_room(r->userdata);
}

static void target_on_written(RecorderTarget *t, uint64_t size)
{
        Recording *r = LIST_ENTRY(t, Recording, target);

        r->unacked -= MIN(r->unacked, size);
        send_out(r, false);
        tell_room(r);
}

static void target_on_ready(RecorderTarget *t)
{
        Recording *r = LIST_ENTRY(t, Recording, target);

        send_out(r, false);
        tell_room(r);
}

static void target_on_over(RecorderTarget *t, int error, const char *why)
{
        Recording *r = LIST_ENTRY(t, Recording, target);
        bool is_new = r->begin.type == RECORDER_NEW;
        char text[256];

        if (error < 0) {
                snprintf(text, sizeof(text), "because its file could not be %s (%s)",
                         is_new ? "created" : "reopened", strerror(-error));
                why = text;
        }
        tell_over(r, error >= 0 || !is_new, why);
        tell_room(r);
}

static void target_on_closed(RecorderTarget *t)
{
        Recording *r = LIST_ENTRY(t, Recording, target);

        if (r->end == RECORDER_NEW)
                return;
        tell_closed(r);
        recording_free(r);
}

static bool target_on_leave(RecorderTarget *t)
{
        Recording *r = LIST_ENTRY(t, Recording, target);

        r->end = r->end == RECORDER_NEW ? RECORDER_SUSPEND : r->end;
        send_out(r, true);
        return r->has_ended;
}

static void target_on_drop(RecorderTarget *t)
{
        recording_free(LIST_ENTRY(t, Recording, target));
}

static int recording_alloc(Recorder *c, RecorderType begin, const char *id, uid_t uid, bool tty,
                           uint64_t began, Recording **ret)
{
        static const RecorderTargetEvents target_events = {
                .on_written = target_on_written,
                .on_over = target_on_over,
                .on_closed = target_on_closed,
                .on_ready = target_on_ready,
                .on_leave = target_on_leave,
                .on_drop = target_on_drop,
        };
        _cleanup_(recording_freep) Recording *r = calloc(1, sizeof(Recording));
        int k;

        if (!r)
                return -ENOMEM;
        *r = (Recording){
                .target.events = &target_events,
                .recorder = c,
                .uid = uid,
                .begin = {.type = begin, .uid = uid, .value = began},
                .end = RECORDER_NEW,
                .began = began,
                .texts = {{.crlf = !tty}, {.crlf = !tty}},
        };
        snprintf(r->begin.id, sizeof(r->begin.id), "%s", id);
        recorder_join(c, &r->target);
        k = sd_event_add_time_relative(recorder_event(c), &r->timer, CLOCK_MONOTONIC, FLUSH_USEC, 0,
                                       on_timer, r);
        if (k >= 0)
                k = sd_event_source_set_enabled(r->timer, SD_EVENT_OFF);
        if (k < 0)
                return k;
        *ret = TAKE_PTR(r);
        return 0;
}

static int recording_begin(Recording *r, const RecordingEvents *events, void *userdata, Recording **ret)
{
        /* A recorder that cannot be started is found out at once. */
        send_out(r, false);
        if (r->over) {
                recording_free(r);
                return -ECHILD;
        }
        r->events = events;
        r->userdata = userdata;
        *ret = r;
        return 0;
}

int recording_new(Recorder *c, const CastHeader *header, const RecordingEvents *events, void *userdata,
                  Recording **ret)
{
        Recording *r;
        int k;

        k = recording_alloc(c, RECORDER_NEW, header->exec_id, header->caller_uid, header->tty,
                            now_usec(CLOCK_MONOTONIC), &r);
        if (k < 0)
                return k;
        cast_put_header(&r->buffer, header);
        recorder_take(c, r->uid, buf_length(&r->buffer));
        if (buf_error(&r->buffer) < 0) {
                recording_free(r);
                return -ENOMEM;
        }
        return recording_begin(r, events, userdata, ret);
}

int recording_resume(Recorder *c, const char *id, uid_t uid, bool tty, uint64_t began,
                     const RecordingEvents *events, void *userdata, Recording **ret)
{
        Recording *r;
        int k = recording_alloc(c, RECORDER_RESUME, id, uid, tty, began, &r);

        return k < 0 ? k : recording_begin(r, events, userdata, ret);
}

/* After something was put into the buffer, of which there were `before` bytes. */
static void added(Recording *r, size_t before)
{
        recorder_take(r->recorder, r->uid, buf_length(&r->buffer) - before);
        if (buf_error(&r->buffer) < 0)
                tell_over(r, true, "because there is no memory");
        else if (buf_length(&r->buffer) >= CHUNK_MIN)
                send_out(r, false);
        if (!r->armed && buf_length(&r->buffer) > 0 && r->end == RECORDER_NEW)
                r->armed = sd_event_source_set_time_relative(r->timer, FLUSH_USEC) >= 0 &&
                           sd_event_source_set_enabled(r->timer, SD_EVENT_ONESHOT) >= 0;
}

void recording_output(Recording *r, FrameType type, const void *data, size_t size)
{
        size_t before = buf_length(&r->buffer);

        if (r->over)
                return;
        cast_put_output(&r->buffer, &r->texts[type == FRAME_STDERR], recording_now(r), data, size);
        added(r, before);
}

void recording_resize(Recording *r, uint16_t columns, uint16_t rows)
{
        size_t before = buf_length(&r->buffer);

        if (r->over)
                return;
        cast_put_resize(&r->buffer, recording_now(r), columns, rows);
        added(r, before);
}

void recording_flush(Recording *r)
{
        send_out(r, false);
}

static void finish(Recording *r, RecorderType end, bool interrupted)
{
        size_t before = buf_length(&r->buffer);

        /* The rest of an incomplete character. */
        for (size_t i = 0; i < ELEMENTSOF(r->texts) && !r->over; i++)
                cast_put_output_end(&r->buffer, &r->texts[i], recording_now(r));
        if (!r->over && interrupted)
                cast_put_marker(&r->buffer, recording_now(r), CAST_INTERRUPTED);
        recorder_take(r->recorder, r->uid, buf_length(&r->buffer) - before);
        r->end = end;
        (void) sd_event_source_set_time_relative(r->timer, END_USEC);
        (void) sd_event_source_set_enabled(r->timer, SD_EVENT_ONESHOT);
        send_out(r, false);
}

void recording_end(Recording *r, bool interrupted)
{
        finish(r, RECORDER_END, interrupted);
}

bool recording_is_ending(const Recording *r)
{
        return r->end != RECORDER_NEW;
}

void recording_forget(Recording *r)
{
        r->events = NULL;
        if (!recording_is_ending(r))
                recording_end(r, true);
}

void recording_suspend(Recording *r)
{
        r->events = NULL;
        finish(r, RECORDER_SUSPEND, false);
}
