/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* spawner/leader-wait: each request that waits is called once, in its turn, or never if it was canceled. */

#include "spawner/leader-wait.h"

#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "unit/need.h"
#include "unit/test.h"

typedef struct World {
        sd_event *event;
        LeaderWaits waits;
        LeaderWait wait[4];
        char called[16];
        unsigned n_told;
        LeaderWait *to_cancel; /* by whoever is called next */
} World;

static World *world; /* of the callback that ends the list */

static void on_told(LeaderWaits *l)
{
        NEED(l == &world->waits);
        world->n_told++;
        leader_waits_done(l);
}

static void on_wait(void *userdata)
{
        LeaderWait *w = *(LeaderWait **) userdata;
        size_t n = strlen(world->called);

        NEED(n + 1 < sizeof(world->called));
        /* It may wait again, or be freed. */
        CHECK(!w->waits);
        world->called[n] = (char) ('0' + (w - world->wait));
        if (world->to_cancel)
                leader_wait_cancel(world->to_cancel);
        world->to_cancel = NULL;
}

static LeaderWait *self[4];

static int add(World *w, size_t i, Refusal *reterr)
{
        self[i] = &w->wait[i];
        return leader_wait(&w->waits, &w->wait[i], on_wait, &self[i], reterr);
}

static void begin(World *w, unsigned max)
{
        *w = (World){.waits = {.max = max, .what = "the test", .on_told = on_told}};
        world = w;
        NEED(sd_event_new(&w->event) >= 0 && leader_waits_init(&w->waits, w->event) >= 0);
}

static void finish(World *w)
{
        while (sd_event_run(w->event, 0) > 0)
                ;
        sd_event_unref(w->event);
}

static void test_turns(void)
{
        World w;

        begin(&w, 10);
        for (size_t i = 0; i < 3; i++)
                NEED(add(&w, i, NULL) == 0);
        NEED(sd_event_run(w.event, 0) == 0); /* nothing was read yet */
        leader_waits_tell(&w.waits);
        for (size_t i = 1; i <= 3; i++) {
                NEED(sd_event_run(w.event, 0) > 0);
                CHECK(strlen(w.called) == i && w.n_told == 0);
        }
        NEED(sd_event_run(w.event, 0) > 0);
        CHECK_TEXT("in their order", w.called, "012");
        CHECK(w.n_told == 1 && w.waits.n == 0);
        finish(&w);
        CHECK(w.n_told == 1);
}

static int on_other(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
        bool *is_served = userdata;

        *is_served = true;
        return sd_event_source_set_enabled(source, SD_EVENT_OFF);
}

/* An event that becomes ready meanwhile does not wait for all of them. */
static void test_others_between(void)
{
        sd_event_source *other = NULL;
        bool is_served = false;
        int pipe_fds[2];
        World w;

        begin(&w, 10);
        for (size_t i = 0; i < 4; i++)
                NEED(add(&w, i, NULL) == 0);
        leader_waits_tell(&w.waits);
        NEED(sd_event_run(w.event, 0) > 0 && strcmp(w.called, "0") == 0);
        NEED(pipe(pipe_fds) == 0 && write(pipe_fds[1], "", 1) == 1);
        NEED(sd_event_add_io(w.event, &other, pipe_fds[0], EPOLLIN, on_other, &is_served) >= 0);
        for (size_t i = 0; i < 3; i++)
                NEED(sd_event_run(w.event, 0) > 0);
        CHECK(is_served && strcmp(w.called, "012") == 0);
        finish(&w);
        CHECK_TEXT("all", w.called, "0123");
        sd_event_source_unref(other);
        close(pipe_fds[0]);
        close(pipe_fds[1]);
}

/* Its client may go before, or while another one is answered. */
static void test_cancelled(void)
{
        World w;

        begin(&w, 10);
        for (size_t i = 0; i < 4; i++)
                NEED(add(&w, i, NULL) == 0);
        leader_wait_cancel(&w.wait[1]);
        leader_wait_cancel(&w.wait[1]);
        CHECK(w.waits.n == 3);
        w.to_cancel = &w.wait[2];
        leader_waits_tell(&w.waits);
        finish(&w);
        CHECK_TEXT("the others", w.called, "03");
        CHECK(w.n_told == 1);
}

static void test_bounds(void)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        World w;

        begin(&w, 2);
        NEED(add(&w, 0, NULL) == 0 && add(&w, 1, NULL) == 0);
        CHECK(add(&w, 2, &refusal) < 0 && refusal.kind == REFUSAL_UNAVAILABLE);
        CHECK_TEXT("it says what", refusal.message, "too many requests wait for the test (limit 2)");
        leader_wait_cancel(&w.wait[0]);
        CHECK(add(&w, 2, &refusal) == 0);
        CHECK(leader_wait(NULL, &w.wait[3], on_wait, NULL, &refusal) == -ESTALE);
        /* A wait that is pending when the list goes gets no callback. */
        leader_waits_done(&w.waits);
        CHECK(!w.wait[1].waits && !w.wait[2].waits);
        leader_wait_cancel(&w.wait[1]);
        finish(&w);
        CHECK(!*w.called && w.n_told == 0);
}

/* No request waits any longer: it ends all the same. */
static void test_nobody(void)
{
        World w;

        begin(&w, 2);
        leader_waits_tell(&w.waits);
        finish(&w);
        CHECK(w.n_told == 1);
}

int main(void)
{
        test_turns();
        test_others_between();
        test_cancelled();
        test_bounds();
        test_nobody();
        return test_finish("leader-wait");
}
