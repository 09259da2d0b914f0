/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* core/exec-output: the charge for the buffer of an exec, and the command after its client has
 * gone. */

#include <signal.h>

#include "core/exec-internal.h"
#include "core/exec-output.h"
#include "unit/core/world.h"

static Exec *make(World *w, OnDisconnect on_disconnect)
{
        ExecRequest *q = world_request("sh", NULL);
        Exec *e = NULL;

        q->on_disconnect = on_disconnect;
        NEED(exec_new(&w->manager.exec_env, w->container, w->root, q, NULL, &e) >= 0);
        return e;
}

/* No exec is refused for the memory of buffers: they become smaller. */
static void test_ring_charge(World *w)
{
        Budget *b = &w->manager.outputs_budget;
        const uint64_t before_max = b->max, before_uid_max = b->uid_max, size = 256 * 1024;
        Exec *e[3];

        w->manager.config.output_buffer_size = size;
        b->max = 10 * size;
        b->uid_max = size + size / 2;
        for (size_t i = 0; i < ELEMENTSOF(e); i++) {
                e[i] = make(w, ON_DISCONNECT_KEEP);
                NEED(exec_stream(e[i]));
                /* Once. */
                CHECK(exec_stream(e[i]) == e[i]->stream);
                CHECK(e[i]->ring_charge == (i == 0 ? size : OUTPUT_RING_SMALL));
                CHECK(stream_output_ring(e[i]->stream)->limit == e[i]->ring_charge);
        }
        CHECK(b->used == size + 2 * OUTPUT_RING_SMALL);
        for (size_t i = 0; i < ELEMENTSOF(e); i++)
                exec_unref(e[i]);
        CHECK(b->used == 0);
        b->max = before_max;
        b->uid_max = before_uid_max;
        w->manager.config.output_buffer_size = OUTPUT_BUFFER_SIZE;
}

/* The client may go before there is a command to be signaled, and after it: it is signaled once, while it
 * runs. */
static void test_disconnect(World *w)
{
        static const struct {
                const char *row;
                OnDisconnect on_disconnect;
                ExecState state;
                const char *call; /* NULL: none */
                bool waits;       /* for a command */
        } rows[] = {
                {"keep", ON_DISCONNECT_KEEP, EXEC_RUNNING, NULL, false},
                {"hangup", ON_DISCONNECT_HANGUP, EXEC_RUNNING, " 1\n", false},
                {"kill", ON_DISCONNECT_KILL, EXEC_RUNNING, " 9 all\n", false},
                {"before the start", ON_DISCONNECT_KILL, EXEC_STARTING, NULL, true},
                {"after the end", ON_DISCONNECT_KILL, EXEC_DRAINING, NULL, true},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                Exec *e = make(w, rows[i].on_disconnect);

                w->calls[0] = 0;
                e->pidfd = dup(w->listener); /* the spawner looks at it, and that is the test */
                e->state = rows[i].state;
                e->client_gone = true;
                exec_apply_disconnect(e);
                exec_apply_disconnect(e);
                if (rows[i].call)
                        WORLD_UNTIL(w, world_was_called(w, "Kill"));
                world_settle(w);
                CHECK_ROW(rows[i].row, world_count_calls(w, "Kill") == (rows[i].call ? 1 : 0));
                CHECK_ROW(rows[i].row, !rows[i].call || strstr(w->calls, rows[i].call));
                CHECK_ROW(rows[i].row, e->client_gone == rows[i].waits);
                exec_unref(e);
        }
}

/* The caller is only watched if it matters. */
static void test_follow_caller(World *w)
{
        Exec *kept = make(w, ON_DISCONNECT_KEEP), *killed = make(w, ON_DISCONNECT_KILL);

        CHECK(exec_follow_caller(kept, ":1.7", false) >= 0 && !kept->caller);
        CHECK(exec_follow_caller(killed, ":1.7", false) >= 0 && !killed->caller);
        world_open_bus(w);
        CHECK(exec_follow_caller(kept, ":1.7", false) >= 0 && !kept->caller);
        CHECK(exec_follow_caller(killed, ":1.7", false) >= 0 && killed->caller);
        exec_unref(kept);
        exec_unref(killed);
}

int main(void)
{
        _cleanup_(world_freep) World *w = world_new();

        test_ring_charge(w);
        test_disconnect(w);
        test_follow_caller(w);
        return test_finish("exec-output");
}
