/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* core/recording and core/recording-store on a real directory: names, bounds, what is told when something
 * does not fit, and what a crash leaves behind. */

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/time.h"
#include "core/recording.h"
#include "unit/test.h"

#define ID_A        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define ID_B        "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define ID_C        "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
#define MARKER      "\"m\", \"recording truncated\"]\n"
#define INTERRUPTED "\"m\", \"recording interrupted\"]\n"
#define FILE_64     (1024 * 1024 * 64)

static char dir[64];
static int dir_fd;
static sd_event *event;
static unsigned n_told;
static char told[256];

static void on_truncated(void *userdata, const char *why)
{
        n_told++;
        snprintf(told, sizeof(told), "%s", why);
}

static void store_free(RecordingStore *s)
{
        recordings_close(s);
        recording_store_free(s);
}

static RecordingStore *store_new(uint64_t size_max, uint64_t total_max)
{
        const RecordingStoreOptions o = {.path = dir, .size_max = size_max, .total_max = total_max};
        RecordingStore *s = recording_store_new(event, &o);

        CHECK(s && recording_store_open(s) == 0);
        n_told = 0;
        return s;
}

static Recording *begin_for(RecordingStore *s, const char *id, unsigned uid)
{
        const CastHeader header = {
                .columns = 80, .rows = 24, .exec_id = id, .container = "web", .caller_uid = uid};
        Recording *r = NULL;

        CHECK(recording_new(s, &header, on_truncated, NULL, &r) == 0);
        return r;
}

static Recording *begin(RecordingStore *s, const char *id)
{
        return begin_for(s, id, 0);
}

/* The file, or NULL when there is none. */
static char *content(const char *id, const char *suffix)
{
        char name[128], *text = NULL;

        snprintf(name, sizeof(name), "%s%s", id, suffix);
        return file_read_at(dir_fd, name, FILE_64, &text, NULL) < 0 ? NULL : text;
}

static bool exists(const char *id, const char *suffix)
{
        _cleanup_free_ char *text = content(id, suffix);

        return text;
}

static bool ends_with(const char *text, const char *end)
{
        size_t n = text ? strlen(text) : 0;

        return n >= strlen(end) && strcmp(text + n - strlen(end), end) == 0;
}

static void clean(void)
{
        static const char *const ids[] = {ID_A, ID_B, ID_C}, *const suffixes[] = {".cast", ".cast.partial"};
        char name[128];

        for (size_t i = 0; i < ELEMENTSOF(ids); i++)
                for (size_t k = 0; k < ELEMENTSOF(suffixes); k++) {
                        snprintf(name, sizeof(name), "%s%s", ids[i], suffixes[k]);
                        (void) unlinkat(dir_fd, name, 0);
                }
}

static void test_whole(void)
{
        RecordingStore *s = store_new(0, 0);
        Recording *r = begin(s, ID_A);
        _cleanup_free_ char *text = NULL;
        struct stat st;
        int fd;

        recording_output(r, FRAME_STDOUT, "one\xc3", 4);
        recording_output(r, FRAME_STDERR, "err\n", 4);
        recording_output(r, FRAME_STDOUT, "\xa9\n", 2);
        recording_resize(r, 100, 30);
        CHECK(exists(ID_A, ".cast.partial") && !exists(ID_A, ".cast"));
        CHECK(recording_read(s, ID_A, &fd) == 0);
        CHECK(write(fd, "x", 1) < 0);
        fd_close(fd);
        recording_end(r, false);

        text = content(ID_A, ".cast");
        CHECK(text && !exists(ID_A, ".cast.partial"));
        CHECK(text && strstr(text, "\"o\", \"one\"]\n") && strstr(text, "\"o\", \"err\\r\\n\"]\n"));
        CHECK(ends_with(text, "\"r\", \"100x30\"]\n") && strstr(text, "\"o\", \"\xc3\xa9\\r\\n\"]\n"));
        CHECK(fstatat(dir_fd, ID_A ".cast", &st, AT_SYMLINK_NOFOLLOW) == 0 && (st.st_mode & 07777) == 0600);
        CHECK(n_told == 0 && s->bytes.used == (uint64_t) st.st_size && s->files.used == 1);
        CHECK(recording_read(s, ID_B, &fd) == -ENOENT);
        store_free(s);
        clean();
}

static void test_flush(void)
{
        RecordingStore *s = store_new(0, 0);
        Recording *r = begin(s, ID_A);
        _cleanup_free_ char *text = content(ID_A, ".cast.partial");
        uint64_t header = r->written;
        int fd;

        CHECK(header > 0 && ends_with(text, "}\n"));
        recording_output(r, FRAME_STDOUT, "soon", 4);
        CHECK(r->written == header);
        for (uint64_t end = now_usec(CLOCK_MONOTONIC) + 60 * USEC_PER_SEC;
             r->written == header && now_usec(CLOCK_MONOTONIC) < end;)
                (void) sd_event_run(event, 100000);
        free(text);
        text = content(ID_A, ".cast.partial");
        CHECK(ends_with(text, "\"soon\"]\n"));
        /* Who reads it need not wait. */
        recording_output(r, FRAME_STDOUT, "now", 3);
        CHECK(recording_read(s, ID_A, &fd) == 0);
        fd_close(fd);
        free(text);
        text = content(ID_A, ".cast.partial");
        CHECK(ends_with(text, "\"now\"]\n"));
        /* Nothing was ended: execd leaves. */
        recording_end(r, true);
        free(text);
        text = content(ID_A, ".cast");
        CHECK(ends_with(text, INTERRUPTED));
        store_free(s);
        clean();
}

static void put_much(Recording *r, size_t size)
{
        static char piece[32 * 1024];

        memset(piece, 'x', sizeof(piece));
        for (; size >= sizeof(piece); size -= sizeof(piece))
                recording_output(r, FRAME_STDOUT, piece, sizeof(piece));
}

static void test_size_max(void)
{
        const uint64_t max = 300 * 1024;
        RecordingStore *s = store_new(max, 0);
        Recording *r = begin(s, ID_A);
        _cleanup_free_ char *text = NULL;

        put_much(r, 8 * 1024 * 1024);
        CHECK(n_told == 1 && strstr(told, "limit of 307200 bytes"));
        CHECK(buf_length(&r->buffer) <= RECORDING_BUFFER_MAX);
        recording_resize(r, 1, 1);
        recording_end(r, false);
        text = content(ID_A, ".cast");
        CHECK(text && strlen(text) <= max && strlen(text) > max / 2);
        CHECK(ends_with(text, MARKER));
        store_free(s);
        clean();
}

/* The disk is let alone: what comes meanwhile is kept up to a bound, and then no more. */
static void test_buffer_max(void)
{
        RecordingStore *s = store_new(0, 0);
        Recording *r = begin(s, ID_A);
        uint64_t header = r->written;
        _cleanup_free_ char *text = NULL;

        r->rests_until = now_usec(CLOCK_MONOTONIC) + 2 * USEC_PER_SEC;
        put_much(r, 16 * 1024 * 1024);
        CHECK(r->written == header && n_told == 1 && strstr(told, "too slow"));
        CHECK(buf_length(&r->buffer) < RECORDING_BUFFER_MAX + 64 * 1024);
        recording_end(r, false);
        CHECK(exists(ID_A, ".cast.partial") && !list_is_empty(&s->open));
        for (uint64_t end = now_usec(CLOCK_MONOTONIC) + 60 * USEC_PER_SEC;
             !list_is_empty(&s->open) && now_usec(CLOCK_MONOTONIC) < end;)
                (void) sd_event_run(event, 100000);
        text = content(ID_A, ".cast");
        CHECK(ends_with(text, MARKER));
        store_free(s);
        clean();
}

/* As a full disk, which takes part of a line. */
static void test_write_error(void)
{
        RecordingStore *s = store_new(0, 0);
        Recording *r = begin(s, ID_A);
        struct rlimit old, small = {.rlim_cur = 150 * 1024};
        _cleanup_free_ char *text = NULL;

        CHECK(getrlimit(RLIMIT_FSIZE, &old) == 0);
        small.rlim_max = old.rlim_max;
        CHECK(setrlimit(RLIMIT_FSIZE, &small) == 0);
        put_much(r, 1024 * 1024);
        CHECK(setrlimit(RLIMIT_FSIZE, &old) == 0);
        CHECK(n_told == 1 && strstr(told, "because of a write error (File too large)"));
        recording_end(r, false);
        text = content(ID_A, ".cast");
        CHECK(ends_with(text, MARKER) && strlen(text) <= 150 * 1024 && strlen(text) > 64 * 1024);
        CHECK(s->bytes.used == strlen(text ?: ""));
        store_free(s);
        clean();
}

static void test_total_max(void)
{
        RecordingStore *s = store_new(0, 256 * 1024);
        Recording *a = begin(s, ID_A), *b, *c;
        _cleanup_free_ char *text = NULL;

        put_much(a, 100 * 1024);
        recording_end(a, false);
        b = begin(s, ID_B);
        put_much(b, 100 * 1024);
        recording_end(b, false);
        CHECK(exists(ID_A, ".cast") && exists(ID_B, ".cast") && s->files.used == 2);

        /* The oldest goes, then the next; then there is nothing but what is being written. */
        c = begin(s, ID_C);
        put_much(c, 130 * 1024);
        CHECK(!exists(ID_A, ".cast") && exists(ID_B, ".cast") && n_told == 0);
        put_much(c, 1024 * 1024);
        CHECK(!exists(ID_B, ".cast") && n_told == 1 && strstr(told, "all recordings together"));
        recording_end(c, false);
        text = content(ID_C, ".cast");
        CHECK(ends_with(text, MARKER) || !text);
        CHECK(s->bytes.used <= 256 * 1024);
        store_free(s);
        clean();
}

/* A user who records much loses his own recordings, also when it is another execd that finds them. */
static void test_shares(bool is_found_again)
{
        RecordingStore *s = store_new(0, 256 * 1024);
        Recording *a = begin_for(s, ID_A, 1000), *b, *c;

        put_much(a, 60 * 1024);
        recording_end(a, false);
        b = begin_for(s, ID_B, 1001);
        put_much(b, 100 * 1024);
        recording_end(b, false);
        if (is_found_again) {
                store_free(s);
                s = store_new(0, 256 * 1024);
        }
        c = begin_for(s, ID_C, 1001);
        put_much(c, 100 * 1024);
        CHECK(exists(ID_A, ".cast") && !exists(ID_B, ".cast") && n_told == 0);
        put_much(c, 1024 * 1024);
        CHECK(exists(ID_A, ".cast") && n_told == 1 && strstr(told, "all recordings together"));
        recording_end(c, false);
        CHECK(budget_held(&s->bytes, 1001) <= 130 * 1024);
        store_free(s);
        clean();
}

static void leave(const char *name, const char *text)
{
        int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t) strlen(text));
        fd_close(fd);
}

static void test_leftovers(void)
{
        static const char header[] = "{\"version\": 2, \"width\": 80, \"height\": 24}\n";
        _cleanup_free_ char *a = NULL, *b = NULL, *line = NULL;
        RecordingStore *s;

        CHECK(asprintf(&line, "%s[1.000000, \"o\", \"x\"]\n[2.500000, \"o\", \"cut of", header) > 0);
        leave(ID_A ".cast.partial", line);
        leave(ID_B ".cast.partial", header);
        leave(ID_C ".cast.partial", "{\"version\"");
        leave("foreign", "x");
        s = store_new(0, 0);
        CHECK(s->files.used == 0);
        recordings_recover(s);
        a = content(ID_A, ".cast");
        b = content(ID_B, ".cast");
        CHECK(a && strstr(a, "[1.000000, \"o\", \"x\"]\n[1.0") && ends_with(a, INTERRUPTED));
        CHECK(b && strstr(b, "24}\n[0.0") && ends_with(b, INTERRUPTED));
        CHECK(!exists(ID_C, ".cast") && !exists(ID_C, ".cast.partial") && exists("foreign", ""));
        CHECK(s->files.used == 2 && s->bytes.used == strlen(a ?: "") + strlen(b ?: ""));
        store_free(s);
        (void) unlinkat(dir_fd, "foreign", 0);
        clean();
}

/* One that another process writes is no leftover; nor is a link followed. */
static void test_not_ours(void)
{
        RecordingStore *first = store_new(0, 0), *second;
        Recording *r = begin(first, ID_A), *none = NULL;
        const CastHeader header = {.columns = 80, .rows = 24, .exec_id = ID_B};
        int fd;

        put_much(r, 100 * 1024);
        second = store_new(0, 0);
        recordings_recover(second);
        CHECK(exists(ID_A, ".cast.partial") && !exists(ID_A, ".cast"));
        CHECK(symlinkat("/etc/passwd", dir_fd, ID_B ".cast.partial") == 0);
        CHECK(recording_new(second, &header, on_truncated, NULL, &none) == -EEXIST && !none);
        CHECK(recording_read(second, ID_B, &fd) == -ELOOP);
        recording_end(r, false);
        store_free(second);
        store_free(first);
        clean();
}

/* execd is restarted: the next process goes on where the last one was. */
static void test_resume(void)
{
        RecordingStore *s = store_new(300 * 1024, 0);
        Recording *r = begin(s, ID_A);
        _cleanup_free_ char *text = NULL;

        recording_output(r, FRAME_STDOUT, "one\n", 4);
        recording_suspend(r);
        store_free(s);
        CHECK(exists(ID_A, ".cast.partial") && !exists(ID_A, ".cast"));

        s = store_new(300 * 1024, 0);
        CHECK(recording_resume(s, ID_A, false, on_truncated, NULL, &r) == 0);
        recordings_recover(s);
        recording_set_elapsed(r, 5 * USEC_PER_SEC);
        recording_output(r, FRAME_STDOUT, "two\n", 4);
        recording_suspend(r);
        store_free(s);
        text = content(ID_A, ".cast.partial");
        CHECK(text && strstr(text, "\"one\\r\\n\"]\n[5.0") && ends_with(text, ", \"o\", \"two\\r\\n\"]\n"));

        /* The bounds hold over all of it, and what has reached them stays so. */
        s = store_new(300 * 1024, 0);
        CHECK(recording_resume(s, ID_A, false, on_truncated, NULL, &r) == 0 && !r->over);
        put_much(r, 1024 * 1024);
        CHECK(n_told == 1);
        recording_suspend(r);
        store_free(s);
        s = store_new(300 * 1024, 0);
        CHECK(recording_resume(s, ID_A, false, on_truncated, NULL, &r) == 0 && r->over);
        recording_output(r, FRAME_STDOUT, "more\n", 5);
        recording_end(r, false);
        free(text);
        text = content(ID_A, ".cast");
        CHECK(ends_with(text, MARKER) && strlen(text) <= 300 * 1024 && s->bytes.used == strlen(text));
        CHECK(n_told == 0);
        CHECK(recording_resume(s, ID_B, false, on_truncated, NULL, &r) == -ENOENT);
        store_free(s);
        clean();
}

static void test_directory(void)
{
        const RecordingStoreOptions o = {.path = dir};
        RecordingStore *s = recording_store_new(event, &o);

        CHECK(fchmod(dir_fd, 0777) == 0);
        CHECK(recording_store_open(s) == -EPERM);
        CHECK(fchmod(dir_fd, 0700) == 0);
        CHECK(recording_store_open(s) == 0);
        store_free(s);
}

int main(void)
{
        const char *base = getenv("TMPDIR");

        /* What exceeds a limit is to be an error and not the end. */
        (void) signal(SIGXFSZ, SIG_IGN);
        snprintf(dir, sizeof(dir), "%.30s/test-recording-XXXXXX", base && *base ? base : "/tmp");
        if (!mkdtemp(dir) || sd_event_new(&event) < 0)
                return 1;
        dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        test_whole();
        test_flush();
        test_size_max();
        test_buffer_max();
        test_write_error();
        test_total_max();
        test_shares(false);
        test_shares(true);
        test_leftovers();
        test_not_ours();
        test_resume();
        test_directory();
        sd_event_unref(event);
        fd_close(dir_fd);
        (void) rmdir(dir);
        return test_finish("recording");
}
