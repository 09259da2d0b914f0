/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/fetch.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/time.h"

/* A server that sends nothing for this long has failed. */
#define STALL_USEC   (10 * USEC_PER_SEC)

#define COLLECT_SIZE (64 * 1024)

typedef struct Answer {
        int32_t error;
        uint64_t size;
} Answer;

struct Fetch {
        Helper *helper; /* owned */
        const FetchEvents *events;
        void *userdata;
        sd_event_source *io, *timer;
        bool answered, stalled;
};

Fetch *fetch_free(Fetch *f)
{
        if (!f)
                return NULL;
        f->io = sd_event_source_disable_unref(f->io);
        f->timer = sd_event_source_disable_unref(f->timer);
        f->helper = helper_free(f->helper);
        return mfree(f);
}

/* From now on something is to come. */
static int fetch_expect(Fetch *f)
{
        int r;

        r = sd_event_source_set_time_relative(f->timer, STALL_USEC);
        if (r >= 0)
                r = sd_event_source_set_enabled(f->timer, SD_EVENT_ONESHOT);
        if (r >= 0)
                r = sd_event_source_set_enabled(f->io, SD_EVENT_ON);
        return r;
}

static void fetch_rest(Fetch *f)
{
        (void) sd_event_source_set_enabled(f->timer, SD_EVENT_OFF);
        (void) sd_event_source_set_enabled(f->io, SD_EVENT_OFF);
}

/* The callback may free it. */
static void tell_answer(Fetch *f, int error, uint64_t size)
{
        f->answered = true;
        f->events->on_answer(f->userdata, error, size);
}

static int on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
        Fetch *f = userdata;
        Answer answer;
        ssize_t n;

        if (f->answered) {
                fetch_rest(f);
                f->events->on_data(f->userdata);
                return 0;
        }
        n = recv(fd, &answer, sizeof(answer), MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return 0;
        fetch_rest(f);
        if (n != sizeof(answer))
                tell_answer(f, -EIO, 0);
        else
                tell_answer(f, answer.error < 0 ? answer.error : 0, answer.size);
        return 0;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
        Fetch *f = userdata;

        fetch_rest(f);
        f->stalled = true;
        if (f->answered)
                f->events->on_data(f->userdata);
        else
                tell_answer(f, -ETIMEDOUT, 0);
        return 0;
}

int fetch_new(HelperPool *p, const FetchJob *job, const FetchEvents *events, void *userdata, Fetch **ret,
              Refusal *reterr)
{
        const HelperJob helper = {.run = job->run,
                                  .userdata = job->userdata,
                                  .type = SOCK_STREAM,
                                  .uid = job->uid,
                                  .fd = job->fd};
        _cleanup_(fetch_freep) Fetch *f = calloc(1, sizeof(Fetch));
        int r;

        if (!f)
                return -ENOMEM;
        f->events = events;
        f->userdata = userdata;
        r = helper_new(p, &helper, &f->helper, reterr);
        if (r >= 0)
                r = sd_event_add_io(p->event, &f->io, helper_socket(f->helper), EPOLLIN, on_io, f);
        if (r >= 0)
                r = sd_event_add_time_relative(p->event, &f->timer, CLOCK_MONOTONIC, STALL_USEC, 0, on_timer,
                                               f);
        if (r >= 0)
                r = fetch_expect(f);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(f);
        return 0;
}

ssize_t fetch_read(Fetch *f, void *data, size_t size)
{
        ssize_t n;
        int r;

        if (f->stalled)
                return -ETIMEDOUT;
        do
                n = recv(helper_socket(f->helper), data, size, MSG_DONTWAIT);
        while (n < 0 && errno == EINTR);
        if (n >= 0)
                return n;
        if (errno != EAGAIN)
                return -errno;
        r = fetch_expect(f);
        return r < 0 ? r : -EAGAIN;
}

int fetch_collect(Fetch *f, Buf *b, uint64_t size)
{
        while (buf_length(b) < size) {
                size_t piece = (size_t) MIN(size - buf_length(b), (uint64_t) COLLECT_SIZE);
                char *p = buf_reserve(b, piece);
                ssize_t n = p ? fetch_read(f, p, piece) : -ENOMEM;

                if (n <= 0)
                        return n == -EAGAIN ? 0 : n < 0 ? (int) n : -EIO;
                buf_commit(b, (size_t) n);
        }
        return 1;
}

void fetch_write(int socket, const void *data, size_t size)
{
        const char *p = data;

        while (size > 0) {
                ssize_t n = send(socket, p, size, MSG_NOSIGNAL);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        _exit(1);
                p += n;
                size -= (size_t) n;
        }
}

void fetch_answer(int socket, int error, uint64_t size)
{
        const Answer answer = {.error = error, .size = size};

        fetch_write(socket, &answer, sizeof(answer));
}
