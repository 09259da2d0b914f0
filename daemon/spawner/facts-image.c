/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "spawner/facts-image.h"

#include <string.h>

#define TEXTS 4

typedef struct Room {
        char *position;
        size_t left;
} Room;

static int put(Room *r, const void *data, size_t size)
{
        if (size > r->left)
                return -E2BIG;
        if (size > 0)
                memcpy(r->position, data, size);
        r->position += size;
        r->left -= size;
        return 0;
}

int facts_image_write(const LeaderFacts *f, FactsImage *ret, size_t max)
{
        const char *const texts[TEXTS] = {f->uid_map, f->gid_map, f->label, f->apparmor};
        Room room = {ret->data, max - sizeof(*ret)};
        int r;

        ret->namespaces = f->namespaces;
        ret->status = f->status;
        ret->setgroups_denied = f->setgroups_denied;
        ret->maker = f->maker;
        ret->n_groups = (uint32_t) f->n_groups;
        r = put(&room, f->groups, f->n_groups * sizeof(*f->groups));
        for (size_t i = 0; r >= 0 && i < TEXTS; i++) {
                size_t size = texts[i] ? strlen(texts[i]) + 1 : 0;

                ret->sizes[i] = (uint32_t) size;
                r = put(&room, texts[i], size);
        }
        return r;
}

static int take(const char **position, size_t *left, size_t size, void **ret)
{
        if (size > *left)
                return -EBADMSG;
        *ret = NULL;
        if (size == 0)
                return 0;
        *ret = malloc(size);
        if (!*ret)
                return -ENOMEM;
        memcpy(*ret, *position, size);
        *position += size;
        *left -= size;
        return 0;
}

static int take_text(const char **position, size_t *left, size_t size, char **ret)
{
        void *text;
        int r = take(position, left, size, &text);

        if (r < 0)
                return r;
        *ret = text;
        if (size > 0)
                (*ret)[size - 1] = 0;
        return 0;
}

int facts_image_read(const FactsImage *image, size_t max, LeaderFacts *ret)
{
        _cleanup_(leader_facts_done) LeaderFacts f = {
                .namespaces = image->namespaces,
                .status = image->status,
                .setgroups_denied = image->setgroups_denied,
                .maker = image->maker,
                .n_groups = image->n_groups,
        };
        char **const texts[TEXTS] = {&f.uid_map, &f.gid_map, &f.label, &f.apparmor};
        const char *position = image->data;
        size_t left = max - sizeof(*image);
        void *groups;
        int r;

        r = take(&position, &left, f.n_groups * sizeof(*f.groups), &groups);
        if (r < 0)
                return r;
        f.groups = groups;
        for (size_t i = 0; i < TEXTS; i++) {
                r = take_text(&position, &left, image->sizes[i], texts[i]);
                if (r < 0)
                        return r;
        }
        *ret = f;
        f = (LeaderFacts){0};
        return 0;
}
