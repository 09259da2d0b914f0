/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/user-name.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/time.h"

#define PASSWD     "/etc/passwd"
#define PASSWD_MAX (1024 * 1024)
#define NAME_SIZE  64
#define CACHED_MAX 64

/* Each record of an exec names users, and several are written in a moment. */
#define LOOK_USEC USEC_PER_SEC

static struct {
        struct stat file; /* as it was when the names were read */
        struct {
                uid_t uid;
                char name[NAME_SIZE]; /* "": none */
        } names[CACHED_MAX];
        size_t n_names, next;
        uint64_t looked; /* CLOCK_MONOTONIC: when the file was last looked at; 0: never */
} cache;

static bool file_has_changed(const struct stat *st)
{
        return st->st_dev != cache.file.st_dev || st->st_ino != cache.file.st_ino ||
               st->st_size != cache.file.st_size || st->st_mtim.tv_sec != cache.file.st_mtim.tv_sec ||
               st->st_mtim.tv_nsec != cache.file.st_mtim.tv_nsec;
}

static bool cache_is_fresh(void)
{
        uint64_t now = now_usec(CLOCK_MONOTONIC);
        struct stat st;

        if (cache.looked > 0 && now - cache.looked < LOOK_USEC)
                return true;
        if (stat(PASSWD, &st) < 0)
                return false;
        if (file_has_changed(&st)) {
                cache.file = st;
                cache.n_names = cache.next = 0;
        }
        cache.looked = now;
        return true;
}

/* The first line with this uid counts, as for the C library. */
static void find_name(char *text, uid_t uid, char ret[static NAME_SIZE])
{
        char *line, *rest = text;

        while ((line = strsep(&rest, "\n"))) {
                char name[NAME_SIZE];
                unsigned found;

                if (sscanf(line, "%63[^:]:%*[^:]:%u:", name, &found) == 2 && found == uid) {
                        strcpy(ret, name);
                        return;
                }
        }
}

const char *user_name(uid_t uid)
{
        _cleanup_free_ char *text = NULL;
        char *name;

        if (!cache_is_fresh())
                return NULL;
        for (size_t i = 0; i < cache.n_names; i++)
                if (cache.names[i].uid == uid)
                        return cache.names[i].name[0] ? cache.names[i].name : NULL;
        if (file_read_at(AT_FDCWD, PASSWD, PASSWD_MAX, &text, NULL) < 0)
                return NULL;
        if (cache.n_names < CACHED_MAX)
                cache.next = cache.n_names++;
        else
                cache.next = (cache.next + 1) % CACHED_MAX;
        name = cache.names[cache.next].name;
        name[0] = 0;
        cache.names[cache.next].uid = uid;
        find_name(text, uid, name);
        return name[0] ? name : NULL;
}
