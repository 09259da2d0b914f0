/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/journal-queue.h"

#include <poll.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/list.h"
#include "base/time.h"

/* As much as the kernel allows: several records fit while journald is busy. */
#define SEND_BUFFER (8 * 1024 * 1024)

/* Records of one turn, before other event sources get their chance. */
#define TURN_MAX 64

/* Without a journal's socket there is nothing to poll. */
#define RETRY_USEC (500 * USEC_PER_MSEC)

#define STUCK_USEC (1 * USEC_PER_SEC)

struct JournalRecord {
        ListNode node;
        JournalQueue *queue; /* weak */
        Buf bytes;
        bool act;
        uint64_t deadline; /* CLOCK_MONOTONIC; with a callback */
        journal_written_t callback;
        void *userdata;
};

struct JournalQueue {
        sd_event *event; /* weak: the manager outlives it */
        char *path;
        int fd; /* negative when there is no journal */
        sd_event_source *source, *timer;
        List records;
        size_t n_records, n_acts, n_waits, n_bytes;
        uint64_t blocked_since; /* 0: the last record was taken */
};

static int queue_open(JournalQueue *q);

static JournalRecord *record_free(JournalRecord *r)
{
        JournalQueue *q = r->queue;

        list_remove(&q->records, &r->node);
        q->n_records--;
        q->n_acts -= r->act;
        q->n_waits -= !!r->callback;
        q->n_bytes -= buf_length(&r->bytes);
        buf_done(&r->bytes);
        return mfree(r);
}

JournalRecord *journal_wait_free(JournalRecord *r)
{
        return r ? record_free(r) : NULL;
}

static void queue_close(JournalQueue *q)
{
        q->source = sd_event_source_disable_unref(q->source);
        q->fd = fd_close(q->fd);
}

JournalQueue *journal_queue_free(JournalQueue *q)
{
        if (!q)
                return NULL;
        LIST_FOREACH (JournalRecord, j, &q->records, node)
                record_free(j);
        queue_close(q);
        q->timer = sd_event_source_disable_unref(q->timer);
        free(q->path);
        return mfree(q);
}

/* One record to the kernel, or -errno; the socket is opened when it is needed. */
static int queue_send(JournalQueue *q, const Buf *record)
{
        int r = queue_open(q);

        if (r >= 0)
                r = journal_send(q->fd, q->path, buf_head(record), buf_length(record));
        if (r >= 0)
                q->blocked_since = 0;
        else if (q->blocked_since == 0)
                q->blocked_since = now_usec(CLOCK_MONOTONIC);
        if (r < 0 && r != -EAGAIN)
                queue_close(q);
        return r;
}

/* Watches the socket according to the waiting records. */
static void queue_arm(JournalQueue *q)
{
        uint64_t now = now_usec(CLOCK_MONOTONIC), at = UINT64_MAX;

        if (q->source)
                (void) sd_event_source_set_enabled(q->source,
                                                   list_is_empty(&q->records) ? SD_EVENT_OFF : SD_EVENT_ON);
        if (q->fd < 0 && !list_is_empty(&q->records))
                at = now + RETRY_USEC;
        /* All wait equally long, so that the first of them is the next. */
        if (q->n_waits > 0)
                LIST_FOREACH (const JournalRecord, r, &q->records, node) {
                        if (r->callback) {
                                at = MIN(at, r->deadline);
                                break;
                        }
                }
        (void) sd_event_source_set_enabled(q->timer, at == UINT64_MAX ? SD_EVENT_OFF : SD_EVENT_ONESHOT);
        if (at != UINT64_MAX)
                (void) sd_event_source_set_time(q->timer, at);
}

/* Takes a record out and calls back its waiters. */
static void record_finish(JournalRecord *r, int error)
{
        journal_written_t callback = r->callback;
        void *userdata = r->userdata;

        record_free(r);
        if (callback)
                callback(userdata, error);
}

static void queue_turn(JournalQueue *q)
{
        for (unsigned i = 0; i < TURN_MAX && !list_is_empty(&q->records); i++) {
                JournalRecord *r = LIST_ENTRY(q->records.first, JournalRecord, node);

                if (queue_send(q, &r->bytes) < 0)
                        break;
                record_finish(r, 0);
        }
        queue_arm(q);
}

static int on_writable(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
        queue_turn(userdata);
        return 0;
}

/* The first whose time is up, or NULL. */
static JournalRecord *queue_find_expired(JournalQueue *q, uint64_t now)
{
        if (q->n_waits == 0)
                return NULL;
        LIST_FOREACH (JournalRecord, r, &q->records, node) {
                if (r->callback)
                        return now >= r->deadline ? r : NULL;
        }
        return NULL;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
        uint64_t now = now_usec(CLOCK_MONOTONIC);
        JournalQueue *q = userdata;
        JournalRecord *r;

        queue_turn(q);
        while ((r = queue_find_expired(q, now)))
                record_finish(r, -ETIMEDOUT);
        queue_arm(q);
        return 0;
}

static int queue_open(JournalQueue *q)
{
        int r;

        if (q->fd >= 0)
                return 0;
        q->fd = journal_open(q->path, SEND_BUFFER);
        if (q->fd < 0)
                return q->fd;
        r = sd_event_add_io(q->event, &q->source, q->fd, EPOLLOUT, on_writable, q);
        if (r < 0) {
                q->fd = fd_close(q->fd);
                return r;
        }
        return sd_event_source_set_enabled(q->source, SD_EVENT_OFF);
}

JournalQueue *journal_queue_new(sd_event *event, const char *path)
{
        _cleanup_(journal_queue_freep) JournalQueue *q = calloc(1, sizeof(JournalQueue));

        if (!q)
                return NULL;
        q->event = event;
        q->fd = -EBADF;
        q->path = strdup(path);
        if (!q->path ||
            sd_event_add_time(event, &q->timer, CLOCK_MONOTONIC, UINT64_MAX, 1, on_timer, q) < 0 ||
            sd_event_source_set_enabled(q->timer, SD_EVENT_OFF) < 0)
                return NULL;
        return TAKE_PTR(q);
}

static JournalRecord *queue_append(JournalQueue *q, Buf *record)
{
        JournalRecord *r = calloc(1, sizeof(JournalRecord));

        if (!r)
                return NULL;
        r->queue = q;
        r->bytes = *record;
        *record = BUF_INIT;
        list_append(&q->records, &r->node);
        q->n_records++;
        q->n_bytes += buf_length(&r->bytes);
        return r;
}

/* Before all others of its kind: a record that is written at once, or an error. -EAGAIN: it may wait. */
static int queue_try(JournalQueue *q, const Buf *record)
{
        if (buf_error(record) < 0)
                return buf_error(record);
        return list_is_empty(&q->records) ? queue_send(q, record) : -EAGAIN;
}

int journal_queue_add(JournalQueue *q, Buf *record, bool act)
{
        _cleanup_buf_ Buf bytes = *record;
        JournalRecord *added;
        int r;

        *record = BUF_INIT;
        r = queue_try(q, &bytes);
        if (r >= 0 || r == -ENOMEM)
                return r;
        if (q->n_records >= JOURNAL_RECORDS_MAX || (act && q->n_acts >= JOURNAL_ACTS_MAX))
                return -ENOBUFS;
        added = queue_append(q, &bytes);
        if (!added)
                return -ENOMEM;
        added->act = act;
        q->n_acts += act;
        queue_arm(q);
        return 0;
}

int journal_queue_wait(JournalQueue *q, Buf *record, journal_written_t callback, void *userdata,
                       JournalRecord **ret)
{
        _cleanup_buf_ Buf bytes = *record;
        JournalRecord *added;
        int r;

        *record = BUF_INIT;
        r = queue_try(q, &bytes);
        if (r >= 0)
                return 1;
        if (r != -EAGAIN)
                return r;
        if (q->n_acts >= JOURNAL_ACTS_MAX || journal_queue_is_stuck(q))
                return -ENOBUFS;
        added = queue_append(q, &bytes);
        if (!added)
                return -ENOMEM;
        added->act = true;
        added->callback = callback;
        added->userdata = userdata;
        added->deadline = now_usec(CLOCK_MONOTONIC) + JOURNAL_WAIT_SEC * USEC_PER_SEC;
        q->n_acts++;
        q->n_waits++;
        queue_arm(q);
        *ret = added;
        return 0;
}

bool journal_queue_is_empty(const JournalQueue *q)
{
        return list_is_empty(&q->records);
}

bool journal_queue_is_stuck(JournalQueue *q)
{
        struct pollfd p = {.events = POLLOUT};

        if (q->blocked_since == 0 || now_usec(CLOCK_MONOTONIC) - q->blocked_since < STUCK_USEC)
                return false;
        /* Perhaps nothing was sent since, and it would be taken now. */
        if (queue_open(q) < 0)
                return true;
        p.fd = q->fd;
        return poll(&p, 1, 0) == 0;
}

bool journal_queue_is_lean(const JournalQueue *q)
{
        return q->n_bytes >= JOURNAL_BYTES_LEAN;
}

size_t journal_queue_flush(JournalQueue *q, uint64_t usec)
{
        uint64_t end = now_usec(CLOCK_MONOTONIC) + usec;

        while (!list_is_empty(&q->records)) {
                JournalRecord *r = LIST_ENTRY(q->records.first, JournalRecord, node);
                uint64_t now = now_usec(CLOCK_MONOTONIC);
                struct pollfd p = {.events = POLLOUT};
                int k = queue_send(q, &r->bytes);

                if (k >= 0) {
                        record_free(r);
                        continue;
                }
                if (k != -EAGAIN || now >= end)
                        break;
                p.fd = q->fd;
                (void) poll(&p, 1, (int) ((end - now) / USEC_PER_MSEC) + 1);
        }
        return q->n_records;
}
