/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "wire/bolt.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"

/* Numbers are in the order of the machine that wrote them, which is this one. */

#define MAGIC         UINT32_C(0xed0cdaed)
#define VERSION       2
#define HEADER_SIZE   16
#define ELEMENT_SIZE  16
#define META_CHECKED  56 /* bytes before the checksum */
#define BUCKET_HEADER 16
#define PAGE_BRANCH   0x01
#define PAGE_LEAF     0x02
#define PAGE_META     0x04
#define IS_BUCKET     0x01
#define DEPTH_MAX     32

typedef struct Meta {
        uint32_t page_size;
        uint64_t root, transaction;
} Meta;

typedef struct Page {
        const uint8_t *data; /* from its header on */
        size_t size;
        uint16_t flags, n;
} Page;

typedef struct Element {
        const uint8_t *key, *value;
        size_t key_size, value_size;
        uint64_t child; /* of a branch */
        bool is_bucket;
} Element;

static uint16_t get16(const uint8_t *p)
{
        uint16_t v;

        memcpy(&v, p, sizeof(v));
        return v;
}

static uint32_t get32(const uint8_t *p)
{
        uint32_t v;

        memcpy(&v, p, sizeof(v));
        return v;
}

static uint64_t get64(const uint8_t *p)
{
        uint64_t v;

        memcpy(&v, p, sizeof(v));
        return v;
}

static uint64_t checksum(const uint8_t *p, size_t n)
{
        uint64_t h = UINT64_C(0xcbf29ce484222325);

        for (size_t i = 0; i < n; i++)
                h = (h ^ p[i]) * UINT64_C(0x100000001b3);
        return h;
}

/* magic, version, page size, flags, root bucket (root, sequence), free list, number of pages, transaction,
 * checksum. */
static bool read_meta(const uint8_t *data, size_t size, size_t offset, Meta *ret)
{
        const uint8_t *m = data + offset + HEADER_SIZE;

        if (offset > size || size - offset < HEADER_SIZE + META_CHECKED + 8)
                return false;
        if (!(get16(data + offset + 8) & PAGE_META) || get32(m) != MAGIC || get32(m + 4) != VERSION ||
            get64(m + META_CHECKED) != checksum(m, META_CHECKED))
                return false;
        *ret = (Meta){.page_size = get32(m + 8), .root = get64(m + 16), .transaction = get64(m + 48)};
        return ret->page_size >= 1024 && ret->page_size <= BOLT_META_SIZE / 2 &&
               (ret->page_size & (ret->page_size - 1)) == 0;
}

/* There are two, written in turn. The first may be malformed, and then the second is looked for where pages
 * of each size would have it. */
static int find_meta(const uint8_t *data, size_t size, Meta *ret)
{
        Meta other;
        bool found = read_meta(data, size, 0, ret);

        for (size_t page_size = 1024; page_size <= BOLT_META_SIZE / 2; page_size *= 2)
                if (read_meta(data, size, page_size, &other) && other.page_size == page_size &&
                    (!found || other.transaction > ret->transaction)) {
                        *ret = other;
                        found = true;
                }
        return found ? 0 : -EBADMSG;
}

int bolt_transaction(const void *data, size_t size, uint64_t *ret)
{
        Meta m;
        int r = find_meta(data, size, &m);

        if (r >= 0)
                *ret = m.transaction;
        return r;
}

static int open_page(const uint8_t *data, size_t size, Page *ret)
{
        if (size < HEADER_SIZE)
                return -EBADMSG;
        *ret = (Page){.data = data, .size = size, .flags = get16(data + 8), .n = get16(data + 10)};
        if (ret->n > (size - HEADER_SIZE) / ELEMENT_SIZE)
                return -EBADMSG;
        return 0;
}

static int read_page(const uint8_t *data, size_t size, const Meta *m, uint64_t id, Page *ret)
{
        uint64_t pages = size / m->page_size, n;
        const uint8_t *p;

        if (id >= pages)
                return -EBADMSG;
        p = data + id * m->page_size;
        n = UINT64_C(1) + get32(p + 12); /* with the pages that it overflows to */
        if (n > pages - id)
                return -EBADMSG;
        return open_page(p, n * m->page_size, ret);
}

/* A leaf's element: flags, position from its own beginning, sizes of key and value. A branch's: position,
 * size of the key, page. */
static int read_element(const Page *p, uint16_t i, Element *ret)
{
        size_t at = HEADER_SIZE + (size_t) i * ELEMENT_SIZE, room = p->size - at;
        const uint8_t *e = p->data + at;
        bool is_leaf = p->flags & PAGE_LEAF;
        uint32_t position = get32(e + (is_leaf ? 4 : 0)), key_size = get32(e + (is_leaf ? 8 : 4));
        uint32_t value_size = is_leaf ? get32(e + 12) : 0;

        if (position > room || key_size > room - position || value_size > room - position - key_size)
                return -EBADMSG;
        *ret = (Element){.key = e + position,
                         .key_size = key_size,
                         .value = e + position + key_size,
                         .value_size = value_size,
                         .child = is_leaf ? 0 : get64(e + 8),
                         .is_bucket = is_leaf && (get32(e) & IS_BUCKET)};
        return 0;
}

static int compare(const Element *e, const char *key, size_t key_size)
{
        int c = memcmp(e->key, key, MIN(e->key_size, key_size));

        return c != 0 ? c : e->key_size < key_size ? -1 : e->key_size > key_size;
}

/* The last element whose key is not above this one; keys are in order. -ENOENT if all are. */
static int search_page(const Page *p, const char *key, Element *ret)
{
        uint16_t low = 0, high = p->n;
        size_t key_size = strlen(key);
        int r;

        while (low < high) {
                uint16_t middle = (uint16_t) (low + (high - low) / 2);
                Element e;

                r = read_element(p, middle, &e);
                if (r < 0)
                        return r;
                if (compare(&e, key, key_size) <= 0)
                        low = (uint16_t) (middle + 1);
                else
                        high = middle;
        }
        return low == 0 ? -ENOENT : read_element(p, (uint16_t) (low - 1), ret);
}

static int search(const uint8_t *data, size_t size, const Meta *m, Page page, const char *key, Element *ret)
{
        int r;

        for (unsigned depth = 0; depth < DEPTH_MAX; depth++) {
                r = search_page(&page, key, ret);
                if (r < 0)
                        return r;
                if (page.flags & PAGE_LEAF)
                        return compare(ret, key, strlen(key)) == 0 ? 0 : -ENOENT;
                if (!(page.flags & PAGE_BRANCH))
                        return -EBADMSG;
                r = read_page(data, size, m, ret->child, &page);
                if (r < 0)
                        return r;
        }
        return -EBADMSG;
}

/* A small bucket has its only page after its header, in the value itself. */
static int open_bucket(const uint8_t *data, size_t size, const Meta *m, const Element *e, Page *ret)
{
        uint64_t root;

        if (!e->is_bucket)
                return -ENOENT;
        if (e->value_size < BUCKET_HEADER)
                return -EBADMSG;
        root = get64(e->value);
        return root == 0 ? open_page(e->value + BUCKET_HEADER, e->value_size - BUCKET_HEADER, ret)
                         : read_page(data, size, m, root, ret);
}

int bolt_find(const void *data, size_t size, const char *const *keys, const char **ret, size_t *ret_size)
{
        Element e = {0};
        Page page;
        Meta m;
        int r;

        r = find_meta(data, size, &m);
        if (r >= 0)
                r = read_page(data, size, &m, m.root, &page);
        for (; r >= 0 && keys[0]; keys++) {
                r = search(data, size, &m, page, keys[0], &e);
                if (r >= 0 && keys[1])
                        r = open_bucket(data, size, &m, &e, &page);
        }
        if (r < 0)
                return r;
        if (e.is_bucket || !e.value)
                return -ENOENT;
        *ret = (const char *) e.value;
        *ret_size = e.value_size;
        return 0;
}
