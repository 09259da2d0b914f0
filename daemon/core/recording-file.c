/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/recording-file.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/strv.h"
#include "base/time.h"
#include "wire/cast.h"

#define MARKER_SPACE 64 /* bytes that are kept free for a marker */

static RecordingFile *file_free(RecordingFile *f)
{
        if (!f)
                return NULL;
        fd_close(f->fd);
        return mfree(f);
}
DEFINE_CLEANUP(RecordingFile, file_free);

static RecordingFile *file_alloc(RecordingStore *s, const char *id)
{
        RecordingFile *f = calloc(1, sizeof(RecordingFile));

        if (!f)
                return NULL;
        f->store = s;
        f->fd = -EBADF;
        snprintf(f->id, sizeof(f->id), "%s", id);
        return f;
}

int recording_file_new(RecordingStore *s, const char *id, uid_t uid, uint64_t began, RecordingFile **ret)
{
        _cleanup_(file_freep) RecordingFile *f = file_alloc(s, id);
        int r;

        if (!f)
                return -ENOMEM;
        f->uid = uid;
        f->began = began;
        r = recording_store_create(s, f->id, &f->fd);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(f);
        return 0;
}

int recording_file_resume(RecordingStore *s, const char *id, bool wait, RecordingFile **ret)
{
        _cleanup_(file_freep) RecordingFile *f = file_alloc(s, id);
        uint64_t last = 0;
        int r;

        if (!f)
                return -ENOMEM;
        r = recording_store_open(s);
        if (r >= 0)
                r = recording_store_reopen(s, id, wait, &f->fd, &f->written, &f->uid, &last, &f->over);
        if (r == -ENOENT && recording_store_has(s, id))
                f->is_complete = f->over = true;
        else if (r < 0)
                return r;
        f->lines = f->written;
        /* One without even a header is none. */
        f->over = f->over || f->written == 0;
        f->began = now_usec(CLOCK_MONOTONIC) - last;
        *ret = TAKE_PTR(f);
        return 0;
}

static int write_all(RecordingFile *f, const char *data, size_t size)
{
        const char *last;
        ssize_t n;

        while (size > 0) {
                n = write(f->fd, data, size);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : -EIO;
                last = memrchr(data, '\n', (size_t) n);
                if (last)
                        f->lines = f->written + (uint64_t) (last - data) + 1;
                f->written += (uint64_t) n;
                data += n;
                size -= (size_t) n;
        }
        return 0;
}

static bool cut(RecordingFile *f)
{
        if (ftruncate(f->fd, (off_t) f->lines) < 0)
                return false;
        f->written = f->lines;
        return true;
}

/* The file takes no more: it ends with its last whole line, and with the marker if that goes in. */
static void finish_with(RecordingFile *f, const char *label)
{
        _cleanup_buf_ Buf marker = BUF_INIT;
        uint64_t before = f->written, lines;

        f->over = true;
        if (cut(f) && f->lines > 0) {
                cast_put_marker(&marker, now_usec(CLOCK_MONOTONIC) - f->began, label);
                lines = f->lines;
                if (buf_error(&marker) < 0 || write_all(f, buf_head(&marker), buf_length(&marker)) < 0) {
                        f->lines = lines;
                        (void) cut(f);
                }
        }
        if (f->written > before)
                (void) recording_store_count(f->store, f->uid, f->written - before);
        else
                recording_store_uncount(f->store, f->uid, before - f->written);
}

static bool truncate_here(RecordingFile *f, char *why, char **ret_why)
{
        finish_with(f, CAST_TRUNCATED);
        *ret_why = why;
        return true;
}

static _printf_(1, 2) char *text_of(const char *format, ...)
{
        va_list ap;
        char *text;

        va_start(ap, format);
        if (vasprintf(&text, format, ap) < 0)
                text = NULL;
        va_end(ap);
        return text;
}

/* How many bytes of these are within the limit: whole lines, if not all of them. */
static size_t fitting(const RecordingFile *f, const char *data, size_t size)
{
        uint64_t max = f->store->options.size_max, used = f->written + MARKER_SPACE;
        const char *last;

        if (max == 0 || used + size <= max)
                return size;
        last = max > used ? memrchr(data, '\n', (size_t) (max - used)) : NULL;
        return last ? (size_t) (last - data) + 1 : 0;
}

bool recording_file_write(RecordingFile *f, const char *data, size_t size, char **ret_why)
{
        uint64_t before = f->written;
        size_t fits;
        bool has_room;
        int r;

        if (f->over)
                return false;
        fits = fitting(f, data, size);
        r = write_all(f, data, fits);
        has_room = recording_store_count(f->store, f->uid, f->written - before);
        if (r < 0)
                return truncate_here(f, text_of("because of a write error (%s)", strerror(-r)), ret_why);
        if (fits < size)
                return truncate_here(f,
                                     text_of("because it has reached its limit of %" PRIu64 " bytes",
                                             f->store->options.size_max),
                                     ret_why);
        if (!has_room)
                return truncate_here(f, strdup("because all recordings together have reached their limit"),
                                     ret_why);
        return false;
}

int recording_file_end(RecordingFile *f)
{
        int r = f->is_complete ? 0 : recording_store_keep(f->store, f->id, f->uid, f->written);

        if (r < 0)
                log_errno(LOG_WARNING, r, "Failed to rename the recording of exec %.12s", f->id);
        file_free(f);
        return r;
}

/* Ends it with a marker that it was interrupted. */
static int file_interrupt(RecordingFile *f)
{
        if (!f->over)
                finish_with(f, CAST_INTERRUPTED);
        return recording_file_end(f);
}

void recording_file_suspend(RecordingFile *f)
{
        recording_store_uncount(f->store, f->uid, f->written);
        file_free(f);
}

int recording_files_recover(RecordingStore *s)
{
        _cleanup_strv_ char **partial = NULL;
        int r, n = 0;

        r = recording_store_open(s);
        if (r >= 0)
                r = recording_store_find_partial(s, &partial);
        if (r < 0)
                return r;
        STRV_FOREACH (id, partial) {
                RecordingFile *f;

                r = recording_file_resume(s, *id, false, &f);
                if (r >= 0)
                        (void) file_interrupt(f);
                else if (r == -EWOULDBLOCK)
                        n++;
                else
                        log_errno(LOG_WARNING, r, "Failed to finish the recording of exec %.12s in %s", *id,
                                  s->path);
        }
        return n;
}
