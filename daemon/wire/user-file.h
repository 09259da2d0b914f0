/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The lines of a container's passwd and group files, read as a stream. The container decides how long a file and its lines
 * are, and execd how much memory they take: a buffer, and the fields of one line. No NSS.
 *
 * Malformed lines are skipped, and lines with a NUL: readers that stop at a NUL and readers that do not would see two
 * different lines.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define USER_FILE_MAX    (4 * 1024 * 1024) /* bytes of passwd or group that are read */
#define USER_FIELD_MAX   4095 /* bytes of a field that are kept; a longer field equals no other */
#define USER_FILE_BUFFER 4096

typedef struct UserFile {
        /* Puts up to `size` bytes at `ret`. Returns their number, 0 at the end, also if called again, or -errno. */
        ssize_t (*read)(void *userdata, char *ret, size_t size);
        void *userdata;
} UserFile;

typedef struct UserField {
        size_t size; /* of the whole field, of which more than USER_FIELD_MAX bytes are not kept */
        char text[USER_FIELD_MAX];
} UserField;

typedef struct UserReader {
        const UserFile *file; /* NULL: without a line */
        size_t at, n;         /* in the buffer */
        bool has_nul;         /* the line */
        UserField field;
        char buffer[USER_FILE_BUFFER];
} UserReader;

typedef struct PasswdEntry {
        uint32_t uid, gid;
        UserField name, home;
} PasswdEntry;

typedef struct GroupEntry {
        uint32_t gid;
        bool has_member; /* that was asked for */
        UserField name;
} GroupEntry;

/* The next valid line: 1, 0 at the end of the file, or -errno of its read function. `member` may be NULL. */
int passwd_next(UserReader *r, PasswdEntry *ret);
int group_next(UserReader *r, const UserField *member, GroupEntry *ret);

bool user_field_is(const UserField *f, const char *text);

/* Strict decimal: digits only, no sign, no space, at most 2^32-2. The value -1 means "no id" to the kernel. */
bool user_id_parse(const char *text, size_t size, uint32_t *ret);
