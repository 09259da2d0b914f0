/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One ring for all readers: the events that each of them gets, and a slow reader. */

#include "core/event-log.h"

#include <stdio.h>
#include <stdlib.h>

#include "../test.h"

typedef struct Reader {
        EventReader reader;
        unsigned n_told;
} Reader;

static void on_new(EventReader *r)
{
        LIST_ENTRY(r, Reader, reader)->n_told++;
}

static void add(EventLog *l, unsigned number)
{
        char action[32];

        snprintf(action, sizeof(action), "action %u", number);
        event_log_add(l, action, "id", (char *[]){(char *) "name=web", NULL});
}

/* Reads all that there is and checks that it goes on as it should. Returns the number after the last. */
static unsigned read_from(EventLog *l, Reader *r, unsigned next)
{
        const Event *e;
        bool lost;

        while ((e = event_log_next(l, &r->reader, &lost))) {
                char action[32];

                snprintf(action, sizeof(action), "action %u", next++);
                CHECK_TEXT("event", e->action, action);
        }
        CHECK(!lost);
        return next;
}

static void test_readers(void)
{
        _cleanup_(event_log_freep) EventLog *l = event_log_new();
        Reader early = {.reader.on_new = on_new}, late = early, slow = early;
        bool lost;

        CHECK(l);
        event_log_join(l, &slow.reader, true);
        for (unsigned i = 0; i < 10; i++)
                add(l, i);
        CHECK(slow.n_told == 10);
        event_log_join(l, &early.reader, true);
        event_log_join(l, &late.reader, false);
        CHECK(read_from(l, &early, 0) == 10 && read_from(l, &late, 10) == 10);
        for (unsigned i = 10; i < EVENT_LOG_SIZE; i++)
                add(l, i);
        CHECK(read_from(l, &early, 10) == EVENT_LOG_SIZE && read_from(l, &late, 10) == EVENT_LOG_SIZE);
        /* The oldest is still there, and then it is not. */
        CHECK(event_log_next(l, &slow.reader, &lost) && !lost);
        add(l, EVENT_LOG_SIZE);
        CHECK(event_log_next(l, &slow.reader, &lost) && !lost);
        for (unsigned i = 0; i < 3; i++)
                add(l, EVENT_LOG_SIZE + 1 + i);
        CHECK(!event_log_next(l, &slow.reader, &lost) && lost);
        CHECK(!event_log_next(l, &slow.reader, &lost) && lost);
        event_log_leave(l, &slow.reader);
        CHECK(read_from(l, &early, EVENT_LOG_SIZE) == EVENT_LOG_SIZE + 4);
        event_log_leave(l, &early.reader);
        event_log_leave(l, &late.reader);
}

/* Large events take the place of many. */
static void test_bytes(void)
{
        _cleanup_(event_log_freep) EventLog *l = event_log_new();
        Reader r = {.reader.on_new = on_new};
        unsigned count = 0;
        char *large;
        bool lost;

        large = malloc(EVENT_LOG_BYTES + 1);
        CHECK(l && large);
        memset(large, 'x', EVENT_LOG_BYTES);
        large[EVENT_LOG_BYTES] = 0;
        event_log_add(l, large, "id", (char *[]){NULL});
        event_log_join(l, &r.reader, true);
        CHECK(!event_log_next(l, &r.reader, &lost) && !lost);
        event_log_leave(l, &r.reader);
        large[EVENT_LOG_BYTES / 10] = 0;
        for (unsigned i = 0; i < 50; i++)
                event_log_add(l, large, "id", (char *[]){(char *) "a=b", NULL});
        event_log_join(l, &r.reader, true);
        while (event_log_next(l, &r.reader, &lost))
                count++;
        CHECK(count == 9 && !lost);
        event_log_leave(l, &r.reader);
        free(large);
}

int main(void)
{
        test_readers();
        test_bytes();
        return test_finish("event-log");
}
