/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* core/recording and core/recorder: the output that reaches the file, and the commands that wait while it does not. For a
 * disk that hangs, the recorder waits for an earlier one, which is this test. */

#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>

#include "base/fd.h"
#include "base/time.h"
#include "core/recorder-turn.h"
#include "core/recording.h"
#include "unit/need.h"
#include "unit/test.h"

#define ID_A        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define ID_B        "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define INTERRUPTED "\"m\", \"recording interrupted\"]\n"
#define PIECE       (32 * 1024)
#define FILL_MAX    2000
#define FILE_MAX    (64 * 1024 * 1024)

typedef struct Seen {
        Recording *recording;
        unsigned n_over, n_room, n_closed;
        bool exists;
        char why[256];
} Seen;

static char dir[64], casts[128], turns[128];
static sd_event *event;
static HelperPool *pool;
static Recorder *recorder;

static void on_over(void *userdata, bool exists, const char *why)
{
        Seen *s = userdata;

        s->n_over++;
        s->exists = exists;
        snprintf(s->why, sizeof(s->why), "%s", why);
}

static void on_room(void *userdata)
{
        ((Seen *) userdata)->n_room++;
}

static void on_closed(void *userdata)
{
        Seen *s = userdata;

        s->n_closed++;
        s->recording = NULL;
}

static const RecordingEvents events = {.on_over = on_over, .on_room = on_room, .on_closed = on_closed};

/* There are no notifications about acts of another process. */
#define LOOP_UNTIL(condition)                                                  \
        do {                                                                   \
                uint64_t end_ = now_usec(CLOCK_MONOTONIC) + 60 * USEC_PER_SEC; \
                while (!(condition) && now_usec(CLOCK_MONOTONIC) < end_)       \
                        NEED(sd_event_run(event, 100 * USEC_PER_MSEC) >= 0);   \
                NEED(condition);                                               \
        } while (0)

static void start_recorder(const char *path)
{
        recorder = recorder_new(event, pool, &(RecordingStoreOptions){.path = path}, dir);
        NEED(recorder);
}

static void stop_recorder(void)
{
        recorder = recorder_free(recorder);
}

/* Until this is closed, a recorder writes nothing. */
static int hang_disk(void)
{
        uint64_t turn;
        int fd = recorder_take_turn(turns, &turn);

        NEED(fd >= 0);
        return fd;
}

static void begin(Seen *s, const char *id, unsigned uid)
{
        const CastHeader header = {
                .columns = 80, .rows = 24, .exec_id = id, .container = "web", .caller_uid = uid};

        *s = (Seen){0};
        NEED(recording_new(recorder, &header, &events, s, &s->recording) == 0);
}

static char *content(const char *id, const char *suffix)
{
        char path[256], *text = NULL;

        snprintf(path, sizeof(path), "%s/%s%s", casts, id, suffix);
        return file_read_at(AT_FDCWD, path, FILE_MAX, &text, NULL) < 0 ? NULL : text;
}

static bool has(const char *id, const char *suffix, const char *what)
{
        _cleanup_free_ char *text = content(id, suffix);

        return text && strstr(text, what);
}

static void forget(const char *id)
{
        char path[256];

        snprintf(path, sizeof(path), "%s/%s.cast", casts, id);
        (void) unlink(path);
}

static void output(Seen *s, const char *text)
{
        recording_output(s->recording, FRAME_STDOUT, text, strlen(text));
}

static void test_whole(void)
{
        Seen s;

        start_recorder(casts);
        begin(&s, ID_A, 0);
        output(&s, "one\xc3");
        recording_output(s.recording, FRAME_STDERR, "err\n", 4);
        output(&s, "\xa9\n");
        recording_resize(s.recording, 100, 30);
        CHECK(recording_has_room(s.recording));
        /* It is written after a moment. */
        LOOP_UNTIL(has(ID_A, ".cast.partial", "100x30"));
        output(&s, "\xe2\x82");
        recording_end(s.recording, false);
        CHECK(recording_is_ending(s.recording));
        LOOP_UNTIL(s.n_closed > 0);
        CHECK(has(ID_A, ".cast", "\"o\", \"one\"]\n") && has(ID_A, ".cast", "\"o\", \"err\\r\\n\"]\n"));
        CHECK(has(ID_A, ".cast", "\"o\", \"\xc3\xa9\\r\\n\"]\n") && has(ID_A, ".cast", "\xef\xbf\xbd"));
        CHECK(s.n_over == 0 && s.n_room == 0 && !has(ID_A, ".cast.partial", ""));
        begin(&s, ID_B, 0);
        recording_end(s.recording, true);
        recording_forget(s.recording);
        LOOP_UNTIL(has(ID_B, ".cast", INTERRUPTED));
        CHECK(s.n_closed == 0);
        stop_recorder();
        forget(ID_A);
        forget(ID_B);
}

/* As much as there is room for: numbered pieces, from *n on. */
static void fill(Seen *s, unsigned *n)
{
        static char piece[PIECE];

        for (unsigned i = 0; i < FILL_MAX && recording_has_room(s->recording); i++) {
                memset(piece, 'x', sizeof(piece));
                NEED(snprintf(piece, sizeof(piece), "%u:", (*n)++) > 0);
                recording_output(s->recording, FRAME_STDOUT, piece, sizeof(piece));
        }
}

static void check_pieces(const char *id, unsigned n)
{
        _cleanup_free_ char *text = content(id, ".cast");
        const char *p = text;
        char number[32];

        NEED(text);
        for (unsigned i = 0; i < n && p; i++) {
                snprintf(number, sizeof(number), "\"%u:", i);
                p = strstr(p, number);
        }
        CHECK(p && !strstr(text, "\"m\""));
}

/* Commands whose recordings are full wait, and are woken when there is room. Nothing is left out. */
static void test_hanging(void)
{
        int disk = hang_disk();
        unsigned n = 0, at_first;
        Seen s, little;

        start_recorder(casts);
        begin(&s, ID_A, 0);
        fill(&s, &n);
        at_first = n;
        CHECK(n > 0 && (uint64_t) n * PIECE < 1024 * 1024);
        begin(&little, ID_B, 1000);
        CHECK(recording_has_room(little.recording));
        output(&little, "little");
        /* Its end does not wait for ever. */
        recording_end(little.recording, false);
        LOOP_UNTIL(little.n_closed > 0);
        CHECK(s.n_room == 0 && s.n_over == 0 && !recording_has_room(s.recording) && n == at_first);
        CHECK(!content(ID_B, ".cast.partial"));

        fd_close(disk);
        while (n < 500) {
                unsigned before = s.n_room;

                fill(&s, &n);
                LOOP_UNTIL(s.n_room > before);
        }
        recording_end(s.recording, false);
        LOOP_UNTIL(s.n_closed > 0);
        check_pieces(ID_A, n);
        CHECK(has(ID_B, ".cast", "little"));
        stop_recorder();
        forget(ID_A);
        forget(ID_B);
}

/* The memory of many recordings of one user is bounded, and others have room. */
static void test_memory(void)
{
        enum { MANY = 300 };
        static Seen many[MANY];
        int disk = hang_disk();
        size_t pieces = 0;
        unsigned n;
        Seen other;
        char id[RECORDING_ID_SIZE];

        start_recorder(casts);
        for (unsigned i = 0; i < MANY; i++) {
                snprintf(id, sizeof(id), "%064u", i);
                begin(&many[i], id, 1000);
                n = 0;
                fill(&many[i], &n);
                pieces += n;
                NEED(pieces * PIECE < 10 * 1024 * 1024); /* without a bound, all memory would be used */
        }
        CHECK(!recording_has_room(many[MANY - 1].recording));
        begin(&other, ID_B, 1001);
        CHECK(recording_has_room(other.recording));
        fd_close(disk);
        for (unsigned i = 0; i < MANY; i++) {
                LOOP_UNTIL(many[i].n_room > 0);
                recording_end(many[i].recording, false);
        }
        recording_end(other.recording, false);
        for (unsigned i = 0; i < MANY; i++) {
                LOOP_UNTIL(many[i].n_closed > 0);
                forget(many[i].recording ? "" : (snprintf(id, sizeof(id), "%064u", i), id));
        }
        LOOP_UNTIL(other.n_closed > 0);
        stop_recorder();
        forget(ID_B);
}

/* execd ends while the disk hangs: what it has gets there, and what the next one has comes after it. */
static void test_execds(void)
{
        int disk = hang_disk();
        unsigned n = 0;
        Seen s;

        start_recorder(casts);
        begin(&s, ID_A, 0);
        fill(&s, &n);
        recording_suspend(s.recording);
        stop_recorder();
        for (unsigned i = 0; i < 2; i++) {
                start_recorder(casts);
                s = (Seen){0};
                NEED(recording_resume(recorder, ID_A, 0, false, now_usec(CLOCK_MONOTONIC), &events, &s,
                                      &s.recording) == 0);
                fill(&s, &n);
                if (i == 0) {
                        recording_suspend(s.recording);
                        stop_recorder();
                }
        }
        fd_close(disk);
        recording_end(s.recording, false);
        LOOP_UNTIL(has(ID_A, ".cast", ""));
        CHECK(s.n_over == 0);
        check_pieces(ID_A, n);
        stop_recorder();
        forget(ID_A);
}

static void on_answer(void *userdata, int error, int fd, uint64_t size)
{
        int *ret = userdata;

        *ret = error < 0 ? error : (int) size + 1;
        NEED(error < 0 || size == 0 || fd >= 0);
}

static int ask(RecorderType type, const char *id)
{
        RecorderQuestion *q;
        int answer = 0;

        NEED(recorder_ask(recorder, type, id, on_answer, &answer, &q) == 0);
        LOOP_UNTIL(answer != 0);
        return answer;
}

static void test_questions(void)
{
        RecorderQuestion *q;
        int answer = 0;
        Seen s;

        start_recorder(casts);
        CHECK(!recorder_is_usable(recorder) && ask(RECORDER_PROBE, "") == 1 && recorder_is_usable(recorder));
        CHECK(ask(RECORDER_OPEN, ID_A) == -ENOENT);
        begin(&s, ID_A, 0);
        output(&s, "so far");
        recording_flush(s.recording);
        CHECK(ask(RECORDER_OPEN, ID_A) > 100 && has(ID_A, ".cast.partial", "so far"));
        /* Given up. */
        NEED(recorder_ask(recorder, RECORDER_OPEN, ID_A, on_answer, &answer, &q) == 0);
        recorder_question_free(q);
        recording_end(s.recording, false);
        LOOP_UNTIL(s.n_closed > 0);
        CHECK(answer == 0 && ask(RECORDER_OPEN, ID_A) > 100);
        stop_recorder();
        forget(ID_A);
}

/* The command does not wait, and the reason is logged. */
static void test_no_directory(void)
{
        unsigned n = 0;
        Seen s;

        start_recorder("/nonexistent/x");
        CHECK(ask(RECORDER_PROBE, "") == -ENOENT && !recorder_is_usable(recorder));
        begin(&s, ID_A, 0);
        LOOP_UNTIL(s.n_over > 0);
        CHECK(!s.exists && strstr(s.why, "could not be created (No such file or directory)"));
        CHECK(recording_has_room(s.recording));
        output(&s, "x");
        recording_end(s.recording, false);
        LOOP_UNTIL(s.n_closed > 0);
        NEED(recording_resume(recorder, ID_B, 0, false, 0, &events, &s, &s.recording) == 0);
        n = s.n_over;
        LOOP_UNTIL(s.n_over > n);
        CHECK(s.exists && strstr(s.why, "could not be reopened"));
        recording_end(s.recording, false);
        recording_forget(s.recording);
        stop_recorder();
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
        return remove(path);
}

int main(void)
{
        const char *base = getenv("TMPDIR");

        snprintf(dir, sizeof(dir), "%.30s/test-recording-XXXXXX", base && *base ? base : "/tmp");
        NEED(mkdtemp(dir) && sd_event_new(&event) >= 0 && (pool = helper_pool_new(event)));
        snprintf(casts, sizeof(casts), "%s/casts", dir);
        snprintf(turns, sizeof(turns), "%s/recorders", dir);
        test_whole();
        test_hanging();
        test_memory();
        test_execds();
        test_questions();
        test_no_directory();
        helper_pool_free(pool);
        sd_event_unref(event);
        (void) nftw(dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
        return test_finish("recording");
}
