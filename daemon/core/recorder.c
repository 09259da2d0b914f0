/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/recorder.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/time.h"
#include "core/recorder-process.h"
#include "core/recorder-turn.h"

/* Of all recordings together, and of one user. */
#define WAITING_MAX     (16 * 1024 * 1024)
#define WAITING_UID_MAX (8 * 1024 * 1024)

/* Messages of the recorder that are read in one turn. */
#define MESSAGES_IN_TURN 64

/* How long a question may take. */
#define QUESTION_USEC (10 * USEC_PER_SEC)

/* How long the end of execd waits for the disk. */
#define LEAVE_USEC (2 * USEC_PER_SEC)

/* In the directory of execd's state. */
#define ORDER_FILE "recorders"

/* Leftovers are recovered this long after the start, so that they do not delay it. */
#define RECOVER_USEC (500 * USEC_PER_MSEC)

struct Recorder {
        sd_event *event;     /* weak */
        HelperPool *helpers; /* weak */
        RecordingStoreOptions options;
        char *path;     /* owned */
        char *order;    /* owned */
        uint64_t turn;  /* of the recorder that is started */
        Helper *helper; /* NULL while there is none */
        sd_event_source *io, *wake, *recover;
        uint64_t last_ref;
        List targets;
        List ready;                    /* targets that have something to send */
        List starved;                  /* targets for whose bytes there is no room */
        List questions;                /* oldest first */
        bool limits_changed, recovers; /* still to be sent to it */
        bool is_usable;
        Budget waiting;
};

struct RecorderQuestion {
        Recorder *recorder; /* weak */
        ListNode node;
        RecorderMessage message;
        bool sent;
        sd_event_source *timer;
        recorder_answer_t callback;
        void *userdata;
};

RecorderQuestion *recorder_question_free(RecorderQuestion *q)
{
        if (!q)
                return NULL;
        list_remove(&q->recorder->questions, &q->node);
        sd_event_source_disable_unref(q->timer);
        return mfree(q);
}

static void question_answer(RecorderQuestion *q, int error, int fd, uint64_t size)
{
        recorder_answer_t callback = q->callback;
        void *userdata = q->userdata;

        recorder_question_free(q);
        callback(userdata, error, fd, size);
}

static void dispatch(Recorder *c, const RecorderMessage *m, const char *text, int fd)
{
        RecorderTarget *t = LIST_FIND(RecorderTarget, target, &c->targets, node, target->ref == m->ref);
        RecorderQuestion *q;

        if (m->type == RECORDER_ANSWER) {
                q = LIST_FIND(RecorderQuestion, asked, &c->questions, node, asked->message.ref == m->ref);
                if (q && q->message.type == RECORDER_PROBE)
                        c->is_usable = m->error >= 0;
                if (q)
                        question_answer(q, m->error, fd, m->value);
        } else if (!t)
                return;
        else if (m->type == RECORDER_WRITTEN)
                t->events->on_written(t, m->value);
        else if (m->type == RECORDER_OVER) {
                c->is_usable = false;
                t->events->on_over(t, m->error, text);
        } else if (m->type == RECORDER_CLOSED)
                t->events->on_closed(t);
}

static void disconnect(Recorder *c)
{
        c->io = sd_event_source_disable_unref(c->io);
        c->helper = helper_free(c->helper);
}

/* It was killed. The next one writes later output. */
static void lose(Recorder *c)
{
        List targets = c->targets;

        log_error("The process that writes recordings has ended unexpectedly");
        disconnect(c);
        c->limits_changed = c->recovers = c->is_usable = false;
        c->targets = (List){0};
        LIST_FOREACH (RecorderTarget, t, &targets, node) {
                list_remove(&targets, &t->node);
                list_append(&c->targets, &t->node);
                t->events->on_over(t, 0, "because the process that writes recordings has ended");
                t->events->on_closed(t);
        }
        while (c->questions.first)
                question_answer(LIST_ENTRY(c->questions.first, RecorderQuestion, node), -EPIPE, -EBADF, 0);
}

static bool read_message(Recorder *c)
{
        char packet[sizeof(RecorderMessage) + 256 + 1];
        int fds[FD_PASS_MAX];
        size_t n_fds = 0;
        RecorderMessage m;
        ssize_t n;

        n = fd_recv_message(helper_socket(c->helper), packet, sizeof(packet) - 1, fds, FD_PASS_MAX, &n_fds);
        if (n == -EAGAIN)
                return false;
        if (n < (ssize_t) sizeof(m)) {
                lose(c);
                return false;
        }
        memcpy(&m, packet, sizeof(m));
        packet[n] = 0;
        dispatch(c, &m, packet + sizeof(m), n_fds > 0 ? fds[0] : -EBADF);
        for (size_t i = 0; i < n_fds; i++)
                fd_close(fds[i]);
        return true;
}

static int send_packet(Recorder *c, const RecorderMessage *m, const void *data, size_t size)
{
        struct iovec iov[] = {{(void *) m, sizeof(*m)}, {(void *) data, size}};
        const struct msghdr message = {.msg_iov = iov, .msg_iovlen = size > 0 ? 2 : 1};
        ssize_t n;

        do
                n = sendmsg(helper_socket(c->helper), &message, MSG_NOSIGNAL);
        while (n < 0 && errno == EINTR);
        return n < 0 ? -errno : 0;
}

static void watch_room(Recorder *c)
{
        if (c->io)
                (void) sd_event_source_set_io_events(c->io, EPOLLIN | EPOLLOUT);
}

/* Sends limits and questions, which precede the data of recordings. False if the socket is full. */
static bool send_notes(Recorder *c)
{
        const RecorderMessage limits = {.type = RECORDER_LIMITS,
                                        .value = c->options.size_max,
                                        .total = c->options.total_max},
                              recover = {.type = RECORDER_RECOVER};

        if (c->limits_changed && send_packet(c, &limits, NULL, 0) == -EAGAIN)
                return false;
        c->limits_changed = false;
        if (c->recovers && send_packet(c, &recover, NULL, 0) == -EAGAIN)
                return false;
        c->recovers = false;
        LIST_FOREACH (RecorderQuestion, q, &c->questions, node) {
                if (q->sent)
                        continue;
                if (send_packet(c, &q->message, NULL, 0) == -EAGAIN)
                        return false;
                q->sent = true;
        }
        return true;
}

/* The target that has waited longest is first. One of them has a turn, or all until one waits again. */
static void call_ready(List *queue, bool all)
{
        size_t n = 0;

        LIST_FOREACH (RecorderTarget, t, queue, queue_node)
                n++;
        while (n-- > 0 && queue->first) {
                RecorderTarget *t = LIST_ENTRY(queue->first, RecorderTarget, queue_node);

                list_move(&t->queue, NULL, &t->queue_node);
                t->events->on_ready(t);
                if (!all && t->queue == queue)
                        break;
        }
}

static void send_ready(Recorder *c)
{
        (void) sd_event_source_set_io_events(c->io, EPOLLIN);
        if (send_notes(c))
                call_ready(&c->ready, false);
        if (!send_notes(c) || !list_is_empty(&c->ready))
                watch_room(c);
}

static int on_wake(sd_event_source *source, void *userdata)
{
        Recorder *c = userdata;

        /* There may be room for one user and not for another. */
        call_ready(&c->starved, true);
        return 0;
}

static int on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
        Recorder *c = userdata;

        for (unsigned i = 0; i < MESSAGES_IN_TURN && c->helper && read_message(c); i++)
                ;
        if (c->helper && (revents & EPOLLOUT))
                send_ready(c);
        return 0;
}

static void run_process(int socket, void *userdata)
{
        const Recorder *c = userdata;

        if (c->turn > 0)
                recorder_wait_turn(HELPER_FD, c->turn);
        recorder_process_run(socket, &c->options);
}

static int connect_helper(Recorder *c)
{
        HelperJob job = {.run = run_process, .userdata = c, .type = SOCK_SEQPACKET, .lasts = true};
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        _cleanup_close_ int order = -EBADF;
        int r;

        if (c->helper)
                return 0;
        c->turn = 0;
        order = recorder_take_turn(c->order, &c->turn);
        job.fd = MAX(order, 0);
        r = helper_new(c->helpers, &job, &c->helper, &refusal);
        if (r >= 0)
                r = sd_event_add_io(c->event, &c->io, helper_socket(c->helper), EPOLLIN, on_io, c);
        if (r < 0)
                disconnect(c);
        return r;
}

Recorder *recorder_new(sd_event *event, HelperPool *helpers, const RecordingStoreOptions *options,
                       const char *state_path)
{
        _cleanup_(recorder_freep) Recorder *c = calloc(1, sizeof(Recorder));

        if (!c)
                return NULL;
        *c = (Recorder){
                .event = event,
                .helpers = helpers,
                .options = *options,
                .path = strdup(options->path),
                .waiting = {.what = "bytes of recordings", .max = WAITING_MAX, .uid_max = WAITING_UID_MAX},
        };
        c->options.path = c->path;
        if (asprintf(&c->order, "%s/" ORDER_FILE, state_path) < 0)
                c->order = NULL;
        if (!c->path || !c->order || sd_event_add_defer(event, &c->wake, on_wake, c) < 0 ||
            sd_event_source_set_enabled(c->wake, SD_EVENT_OFF) < 0)
                return NULL;
        return TAKE_PTR(c);
}

/* The recorder takes no more, and execd ends all the same: a child sends the rest. */
static void leave_rest(Recorder *c)
{
        int fd = helper_socket(c->helper);

        if (fork() != 0)
                return;
        if ((fd > 3 && close_range(3, (unsigned) fd - 1, 0) < 0) ||
            close_range((unsigned) fd + 1, ~0U, 0) < 0 || fd_set_nonblock(fd, false) < 0)
                _exit(1);
        LIST_FOREACH (RecorderTarget, t, &c->targets, node)
                (void) t->events->on_leave(t);
        _exit(0);
}

static void leave_targets(Recorder *c)
{
        LIST_FOREACH (RecorderTarget, t, &c->targets, node)
                if (t->events->on_leave(t))
                        t->events->on_drop(t);
        if (c->helper && !list_is_empty(&c->targets))
                leave_rest(c);
        LIST_FOREACH (RecorderTarget, t, &c->targets, node)
                t->events->on_drop(t);
}

Recorder *recorder_free(Recorder *c)
{
        if (!c)
                return NULL;
        leave_targets(c);
        while (c->questions.first)
                question_answer(LIST_ENTRY(c->questions.first, RecorderQuestion, node), -ESHUTDOWN, -EBADF,
                                0);
        c->io = sd_event_source_disable_unref(c->io);
        if (c->helper)
                helper_wait(c->helper, LEAVE_USEC);
        disconnect(c);
        sd_event_source_disable_unref(c->wake);
        sd_event_source_disable_unref(c->recover);
        budget_done(&c->waiting);
        free(c->path);
        free(c->order);
        return mfree(c);
}

bool recorder_is_usable(const Recorder *c)
{
        return c->is_usable;
}

sd_event *recorder_event(const Recorder *c)
{
        return c->event;
}

const char *recorder_path(const Recorder *c)
{
        return c->path;
}

char *recorder_path_of(const Recorder *c, const char *id)
{
        char *path;

        return asprintf(&path, "%s/%s.cast", c->path, id) < 0 ? NULL : path;
}

void recorder_set_limits(Recorder *c, uint64_t size_max, uint64_t total_max)
{
        if (c->options.size_max == size_max && c->options.total_max == total_max)
                return;
        c->options.size_max = size_max;
        c->options.total_max = total_max;
        /* One that is not there yet has them from the beginning. */
        c->limits_changed = c->helper != NULL;
        if (c->helper && !send_notes(c))
                watch_room(c);
}

static int on_recover(sd_event_source *source, uint64_t usec, void *userdata)
{
        Recorder *c = userdata;

        c->recovers = connect_helper(c) >= 0;
        if (c->recovers && !send_notes(c))
                watch_room(c);
        return 0;
}

void recorder_recover(Recorder *c)
{
        (void) sd_event_add_time_relative(c->event, &c->recover, CLOCK_MONOTONIC, RECOVER_USEC, 0,
                                          on_recover, c);
}

void recorder_join(Recorder *c, RecorderTarget *t)
{
        t->ref = ++c->last_ref;
        list_append(&c->targets, &t->node);
}

void recorder_leave(Recorder *c, RecorderTarget *t)
{
        list_move(&t->queue, NULL, &t->queue_node);
        list_remove(&c->targets, &t->node);
}

int recorder_send(Recorder *c, RecorderTarget *t, RecorderMessage *m, const void *data, size_t size)
{
        int r;

        assert(size <= RECORDER_DATA_MAX);
        m->ref = t->ref;
        r = connect_helper(c);
        if (r >= 0)
                r = send_packet(c, m, data, size);
        if (r == -EAGAIN) {
                list_move(&t->queue, &c->ready, &t->queue_node);
                watch_room(c);
        }
        return r;
}

bool recorder_has_room(Recorder *c, RecorderTarget *t, uid_t uid)
{
        if (budget_room(&c->waiting, uid) >= RECORDER_DATA_MAX)
                return true;
        list_move(&t->queue, &c->starved, &t->queue_node);
        return false;
}

void recorder_take(Recorder *c, uid_t uid, size_t size)
{
        budget_force(&c->waiting, uid, size);
}

void recorder_give(Recorder *c, uid_t uid, size_t size)
{
        budget_give(&c->waiting, uid, size);
        if (!list_is_empty(&c->starved))
                (void) sd_event_source_set_enabled(c->wake, SD_EVENT_ONESHOT);
}

static int on_question_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
        question_answer(userdata, -ETIMEDOUT, -EBADF, 0);
        return 0;
}

int recorder_ask(Recorder *c, RecorderType type, const char *id, recorder_answer_t callback, void *userdata,
                 RecorderQuestion **ret)
{
        RecorderQuestion *q;
        int r;

        r = connect_helper(c);
        if (r < 0)
                return r;
        q = calloc(1, sizeof(RecorderQuestion));
        if (!q)
                return -ENOMEM;
        *q = (RecorderQuestion){
                .recorder = c,
                .message = {.type = type, .ref = ++c->last_ref},
                .callback = callback,
                .userdata = userdata,
        };
        snprintf(q->message.id, sizeof(q->message.id), "%s", id);
        list_append(&c->questions, &q->node);
        r = sd_event_add_time_relative(c->event, &q->timer, CLOCK_MONOTONIC, QUESTION_USEC, 0,
                                       on_question_timer, q);
        if (r < 0) {
                recorder_question_free(q);
                return r;
        }
        if (!send_notes(c))
                watch_room(c);
        *ret = q;
        return 0;
}
