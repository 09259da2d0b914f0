/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/user-name.h"

#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/time.h"

#define FILE_SIZE_MAX (1024 * 1024)

/* Each record of an exec names users, and several are written in a moment. In that time no number passes from one user to
 * another. */
#define LOOK_USEC (10 * USEC_PER_MSEC)

typedef struct Name {
        uint32_t id;
        const char *text; /* weak */
} Name;

typedef struct NameFile {
        const char *path;
        struct stat found; /* as it was when it was read */
        char *text;        /* owned */
        Name *names;       /* owned; by their numbers */
        size_t n;
        uint64_t looked; /* CLOCK_MONOTONIC: when the file was last looked at; 0: never */
} NameFile;

static bool file_has_changed(const NameFile *f, const struct stat *st)
{
        return st->st_dev != f->found.st_dev || st->st_ino != f->found.st_ino ||
               st->st_size != f->found.st_size || st->st_mtim.tv_sec != f->found.st_mtim.tv_sec ||
               st->st_mtim.tv_nsec != f->found.st_mtim.tv_nsec;
}

/* Of two lines with one number the first one counts, as for the C library. */
static int name_compare(const void *a, const void *b)
{
        const Name *x = a, *y = b;

        if (x->id != y->id)
                return x->id < y->id ? -1 : 1;
        return x->text < y->text ? -1 : x->text > y->text;
}

/* "name:password:number:…" */
static bool read_line(char *line, Name *ret)
{
        char *name = strsep(&line, ":"), *end;
        unsigned long id;

        if (!strsep(&line, ":") || !line || !*name)
                return false;
        id = strtoul(line, &end, 10);
        if (end == line || *end != ':' || id > UINT32_MAX)
                return false;
        *ret = (Name){.id = (uint32_t) id, .text = name};
        return true;
}

static void read_names(NameFile *f)
{
        char *line, *rest;
        size_t n_lines = 1;

        f->n = 0;
        f->names = mfree(f->names);
        f->text = mfree(f->text);
        if (file_read_at(AT_FDCWD, f->path, FILE_SIZE_MAX, &f->text, NULL) < 0)
                return;
        for (const char *p = f->text; (p = strchr(p, '\n')); p++)
                n_lines++;
        f->names = calloc(n_lines, sizeof(Name));
        for (rest = f->text; f->names && f->n < n_lines && (line = strsep(&rest, "\n"));)
                f->n += read_line(line, &f->names[f->n]);
        if (f->n > 1)
                qsort(f->names, f->n, sizeof(Name), name_compare);
}

static void look(NameFile *f)
{
        struct stat st = {0};

        (void) stat(f->path, &st);
        if (f->looked == 0 || file_has_changed(f, &st)) {
                f->found = st;
                read_names(f);
        }
        f->looked = now_usec(CLOCK_MONOTONIC);
}

static const char *search(const NameFile *f, uint32_t id)
{
        size_t low = 0, high;

        for (high = f->n; low < high;) {
                size_t middle = low + (high - low) / 2;

                if (f->names[middle].id < id)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low < f->n && f->names[low].id == id ? f->names[low].text : NULL;
}

static const char *find_name(NameFile *f, uint32_t id)
{
        const char *name;

        if (f->looked == 0 || now_usec(CLOCK_MONOTONIC) - f->looked >= LOOK_USEC)
                look(f);
        name = search(f, id);
        if (name)
                return name;
        /* A user who was added just now. */
        look(f);
        return search(f, id);
}

const char *user_name(uid_t uid)
{
        static NameFile users = {.path = "/etc/passwd"};

        return find_name(&users, uid);
}

const char *group_name(gid_t gid)
{
        static NameFile groups = {.path = "/etc/group"};

        return find_name(&groups, gid);
}
