/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* core/keep: stored descriptors are found again with their roles and in their order, and a foreign message is
 * refused without leaving a descriptor open. */

#include <fcntl.h>

#include "core/keep.h"
#include "unit/core/world.h"
#include "unit/count-fds.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static int some_fd(const World *w)
{
        return fcntl(w->listener, F_DUPFD_CLOEXEC, 3);
}

static int read_slot(Slot *s, KeepFound *f)
{
        NEED(slot_rewind(s) >= 0);
        return keep_read(s, f);
}

static void test_records(World *w, SlotPool *p)
{
        static const size_t sizes[] = {1, 60000, SLOT_MESSAGE_MAX - 200, SLOT_MESSAGE_MAX, 300000};
        uint64_t last = 0;
        int fd = some_fd(w);

        for (size_t i = 0; i < ELEMENTSOF(sizes); i++) {
                _cleanup_free_ char *record = malloc(sizes[i] + 1);
                const KeepFd fds[] = {{KEEP_STDOUT, -EBADF}, {KEEP_CONTROL, fd}, {KEEP_LEADER, fd}};
                size_t before = count_fds();
                char row[32];
                KeepFound f;
                Slot *s;

                NEED(record);
                memset(record, 'r', sizes[i]);
                record[sizes[i]] = 0;
                snprintf(row, sizeof(row), "%zu bytes", sizes[i]);
                s = keep_put(p, ID, fds, ELEMENTSOF(fds), record);
                NEED(s && read_slot(s, &f) >= 0);
                CHECK_TEXT(row, f.record, record);
                CHECK_TEXT(row, f.id, ID);
                CHECK_ROW(row, f.fds[0].role == KEEP_CONTROL && f.fds[1].role == KEEP_LEADER);
                CHECK_ROW(row, f.sequence > last);
                last = f.sequence;
                keep_found_done(&f);
                slot_release(s);
                CHECK_ROW(row, count_fds() == before);
        }
        fd_close(fd);
}

static void test_bounds(World *w, SlotPool *p)
{
        static const size_t too_long = 16 * 1024 * 1024 + 1;
        _cleanup_free_ char *record = malloc(too_long + 1);
        int fd = some_fd(w);
        KeepFd fds[FD_PASS_MAX + 1];
        size_t before;
        KeepFound f;
        Slot *s;

        NEED(record);
        memset(record, 'r', too_long);
        record[too_long] = 0;
        for (size_t i = 0; i < ELEMENTSOF(fds); i++)
                fds[i] = (KeepFd){(KeepRole) i, fd};
        before = count_fds();
        CHECK(!keep_put(p, ID, fds, FD_PASS_MAX + 1, NULL));
        /* A long record is one descriptor more. */
        record[SLOT_MESSAGE_MAX] = 0;
        CHECK(!keep_put(p, ID, fds, FD_PASS_MAX, record));
        record[SLOT_MESSAGE_MAX] = 'r';
        s = keep_put(p, ID, fds, FD_PASS_MAX, "short");
        NEED(s && read_slot(s, &f) >= 0);
        CHECK(f.n_fds == FD_PASS_MAX);
        keep_found_done(&f);
        slot_release(s);
        s = keep_put(p, ID, fds, 1, record);
        NEED(s);
        CHECK(read_slot(s, &f) < 0 && f.n_fds == 0 && !f.record);
        slot_release(s);
        CHECK(count_fds() == before);
        fd_close(fd);
}

/* A slot may be from an execd of another version. */
static void test_strange_messages(World *w, SlotPool *p)
{
        static const struct {
                const char *row;
                size_t at;
                char byte;
                size_t size; /* 0: all of it */
        } rows[] = {
                {"as it is", 0, 'e', 0},
                {"another version", 7, '9', 0},
                {"no hexadecimal digit in the id", 16, 'g', 0},
                {"a capital in the id", 16, 'A', 0},
                {"the id is short", 16 + 63, 0, 0},
                {"the id does not end", 16 + 64, '0', 0},
                {"more descriptors than there are", 16 + 65, 3, 0},
                {"fewer", 16 + 65, 1, 0},
                {"an unknown role", 16 + 66, _KEEP_ROLE_MAX, 0},
                {"an unknown second role", 16 + 67, (char) 0xff, 0},
                {"cut", 0, 'e', 80},
                {"nothing", 0, 'e', 1},
        };
        int fd = some_fd(w);
        const KeepFd both[] = {{KEEP_CONTROL, fd}, {KEEP_PIDFD, fd}};
        int fds[FD_PASS_MAX];
        char whole[1024];
        size_t n_fds, before;
        ssize_t size;
        Slot *s;

        s = keep_put(p, ID, both, 2, "record");
        NEED(s && slot_rewind(s) >= 0);
        size = slot_peek(s, whole, sizeof(whole), fds, &n_fds);
        NEED(size > 100 && n_fds == 2);
        slot_release(s);
        before = count_fds();
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                char data[sizeof(whole)];
                KeepFound f;
                int r;

                memcpy(data, whole, sizeof(data));
                data[rows[i].at] = rows[i].byte;
                s = slot_take(p);
                NEED(s && slot_put(s, data, rows[i].size ?: (size_t) size, fds, 2) >= 0);
                r = read_slot(s, &f);
                CHECK_ROW(rows[i].row, r == (i == 0 ? 0 : -EBADMSG));
                keep_found_done(&f);
                CHECK_ROW(rows[i].row, keep_read(s, &f) == -EAGAIN);
                slot_release(s);
                CHECK_ROW(rows[i].row, count_fds() == before);
        }
        fd_close(fds[0]);
        fd_close(fds[1]);
        fd_close(fd);
}

int main(void)
{
        _cleanup_(world_freep) World *w = world_new();
        SlotPool *p = w->manager.slots;

        slot_pool_prepare(p);
        test_records(w, p);
        test_bounds(w, p);
        test_strange_messages(w, p);
        return test_finish("keep");
}
