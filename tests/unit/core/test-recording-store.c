/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* core/recording-store: which recordings go when there are too many, and what in the directory is none. */

#include "core/recording-store.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "unit/need.h"
#include "unit/test.h"

#define TOTAL 1000

static char dir[] = "/tmp/execd-test-XXXXXX";
static int dir_fd;

static const char *id_of(char digit)
{
        static char id[RECORDING_ID_SIZE];

        memset(id, digit, sizeof(id) - 1);
        return id;
}

static const char *name_of(char digit, const char *suffix)
{
        static char name[128];

        snprintf(name, sizeof(name), "%s%s", id_of(digit), suffix);
        return name;
}

static bool exists(char digit, const char *suffix)
{
        return faccessat(dir_fd, name_of(digit, suffix), F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* A finished recording of so many bytes, of a uid, finished so many seconds after 1970. */
static void leave(char digit, unsigned uid, size_t size, time_t finished)
{
        _cleanup_close_ int fd =
                openat(dir_fd, name_of(digit, ".cast"), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        struct timespec times[2] = {{.tv_sec = finished}, {.tv_sec = finished}};
        char head[256];
        int n = snprintf(
                head, sizeof(head),
                "{\"version\": 2, \"width\": 80, \"height\": 24, \"execd\": {\"caller_uid\": %u}}\n", uid);

        NEED(fd >= 0 && n > 0 && (size_t) n <= size && write(fd, head, (size_t) n) == n);
        NEED(ftruncate(fd, (off_t) size) == 0 && futimens(fd, times) == 0);
}

static RecordingStore *store_new(void)
{
        RecordingStore *s = recording_store_new(&(RecordingStoreOptions){.path = dir, .total_max = TOTAL});

        NEED(s && recording_store_open(s) == 0);
        return s;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
        return ftw->level > 0 ? remove(path) : 0;
}

static void clean(RecordingStore *s)
{
        recording_store_free(s);
        (void) nftw(dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

/* By when they were finished, whatever the directory says first. */
static void test_order(void)
{
        RecordingListed *list = NULL;
        RecordingStore *s;
        char text[64] = "";
        size_t n = 0;

        leave('c', 1000, 200, 30);
        leave('a', 1000, 200, 20);
        leave('b', 1000, 200, 10);
        leave('d', 1000, 200, 40);
        s = store_new();
        CHECK(s->files.used == 4 && s->bytes.used == 800);
        CHECK(recordings_list(dir, &list, &n) == 0);
        for (size_t i = 0; i < n; i++)
                sprintf(text + strlen(text), "%c%d ", list[i].id[0], (int) list[i].finished);
        free(list);
        CHECK_TEXT("oldest first", text, "b10 a20 c30 d40 ");
        clean(s);
}

/* A user who records much loses his own recordings; no user loses any for one who has more. */
static void test_whose_goes(void)
{
        RecordingStore *s;

        leave('a', 1000, 300, 10);
        leave('b', 1001, 200, 20);
        leave('c', 1001, 200, 30);
        s = store_new();
        CHECK(budget_held(&s->bytes, 1000) == 300 && budget_held(&s->bytes, 1001) == 400);
        /* There is room. */
        CHECK(recording_store_count(s, 1000, 200) && exists('a', ".cast"));
        /* More than half is too much for one user: his oldest goes. */
        CHECK(recording_store_count(s, 1001, 150) && exists('a', ".cast") && !exists('b', ".cast") &&
              exists('c', ".cast"));
        /* And when nothing of his own is left to be removed, no more is taken. */
        CHECK(!recording_store_count(s, 1001, 450) && exists('a', ".cast") && !exists('c', ".cast"));
        recording_store_uncount(s, 1001, 600);
        recording_store_uncount(s, 1000, 200);
        /* Root may have more than half, but not at the cost of a user who has less. */
        CHECK(recording_store_count(s, 0, 600) && exists('a', ".cast"));
        CHECK(!recording_store_count(s, 0, 200) && exists('a', ".cast"));
        recording_store_uncount(s, 0, 800);
        /* Of two others, the one who has more gives. */
        CHECK(recording_store_count(s, 1001, 500) && recording_store_count(s, 1002, 250));
        CHECK(!exists('a', ".cast") && s->bytes.used == 750);
        recording_store_uncount(s, 1001, 500);
        recording_store_uncount(s, 1002, 250);
        CHECK(s->bytes.used == 0);
        clean(s);
}

/* Entries that are not recordings of ours are not waited for, not followed, and not counted. */
static void test_what_is_none(void)
{
        RecordingStore *s;
        char **partial = NULL;
        int fd;

        leave('a', 1000, 200, 10);
        NEED(renameat(dir_fd, name_of('a', ".cast"), dir_fd, "A.cast") == 0);
        NEED(mkfifoat(dir_fd, name_of('b', ".cast"), 0600) == 0);
        NEED(mkfifoat(dir_fd, name_of('b', ".cast.partial"), 0600) == 0);
        NEED(mkdirat(dir_fd, name_of('c', ".cast"), 0700) == 0);
        NEED(symlinkat("/etc/passwd", dir_fd, name_of('d', ".cast")) == 0);
        NEED(symlinkat("/etc/passwd", dir_fd, name_of('e', ".cast.partial")) == 0);
        s = store_new();
        CHECK(s->files.used == 0 && s->bytes.used == 0);
        CHECK(recording_store_read(s, id_of('b'), &fd) == -ENOENT);
        CHECK(recording_store_read(s, id_of('c'), &fd) == -ENOENT);
        CHECK(recording_store_read(s, id_of('d'), &fd) == -ELOOP);
        CHECK(recording_store_read(s, id_of('e'), &fd) == -ELOOP);
        CHECK(recording_store_read(s, id_of('f'), &fd) == -ENOENT);
        CHECK(recording_store_create(s, id_of('b'), &fd) == -EEXIST);
        CHECK(recording_store_create(s, id_of('e'), &fd) == -EEXIST);
        NEED(recording_store_find_partial(s, &partial) >= 0);
        CHECK(partial && partial[0] && partial[1] && !partial[2]);
        for (char digit = 'b'; digit <= 'e'; digit += 'e' - 'b') {
                uint64_t size, last;
                uid_t uid;
                bool over;

                CHECK(recording_store_reopen(s, id_of(digit), false, &fd, &size, &uid, &last, &over) < 0);
        }
        for (char **i = partial; i && *i; i++)
                free(*i);
        free(partial);
        clean(s);
}

/* Files after a crash: whole lines stay. A file that has none within reach is not changed. */
static void test_reopen(void)
{
        RecordingStore *s = store_new();
        uint64_t size, last;
        uid_t uid;
        bool over;
        int fd;

        NEED(recording_store_create(s, id_of('a'), &fd) >= 0 && write(fd, "line\nhalf", 9) == 9);
        fd_close(fd);
        NEED(recording_store_reopen(s, id_of('a'), false, &fd, &size, &uid, &last, &over) >= 0);
        CHECK(size == 5 && s->bytes.used == 5 && uid == (uid_t) -1);
        /* The other one still writes. */
        CHECK(recording_store_reopen(s, id_of('a'), false, &(int){-1}, &size, &uid, &last, &over) ==
              -EWOULDBLOCK);
        fd_close(fd);
        recording_store_uncount(s, uid, 5);

        NEED(recording_store_create(s, id_of('b'), &fd) >= 0 && ftruncate(fd, 2 * 1024 * 1024) == 0);
        fd_close(fd);
        CHECK(recording_store_reopen(s, id_of('b'), false, &fd, &size, &uid, &last, &over) == -EBADMSG);
        CHECK(s->bytes.used == 0);

        /* One without a byte is not worth keeping; one with a byte gets its name. */
        NEED(recording_store_create(s, id_of('c'), &fd) >= 0);
        fd_close(fd);
        CHECK(recording_store_keep(s, id_of('c'), 0, 0) == 0 && !exists('c', ".cast") &&
              !exists('c', ".cast.partial"));
        CHECK(recording_store_keep(s, id_of('a'), 0, 5) == 0 && exists('a', ".cast") && s->files.used == 1);
        CHECK(recording_store_keep(s, id_of('d'), 0, 5) == -ENOENT && s->files.used == 1);
        recording_store_count(s, 0, 5);
        clean(s);
}

/* A directory that others can write to is refused, and a new one is made without access for others. */
static void test_directory(void)
{
        static char below[64];
        RecordingStore *s;
        struct stat st;

        snprintf(below, sizeof(below), "%s/new", dir);
        s = recording_store_new(&(RecordingStoreOptions){.path = below});
        NEED(s && recording_store_open(s) == 0 && stat(below, &st) == 0);
        CHECK((st.st_mode & 07777) == 0700);
        recording_store_free(s);
        NEED(chmod(below, 0720) == 0);
        s = recording_store_new(&(RecordingStoreOptions){.path = below});
        CHECK(recording_store_open(s) == -EPERM);
        clean(s);
}

int main(void)
{
        umask(0);
        NEED(mkdtemp(dir));
        dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        NEED(dir_fd >= 0);
        test_order();
        test_whose_goes();
        test_what_is_none();
        test_reopen();
        test_directory();
        fd_close(dir_fd);
        (void) rmdir(dir);
        return test_finish("recording-store");
}
