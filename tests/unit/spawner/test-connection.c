/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* spawner/connection: a request waits for the table of containers and is answered once, and ends with its connection.
 * The test takes the place of the providers. */

#include "spawner/connection.h"

#include "unit/bus-pair.h"
#include "unit/test.h"
#include "wire/spawner-protocol.h"

#define CALLS_MAX 4

typedef struct Row {
        const char *name;
        int results[CALLS_MAX]; /* of each call of the method */
        RefusalKind kind;       /* with each error; REFUSAL_NONE: a fault */
        int refresh_error;      /* of the providers */
        unsigned n_calls, n_refreshes, n_later;
        const char *error, *text; /* the answer; NULL: a return */
} Row;

typedef struct World {
        sd_event *event;
        Spawner spawner;
        sd_bus *client;
        const Row *row;
        unsigned n_calls, n_refreshes, n_later, n_cancelled, n_closed;
        bool was_fresh[CALLS_MAX];
        ProvidersRefreshed waiting; /* of a request, with its userdata below */
        void *userdata;
        sd_bus_message *answer; /* owned */
} World;

static World w;

static int wait_for_providers(ProvidersRefreshed callback, void *userdata)
{
        if (w.row && w.row->refresh_error < 0)
                return w.row->refresh_error;
        NEED(!w.waiting);
        w.waiting = callback;
        w.userdata = userdata;
        return 0;
}

int __wrap_providers_refresh(Providers *a, ProvidersRefreshed callback, void *userdata);
int __wrap_providers_refresh(Providers *a, ProvidersRefreshed callback, void *userdata)
{
        w.n_refreshes++;
        return wait_for_providers(callback, userdata);
}

int __wrap_providers_refresh_later(Providers *a, ProvidersRefreshed callback, void *userdata);
int __wrap_providers_refresh_later(Providers *a, ProvidersRefreshed callback, void *userdata)
{
        w.n_later++;
        return wait_for_providers(callback, userdata);
}

void __wrap_providers_cancel(Providers *a, void *userdata);
void __wrap_providers_cancel(Providers *a, void *userdata)
{
        w.n_cancelled++;
        if (w.waiting && w.userdata == userdata)
                w.waiting = NULL;
}

static int do_ask(Connection *c, sd_bus_message *m, bool fresh, Refusal *reterr)
{
        const char *text;
        int r;

        NEED(w.n_calls < CALLS_MAX);
        w.was_fresh[w.n_calls] = fresh;
        r = w.row->results[w.n_calls++];
        /* Each call reads the message from its beginning. */
        NEED(sd_bus_message_read(m, "s", &text) > 0 && same_text(text, w.row->name));
        if (r < 0 && w.row->kind != REFUSAL_NONE)
                return refuse(reterr, w.row->kind, -r, "attempt %u", w.n_calls);
        return r < 0 ? r : sd_bus_reply_method_return(m, NULL);
}

static int on_ask(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        request_answer(userdata, m, do_ask, false);
        return 1;
}

static const sd_bus_vtable methods[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("Ask", "s", "", on_ask, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

static void on_closed(Spawner *s)
{
        NEED(s == &w.spawner && list_is_empty(&s->connections));
        w.n_closed++;
}

static int on_answer(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        NEED(!w.answer);
        w.answer = sd_bus_message_ref(m);
        return 1;
}

static void turn(void)
{
        NEED(sd_event_run(w.event, UINT64_MAX) >= 0);
}

static void open_world(void)
{
        int ends[2];

        w = (World){.event = w.event};
        w.spawner.event = w.event;
        bus_socket(ends);
        NEED(connection_new(&w.spawner, ends[0], methods, on_closed) == 0);
        w.client = bus_connect(ends[1], w.event);
}

static Connection *connection(void)
{
        return LIST_ENTRY(w.spawner.connections.first, Connection, node);
}

/* The peer disconnects. */
static void close_world(void)
{
        w.client = sd_bus_close_unref(w.client);
        while (w.n_closed == 0)
                turn();
        CHECK(!w.waiting);
        w.answer = sd_bus_message_unref(w.answer);
}

static void ask(const Row *row)
{
        w.row = row;
        w.n_calls = w.n_refreshes = w.n_later = 0;
        w.answer = sd_bus_message_unref(w.answer);
        NEED(sd_bus_call_method_async(w.client, NULL, NULL, SPAWNER_PATH, SPAWNER_INTERFACE, "Ask",
                                      on_answer, NULL, "s", row->name) >= 0);
}

static void test_answers(void)
{
        static const Row rows[] = {
                {.name = "at once", .n_calls = 1},
                {.name = "stale", .results = {-ESTALE}, .n_calls = 2, .n_refreshes = 1},
                {.name = "stale for good",
                 .results = {-ESTALE, -ESTALE},
                 .n_calls = 2,
                 .n_refreshes = 1,
                 .error = "Internal",
                 .text = "Stale file handle"},
                {.name = "refused while stale",
                 .results = {-ESTALE, -ESRCH},
                 .kind = REFUSAL_NOT_RUNNING,
                 .n_calls = 2,
                 .n_refreshes = 1,
                 .error = "NotRunning",
                 .text = "attempt 2"},
                {.name = "no refresh",
                 .results = {-ESTALE},
                 .refresh_error = -ENOMEM,
                 .n_calls = 1,
                 .n_refreshes = 1,
                 .error = "Internal",
                 .text = "Cannot allocate memory"},
                {.name = "starting",
                 .results = {-EAGAIN, -EAGAIN},
                 .kind = REFUSAL_NOT_RUNNING,
                 .n_calls = 3,
                 .n_later = 2},
                {.name = "slow",
                 .results = {-EAGAIN},
                 .kind = REFUSAL_UNAVAILABLE,
                 .n_calls = 2,
                 .n_later = 1},
                {.name = "never started",
                 .results = {-EAGAIN},
                 .kind = REFUSAL_NOT_RUNNING,
                 .refresh_error = -EAGAIN,
                 .n_calls = 1,
                 .n_later = 1,
                 .error = "NotRunning",
                 .text = "attempt 1"},
                {.name = "a limit",
                 .results = {-EAGAIN},
                 .kind = REFUSAL_LIMIT,
                 .n_calls = 1,
                 .error = "LimitExceeded",
                 .text = "attempt 1"},
                {.name = "a fault",
                 .results = {-EIO},
                 .n_calls = 1,
                 .error = "Internal",
                 .text = "Input/output error"},
        };

        open_world();
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                const Row *row = &rows[i];
                const sd_bus_error *e;

                ask(row);
                while (!w.answer) {
                        if (!w.waiting)
                                turn();
                        else
                                TAKE_PTR(w.waiting)(w.userdata);
                }
                e = sd_bus_message_get_error(w.answer);
                CHECK_ROW(row->name, w.n_calls == row->n_calls);
                CHECK_ROW(row->name, w.n_refreshes == row->n_refreshes && w.n_later == row->n_later);
                CHECK_ROW(row->name, !w.was_fresh[0]);
                for (unsigned k = 1; k < w.n_calls; k++)
                        CHECK_ROW(row->name, w.was_fresh[k]);
                CHECK_TEXT(row->name, e ? e->name + strlen(REFUSAL_ERROR_PREFIX) : NULL, row->error);
                CHECK_TEXT(row->name, e ? e->message : NULL, row->text);
        }
        CHECK(list_is_empty(&connection()->jobs) && w.n_cancelled == 0);
        close_world();
}

/* The waiting request of a peer is cancelled when the peer disconnects. */
static void test_gone(void)
{
        static const Row row = {.name = "stale", .results = {-ESTALE}};

        open_world();
        ask(&row);
        while (!w.waiting)
                turn();
        CHECK(!list_is_empty(&connection()->jobs));
        close_world();
        CHECK(w.n_calls == 1 && w.n_cancelled == 1);
}

typedef struct Job {
        ConnectionJob job;
        unsigned n_cancelled;
} Job;

static void cancel(ConnectionJob *j)
{
        ((Job *) j)->n_cancelled++;
        connection_remove_job(j);
}

static void test_jobs(void)
{
        Job jobs[3] = {0};

        open_world();
        connection_remove_job(&jobs[0].job); /* it was not added */
        for (size_t i = 0; i < ELEMENTSOF(jobs); i++)
                connection_add_job(connection(), &jobs[i].job, cancel);
        connection_remove_job(&jobs[1].job);
        connection_remove_job(&jobs[1].job);
        close_world();
        CHECK(jobs[0].n_cancelled == 1 && jobs[1].n_cancelled == 0 && jobs[2].n_cancelled == 1);
        CHECK(!jobs[0].job.connection);
}

int main(void)
{
        NEED(sd_event_new(&w.event) >= 0);
        test_answers();
        test_gone();
        test_jobs();
        sd_event_unref(w.event);
        return test_finish("connection");
}
