/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/slot.h"

#include <assert.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/list.h"
#include "base/log.h"
#include "base/notify.h"

/* Slots that are made at the start, where a client waits for it: more than one exec needs. Then there are twice
 * as many each time, up to so many at once. systemd gets them in one message, in which Linux allows 253
 * descriptors, and compares each with those that it has. */
#define SLOTS_FIRST 8
#define SLOTS_MORE  32

/* With FDPOLL=0, systemd keeps the fds also after a hang-up. */
#define STORE_MESSAGE "FDSTORE=1\nFDPOLL=0\nFDNAME=" SLOT_FD_NAME

struct Slot {
        SlotPool *pool; /* weak */
        ListNode node;  /* in the list of the free ones; used slots are in no list */
        int fd;         /* owned */
};

struct SlotPool {
        List free;
        size_t n_made;
        bool told; /* that systemd takes no more */
};

SlotPool *slot_pool_new(void)
{
        return calloc(1, sizeof(SlotPool));
}

SlotPool *slot_pool_free(SlotPool *p)
{
        if (!p)
                return NULL;
        LIST_FOREACH (Slot, s, &p->free, node) {
                fd_close(s->fd);
                free(s);
        }
        return mfree(p);
}

/* The fd is taken, also on failure. */
static Slot *slot_new(SlotPool *p, int fd)
{
        Slot *s = calloc(1, sizeof(Slot));

        if (!s) {
                fd_close(fd);
                return NULL;
        }
        s->pool = p;
        s->fd = fd;
        p->n_made++;
        return s;
}

Slot *slot_pool_adopt(SlotPool *p, int fd)
{
        socklen_t size = sizeof(int);
        int type = 0;

        if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0 || type != SOCK_DGRAM) {
                fd_close(fd);
                return NULL;
        }
        return slot_new(p, fd);
}

/* A datagram socket with a name of the kernel's choice, whose peer is itself: no other socket can send to it. */
static int make_socket(void)
{
        _cleanup_close_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        socklen_t size = sizeof(address);

        if (fd < 0 || bind(fd, (struct sockaddr *) &address, sizeof(sa_family_t)) < 0 ||
            getsockname(fd, (struct sockaddr *) &address, &size) < 0 ||
            connect(fd, (struct sockaddr *) &address, size) < 0)
                return -errno;
        return TAKE_FD(fd);
}

static int pool_grow(SlotPool *p)
{
        size_t n = 0, wanted = MIN(MAX(p->n_made, (size_t) SLOTS_FIRST), (size_t) SLOTS_MORE);
        int fds[SLOTS_MORE], r = 0;

        while (n < wanted && r >= 0) {
                r = make_socket();
                if (r >= 0)
                        fds[n++] = r;
        }
        if (n > 0)
                r = notify_send_fds(STORE_MESSAGE, fds, n);
        for (size_t i = 0; i < n; i++) {
                Slot *s = r >= 0 ? slot_new(p, fds[i]) : NULL;

                if (s)
                        list_append(&p->free, &s->node);
                else if (r < 0)
                        fd_close(fds[i]);
        }
        return r;
}

void slot_pool_prepare(SlotPool *p)
{
        int r;

        if (!list_is_empty(&p->free))
                return;
        r = pool_grow(p);
        if (r < 0 && r != -EOPNOTSUPP && !p->told)
                log_errno(LOG_WARNING, r, "Failed to store sockets with systemd, a crash would lose execs");
        p->told = r < 0;
}

void slot_pool_forget(void)
{
        (void) notify_send("FDSTOREREMOVE=1\nFDNAME=" SLOT_FD_NAME);
}

Slot *slot_take(SlotPool *p)
{
        Slot *s;

        slot_pool_prepare(p);
        if (list_is_empty(&p->free))
                return NULL;
        s = LIST_ENTRY(p->free.first, Slot, node);
        list_remove(&p->free, &s->node);
        return s;
}

Slot *slot_release(Slot *s)
{
        char byte;
        int all = -1;

        if (!s)
                return NULL;
        (void) setsockopt(s->fd, SOL_SOCKET, SO_PEEK_OFF, &all, sizeof(all));
        while (recv(s->fd, &byte, sizeof(byte), MSG_DONTWAIT) >= 0)
                ;
        assert(s->pool);
        list_append(&s->pool->free, &s->node);
        return NULL;
}

Slot *slot_leave(Slot *s)
{
        if (!s)
                return NULL;
        fd_close(s->fd);
        return mfree(s);
}

int slot_put(Slot *s, const void *data, size_t size, const int *fds, size_t n_fds)
{
        return fd_send_message(s->fd, data, size, fds, n_fds);
}

int slot_rewind(Slot *s)
{
        int first = 0;

        return setsockopt(s->fd, SOL_SOCKET, SO_PEEK_OFF, &first, sizeof(first)) < 0 ? -errno : 0;
}

ssize_t slot_peek(Slot *s, void *data, size_t size, int ret_fds[static FD_PASS_MAX], size_t *ret_n_fds)
{
        return fd_peek_message(s->fd, data, size, ret_fds, FD_PASS_MAX, ret_n_fds);
}
