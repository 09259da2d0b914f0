/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/recording-store.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/strv.h"
#include "wire/cast.h"

#define SUFFIX         ".cast"
#define SUFFIX_PARTIAL ".cast.partial"
#define NAME_SIZE      (RECORDING_ID_SIZE + sizeof(SUFFIX_PARTIAL))

/* The number of bytes at the end of an unfinished file in which its last complete line is searched. */
#define TAIL_SIZE (512 * 1024)

/* Longer than any header of ours. */
#define HEADER_SIZE (16 * 1024)

typedef struct Kept {
        ListNode node;
        uint64_t size;
        int64_t mtime;
        uid_t uid; /* whose exec it was */
        char id[RECORDING_ID_SIZE];
} Kept;

static char *file_name(char name[static NAME_SIZE], const char *id, const char *suffix)
{
        snprintf(name, NAME_SIZE, "%.64s%s", id, suffix);
        return name;
}

/* The id in a name of ours with this suffix. */
static bool name_is(const char *name, const char *suffix, char ret_id[static RECORDING_ID_SIZE])
{
        const size_t length = RECORDING_ID_SIZE - 1;

        if (strspn(name, "0123456789abcdef") != length || strcmp(name + length, suffix) != 0)
                return false;
        memcpy(ret_id, name, length);
        ret_id[length] = 0;
        return true;
}

RecordingStore *recording_store_new(const RecordingStoreOptions *options)
{
        RecordingStore *s = calloc(1, sizeof(RecordingStore));

        if (!s)
                return NULL;
        s->options = *options;
        s->dir_fd = -EBADF;
        s->bytes.max = s->bytes.uid_max = s->files.max = s->files.uid_max = UINT64_MAX;
        s->path = strdup(options->path);
        return s->path ? s : recording_store_free(s);
}

static void kept_free(RecordingStore *s, Kept *k)
{
        list_remove(&s->kept, &k->node);
        budget_give(&s->files, k->uid, 1);
        budget_give(&s->bytes, k->uid, k->size);
        free(k);
}

RecordingStore *recording_store_free(RecordingStore *s)
{
        if (!s)
                return NULL;
        while (s->kept.first)
                kept_free(s, LIST_ENTRY(s->kept.first, Kept, node));
        budget_done(&s->bytes);
        budget_done(&s->files);
        fd_close(s->dir_fd);
        free(s->path);
        return mfree(s);
}

static int keep(RecordingStore *s, const char *id, uid_t uid, uint64_t size, int64_t mtime)
{
        Kept *k = calloc(1, sizeof(Kept));

        if (!k)
                return -ENOMEM;
        *k = (Kept){.size = size, .mtime = mtime, .uid = uid};
        memcpy(k->id, id, RECORDING_ID_SIZE);
        list_append(&s->kept, &k->node);
        budget_force(&s->files, uid, 1);
        return 0;
}

/* The oldest recording of the user who has the most. */
static Kept *find_removable(const RecordingStore *s, const Budget *b)
{
        Kept *found = NULL;
        uint64_t most = 0;

        LIST_FOREACH (Kept, k, &s->kept, node) {
                uint64_t held = found && k->uid == found->uid ? most : budget_held(b, k->uid);

                if (found && held <= most)
                        continue;
                found = k;
                most = held;
        }
        return found;
}

/* Users other than root have at most half, and no recording is removed in favor of a user who has more. */
static bool has_too_much(const RecordingStore *s, uid_t uid)
{
        return s->options.total_max > 0 && uid != 0 &&
               budget_held(&s->bytes, uid) > s->options.total_max / 2;
}

static void remove_kept(RecordingStore *s, Kept *k)
{
        char name[NAME_SIZE];

        if (unlinkat(s->dir_fd, file_name(name, k->id, SUFFIX), 0) < 0 && errno != ENOENT)
                log_errno(LOG_WARNING, errno, "Failed to remove the recording %s/%s", s->path, name);
        kept_free(s, k);
}

/* True when there is no longer too much; false also when the writing user has too much. */
static bool prune(RecordingStore *s, uid_t uid)
{
        Kept *k;

        while (s->files.used > RECORDINGS_MAX && (k = find_removable(s, &s->files)))
                remove_kept(s, k);
        while (has_too_much(s, uid) && (k = LIST_FIND(Kept, own, &s->kept, node, own->uid == uid)))
                remove_kept(s, k);
        while (s->options.total_max > 0 && s->bytes.used > s->options.total_max) {
                k = find_removable(s, &s->bytes);
                if (!k || budget_held(&s->bytes, k->uid) < budget_held(&s->bytes, uid))
                        return false;
                remove_kept(s, k);
        }
        return !has_too_much(s, uid);
}

/* The directory as it is found. */

/* The uid in the header; (uid_t) -1 if there is none. */
static uid_t read_uid(int fd)
{
        CastInfo info = {.caller_uid = UINT32_MAX};
        char line[HEADER_SIZE];
        const char *end;
        ssize_t n;

        n = pread(fd, line, sizeof(line), 0);
        end = n > 0 ? memchr(line, '\n', (size_t) n) : NULL;
        if (end)
                (void) cast_read_header(line, (size_t) (end - line), &info, NULL);
        return info.caller_uid;
}

static uid_t read_uid_of(const RecordingStore *s, const char *name)
{
        _cleanup_close_ int fd =
                openat(s->dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK);

        return fd < 0 ? (uid_t) -1 : read_uid(fd);
}

/* Cuts an unfinished last line off. Returns the size, and looks at the last line that is whole. */
static int64_t cut_to_lines(int fd, uint64_t *ret_last, bool *ret_over)
{
        _cleanup_free_ char *tail = malloc(TAIL_SIZE);
        struct stat st;
        ssize_t n;
        off_t at;
        char *end;

        *ret_last = 0;
        *ret_over = false;
        if (!tail)
                return -ENOMEM;
        if (fstat(fd, &st) < 0)
                return -errno;
        at = st.st_size > TAIL_SIZE ? st.st_size - TAIL_SIZE : 0;
        n = pread(fd, tail, TAIL_SIZE, at);
        if (n < 0)
                return -errno;
        end = memrchr(tail, '\n', (size_t) n);
        if (!end && at > 0)
                return -EBADMSG;
        st.st_size = end ? at + (end - tail) + 1 : 0;
        if (ftruncate(fd, st.st_size) < 0)
                return -errno;
        if (end)
                cast_look_at_end(tail, (size_t) (end - tail) + 1, ret_last, ret_over);
        return st.st_size;
}

int recording_store_reopen(RecordingStore *s, const char *id, bool wait, int *ret_fd, uint64_t *ret_size,
                           uid_t *ret_uid, uint64_t *ret_last, bool *ret_over)
{
        _cleanup_close_ int fd = -EBADF;
        char name[NAME_SIZE];
        struct stat st;
        int64_t size;

        fd = openat(s->dir_fd, file_name(name, id, SUFFIX_PARTIAL),
                    O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK);
        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return -EBADMSG;
        /* If its writer is gone, the lock has gone with it. */
        if (flock(fd, LOCK_EX | (wait ? 0 : LOCK_NB)) < 0)
                return -errno;
        /* Meanwhile the writer may have finished it. */
        if (wait && fstatat(s->dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return -errno;
        size = cut_to_lines(fd, ret_last, ret_over);
        if (size < 0)
                return (int) size;
        *ret_uid = read_uid(fd);
        budget_force(&s->bytes, *ret_uid, (uint64_t) size);
        *ret_size = (uint64_t) size;
        *ret_fd = TAKE_FD(fd);
        return 0;
}

/* Gives a file its final name; one without a byte is not worth keeping. */
static int name_and_keep(RecordingStore *s, const char *id, uid_t uid, uint64_t size, int64_t mtime)
{
        char from[NAME_SIZE], to[NAME_SIZE];

        file_name(from, id, SUFFIX_PARTIAL);
        if (size == 0)
                return unlinkat(s->dir_fd, from, 0) < 0 ? -errno : 0;
        if (renameat(s->dir_fd, from, s->dir_fd, file_name(to, id, SUFFIX)) < 0)
                return -errno;
        return keep(s, id, uid, size, mtime);
}

static int compare_kept(const void *a, const void *b)
{
        const Kept *const *x = a, *const *y = b;

        return (*x)->mtime < (*y)->mtime ? -1 : (*x)->mtime > (*y)->mtime;
}

static int sort_kept(RecordingStore *s)
{
        _cleanup_free_ Kept **all = NULL;
        size_t n = 0;

        if (s->files.used < 2)
                return 0;
        all = calloc(s->files.used, sizeof(Kept *));
        if (!all)
                return -ENOMEM;
        LIST_FOREACH (Kept, k, &s->kept, node)
                all[n++] = k;
        qsort(all, n, sizeof(Kept *), compare_kept);
        s->kept = (List){0};
        for (size_t i = 0; i < n; i++)
                list_append(&s->kept, &all[i]->node);
        return 0;
}

static int scan_entry(RecordingStore *s, const char *name, char ***partial)
{
        char id[RECORDING_ID_SIZE];
        struct stat st;
        uid_t uid;
        int r;

        if (name_is(name, SUFFIX_PARTIAL, id))
                return partial ? strv_append(partial, id) : 0;
        if (partial || !name_is(name, SUFFIX, id) ||
            fstatat(s->dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
                return 0;
        uid = read_uid_of(s, name);
        r = keep(s, id, uid, (uint64_t) st.st_size, st.st_mtime);
        if (r >= 0)
                budget_force(&s->bytes, uid, (uint64_t) st.st_size);
        return r;
}

/* With `partial` it finds the ids of files that are not whole, else it counts those that are. */
static int scan(RecordingStore *s, char ***partial)
{
        int copy = openat(s->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
        DIR *dir = copy >= 0 ? fdopendir(copy) : NULL;
        struct dirent *d;

        if (!dir) {
                r = -errno;
                fd_close(copy);
                return r;
        }
        while (r >= 0 && (d = readdir(dir)))
                r = scan_entry(s, d->d_name, partial);
        closedir(dir);
        return r;
}

int recording_store_find_partial(RecordingStore *s, char ***ret)
{
        return s->dir_fd < 0 ? 0 : scan(s, ret);
}

int recording_store_open(RecordingStore *s)
{
        _cleanup_close_ int fd = -EBADF;
        struct stat st;
        int r;

        if (s->dir_fd >= 0)
                return 0;
        if (mkdir(s->path, 0700) < 0 && errno != EEXIST && errno != EROFS && errno != EACCES)
                return -errno;
        fd = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        /* If other users can create files there, the files may not be recordings. */
        if (st.st_mode & 022) {
                log_warning("%s is not used for recordings, because other users can write to it", s->path);
                return -EPERM;
        }
        if (faccessat(fd, ".", W_OK | X_OK, AT_EACCESS) < 0)
                return -errno;
        s->dir_fd = TAKE_FD(fd);
        r = scan(s, NULL);
        if (r >= 0)
                r = sort_kept(s);
        if (r < 0) {
                while (s->kept.first)
                        kept_free(s, LIST_ENTRY(s->kept.first, Kept, node));
                s->dir_fd = fd_close(s->dir_fd);
                return r;
        }
        (void) prune(s, 0);
        return 0;
}

bool recording_store_has(RecordingStore *s, const char *id)
{
        char name[NAME_SIZE];

        return faccessat(s->dir_fd, file_name(name, id, SUFFIX), F_OK, AT_SYMLINK_NOFOLLOW) >= 0;
}

int recording_store_read(RecordingStore *s, const char *id, int *ret_fd)
{
        const int flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK;
        char name[NAME_SIZE];
        struct stat st;
        int fd, r;

        r = recording_store_open(s);
        if (r < 0)
                return r;
        fd = openat(s->dir_fd, file_name(name, id, SUFFIX), flags);
        if (fd < 0 && errno == ENOENT)
                fd = openat(s->dir_fd, file_name(name, id, SUFFIX_PARTIAL), flags);
        if (fd < 0)
                return -errno;
        if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
                fd_close(fd);
                return -ENOENT;
        }
        *ret_fd = fd;
        return 0;
}

int recording_store_create(RecordingStore *s, const char *id, int *ret_fd)
{
        char name[NAME_SIZE];
        int fd, r;

        r = recording_store_open(s);
        if (r < 0)
                return r;
        fd = openat(s->dir_fd, file_name(name, id, SUFFIX_PARTIAL),
                    O_WRONLY | O_APPEND | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0600);
        if (fd < 0)
                return -errno;
        /* As long as the lock is held, other recorders do not take the file for a leftover. */
        (void) flock(fd, LOCK_EX | LOCK_NB);
        *ret_fd = fd;
        return 0;
}

bool recording_store_count(RecordingStore *s, uid_t uid, uint64_t size)
{
        budget_force(&s->bytes, uid, size);
        return prune(s, uid);
}

void recording_store_uncount(RecordingStore *s, uid_t uid, uint64_t size)
{
        budget_give(&s->bytes, uid, size);
}

int recording_store_keep(RecordingStore *s, const char *id, uid_t uid, uint64_t size)
{
        int r = name_and_keep(s, id, uid, size, time(NULL));

        (void) prune(s, uid);
        return r;
}

static int compare_listed(const void *a, const void *b)
{
        const RecordingListed *x = a, *y = b;

        return x->finished < y->finished ? -1 : x->finished > y->finished;
}

static int list_entry(int dir_fd, const char *name, RecordingListed **list, size_t *n)
{
        RecordingListed one = {0}, *more;
        struct stat st;

        if (!name_is(name, SUFFIX, one.id) || fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
            !S_ISREG(st.st_mode))
                return 0;
        more = reallocarray(*list, *n + 1, sizeof(one));
        if (!more)
                return -ENOMEM;
        *list = more;
        one.size = (uint64_t) st.st_size;
        one.finished = st.st_mtime;
        (*list)[(*n)++] = one;
        return 0;
}

int recordings_list(const char *path, RecordingListed **ret, size_t *ret_n)
{
        _cleanup_free_ RecordingListed *list = NULL;
        DIR *dir = opendir(path);
        struct dirent *d;
        size_t n = 0;
        int r = 0;

        if (!dir)
                return -errno;
        while (r >= 0 && n < RECORDINGS_MAX && (d = readdir(dir)))
                r = list_entry(dirfd(dir), d->d_name, &list, &n);
        closedir(dir);
        if (r < 0)
                return r;
        if (n > 1)
                qsort(list, n, sizeof(*list), compare_listed);
        *ret = TAKE_PTR(list);
        *ret_n = n;
        return 0;
}
