/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* core/journal-reader: how often each user may have the journal searched, and execs that are known not to be in it. */

#include "core/journal-reader.h"

#include <stdio.h>

#include "base/time.h"
#include "unit/test.h"

#define PER_USER 20
#define IN_ALL   40

static uint64_t second(void)
{
        return now_usec(CLOCK_MONOTONIC) / USEC_PER_SEC;
}

static unsigned search(JournalReader *r, uid_t uid, unsigned n)
{
        unsigned done = 0;

        for (unsigned i = 0; i < n; i++) {
                _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;

                if (journal_may_search(r, uid, &refusal) >= 0)
                        done++;
                else
                        CHECK(refusal.kind == REFUSAL_BUSY &&
                              strstr(refusal.message, "searches in the journal"));
        }
        return done;
}

static void test_shares(void)
{
        _cleanup_(journal_reader_done) JournalReader r = {0};
        unsigned first, others;
        uint64_t began;

        /* All of it in one second. */
        do {
                journal_reader_done(&r);
                r = (JournalReader){0};
                began = second();
                first = search(&r, 1000, IN_ALL);
                others = search(&r, 1001, 1) + search(&r, 1001, IN_ALL) + search(&r, 1002, IN_ALL);
        } while (second() != began);
        CHECK(first == PER_USER);
        CHECK(others > 0 && first + others <= IN_ALL && r.searches.used == first + others);
        /* Each second has its own. */
        r.second = 0;
        CHECK(search(&r, 1000, 1) == 1 && r.searches.used == 1);
}

static void make_id(char id[static EXEC_ID_SIZE], unsigned i)
{
        snprintf(id, EXEC_ID_SIZE, "%064x", i);
}

static void test_unknown(void)
{
        JournalReader r = {0};
        char id[EXEC_ID_SIZE];

        make_id(id, 0);
        CHECK(!journal_is_unknown(&r, id));
        CHECK(!journal_is_unknown(&r, "")); /* a place that holds none */
        /* The oldest gives way. */
        for (unsigned i = 0; i <= JOURNAL_UNKNOWN_MAX; i++) {
                make_id(id, i);
                journal_set_unknown(&r, id);
                CHECK(journal_is_unknown(&r, id));
        }
        make_id(id, 0);
        CHECK(!journal_is_unknown(&r, id));
        make_id(id, 1);
        CHECK(journal_is_unknown(&r, id));
        /* One that is written meanwhile is found soon. */
        for (unsigned i = 0; i < JOURNAL_UNKNOWN_MAX; i++)
                r.unknown[i].until = now_usec(CLOCK_MONOTONIC);
        CHECK(!journal_is_unknown(&r, id));
}

int main(void)
{
        test_shares();
        test_unknown();
        return test_finish("journal-reader");
}
