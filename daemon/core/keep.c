/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/keep.h"

#include <string.h>

#include "base/buf.h"
#include "base/time.h"
#include "wire/exec-id.h"

#define KEEP_MAGIC "execd k1"
/* The maximum size of a record with a memfd of its own. */
#define KEEP_RECORD_MAX (16 * 1024 * 1024)

/* The beginning of a message in a slot. The record follows, if it fits. */
typedef struct KeepHead {
        char magic[8];
        uint64_t sequence;
        char id[KEEP_ID_SIZE];
        uint8_t n_fds;
        uint8_t roles[FD_PASS_MAX];
} KeepHead;

static int add_fds(KeepHead *head, int *ret_fds, const KeepFd *fds, size_t n_fds)
{
        for (size_t i = 0; i < n_fds; i++) {
                if (fds[i].fd < 0)
                        continue;
                if (head->n_fds >= FD_PASS_MAX)
                        return -E2BIG;
                ret_fds[head->n_fds] = fds[i].fd;
                head->roles[head->n_fds++] = (uint8_t) fds[i].role;
        }
        return 0;
}

Slot *keep_put(SlotPool *p, const char *id, const KeepFd *fds, size_t n_fds, const char *record)
{
        static uint64_t last;
        _cleanup_close_ int memfd = -EBADF;
        _cleanup_buf_ Buf b = BUF_INIT;
        KeepHead head = {.sequence = MAX(now_usec(CLOCK_BOOTTIME), last + 1)};
        size_t size = record ? strlen(record) : 0;
        int passed[FD_PASS_MAX];
        Slot *s;

        last = head.sequence;
        memcpy(head.magic, KEEP_MAGIC, sizeof(head.magic));
        strncpy(head.id, id, sizeof(head.id) - 1);
        if (add_fds(&head, passed, fds, n_fds) < 0)
                return NULL;
        if (size > SLOT_MESSAGE_MAX - sizeof(head)) {
                memfd = memfd_sealed("execd-record", record, size);
                size = 0;
                if (memfd < 0 || add_fds(&head, passed, &(KeepFd){KEEP_RECORD, memfd}, 1) < 0)
                        return NULL;
        }
        buf_append(&b, &head, sizeof(head));
        if (size > 0)
                buf_append(&b, record, size);
        if (buf_error(&b) < 0)
                return NULL;
        s = slot_take(p);
        if (s && slot_put(s, buf_head(&b), buf_length(&b), passed, head.n_fds) < 0)
                s = slot_release(s);
        return s;
}

static int parse(const char *data, size_t size, size_t n_fds, KeepFound *f)
{
        KeepHead head;

        if (size < sizeof(head))
                return -EBADMSG;
        memcpy(&head, data, sizeof(head));
        if (memcmp(head.magic, KEEP_MAGIC, sizeof(head.magic)) != 0 || head.n_fds != n_fds ||
            strnlen(head.id, sizeof(head.id)) != KEEP_ID_SIZE - 1 || !exec_id_is_valid(head.id))
                return -EBADMSG;
        for (size_t i = 0; i < n_fds; i++) {
                if (head.roles[i] >= _KEEP_ROLE_MAX)
                        return -EBADMSG;
                f->fds[i].role = head.roles[i];
        }
        strcpy(f->id, head.id);
        f->sequence = head.sequence;
        if (size > sizeof(head)) {
                f->record = strndup(data + sizeof(head), size - sizeof(head));
                if (!f->record)
                        return -ENOMEM;
        }
        return 0;
}

/* A long record. */
static int read_record(KeepFound *f)
{
        size_t size;

        for (size_t i = 0; i < f->n_fds; i++)
                if (f->fds[i].role == KEEP_RECORD && !f->record)
                        return memfd_read(f->fds[i].fd, KEEP_RECORD_MAX, &f->record, &size);
        return 0;
}

int keep_read(Slot *s, KeepFound *ret)
{
        static char data[SLOT_MESSAGE_MAX]; /* the loop is single-threaded */
        int fds[FD_PASS_MAX], r;
        ssize_t n;

        *ret = (KeepFound){0};
        n = slot_peek(s, data, sizeof(data), fds, &ret->n_fds);
        if (n < 0)
                return (int) n;
        for (size_t i = 0; i < ret->n_fds; i++)
                ret->fds[i].fd = fds[i];
        r = parse(data, (size_t) n, ret->n_fds, ret);
        if (r >= 0)
                r = read_record(ret);
        if (r < 0)
                keep_found_done(ret);
        return r;
}

void keep_found_done(KeepFound *f)
{
        for (size_t i = 0; i < f->n_fds; i++)
                f->fds[i].fd = fd_close(f->fds[i].fd);
        free(f->record);
        *f = (KeepFound){0};
}
