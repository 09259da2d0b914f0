/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "base/notify.h"

#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>

#include "base/fd.h"
#include "base/list.h"
#include "base/time.h"

#define QUEUED_MAX 512
#define TEXT_SIZE  256

/* Of systemd's time, in which it wants at least one message. */
#define WATCHDOG_PART 4

typedef struct Message {
        ListNode node;
        int fds[NOTIFY_FDS_MAX]; /* owned */
        size_t n_fds;
        char text[TEXT_SIZE];
} Message;

static struct {
        int fd; /* owned: connected to systemd's socket */
        struct sockaddr_un address;
        socklen_t address_size;
        List queue; /* Message, oldest first */
        size_t n_queued;
        sd_event *event; /* weak */
        sd_event_source *writable, *watchdog;
        uint64_t watchdog_usec;
        void (*on_lost)(const char *text, int error);
} notify = {.fd = -EBADF};

static Message *message_free(Message *m)
{
        if (!m)
                return NULL;
        for (size_t i = 0; i < m->n_fds; i++)
                fd_close(m->fds[i]);
        return mfree(m);
}
DEFINE_CLEANUP(Message, message_free);

/* Where systemd listens, and with `again` also where we are connected: it may have another socket by now. */
static int open_socket(bool again)
{
        const char *path = getenv("NOTIFY_SOCKET");
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        socklen_t size;

        if (!path || (path[0] != '/' && path[0] != '@') || strlen(path) >= sizeof(address.sun_path))
                return -EOPNOTSUPP;
        strcpy(address.sun_path, path);
        size = (socklen_t) (offsetof(struct sockaddr_un, sun_path) + strlen(path));
        if (path[0] == '@')
                address.sun_path[0] = 0;
        if (notify.fd < 0)
                notify.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        else if (!again && size == notify.address_size && memcmp(&address, &notify.address, size) == 0)
                return 0;
        notify.address_size = 0;
        if (notify.fd < 0 || connect(notify.fd, (struct sockaddr *) &address, size) < 0)
                return -errno;
        notify.address = address;
        notify.address_size = size;
        return 0;
}

static int send_once(const char *text, const int *fds, size_t n_fds)
{
        union {
                struct cmsghdr header;
                char space[CMSG_SPACE(sizeof(int) * NOTIFY_FDS_MAX)];
        } control = {0};
        struct iovec iov = {.iov_base = (char *) text, .iov_len = strlen(text)};
        struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};

        if (n_fds > 0) {
                message.msg_control = &control;
                message.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
                control.header.cmsg_level = SOL_SOCKET;
                control.header.cmsg_type = SCM_RIGHTS;
                control.header.cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
                memcpy(CMSG_DATA(&control.header), fds, sizeof(int) * n_fds);
        }
        return sendmsg(notify.fd, &message, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static int send_now(const char *text, const int *fds, size_t n_fds)
{
        int r = open_socket(false);

        if (r >= 0)
                r = send_once(text, fds, n_fds);
        if (r == -ECONNREFUSED || r == -ECONNRESET || r == -ENOTCONN) {
                r = open_socket(true);
                if (r >= 0)
                        r = send_once(text, fds, n_fds);
        }
        return r;
}

static void drop(Message *m)
{
        list_remove(&notify.queue, &m->node);
        notify.n_queued--;
        message_free(m);
}

/* 0 when nothing is left. */
static int flush(void)
{
        LIST_FOREACH (Message, m, &notify.queue, node) {
                int r = send_now(m->text, m->fds, m->n_fds);

                if (r == -EAGAIN)
                        return r;
                if (r < 0 && notify.on_lost)
                        notify.on_lost(m->text, r);
                drop(m);
        }
        return 0;
}

/* STATUS, WATCHDOG and the like: only the newest one counts. A message about the descriptor store has a name in
 * its second line, and all of it is compared. */
static bool is_of_kind(const Message *m, const char *text)
{
        if (m->n_fds > 0)
                return false;
        return strchr(text, '\n') ? strcmp(m->text, text) == 0
                                  : strncmp(m->text, text, strcspn(text, "=")) == 0;
}

static int enqueue(const char *text, const int *fds, size_t n_fds)
{
        _cleanup_(message_freep) Message *m = NULL;

        if (n_fds == 0)
                LIST_FOREACH (Message, queued, &notify.queue, node)
                        if (is_of_kind(queued, text))
                                drop(queued);
        if (notify.n_queued >= QUEUED_MAX)
                return -ENOBUFS;
        m = calloc(1, sizeof(*m));
        if (!m)
                return -ENOMEM;
        strcpy(m->text, text);
        while (m->n_fds < n_fds) {
                m->fds[m->n_fds] = fcntl(fds[m->n_fds], F_DUPFD_CLOEXEC, 3);
                if (m->fds[m->n_fds] < 0)
                        return -errno;
                m->n_fds++;
        }
        list_append(&notify.queue, &m->node);
        notify.n_queued++;
        TAKE_PTR(m);
        return 0;
}

static int on_writable(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
        if (flush() >= 0)
                (void) sd_event_source_set_enabled(source, SD_EVENT_OFF);
        return 0;
}

/* There is a socket: a message did not fit into it. */
static int watch(void)
{
        int r;

        if (!notify.event)
                return 0;
        if (notify.writable)
                return sd_event_source_set_enabled(notify.writable, SD_EVENT_ON);
        r = sd_event_add_io(notify.event, &notify.writable, notify.fd, EPOLLOUT, on_writable, NULL);
        return r < 0 ? r : sd_event_source_set_priority(notify.writable, SD_EVENT_PRIORITY_IMPORTANT);
}

int notify_send_fds(const char *text, const int *fds, size_t n_fds)
{
        int r;

        if (strlen(text) >= TEXT_SIZE || n_fds > NOTIFY_FDS_MAX)
                return -E2BIG;
        r = flush();
        if (r >= 0)
                r = send_now(text, fds, n_fds);
        if (r != -EAGAIN)
                return r;
        r = enqueue(text, fds, n_fds);
        return r < 0 ? r : watch();
}

int notify_send(const char *text)
{
        return notify_send_fds(text, NULL, 0);
}

int notify_sendf(const char *format, ...)
{
        char text[TEXT_SIZE];
        va_list arguments;
        int n;

        va_start(arguments, format);
        n = vsnprintf(text, sizeof(text), format, arguments);
        va_end(arguments);
        return n < 0 || (size_t) n >= sizeof(text) ? -E2BIG : notify_send(text);
}

static int on_watchdog(sd_event_source *source, uint64_t usec, void *userdata)
{
        int r = notify_send("WATCHDOG=1");

        if (r < 0 && notify.on_lost)
                notify.on_lost("WATCHDOG=1", r);
        r = sd_event_source_set_time_relative(source, notify.watchdog_usec / WATCHDOG_PART);
        return r < 0 ? r : sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

int notify_start(sd_event *event, void (*on_lost)(const char *text, int error))
{
        int r = sd_watchdog_enabled(false, &notify.watchdog_usec);

        notify.event = event;
        notify.on_lost = on_lost;
        if (r > 0)
                r = sd_event_add_time_relative(event, &notify.watchdog, CLOCK_MONOTONIC, 0,
                                               notify.watchdog_usec / WATCHDOG_PART, on_watchdog, NULL);
        if (r >= 0 && notify.watchdog)
                r = sd_event_source_set_priority(notify.watchdog, SD_EVENT_PRIORITY_IMPORTANT);
        if (r >= 0 && notify.n_queued > 0)
                r = watch();
        return r;
}

void notify_finish(uint64_t usec)
{
        uint64_t until = now_usec(CLOCK_MONOTONIC) + usec, now;

        notify.writable = sd_event_source_disable_unref(notify.writable);
        notify.watchdog = sd_event_source_disable_unref(notify.watchdog);
        notify.event = NULL;
        while (flush() < 0 && (now = now_usec(CLOCK_MONOTONIC)) < until) {
                struct pollfd p = {.fd = notify.fd, .events = POLLOUT};

                (void) poll(&p, 1, (int) ((until - now) / USEC_PER_MSEC) + 1);
        }
        LIST_FOREACH (Message, m, &notify.queue, node)
                drop(m);
        notify.fd = fd_close(notify.fd);
        notify.address_size = 0;
}
