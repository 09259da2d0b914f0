/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* core/polkit: whose turn it is to ask, what counts as asked, and that a callback comes once or never. The
 * test is polkit. */

#include "core/polkit.h"
#include "unit/core/world.h"

typedef struct Answer {
        unsigned n;
        PolkitOutcome outcome;
        bool yes;
} Answer;

static void on_answer(void *userdata, PolkitOutcome outcome, sd_bus_message *reply)
{
        Answer *a = userdata;
        int yes = 0;

        a->n++;
        a->outcome = outcome;
        if (outcome == POLKIT_ANSWERED && !sd_bus_message_is_method_error(reply, NULL))
                NEED(sd_bus_message_enter_container(reply, 'r', "bba{ss}") > 0 &&
                     sd_bus_message_read(reply, "b", &yes) > 0);
        a->yes = yes;
}

static PolkitQuestion *new_question(World *w)
{
        PolkitQuestion *q;
        sd_bus_message *call;
        const char *id;

        NEED(polkit_question_new(w->manager.polkit, &q, &call, &id) >= 0);
        NEED(sd_bus_message_append(call, "s", id) >= 0);
        return q;
}

/* 0, or a refusal of this kind. */
static RefusalKind ask(World *w, uid_t uid, uint64_t wait_usec, uint64_t answer_usec, Answer *a,
                       PolkitQuestion **ret)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        const PolkitOptions o = {uid, wait_usec, answer_usec, on_answer, a};
        PolkitQuestion *q = new_question(w);

        *a = (Answer){0};
        if (polkit_question_ask(q, &o, &refusal) < 0) {
                polkit_question_free(q);
                return refusal.kind;
        }
        if (ret)
                *ret = q;
        return REFUSAL_NONE;
}

#define LONG (100 * USEC_PER_SEC)

/* The newest question; the world keeps only that one. */
static sd_bus_message *take_question(World *w)
{
        WORLD_UNTIL(w, w->question);
        return TAKE_PTR(w->question);
}

static void judge(sd_bus_message *question, bool yes)
{
        NEED(sd_bus_reply_method_return(question, "(bba{ss})", yes, false, 0) >= 0);
        sd_bus_message_unref(question);
}

static void test_answers(World *w)
{
        sd_bus_message *sent;
        Answer a;

        NEED(ask(w, 1000, LONG, LONG, &a, NULL) == REFUSAL_NONE);
        sent = take_question(w);
        NEED(sd_bus_reply_method_errorf(sent, SD_BUS_ERROR_FAILED, "no") >= 0);
        sd_bus_message_unref(sent);
        WORLD_UNTIL(w, a.n > 0);
        CHECK(a.n == 1 && a.outcome == POLKIT_ANSWERED && !a.yes);
        CHECK(w->manager.authz_budget.used == 0);
}

/* Each uid has some under way, its others wait in their order, and no uid waits for another one's. */
static void test_turns(World *w)
{
        sd_bus_message *sent[3];
        Answer a[4], other;

        w->manager.authz_budget.uid_max = 2;
        for (size_t i = 0; i < 4; i++) {
                NEED(ask(w, 1000, LONG, LONG, &a[i], NULL) == REFUSAL_NONE);
                if (i < 2)
                        sent[i] = take_question(w);
        }
        world_settle(w);
        CHECK(!w->question && w->manager.authz_budget.used == 2);
        NEED(ask(w, 1001, LONG, LONG, &other, NULL) == REFUSAL_NONE);
        judge(take_question(w), true);
        WORLD_UNTIL(w, other.n == 1);
        CHECK(!w->question && a[0].n + a[1].n + a[2].n + a[3].n == 0);
        /* The one that came first is the next. */
        judge(sent[1], true);
        WORLD_UNTIL(w, a[1].n == 1);
        sent[2] = take_question(w);
        CHECK(a[0].n == 0 && a[2].n == 0 && w->manager.authz_budget.used == 2);
        judge(sent[2], true);
        WORLD_UNTIL(w, a[2].n == 1);
        CHECK(a[3].n == 0);
        judge(take_question(w), true);
        WORLD_UNTIL(w, a[3].n == 1);
        judge(sent[0], true);
        WORLD_UNTIL(w, a[0].n == 1);
        CHECK(w->manager.authz_budget.used == 0);
        w->manager.authz_budget.uid_max = AUTHZ_PER_UID_MAX;
}

/* The bus counts a call until it is answered, whatever became of whoever asked. */
static void test_given_up(World *w)
{
        sd_bus_message *sent;
        unsigned cancelled = w->n_cancelled;
        PolkitQuestion *first, *second;
        Answer a, b, c;

        w->manager.authz_budget.uid_max = 1;
        NEED(ask(w, 1000, LONG, LONG, &a, &first) == REFUSAL_NONE);
        sent = take_question(w);
        NEED(ask(w, 1000, LONG, LONG, &b, &second) == REFUSAL_NONE);
        NEED(ask(w, 1000, LONG, LONG, &c, NULL) == REFUSAL_NONE);
        polkit_question_free(first);
        WORLD_UNTIL(w, w->n_cancelled == cancelled + 1);
        world_settle(w);
        CHECK(w->manager.authz_budget.used == 1 && !w->question);
        /* One that waits has cost nothing yet. */
        polkit_question_free(second);
        world_settle(w);
        CHECK(w->n_cancelled == cancelled + 1);
        judge(sent, true);
        sent = take_question(w);
        CHECK(a.n == 0 && b.n == 0 && w->manager.authz_budget.used == 1);
        judge(sent, true);
        WORLD_UNTIL(w, c.n == 1);
        CHECK(c.yes && a.n == 0 && b.n == 0 && w->manager.authz_budget.used == 0);
        w->manager.authz_budget.uid_max = AUTHZ_PER_UID_MAX;
}

static void test_late(World *w)
{
        sd_bus_message *sent;
        Answer asked, waiting;

        w->manager.authz_budget.uid_max = 1;
        NEED(ask(w, 1000, LONG, 1000, &asked, NULL) == REFUSAL_NONE);
        NEED(ask(w, 1000, 1000, LONG, &waiting, NULL) == REFUSAL_NONE);
        sent = take_question(w);
        WORLD_UNTIL(w, asked.n > 0 && waiting.n > 0);
        CHECK(asked.outcome == POLKIT_LATE && waiting.outcome == POLKIT_NOT_ASKED);
        CHECK(w->manager.authz_budget.used == 1);
        /* A late yes is none. */
        judge(sent, true);
        WORLD_UNTIL(w, w->manager.authz_budget.used == 0);
        world_settle(w);
        CHECK(asked.n == 1 && waiting.n == 1 && !w->question);
        w->manager.authz_budget.uid_max = AUTHZ_PER_UID_MAX;
}

/* A user who asks without end gets an error, and only this user; questions open at the end are never answered. */
static void test_too_many(World *w)
{
        static Answer a[40], other;
        sd_bus_message *sent;
        size_t n = 0;

        w->manager.authz_budget.uid_max = 1;
        while (n < ELEMENTSOF(a) && ask(w, 1000, LONG, LONG, &a[n], NULL) == REFUSAL_NONE)
                n++;
        CHECK(n == 17 && ask(w, 1000, LONG, LONG, &a[n], NULL) == REFUSAL_BUSY);
        sent = take_question(w);
        CHECK(ask(w, 1001, LONG, LONG, &other, NULL) == REFUSAL_NONE);
        WORLD_UNTIL(w, w->question);
        CHECK(w->manager.authz_budget.used == 2);
        w->manager.polkit = polkit_free(w->manager.polkit);
        CHECK(w->manager.authz_budget.used == 0);
        world_settle(w);
        for (size_t i = 0; i < n; i++)
                CHECK(a[i].n == 0);
        CHECK(other.n == 0);
        sd_bus_message_unref(sent);
}

int main(void)
{
        _cleanup_(world_freep) World *w = world_new();

        world_open_bus(w);
        test_answers(w);
        test_turns(w);
        test_given_up(w);
        test_late(w);
        test_too_many(w);
        return test_finish("polkit");
}
