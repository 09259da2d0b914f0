/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* core/recording-file and core/recording-store on a real directory: names, bounds, markers for output
 * that does not fit, and the files after a crash. */

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/time.h"
#include "core/recording-file.h"
#include "unit/need.h"
#include "unit/test.h"
#include "wire/cast.h"

#define ID_A        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define ID_B        "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define ID_C        "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
#define MARKER      "\"m\", \"recording truncated\"]\n"
#define INTERRUPTED "\"m\", \"recording interrupted\"]\n"
#define FILE_64     (1024 * 1024 * 64)

static char dir[64];
static int dir_fd;
static unsigned n_told;
static char told[256];

static RecordingStore *store_new(uint64_t size_max, uint64_t total_max)
{
        const RecordingStoreOptions o = {.path = dir, .size_max = size_max, .total_max = total_max};
        RecordingStore *s = recording_store_new(&o);

        CHECK(s && recording_store_open(s) == 0);
        n_told = 0;
        return s;
}

static void put(RecordingFile *f, const char *text, size_t size)
{
        char *why = NULL;

        if (recording_file_write(f, text, size, &why)) {
                n_told++;
                snprintf(told, sizeof(told), "%s", why ?: "");
        }
        free(why);
}

static RecordingFile *begin_for(RecordingStore *s, const char *id, unsigned uid)
{
        const CastHeader header = {
                .columns = 80, .rows = 24, .exec_id = id, .container = "web", .caller_uid = uid};
        _cleanup_buf_ Buf b = BUF_INIT;
        RecordingFile *f = NULL;

        NEED(recording_file_new(s, id, uid, now_usec(CLOCK_MONOTONIC), &f) == 0);
        cast_put_header(&b, &header);
        put(f, buf_head(&b), buf_length(&b));
        return f;
}

static RecordingFile *begin(RecordingStore *s, const char *id)
{
        return begin_for(s, id, 0);
}

static void put_text(RecordingFile *f, const char *text)
{
        put(f, text, strlen(text));
}

/* Lines of 32 KiB, which come in pieces. */
static void put_much(RecordingFile *f, size_t size)
{
        static char line[32 * 1024];

        memset(line, 'x', sizeof(line));
        memcpy(line, "[1.000000, \"o\", \"", 17);
        memcpy(line + sizeof(line) - 3, "\"]\n", 3);
        for (; size >= sizeof(line); size -= sizeof(line)) {
                put(f, line, 1000);
                put(f, line + 1000, sizeof(line) - 1000);
        }
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
        RecordingFile *f = begin(s, ID_A);
        _cleanup_free_ char *text = NULL;
        struct stat st;
        int fd;

        put_text(f, "[1.000000, \"o\", \"o");
        put_text(f, "ne\"]\n");
        CHECK(exists(ID_A, ".cast.partial") && !exists(ID_A, ".cast") && !recording_store_has(s, ID_A));
        CHECK(recording_store_read(s, ID_A, &fd) == 0);
        CHECK(write(fd, "x", 1) < 0);
        fd_close(fd);
        CHECK(recording_file_end(f) == 0);

        text = content(ID_A, ".cast");
        CHECK(text && !exists(ID_A, ".cast.partial") && recording_store_has(s, ID_A));
        CHECK(ends_with(text, "\n[1.000000, \"o\", \"one\"]\n"));
        CHECK(fstatat(dir_fd, ID_A ".cast", &st, AT_SYMLINK_NOFOLLOW) == 0 && (st.st_mode & 07777) == 0600);
        CHECK(n_told == 0 && s->bytes.used == (uint64_t) st.st_size && s->files.used == 1);
        CHECK(recording_store_read(s, ID_B, &fd) == -ENOENT);
        recording_store_free(s);
        clean();
}

static void test_list(void)
{
        RecordingStore *s = store_new(0, 0);
        RecordingListed *list = NULL;
        size_t n = 0;

        CHECK(recording_file_end(begin(s, ID_A)) == 0);
        recording_file_suspend(begin(s, ID_B));
        CHECK(recordings_list(dir, &list, &n) == 0 && n == 1);
        CHECK(n == 1 && strcmp(list[0].id, ID_A) == 0 && list[0].size > 0 && list[0].finished > 0);
        free(list);
        CHECK(recordings_list("/nonexistent/x", &list, &n) == -ENOENT);
        recording_store_free(s);
        clean();
}

static void test_size_max(void)
{
        const uint64_t max = 300 * 1024;
        RecordingStore *s = store_new(max, 0);
        RecordingFile *f = begin(s, ID_A);
        _cleanup_free_ char *text = NULL;

        put_much(f, 8 * 1024 * 1024);
        CHECK(n_told == 1 && strstr(told, "limit of 307200 bytes"));
        recording_file_end(f);
        text = content(ID_A, ".cast");
        CHECK(text && strlen(text) <= max && strlen(text) > max / 2);
        CHECK(ends_with(text, MARKER) && strstr(text, "x\"]\n["));
        CHECK(s->bytes.used == strlen(text ?: ""));
        recording_store_free(s);
        clean();
}

/* As a full disk, which takes part of a line. */
static void test_write_error(void)
{
        RecordingStore *s = store_new(0, 0);
        RecordingFile *r = begin(s, ID_A);
        struct rlimit old, small = {.rlim_cur = 150 * 1024};
        _cleanup_free_ char *text = NULL;

        CHECK(getrlimit(RLIMIT_FSIZE, &old) == 0);
        small.rlim_max = old.rlim_max;
        CHECK(setrlimit(RLIMIT_FSIZE, &small) == 0);
        put_much(r, 1024 * 1024);
        CHECK(setrlimit(RLIMIT_FSIZE, &old) == 0);
        CHECK(n_told == 1 && strstr(told, "because of a write error (File too large)"));
        recording_file_end(r);
        text = content(ID_A, ".cast");
        CHECK(ends_with(text, MARKER) && strlen(text) <= 150 * 1024 && strlen(text) > 64 * 1024);
        CHECK(s->bytes.used == strlen(text ?: ""));
        recording_store_free(s);
        clean();
}

static void test_total_max(void)
{
        RecordingStore *s = store_new(0, 256 * 1024);
        RecordingFile *a = begin(s, ID_A), *b, *c;
        _cleanup_free_ char *text = NULL;

        put_much(a, 100 * 1024);
        recording_file_end(a);
        b = begin(s, ID_B);
        put_much(b, 100 * 1024);
        recording_file_end(b);
        CHECK(exists(ID_A, ".cast") && exists(ID_B, ".cast") && s->files.used == 2);

        /* The oldest goes, then the next; then there is nothing but what is being written. */
        c = begin(s, ID_C);
        put_much(c, 130 * 1024);
        CHECK(!exists(ID_A, ".cast") && exists(ID_B, ".cast") && n_told == 0);
        put_much(c, 1024 * 1024);
        CHECK(!exists(ID_B, ".cast") && n_told == 1 && strstr(told, "all recordings together"));
        recording_file_end(c);
        text = content(ID_C, ".cast");
        CHECK(ends_with(text, MARKER) || !text);
        CHECK(s->bytes.used <= 256 * 1024);
        recording_store_free(s);
        clean();
}

/* A user who records much loses his own recordings, also when it is another execd that finds them. */
static void test_shares(bool is_found_again)
{
        RecordingStore *s = store_new(0, 256 * 1024);
        RecordingFile *a = begin_for(s, ID_A, 1000), *b, *c;

        put_much(a, 60 * 1024);
        recording_file_end(a);
        b = begin_for(s, ID_B, 1001);
        put_much(b, 100 * 1024);
        recording_file_end(b);
        if (is_found_again) {
                recording_store_free(s);
                s = store_new(0, 256 * 1024);
        }
        c = begin_for(s, ID_C, 1001);
        put_much(c, 100 * 1024);
        CHECK(exists(ID_A, ".cast") && !exists(ID_B, ".cast") && n_told == 0);
        put_much(c, 1024 * 1024);
        CHECK(exists(ID_A, ".cast") && n_told == 1 && strstr(told, "all recordings together"));
        recording_file_end(c);
        CHECK(budget_held(&s->bytes, 1001) <= 130 * 1024);
        recording_store_free(s);
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
        CHECK(recording_files_recover(s) == 0);
        a = content(ID_A, ".cast");
        b = content(ID_B, ".cast");
        CHECK(a && strstr(a, "[1.000000, \"o\", \"x\"]\n[1.0") && ends_with(a, INTERRUPTED));
        CHECK(b && strstr(b, "24}\n[0.0") && ends_with(b, INTERRUPTED));
        CHECK(!exists(ID_C, ".cast") && !exists(ID_C, ".cast.partial") && exists("foreign", ""));
        CHECK(s->files.used == 2 && s->bytes.used == strlen(a ?: "") + strlen(b ?: ""));
        recording_store_free(s);
        (void) unlinkat(dir_fd, "foreign", 0);
        clean();
}

/* One that another process writes is no leftover; nor is a link followed. */
static void test_not_ours(void)
{
        RecordingStore *first = store_new(0, 0), *second;
        RecordingFile *r = begin(first, ID_A), *none = NULL;
        int fd;

        put_much(r, 100 * 1024);
        second = store_new(0, 0);
        CHECK(recording_files_recover(second) == 1);
        CHECK(exists(ID_A, ".cast.partial") && !exists(ID_A, ".cast"));
        CHECK(recording_file_resume(second, ID_A, false, &none) == -EWOULDBLOCK);
        CHECK(symlinkat("/etc/passwd", dir_fd, ID_B ".cast.partial") == 0);
        CHECK(recording_file_new(second, ID_B, 0, 0, &none) == -EEXIST && !none);
        CHECK(recording_store_read(second, ID_B, &fd) == -ELOOP);
        recording_file_end(r);
        /* It had been finished before it could be resumed. */
        CHECK(recording_file_resume(second, ID_A, true, &none) == 0 && none->over && none->is_complete);
        CHECK(recording_file_end(none) == 0 && exists(ID_A, ".cast"));
        recording_store_free(second);
        recording_store_free(first);
        clean();
}

/* execd is restarted: the next process goes on where the last one was. */
static void test_resume(void)
{
        RecordingStore *s = store_new(300 * 1024, 0);
        RecordingFile *r = begin(s, ID_A);
        _cleanup_free_ char *text = NULL;

        put_text(r, "[1.000000, \"o\", \"one\"]\n[2.000000, \"o\", \"cut");
        recording_file_suspend(r);
        recording_store_free(s);
        CHECK(exists(ID_A, ".cast.partial") && !exists(ID_A, ".cast"));

        s = store_new(300 * 1024, 0);
        CHECK(recording_file_resume(s, ID_A, true, &r) == 0 && !r->over);
        CHECK(now_usec(CLOCK_MONOTONIC) - r->began >= USEC_PER_SEC);
        put_text(r, "[5.000000, \"o\", \"two\"]\n");
        text = content(ID_A, ".cast.partial");
        CHECK(ends_with(text, "\"one\"]\n[5.000000, \"o\", \"two\"]\n"));

        /* The bounds hold over all of it, and what has reached them stays so. */
        put_much(r, 1024 * 1024);
        CHECK(n_told == 1);
        recording_file_suspend(r);
        recording_store_free(s);
        s = store_new(300 * 1024, 0);
        CHECK(recording_file_resume(s, ID_A, true, &r) == 0 && r->over);
        put_text(r, "[9.000000, \"o\", \"more\"]\n");
        recording_file_end(r);
        free(text);
        text = content(ID_A, ".cast");
        CHECK(ends_with(text, MARKER) && strlen(text) <= 300 * 1024 && s->bytes.used == strlen(text));
        CHECK(n_told == 0);
        CHECK(recording_file_resume(s, ID_B, true, &r) == -ENOENT);
        recording_store_free(s);
        clean();
}

static void test_directory(void)
{
        const RecordingStoreOptions o = {.path = dir};
        RecordingStore *s = recording_store_new(&o);

        CHECK(fchmod(dir_fd, 0777) == 0);
        CHECK(recording_store_open(s) == -EPERM);
        CHECK(fchmod(dir_fd, 0700) == 0);
        CHECK(recording_store_open(s) == 0);
        recording_store_free(s);
}

int main(void)
{
        const char *base = getenv("TMPDIR");

        /* A write beyond a limit must be an error and not end the process. */
        (void) signal(SIGXFSZ, SIG_IGN);
        snprintf(dir, sizeof(dir), "%.30s/test-recording-XXXXXX", base && *base ? base : "/tmp");
        if (!mkdtemp(dir))
                return 1;
        dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        test_whole();
        test_list();
        test_size_max();
        test_write_error();
        test_total_max();
        test_shares(false);
        test_shares(true);
        test_leftovers();
        test_not_ours();
        test_resume();
        test_directory();
        fd_close(dir_fd);
        (void) rmdir(dir);
        return test_finish("recording-file");
}
