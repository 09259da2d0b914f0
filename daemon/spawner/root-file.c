/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "spawner/root-file.h"

#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"

#define LINKS_MAX 16

static bool is_only_roots(const struct stat *st, bool is_last)
{
        if (st->st_uid != 0)
                return false;
        return !(st->st_mode & 022) || (!is_last && (st->st_mode & S_ISVTX));
}

static int refuse_owner(const char *name, Refusal *reterr)
{
        return refuse(reterr, REFUSAL_DENIED, EPERM,
                      "%s does not belong to root, or other users can write to it", name);
}

/* Puts the target of a link in front of the rest of the path. */
static int follow(int link_fd, char *rest, size_t size, int *dir_fd)
{
        char target[PATH_MAX], joined[PATH_MAX];
        ssize_t n = readlinkat(link_fd, "", target, sizeof(target) - 1);
        int length;

        if (n < 0)
                return -errno;
        target[n] = 0;
        length = snprintf(joined, sizeof(joined), "%s/%s", target, rest);
        if (length < 0 || (size_t) length >= MIN(size, sizeof(joined)))
                return -ENAMETOOLONG;
        memcpy(rest, joined, (size_t) length + 1);
        if (target[0] == '/') {
                fd_close(*dir_fd);
                *dir_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
                if (*dir_fd < 0)
                        return -errno;
        }
        return 0;
}

/* The first component of the path, cut off. "" at its end. */
static void cut(char *rest, char name[static NAME_MAX + 1], size_t *ret_length)
{
        size_t skipped = strspn(rest, "/"), n = strcspn(rest + skipped, "/");

        *ret_length = n;
        if (n <= NAME_MAX) {
                memcpy(name, rest + skipped, n);
                name[n] = 0;
        }
        memmove(rest, rest + skipped + n, strlen(rest + skipped + n) + 1);
}

int root_directory_open(const char *path, int *ret_fd, Refusal *reterr)
{
        _cleanup_close_ int dir_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
        char rest[PATH_MAX], name[NAME_MAX + 1];
        size_t length;
        int r;

        if (dir_fd < 0)
                return -errno;
        if (path[0] != '/' || strlen(path) >= sizeof(rest))
                return -EINVAL;
        strcpy(rest, path);
        for (unsigned links = 0;;) {
                _cleanup_close_ int fd = -EBADF;
                struct stat st;

                cut(rest, name, &length);
                if (length == 0)
                        break;
                if (length > NAME_MAX)
                        return -ENAMETOOLONG;
                fd = openat(dir_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
                if (fd < 0 || fstat(fd, &st) < 0)
                        return -errno;
                if (S_ISLNK(st.st_mode)) {
                        if (st.st_uid != 0)
                                return refuse_owner(path, reterr);
                        if (++links > LINKS_MAX)
                                return -ELOOP;
                        r = follow(fd, rest, sizeof(rest), &dir_fd);
                        if (r < 0)
                                return r;
                        continue;
                }
                if (!S_ISDIR(st.st_mode))
                        return -ENOTDIR;
                if (!is_only_roots(&st, rest[strspn(rest, "/")] == 0))
                        return refuse_owner(path, reterr);
                fd_close(dir_fd);
                dir_fd = TAKE_FD(fd);
        }
        return root_directory_open_at(dir_fd, ".", ret_fd, reterr);
}

int root_directory_open_at(int dir_fd, const char *name, int *ret_fd, Refusal *reterr)
{
        _cleanup_close_ int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        if (!is_only_roots(&st, true))
                return refuse_owner(name, reterr);
        *ret_fd = TAKE_FD(fd);
        return 0;
}

int root_file_read(int dir_fd, const char *name, size_t max, char **ret, size_t *ret_size,
                   struct stat *ret_stat, Refusal *reterr)
{
        _cleanup_close_ int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        char file[64];
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode) || !is_only_roots(&st, true))
                return refuse_owner(name, reterr);
        snprintf(file, sizeof(file), "/proc/self/fd/%d", fd);
        if (ret_stat)
                *ret_stat = st;
        return file_read_at(AT_FDCWD, file, max, ret, ret_size);
}

bool root_file_is_same(const struct stat *a, const struct stat *b)
{
        return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
               a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
               a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}
