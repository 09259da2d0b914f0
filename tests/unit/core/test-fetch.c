/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* core/fetch and core/helper: the data of a child arrives piece by piece, and a child that hangs is counted until it ends. */

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "core/fetch.h"
#include "unit/need.h"
#include "unit/test.h"

#define BIG (3 * 1024 * 1024)

typedef struct Seen {
        Fetch *fetch;
        unsigned n_answers;
        int error;
        uint64_t size;
        Buf data;
        int end; /* the result of fetch_collect() */
} Seen;

static sd_event *event;
static HelperPool *pool;

static void on_data(void *userdata)
{
        Seen *s = userdata;

        s->end = fetch_collect(s->fetch, &s->data, s->size);
}

static void on_answer(void *userdata, int error, uint64_t size)
{
        Seen *s = userdata;

        s->n_answers++;
        s->error = error;
        s->size = size;
        if (error >= 0)
                on_data(s);
}

static int begin(Seen *s, void (*run)(int, void *), uid_t uid, int fd, Refusal *reterr)
{
        static const FetchEvents events = {.on_answer = on_answer, .on_data = on_data};
        const FetchJob job = {.run = run, .userdata = (void *) "text", .uid = uid, .fd = fd};

        *s = (Seen){0};
        return fetch_new(pool, &job, &events, s, &s->fetch, reterr);
}

static void seen_done(Seen *s)
{
        s->fetch = fetch_free(s->fetch);
        buf_done(&s->data);
}

#define LOOP_UNTIL(condition) \
        while (!(condition))  \
        NEED(sd_event_run(event, 60 * 1000000) > 0)

static void give_text(int socket, void *text)
{
        fetch_answer(socket, 0, strlen(text));
        fetch_write(socket, text, strlen(text));
}

/* More than the socket holds. */
static void give_much(int socket, void *text)
{
        static char piece[BIG];

        memset(piece, 'x', sizeof(piece));
        fetch_answer(socket, 0, sizeof(piece));
        fetch_write(socket, piece, sizeof(piece));
}

static void give_less(int socket, void *text)
{
        fetch_answer(socket, 0, 100);
        fetch_write(socket, text, 4);
}

static void give_error(int socket, void *text)
{
        fetch_answer(socket, -ENOENT, 0);
}

static void give_nothing(int socket, void *text)
{
}

/* Nothing else of ours is open there. */
static void give_fds(int socket, void *text)
{
        char found[8] = "";

        NEED(read(HELPER_FD, found, sizeof(found)) == 3);
        for (int fd = 5; fd < 100; fd++)
                if (fcntl(fd, F_GETFD) >= 0)
                        strcpy(found, "bad");
        give_text(socket, found);
}

static void hang(int socket, void *text)
{
        for (;;)
                pause();
}

static void test_answers(void)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        int ends[2];
        Seen s;

        NEED(begin(&s, give_text, 1, 0, &refusal) == 0);
        LOOP_UNTIL(s.end != 0);
        CHECK(s.end == 1 && s.size == 4 && memcmp(buf_head(&s.data), "text", 4) == 0 && s.n_answers == 1);
        seen_done(&s);

        NEED(begin(&s, give_much, 1, 0, &refusal) == 0);
        LOOP_UNTIL(s.end != 0);
        CHECK(s.end == 1 && buf_length(&s.data) == BIG && buf_head(&s.data)[BIG - 1] == 'x');
        seen_done(&s);

        NEED(begin(&s, give_less, 1, 0, &refusal) == 0);
        LOOP_UNTIL(s.end != 0);
        CHECK(s.end == -EIO && buf_length(&s.data) == 4);
        seen_done(&s);

        NEED(begin(&s, give_error, 1, 0, &refusal) == 0);
        LOOP_UNTIL(s.n_answers > 0);
        CHECK(s.error == -ENOENT);
        seen_done(&s);

        NEED(begin(&s, give_nothing, 1, 0, &refusal) == 0);
        LOOP_UNTIL(s.n_answers > 0);
        CHECK(s.error == -EIO);
        seen_done(&s);

        NEED(pipe(ends) == 0 && write(ends[1], "abc", 3) == 3);
        NEED(begin(&s, give_fds, 1, ends[0], &refusal) == 0);
        LOOP_UNTIL(s.end != 0);
        CHECK(s.end == 1 && memcmp(buf_head(&s.data), "abc", 3) == 0);
        seen_done(&s);
        close(ends[0]);
        close(ends[1]);
}

/* Each user has a share, and what was given up counts until it has ended. */
static void test_shares(void)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        Seen s[HELPERS_PER_UID_MAX], more;

        for (size_t i = 0; i < ELEMENTSOF(s); i++)
                NEED(begin(&s[i], hang, 1000, 0, &refusal) == 0);
        CHECK(begin(&more, hang, 1000, 0, &refusal) < 0 && refusal.kind == REFUSAL_BUSY);
        CHECK(begin(&more, give_text, 1001, 0, &refusal) == 0);
        LOOP_UNTIL(more.end != 0);
        CHECK(more.end == 1);
        seen_done(&more);
        for (size_t i = 0; i < ELEMENTSOF(s); i++)
                seen_done(&s[i]);
        LOOP_UNTIL(list_is_empty(&pool->leftovers));
        CHECK(pool->budget.used == 0 && begin(&more, give_text, 1000, 0, &refusal) == 0);
        seen_done(&more);
}

int main(void)
{
        if (sd_event_new(&event) < 0 || !(pool = helper_pool_new(event)))
                return 1;
        test_answers();
        test_shares();
        helper_pool_free(pool);
        sd_event_unref(event);
        return test_finish("fetch");
}
