/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/recording.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/strv.h"
#include "base/time.h"

/* The amount of data for which a write is worthwhile, and the maximum of one write. */
#define CHUNK_MIN (64 * 1024)
#define CHUNK_MAX (256 * 1024)

/* How long less than that waits. */
#define FLUSH_USEC (250 * USEC_PER_MSEC)

/* A write that took longer than this was waiting for the disk. After it the disk has a rest, so that at most
 * a third of the daemon's time is spent on waiting. */
#define SLOW_USEC    (50 * USEC_PER_MSEC)
#define REST_FOR     2
#define REST_MAX     (2 * USEC_PER_SEC)

#define MARKER_SPACE 64 /* bytes that are kept free for such a marker */

static uint64_t recording_now(const Recording *r)
{
        return now_usec(CLOCK_MONOTONIC) - r->began;
}

static Recording *recording_free(Recording *r)
{
        if (!r)
                return NULL;
        if (r->store)
                list_remove(&r->store->open, &r->node);
        r->timer = sd_event_source_disable_unref(r->timer);
        fd_close(r->fd);
        buf_done(&r->buffer);
        return mfree(r);
}
DEFINE_CLEANUP(Recording, recording_free);

static void tell_truncated(Recording *r, const char *why)
{
        if (r->on_truncated)
                r->on_truncated(r->userdata, why);
        r->on_truncated = NULL;
}

/* The pending data is still written, followed by the marker. */
static void truncate_here(Recording *r, const char *why)
{
        if (r->over)
                return;
        r->over = true;
        cast_put_marker(&r->buffer, recording_now(r), CAST_TRUNCATED);
        tell_truncated(r, why);
}

/* The file takes no more: it ends with its last whole line, and with the marker if that goes in. */
static void give_up(Recording *r, int error)
{
        _cleanup_buf_ Buf marker = BUF_INIT;
        _cleanup_free_ char *why = NULL;
        ssize_t n;

        buf_done(&r->buffer);
        if (ftruncate(r->fd, (off_t) r->lines) >= 0) {
                recording_store_uncount(r->store, r->uid, r->written - r->lines);
                r->written = r->lines;
                cast_put_marker(&marker, recording_now(r), CAST_TRUNCATED);
                n = buf_error(&marker) < 0 || r->lines == 0
                            ? 0
                            : pwrite(r->fd, buf_head(&marker), buf_length(&marker), (off_t) r->lines);
                if (n == (ssize_t) buf_length(&marker)) {
                        r->written += (uint64_t) n;
                        (void) recording_store_count(r->store, r->uid, (uint64_t) n);
                } else if (n > 0)
                        (void) !ftruncate(r->fd, (off_t) r->lines);
        }
        r->over = true;
        if (asprintf(&why, "because of a write error (%s)", strerror(-error)) < 0)
                why = NULL;
        tell_truncated(r, why ?: "because of a write error");
}

/* One write. 0, or what is in the way. */
static int write_chunk(Recording *r)
{
        size_t size = MIN(buf_length(&r->buffer), (size_t) CHUNK_MAX);
        uint64_t before = now_usec(CLOCK_MONOTONIC), after;
        const char *last;
        ssize_t n;

        n = write(r->fd, buf_head(&r->buffer), size);
        if (n < 0)
                return errno == EINTR ? 0 : -errno;
        if (n == 0)
                return -EIO;
        last = memrchr(buf_head(&r->buffer), '\n', (size_t) n);
        if (last)
                r->lines = r->written + (uint64_t) (last - buf_head(&r->buffer)) + 1;
        r->written += (uint64_t) n;
        buf_consume(&r->buffer, (size_t) n);

        after = now_usec(CLOCK_MONOTONIC);
        if (after > before + SLOW_USEC)
                r->rests_until = after + MIN(REST_FOR * (after - before), REST_MAX);
        if (!recording_store_count(r->store, r->uid, (uint64_t) n))
                truncate_here(r, "because all recordings together have reached their limit");
        return 0;
}

/* Writes while there are at least so many bytes; of a disk that is slow no more than one chunk, unless that
 * no longer matters. */
static void write_out(Recording *r, size_t least, bool whatever)
{
        while (buf_length(&r->buffer) >= MAX(least, (size_t) 1) &&
               (whatever || now_usec(CLOCK_MONOTONIC) >= r->rests_until)) {
                int k = write_chunk(r);

                if (k < 0) {
                        give_up(r, k);
                        return;
                }
        }
}

/* The rest of an incomplete character. */
static void put_ends(Recording *r)
{
        for (size_t i = 0; i < ELEMENTSOF(r->texts); i++)
                cast_put_output_end(&r->buffer, &r->texts[i], recording_now(r));
}

static void close_file(Recording *r)
{
        int k = recording_store_keep(r->store, r->id, r->uid, r->written);

        if (k < 0)
                log_errno(LOG_WARNING, k, "Failed to rename the recording of exec %.12s", r->id);
        recording_free(r);
}

static void arm(Recording *r)
{
        uint64_t now = now_usec(CLOCK_MONOTONIC),
                 due = r->rests_until > now ? r->rests_until - now : (uint64_t) FLUSH_USEC;

        if (r->armed || buf_length(&r->buffer) == 0)
                return;
        r->armed = sd_event_source_set_time_relative(r->timer, due) >= 0 &&
                   sd_event_source_set_enabled(r->timer, SD_EVENT_ONESHOT) >= 0;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
        Recording *r = userdata;

        r->armed = false;
        write_out(r, 1, false);
        if (r->closing && buf_length(&r->buffer) == 0)
                close_file(r);
        else
                arm(r);
        return 0;
}

static int new_recording(RecordingStore *s, const char *id, bool tty, Recording **ret)
{
        _cleanup_(recording_freep) Recording *r = calloc(1, sizeof(Recording));
        int k;

        if (!r)
                return -ENOMEM;
        r->fd = -EBADF;
        r->began = now_usec(CLOCK_MONOTONIC);
        r->texts[0].crlf = r->texts[1].crlf = !tty;
        snprintf(r->id, sizeof(r->id), "%s", id);
        k = sd_event_add_time_relative(s->event, &r->timer, CLOCK_MONOTONIC, FLUSH_USEC, 0, on_timer, r);
        if (k >= 0)
                k = sd_event_source_set_enabled(r->timer, SD_EVENT_OFF);
        if (k < 0)
                return k;
        *ret = TAKE_PTR(r);
        return 0;
}

/* The file has been created. */
static void join(Recording *r, RecordingStore *s, void (*on_truncated)(void *, const char *), void *userdata)
{
        assert(!r->store);
        r->store = s;
        list_append(&s->open, &r->node);
        r->on_truncated = on_truncated;
        r->userdata = userdata;
}

int recording_new(RecordingStore *s, const CastHeader *header, void (*on_truncated)(void *, const char *),
                  void *userdata, Recording **ret)
{
        _cleanup_(recording_freep) Recording *r = NULL;
        int k;

        k = new_recording(s, header->exec_id, header->tty, &r);
        if (k < 0)
                return k;
        r->uid = header->caller_uid;
        cast_put_header(&r->buffer, header);
        if (buf_error(&r->buffer) < 0)
                return -ENOMEM;
        k = recording_store_create(s, r->id, &r->fd);
        if (k < 0)
                return k;
        join(r, s, on_truncated, userdata);
        /* A reader never gets the recording without its header. */
        while (k >= 0 && buf_length(&r->buffer) > 0)
                k = write_chunk(r);
        if (k < 0) {
                recording_store_uncount(s, r->uid, r->written);
                (void) recording_store_keep(s, r->id, r->uid, 0);
                return k;
        }
        *ret = TAKE_PTR(r);
        return 0;
}

int recording_resume(RecordingStore *s, const char *id, bool tty, void (*on_truncated)(void *, const char *),
                     void *userdata, Recording **ret)
{
        _cleanup_(recording_freep) Recording *r = NULL;
        uint64_t last;
        int k;

        k = new_recording(s, id, tty, &r);
        if (k >= 0)
                k = recording_store_open(s);
        if (k >= 0)
                k = recording_store_reopen(s, id, &r->fd, &r->written, &r->uid, &last, &r->over);
        if (k < 0)
                return k;
        r->lines = r->written;
        /* One without even a header is none. */
        r->over = r->over || r->written == 0;
        r->began -= last;
        join(r, s, on_truncated, userdata);
        *ret = TAKE_PTR(r);
        return 0;
}

void recording_set_elapsed(Recording *r, uint64_t usec)
{
        if (recording_now(r) < usec)
                r->began = now_usec(CLOCK_MONOTONIC) - usec;
}

void recording_suspend(Recording *r)
{
        r->on_truncated = NULL;
        if (!r->over)
                put_ends(r);
        write_out(r, 1, true);
        recording_store_uncount(r->store, r->uid, r->written);
        recording_free(r);
}

/* After something was put into the buffer, of which there were `before` bytes. */
static void added(Recording *r, size_t before)
{
        uint64_t max = r->store->options.size_max, size = r->written + buf_length(&r->buffer) + MARKER_SPACE;
        char why[96];

        if (buf_error(&r->buffer) < 0) {
                give_up(r, -ENOMEM);
                return;
        }
        if (max > 0 && size > max) {
                r->buffer.end = r->buffer.start + before;
                snprintf(why, sizeof(why), "because it has reached its limit of %" PRIu64 " bytes", max);
                truncate_here(r, why);
        } else if (buf_length(&r->buffer) >= CHUNK_MIN)
                write_out(r, CHUNK_MIN, false);
        if (!r->over && buf_length(&r->buffer) > RECORDING_BUFFER_MAX)
                truncate_here(r, "because the disk is too slow for it");
        arm(r);
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

void recording_end(Recording *r, bool interrupted)
{
        r->on_truncated = NULL;
        if (!r->over) {
                put_ends(r);
                if (interrupted)
                        cast_put_marker(&r->buffer, recording_now(r), CAST_INTERRUPTED);
        }
        r->over = r->closing = true;
        write_out(r, 1, false);
        if (buf_length(&r->buffer) == 0)
                close_file(r);
        else
                arm(r);
}

int recording_read(RecordingStore *s, const char *id, int *ret_fd)
{
        LIST_FOREACH (Recording, r, &s->open, node) {
                if (strcmp(r->id, id) == 0)
                        write_out(r, 1, false);
        }
        return recording_store_read(s, id, ret_fd);
}

void recordings_close(RecordingStore *s)
{
        LIST_FOREACH (Recording, r, &s->open, node) {
                write_out(r, 1, true);
                close_file(r);
        }
}

void recordings_recover(RecordingStore *s)
{
        _cleanup_strv_ char **partial = NULL;

        if (recording_store_find_partial(s, &partial) < 0)
                log_warning("Failed to look for unfinished recordings in %s", s->path);
        STRV_FOREACH (id, partial) {
                Recording *r;
                int k = recording_resume(s, *id, false, NULL, NULL, &r);

                if (k >= 0)
                        recording_end(r, true);
                else if (k != -EWOULDBLOCK)
                        log_errno(LOG_WARNING, k, "Failed to finish the recording of exec %.12s in %s", *id,
                                  s->path);
        }
}
