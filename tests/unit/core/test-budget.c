/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The parts of a shared total that each user may take. */

#include "core/budget.h"
#include "core/peer.h"

#include <stdlib.h>

#include "../test.h"

static Budget make(uint64_t max, uint64_t uid_max)
{
        return (Budget){.what = "things",
                        .key = "ThingsMax",
                        .uid_key = "ThingsPerUserMax",
                        .max = max,
                        .uid_max = uid_max};
}

static void test_own_limit(void)
{
        _cleanup_(budget_done) Budget b = make(4096, 1024);
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;

        CHECK(budget_room(&b, 1000) == 1024);
        CHECK(!budget_take(&b, 1000, 1025) && budget_held(&b, 1000) == 0);
        CHECK(budget_take(&b, 1000, 1024) && b.used == 1024);
        CHECK(!budget_take(&b, 1000, 1));
        CHECK(budget_take(&b, 1000, 0));
        CHECK(budget_refuse(&b, 1000, REFUSAL_LIMIT, &refusal) < 0 && refusal.kind == REFUSAL_LIMIT);
        CHECK_TEXT("own", refusal.message,
                   "too many things of uid 1000: there are 1024, the limit is 1024 (ThingsPerUserMax=)");
        budget_give(&b, 1000, 24);
        CHECK(budget_room(&b, 1000) == 24 && b.used == 1000);
        budget_give(&b, 1000, 5000); /* never more than there is */
        CHECK(b.used == 0 && list_is_empty(&b.holders));
        budget_give(&b, 1000, 1);
        CHECK(b.used == 0);
}

/* Three take as much as they can; for the fourth, who has little, and for root something is left. */
static void test_reserves(void)
{
        _cleanup_(budget_done) Budget b = make(4096, 1024);
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;

        for (uid_t uid = 1; uid <= 3; uid++)
                CHECK(budget_take(&b, uid, 1024));
        CHECK(b.used == 3072);
        CHECK(budget_room(&b, 4) == 128 && budget_take(&b, 4, 128) && budget_room(&b, 4) == 0);
        CHECK(budget_refuse(&b, 4, REFUSAL_LIMIT, &refusal) < 0 && refusal.kind == REFUSAL_BUSY);
        CHECK_TEXT(
                "total", refusal.message,
                "too many things: there are 3200, the limit is 4096 (ThingsMax=), and the rest is reserved; "
                "try again");
        for (uid_t uid = 5; budget_take(&b, uid, 1); uid++)
                ;
        CHECK(b.used == 4096 - 4096 / 10);
        CHECK(budget_room(&b, 99) == 0 && budget_room(&b, 0) == 4096 / 10);
        CHECK(budget_take(&b, 0, 4096 / 10) && !budget_take(&b, 0, 1) && b.used == b.max);
        (void) budget_refuse(&b, 0, REFUSAL_LIMIT, &refusal);
        CHECK_TEXT("full", refusal.message,
                   "too many things: there are 4096, the limit is 4096 (ThingsMax=); try again");
        /* One who has much is let in again only when there is more than the reserve. */
        budget_give(&b, 0, 4096 / 10);
        budget_give(&b, 1, 600);
        CHECK(budget_room(&b, 1) == 0);
        budget_give(&b, 2, 1024);
        CHECK(budget_room(&b, 1) == 600 && b.used + 600 <= 3072);
}

static void test_limits_that_change(void)
{
        _cleanup_(budget_done) Budget b = make(2, 1024);

        CHECK(budget_take(&b, 0, 1) && budget_take(&b, 0, 1) && !budget_take(&b, 0, 1));
        budget_force(&b, 7, 5);
        CHECK(b.used == 7 && budget_room(&b, 0) == 0 && budget_room(&b, 7) == 0 && budget_room(&b, 8) == 0);
        b.max = 100;
        b.uid_max = 3;
        CHECK(budget_room(&b, 7) == 0 && budget_room(&b, 8) == 3);
        b.uid_max = 0;
        CHECK(budget_room(&b, 8) == 0 && budget_room(&b, 0) == 0);
}

/* Shares that are no user's are not called by a number. */
static void test_names(void)
{
        static const struct {
                uid_t uid;
                const char *text;
        } rows[] = {
                {PEER_SHARE_FOREIGN,
                 "too many things of callers in containers: there are 3, the limit is 3"},
                {PEER_SHARE_UNKNOWN,
                 "too many things of callers that the message bus has not identified: there are 3, the limit is 3"},
                {4294967293, "too many things of uid 4294967293: there are 3, the limit is 3"},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_(budget_done) Budget b = make(100, 3);
                _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;

                budget_force(&b, rows[i].uid, 3);
                (void) budget_refuse(&b, rows[i].uid, REFUSAL_BUSY, &refusal);
                CHECK_ROW(rows[i].text, strncmp(refusal.message, rows[i].text, strlen(rows[i].text)) == 0);
        }
}

int main(void)
{
        test_names();
        test_own_limit();
        test_reserves();
        test_limits_that_change();
        return test_finish("budget");
}
