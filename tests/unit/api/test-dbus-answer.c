/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* api/dbus-answer: bytes of answers are their caller's until the bus has them. The bus is the other end of a
 * socket, which reads when the test wants it to. */

#include "api/dbus-answer.h"

#include <systemd/sd-event.h>

#include "base/time.h"
#include "unit/bus-pair.h"
#include "unit/test.h"

#define MIB (1024 * 1024)

static sd_event *event;
static sd_bus *ours, *theirs;
static Budget budget = {.what = "bytes", .max = 64 * MIB, .uid_max = 24 * MIB};

static void connect_buses(void)
{
        int ends[2];

        NEED(sd_event_new(&event) >= 0);
        bus_socket(ends);
        theirs = bus_serve(ends[0], NULL, NULL, NULL);
        ours = bus_connect(ends[1], event);
        bus_greet(ours, theirs, event);
}

static uint64_t queued(void)
{
        uint64_t n = 0;

        NEED(sd_bus_get_n_queued_write(ours, &n) >= 0);
        return n;
}

static void read_all(void)
{
        while (queued() > 0) {
                NEED(sd_bus_process(theirs, NULL) >= 0);
                NEED(sd_event_run(event, 1000) >= 0);
        }
        while (sd_bus_process(theirs, NULL) > 0)
                ;
        while (sd_event_run(event, 0) > 0)
                ;
}

/* All of it is read at once, as far as one can tell, which says nothing of the callers. */
static void test_rate(DbusAnswers *a, uint64_t now)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;

        for (size_t i = 0; i < DBUS_ANSWERS_AT_ONCE / MIB; i++) {
                CHECK(dbus_answers_take(a, 7, MIB, now, &refusal) == 1);
                dbus_answers_sent(a, 7, MIB);
        }
        CHECK(dbus_answers_take(a, 7, 1000, now, &refusal) < 0 && refusal.kind == REFUSAL_BUSY);
        CHECK(strstr(refusal.message, "33554432") && strstr(refusal.message, "try again"));
        CHECK(dbus_answers_take(a, 7, MIB, now + 1 * USEC_PER_SEC, &refusal) < 0);
        CHECK(dbus_answers_take(a, 7, MIB, now + 5 * USEC_PER_SEC, &refusal) == 1);
        dbus_answers_sent(a, 7, MIB);

        CHECK(dbus_answers_take(a, 8, MIB, now, &refusal) == 1);
        dbus_answers_sent(a, 8, MIB);
        for (size_t i = 0; i < 2 * DBUS_ANSWERS_AT_ONCE / MIB; i++) {
                CHECK(dbus_answers_take(a, 0, MIB, now, &refusal) == 1);
                dbus_answers_sent(a, 0, MIB);
        }
}

int main(void)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT, large = REFUSAL_INIT;
        uint64_t now = 1000 * USEC_PER_SEC;
        DbusAnswers *a;

        connect_buses();
        NEED(dbus_answers_new(ours, &budget, &a) >= 0);

        /* The charge for a message that the bus takes at once is returned at once. */
        CHECK(dbus_answers_take(a, 7, 1000, now, &refusal) == 1 && budget_held(&budget, 7) == 1000);
        bus_send_bytes(ours, 1000);
        dbus_answers_sent(a, 7, 1000);
        CHECK(queued() == 0 && budget.used == 0);

        CHECK(dbus_answers_take(a, 7, DBUS_ANSWER_MAX + 1, now, &large) < 0 &&
              large.kind == REFUSAL_TOO_LARGE);
        CHECK(strstr(large.message, "16777216") && strstr(large.message, "ListExecsFiltered"));

        /* A bus that does not read. The first message is more than the buffers of a socket take. */
        bus_send_bytes(ours, 32 * MIB);
        for (size_t i = 0; i < 3; i++) {
                CHECK(dbus_answers_take(a, 7, 8 * MIB, now, &refusal) == 1);
                bus_send_bytes(ours, 8 * MIB);
                dbus_answers_sent(a, 7, 8 * MIB);
        }
        CHECK(queued() > 0 && budget_held(&budget, 7) == 24 * MIB);
        CHECK(dbus_answers_take(a, 7, 1000, now, &refusal) < 0 && refusal.kind == REFUSAL_BUSY);
        CHECK(dbus_answers_take(a, 8, 1000, now, &refusal) == 1);
        dbus_answers_sent(a, 8, 1000);

        read_all();
        CHECK(budget.used == 0);
        now += 1000 * USEC_PER_SEC;
        CHECK(dbus_answers_take(a, 7, 8 * MIB, now, &refusal) == 1);
        dbus_answers_sent(a, 7, 8 * MIB);

        /* A small one is always given to who has used up all otherwise, while the bus takes it. */
        budget_force(&budget, 7, 24 * MIB);
        CHECK(dbus_answers_take(a, 7, 1000, now, &refusal) == 0);
        CHECK(dbus_answers_take(a, 7, MIB, now, &refusal) < 0);
        budget_give(&budget, 7, 24 * MIB);

        test_rate(a, now += 1000 * USEC_PER_SEC);
        now += 1000 * USEC_PER_SEC;

        /* The end with answers under way. */
        CHECK(dbus_answers_take(a, 7, 8 * MIB, now, &refusal) == 1);
        bus_send_bytes(ours, 32 * MIB);
        dbus_answers_sent(a, 7, 8 * MIB);
        CHECK(budget.used == 8 * MIB);
        dbus_answers_free(a);
        CHECK(budget.used == 0);

        sd_bus_detach_event(ours);
        sd_bus_close_unref(ours);
        sd_bus_close_unref(theirs);
        sd_event_unref(event);
        budget_done(&budget);
        return test_finish("dbus-answer");
}
