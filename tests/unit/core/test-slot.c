/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* core/slot: the content of a slot outlives the process that put it there, reaches no other process, and can be removed. */

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/notify.h"
#include "core/slot.h"
#include "unit/core/world.h"
#include "unit/count-fds.h"

/* Descriptors in the next message to systemd, which are the caller's; 0 when there is none. */
static size_t take_stored(World *w, int fds[static 64])
{
        FdStore found;
        size_t n;

        world_take_stored(w, &found);
        n = found.n_slot_fds;
        NEED(n <= 64);
        if (n > 0)
                memcpy(fds, found.slot_fds, n * sizeof(int));
        free(found.slot_fds);
        return n;
}

static void close_all(const int *fds, size_t n)
{
        for (size_t i = 0; i < n; i++)
                fd_close(fds[i]);
}

/* Whether all that hold the other end of a pipe have closed it. */
static bool is_closed(int pipe_end)
{
        char byte;

        NEED(fd_set_nonblock(pipe_end, true) >= 0);
        return read(pipe_end, &byte, 1) == 0;
}

static void test_without_systemd(World *w)
{
        static const char *const nowhere[] = {NULL, "", "relative", "/nonexistent/socket"};
        _cleanup_free_ char *path = strdup(getenv("NOTIFY_SOCKET"));
        SlotPool *p = slot_pool_new();
        char too_long[200];
        size_t before;

        /* The socket to systemd is made once. */
        NEED(notify_send("STATUS=") >= 0);
        before = count_fds();
        for (size_t i = 0; i < ELEMENTSOF(nowhere); i++) {
                if (nowhere[i])
                        setenv("NOTIFY_SOCKET", nowhere[i], true);
                else
                        unsetenv("NOTIFY_SOCKET");
                CHECK_ROW(nowhere[i] ?: "unset", !slot_take(p));
        }
        memset(too_long, '/', sizeof(too_long));
        too_long[sizeof(too_long) - 1] = 0;
        setenv("NOTIFY_SOCKET", too_long, true);
        CHECK(!slot_take(p) && count_fds() == before);
        slot_pool_free(p);
        setenv("NOTIFY_SOCKET", path, true);
}

/* systemd is asked for many at once, and not for each exec. */
static void test_batches(World *w)
{
        static const size_t batches[] = {8, 8, 16, 32, 32};
        SlotPool *p = slot_pool_new();
        int fds[64];

        for (size_t i = 0; i < ELEMENTSOF(batches); i++)
                for (size_t k = 0; k < batches[i]; k++) {
                        size_t n;

                        CHECK(slot_leave(slot_take(p)) == NULL);
                        n = take_stored(w, fds);
                        close_all(fds, n);
                        CHECK(n == (k == 0 ? batches[i] : 0));
                }
        slot_pool_free(p);
}

static bool holds_hello(Slot *s)
{
        char text[8] = "";
        int fds[FD_PASS_MAX];
        size_t n_fds;

        return slot_rewind(s) >= 0 && slot_peek(s, text, sizeof(text), fds, &n_fds) == 5 &&
               strcmp(text, "hello") == 0;
}

/* systemd does not read: no caller waits for it, and it gets the sockets later. */
static void test_systemd_is_busy(World *w)
{
        SlotPool *p = slot_pool_new();
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), fds[64];
        Slot *s;
        size_t n;

        strcpy(address.sun_path, getenv("NOTIFY_SOCKET"));
        NEED(connect(fd, (struct sockaddr *) &address, sizeof(address)) == 0);
        while (send(fd, "FILLER=1", 8, 0) == 8)
                ;
        s = slot_take(p);
        CHECK(s != NULL);
        CHECK(take_stored(w, fds) == 0);
        NEED(slot_put(s, "hello", 5, NULL, 0) >= 0);
        slot_leave(s);
        world_settle(w);
        n = take_stored(w, fds);
        CHECK(n == 8);
        s = n > 0 ? slot_pool_adopt(p, fds[0]) : NULL;
        CHECK(s && holds_hello(s));
        slot_leave(s);
        close_all(fds + 1, n > 0 ? n - 1 : 0);
        fd_close(fd);
        slot_pool_free(p);
}

static void test_content(World *w)
{
        SlotPool *p = slot_pool_new(), *next = slot_pool_new();
        Slot *s = slot_take(p), *found;
        int copies[64], ends[2], got[64];
        char text[8] = "";
        size_t n, n_got;

        n = take_stored(w, copies);
        NEED(s && n == 8 && pipe2(ends, O_CLOEXEC) == 0);
        NEED(slot_put(s, "hello", 5, &ends[1], 1) >= 0);
        fd_close(ends[1]);
        /* As after a crash: only systemd's copy is left. The first slot is the first descriptor. */
        slot_leave(s);
        found = slot_pool_adopt(next, copies[0]);
        NEED(found);
        for (size_t i = 0; i < 2; i++) {
                NEED(slot_rewind(found) >= 0);
                CHECK(slot_peek(found, text, sizeof(text), got, &n_got) == 5 && n_got == 1);
                CHECK_TEXT("it stays", text, "hello");
                close_all(got, n_got);
                CHECK(slot_peek(found, text, sizeof(text), got, &n_got) == -EAGAIN);
        }
        CHECK(!is_closed(ends[0]));
        slot_release(found);
        CHECK(is_closed(ends[0]));
        /* The next exec gets it, and finds nothing in it. */
        found = slot_take(next);
        CHECK(take_stored(w, got) == 0);
        NEED(slot_rewind(found) >= 0);
        CHECK(slot_peek(found, text, sizeof(text), got, &n_got) == -EAGAIN);
        slot_leave(found);
        close_all(copies + 1, n - 1);
        fd_close(ends[0]);
        slot_pool_free(p);
        slot_pool_free(next);
}

/* Its name is in a list that all users can read, /proc/net/unix, and execd trusts the content of its slots. */
static void test_strangers(World *w)
{
        SlotPool *p = slot_pool_new();
        Slot *s = slot_take(p);
        struct sockaddr_un address;
        socklen_t size = sizeof(address);
        int copies[64], stranger = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        size_t n = take_stored(w, copies);

        NEED(s && n > 0 && stranger >= 0);
        NEED(getsockname(copies[0], (struct sockaddr *) &address, &size) == 0 && size > sizeof(sa_family_t));
        CHECK(sendto(stranger, "forged", 6, 0, (struct sockaddr *) &address, size) < 0 && errno == EPERM);
        CHECK(connect(stranger, (struct sockaddr *) &address, size) < 0 && errno == EPERM);
        fd_close(stranger);
        close_all(copies, n);
        slot_leave(s);
        slot_pool_free(p);
}

static void test_no_slots(void)
{
        SlotPool *p = slot_pool_new();
        int pipes[2], stream = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        size_t before = count_fds();

        NEED(pipe2(pipes, O_CLOEXEC) == 0 && stream >= 0);
        CHECK(!slot_pool_adopt(p, pipes[0]) && !slot_pool_adopt(p, stream));
        fd_close(pipes[1]);
        CHECK(count_fds() == before - 1);
        slot_pool_free(p);
}

int main(void)
{
        _cleanup_(world_freep) World *w = world_new();
        int fds[64];

        close_all(fds, take_stored(w, fds));
        test_without_systemd(w);
        test_batches(w);
        test_systemd_is_busy(w);
        test_content(w);
        test_strangers(w);
        test_no_slots();
        return test_finish("slot");
}
