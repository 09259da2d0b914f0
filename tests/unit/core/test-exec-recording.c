/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* core/exec-recording: whether an exec is recorded, as the request and execd.conf have it, and what is in the
 * file. */

#include <fcntl.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "core/exec-internal.h"
#include "core/exec-output.h"
#include "core/exec-recording.h"
#include "unit/core/world.h"

static void test_decide(World *w)
{
        static const struct {
                const char *row;
                RecordMode mode;
                bool wanted, with_fds, refused, recorded;
        } rows[] = {
                {"off, not wanted", RECORD_OFF, false, false, false, false},
                {"off, wanted", RECORD_OFF, true, false, true, true},
                {"off, not wanted, with fds", RECORD_OFF, false, true, false, false},
                {"on request, not wanted", RECORD_REQUESTED, false, false, false, false},
                {"on request, wanted", RECORD_REQUESTED, true, false, false, true},
                {"on request, wanted, with fds", RECORD_REQUESTED, true, true, true, true},
                {"always", RECORD_ALWAYS, false, false, false, true},
                {"always, with fds", RECORD_ALWAYS, false, true, true, false},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
                ExecRequest q = {.record = rows[i].wanted};
                int r;

                w->manager.config.record = rows[i].mode;
                r = exec_recording_decide(&w->manager.exec_env, &q, rows[i].with_fds, &refusal);
                CHECK_ROW(rows[i].row, (r < 0) == rows[i].refused);
                CHECK_ROW(rows[i].row, q.record == rows[i].recorded);
                CHECK_ROW(rows[i].row, r >= 0 || refusal.message);
        }
        w->manager.config.record = RECORD_REQUESTED;
}

/* A recording that the request asks for must be possible; one that the configuration asks for need not be. */
static void test_probe(World *w)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        ExecRequest asked = {.record = true}, not_asked = {0};

        w->manager.config.record = RECORD_ALWAYS;
        CHECK(exec_recording_decide(&w->manager.exec_env, &asked, false, &refusal) == 1);
        CHECK(exec_recording_decide(&w->manager.exec_env, &not_asked, false, &refusal) == 0);
        w->manager.config.record = RECORD_REQUESTED;
        CHECK(exec_recording_probed(&w->manager.exec_env, 0, &refusal) == 0);
        CHECK(exec_recording_probed(&w->manager.exec_env, -EROFS, &refusal) < 0);
        CHECK(refusal.kind == REFUSAL_UNAVAILABLE && strstr(refusal.message, "Record: failed to write"));
}

static Exec *recorded(World *w, bool tty)
{
        ExecRequest *q = world_request("sh", NULL);
        Exec *e = NULL;

        q->record = true;
        q->tty = tty;
        NEED(exec_new(&w->manager.exec_env, w->container, w->root, q, NULL, &e) >= 0);
        NEED(exec_stream(e));
        e->state = EXEC_RUNNING;
        return e;
}

static char text[8192];

static void on_opened(void *userdata, int error, int fd, uint64_t size)
{
        int *ret = userdata;
        ssize_t n;

        *ret = error < 0 ? error : 1;
        n = error < 0 ? 0 : pread(fd, text, sizeof(text) - 1, 0);
        NEED(n >= 0);
        text[n] = 0;
}

/* 1, or the error. */
static int read_recording(World *w, Exec *e)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        RecorderQuestion *q = NULL;
        int answer = 0, r;

        r = exec_recording_open(e, on_opened, &answer, &q, &refusal);
        if (r < 0)
                return r;
        WORLD_UNTIL(w, answer != 0);
        return answer < 0 ? exec_recording_opened(e, answer, &refusal) : answer;
}

static void test_whole(World *w)
{
        Exec *e = recorded(w, true);

        e->start_size = (ConsoleSize){.set = true, .rows = 50, .columns = 132};
        exec_recording_begin(e);
        CHECK(e->recording && e->recording_path && exec_recording_has_room(e));
        exec_recording_output(e, FRAME_STDOUT, "hello", 5);
        exec_recording_resize(e, 10, 20);
        CHECK(read_recording(w, e) == 1);
        CHECK(strstr(text, "132") && strstr(text, "50") && strstr(text, "web"));
        CHECK(strstr(text, "hello") && strstr(text, "\"r\", \"20x10\""));
        e->state = EXEC_DRAINING;
        e->output_ended = true;
        exec_advance(e);
        /* Its end waits for the file. */
        CHECK(e->state == EXEC_DRAINING && e->recording);
        WORLD_UNTIL(w, e->state == EXEC_EXITED);
        CHECK(!e->recording && read_recording(w, e) == 1 && !strstr(text, "interrupted"));
        exec_unref(e);
}

/* execd leaves: it goes on with the next one, or it says that it is not whole. */
static void test_execd_leaves(World *w)
{
        Exec *stays = recorded(w, false), *goes = recorded(w, false);

        exec_recording_begin(stays);
        exec_recording_begin(goes);
        stays->persistence = EXEC_STORED;
        exec_recording_end(stays);
        exec_recording_end(goes);
        CHECK(read_recording(w, stays) == 1 && !strstr(text, "interrupted"));
        CHECK(read_recording(w, goes) == 1 && strstr(text, "interrupted"));
        stays->persistence = EXEC_RESTORED;
        exec_recording_resume(stays);
        CHECK(stays->recording != NULL);
        exec_recording_output(stays, FRAME_STDOUT, "again", 5);
        CHECK(read_recording(w, stays) == 1 && strstr(text, "again"));
        stays->state = EXEC_DRAINING;
        exec_set_state(stays, EXEC_EXITED);
        exec_unref(stays);
        exec_unref(goes);
}

/* The command runs all the same, and it is on record that there is none. */
static void test_cannot_be_written(World *w)
{
        Exec *e = recorded(w, false);
        char name[256];

        while (*world_record(w))
                ;
        snprintf(name, sizeof(name), "%s/recordings/%s.cast.partial", w->dir, e->id);
        NEED(mkdir(name, 0700) == 0);
        exec_recording_begin(e);
        WORLD_UNTIL(w, !e->recording_path);
        CHECK(world_find_record(w, "is no longer recorded because its file could not be created"));
        CHECK(exec_recording_has_room(e) && read_recording(w, e) < 0);
        exec_recording_output(e, FRAME_STDOUT, "x", 1);
        exec_unref(e);
}

int main(void)
{
        _cleanup_(world_freep) World *w = world_new();

        test_decide(w);
        test_probe(w);
        test_whole(w);
        test_execd_leaves(w);
        test_cannot_be_written(w);
        return test_finish("exec-recording");
}
