/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "wire/user-file.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/decimal.h"

#define ID_MAX (UINT32_MAX - 1)

/* The numbers of the fields of a line. The members of a group are separated by commas. */
enum {
        FIELD_NAME = 0,
        FIELD_ID = 2, /* of the user, or of the group */
        PASSWD_GID = 3,
        PASSWD_HOME = 5,
        GROUP_MEMBERS = 3,
};

bool user_id_parse(const char *text, size_t size, uint32_t *ret)
{
        uint64_t v;

        if (decimal_read(text, size, ID_MAX, &v) < 0)
                return false;
        *ret = (uint32_t) v;
        return true;
}

static bool field_equals(const UserField *f, const char *text, size_t size)
{
        return f->size == size && size <= sizeof(f->text) && memcmp(f->text, text, size) == 0;
}

bool user_field_is(const UserField *f, const char *text)
{
        return field_equals(f, text, strlen(text));
}

static bool field_parse_id(const UserField *f, uint32_t *ret)
{
        return f->size <= sizeof(f->text) && user_id_parse(f->text, f->size, ret);
}

static void field_append(UserField *f, const char *text, size_t size)
{
        if (f->size < sizeof(f->text))
                memcpy(f->text + f->size, text, MIN(size, sizeof(f->text) - f->size));
        f->size += size;
}

/* Takes a field off the line. Returns the character after it, which is the separator or a newline, 0 at the end of the file,
 * or -errno. */
static int next_field(UserReader *r, char separator, UserField *ret)
{
        ret->size = 0;
        for (;;) {
                const char *piece = r->buffer + r->at;
                size_t left = r->n - r->at, size = 0;
                ssize_t n;

                while (size < left && piece[size] != separator && piece[size] != '\n')
                        size++;
                field_append(ret, piece, size);
                r->has_nul = r->has_nul || memchr(piece, 0, size);
                if (size < left) {
                        r->at += size + 1;
                        return piece[size];
                }
                n = r->file ? r->file->read(r->file->userdata, r->buffer, sizeof(r->buffer)) : 0;
                r->at = 0;
                r->n = n > 0 ? (size_t) n : 0;
                if (n <= 0)
                        return (int) n;
        }
}

int passwd_next(UserReader *r, PasswdEntry *ret)
{
        int end;

        do {
                bool has_ids = true;
                size_t n = 0;

                r->has_nul = false;
                ret->home.size = 0;
                do {
                        end = next_field(r, ':',
                                         n == FIELD_NAME    ? &ret->name
                                         : n == PASSWD_HOME ? &ret->home
                                                            : &r->field);
                        if (end < 0)
                                return end;
                        if (n == FIELD_ID)
                                has_ids = field_parse_id(&r->field, &ret->uid);
                        else if (n == PASSWD_GID)
                                has_ids = has_ids && field_parse_id(&r->field, &ret->gid);
                        n++;
                } while (end == ':');
                if (n > PASSWD_GID && has_ids && ret->name.size > 0 && !r->has_nul)
                        return 1;
        } while (end > 0);
        return 0;
}

int group_next(UserReader *r, const UserField *member, GroupEntry *ret)
{
        int end;

        do {
                bool has_id = false;
                size_t n = 0;

                r->has_nul = false;
                ret->has_member = false;
                do {
                        end = next_field(r, n < GROUP_MEMBERS ? ':' : ',',
                                         n == FIELD_NAME ? &ret->name : &r->field);
                        if (end < 0)
                                return end;
                        if (n == FIELD_ID)
                                has_id = field_parse_id(&r->field, &ret->gid);
                        else if (n >= GROUP_MEMBERS && member)
                                ret->has_member = ret->has_member ||
                                                  field_equals(&r->field, member->text, member->size);
                        n++;
                } while (end > 0 && end != '\n');
                if (has_id && ret->name.size > 0 && !r->has_nul)
                        return 1;
        } while (end > 0);
        return 0;
}
