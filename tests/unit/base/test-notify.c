/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* base/notify: systemd that does not read delays no caller, and gets everything in order later. */

#include "base/notify.h"

#include <fcntl.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/time.h"
#include "unit/need.h"
#include "unit/test.h"

static char directory[] = "/tmp/test-notify-XXXXXX", path[64];

static unsigned n_lost;

static void on_lost(const char *text, int error)
{
        n_lost++;
}

static int listen_as_systemd(void)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        strcpy(address.sun_path, path);
        (void) unlink(path);
        NEED(fd >= 0 && bind(fd, (struct sockaddr *) &address, sizeof(address)) == 0);
        return fd;
}

/* By another process of systemd's, as it were: the queue of a socket is the same for all who send to it. */
static void fill(void)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        strcpy(address.sun_path, path);
        NEED(fd >= 0 && connect(fd, (struct sockaddr *) &address, sizeof(address)) == 0);
        while (send(fd, "FILLER", 6, 0) == 6)
                ;
        NEED(errno == EAGAIN);
        fd_close(fd);
}

/* The next message, and its first fd, which is the caller's. "" when there is none. */
static const char *next(int systemd, int *ret_fd)
{
        static char text[256];
        union {
                struct cmsghdr header;
                char space[CMSG_SPACE(sizeof(int) * NOTIFY_FDS_MAX)];
        } control;
        struct iovec iov = {.iov_base = text, .iov_len = sizeof(text) - 1};
        ssize_t n;

        do {
                struct msghdr message = {
                        .msg_iov = &iov,
                        .msg_iovlen = 1,
                        .msg_control = &control,
                        .msg_controllen = sizeof(control),
                };

                n = recvmsg(systemd, &message, MSG_CMSG_CLOEXEC);
                text[n > 0 ? n : 0] = 0;
                if (CMSG_FIRSTHDR(&message) && n > 0)
                        memcpy(ret_fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(int));
        } while (strcmp(text, "FILLER") == 0);
        return text;
}

static void settle(sd_event *event)
{
        while (sd_event_run(event, 0) > 0)
                ;
}

static bool is_same_file(int a, int b)
{
        struct stat one, other;

        return fstat(a, &one) == 0 && fstat(b, &other) == 0 && one.st_ino == other.st_ino &&
               one.st_dev == other.st_dev;
}

static void test_order(sd_event *event, int systemd)
{
        static const char *const expected[] = {
                "RELOADING=1\nMONOTONIC_USEC=1",
                "READY=1",
                "FDSTORE=1\nFDNAME=slot",
                "FDSTOREREMOVE=1\nFDNAME=one",
                "FDSTOREREMOVE=1\nFDNAME=two",
                "STATUS=new",
                "",
        };
        int ends[2], got = -EBADF;

        NEED(pipe2(ends, O_CLOEXEC) == 0);
        CHECK(notify_send("STATUS=before") >= 0);
        CHECK_TEXT("it is sent at once", next(systemd, &got), "STATUS=before");
        fill();
        CHECK(notify_sendf("STATUS=%s", "old") >= 0);
        CHECK(notify_send("RELOADING=1\nMONOTONIC_USEC=1") >= 0 && notify_send("READY=1") >= 0);
        CHECK(notify_send_fds("FDSTORE=1\nFDNAME=slot", &ends[1], 1) >= 0);
        CHECK(notify_send("FDSTOREREMOVE=1\nFDNAME=one") >= 0 &&
              notify_send("FDSTOREREMOVE=1\nFDNAME=two") >= 0);
        CHECK(notify_send("STATUS=new") >= 0);
        settle(event);
        /* First what was there, which makes room. */
        CHECK_TEXT("none gets in before", next(systemd, &got), "");
        settle(event);
        for (size_t k = 0; k < ELEMENTSOF(expected); k++)
                CHECK_TEXT("in order", next(systemd, &got), expected[k]);
        CHECK(got >= 0 && is_same_file(got, ends[0]));
        fd_close(got);
        fd_close(ends[0]);
        fd_close(ends[1]);
        CHECK(n_lost == 0);
}

/* Messages that newer ones replace are not counted; messages about the descriptor store are. */
static void test_bound(sd_event *event, int systemd)
{
        int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), got = -EBADF, r = 0;
        unsigned n = 0;

        fill();
        for (unsigned i = 0; i < 10000; i++)
                CHECK(notify_sendf("STATUS=%u", i) >= 0);
        while (n < 1000 && (r = notify_send_fds("FDSTORE=1", &fd, 1)) >= 0)
                n++;
        CHECK(r == -ENOBUFS && n > 100);
        CHECK_TEXT("none gets in before", next(systemd, &got), "");
        for (unsigned i = 0, seen = 0; seen <= n; i++) {
                const char *text = next(systemd, &got);

                NEED(i < 100000);
                if (*text && ++seen == 1)
                        CHECK_TEXT("the newest status", text, "STATUS=9999");
                else if (*text) {
                        fd_close(got);
                } else
                        settle(event);
        }
        fd_close(fd);
}

static int on_tick(sd_event_source *source, uint64_t usec, void *userdata)
{
        unsigned *n = userdata;

        *n += 1;
        NEED(sd_event_source_set_time_relative(source, 2 * USEC_PER_MSEC) >= 0);
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

/* The loop goes on while systemd does not read, and systemd hears that it is alive when it does. */
static void test_watchdog(sd_event *event, int systemd)
{
        sd_event_source *tick = NULL;
        unsigned n = 0, n_heard = 0;
        char number[32];
        int got;

        snprintf(number, sizeof(number), "%d", (int) getpid());
        setenv("WATCHDOG_PID", number, true);
        setenv("WATCHDOG_USEC", "20000", true);
        fill();
        NEED(notify_start(event, on_lost) >= 0);
        NEED(sd_event_add_time_relative(event, &tick, CLOCK_MONOTONIC, 0, 0, on_tick, &n) >= 0);
        while (n < 20)
                NEED(sd_event_run(event, UINT64_MAX) >= 0);
        CHECK_TEXT("none gets in before", next(systemd, &got), "");
        settle(event);
        CHECK_TEXT("the first is sent late", next(systemd, &got), "WATCHDOG=1");
        CHECK_TEXT("once", next(systemd, &got), "");
        while (n_heard < 3) {
                NEED(sd_event_run(event, UINT64_MAX) >= 0);
                n_heard += strcmp(next(systemd, &got), "WATCHDOG=1") == 0;
        }
        CHECK(n_lost == 0);
        sd_event_source_disable_unref(tick);
}

/* systemd was executed anew, with another socket in the place of the old one. */
static void test_another_socket(sd_event *event, int *systemd)
{
        int got;

        fill();
        CHECK(notify_send("STATUS=queued") >= 0);
        fd_close(*systemd);
        *systemd = listen_as_systemd();
        settle(event);
        CHECK_TEXT("what was queued", next(*systemd, &got), "STATUS=queued");
        CHECK(notify_send("STATUS=next") >= 0);
        CHECK_TEXT("what comes next", next(*systemd, &got), "STATUS=next");
        (void) unlink(path);
        fd_close(*systemd);
        CHECK(notify_send("STATUS=nobody") < 0);
        *systemd = listen_as_systemd();
        CHECK(notify_send("STATUS=again") >= 0);
        CHECK_TEXT("again", next(*systemd, &got), "STATUS=again");
}

static void test_finish_waits_for_a_time(int systemd)
{
        int got;

        fill();
        CHECK(notify_send("STOPPING=1") >= 0);
        notify_finish(1);
        CHECK_TEXT("nothing is left", next(systemd, &got), "");
        CHECK(notify_send("STOPPING=1") >= 0);
        notify_finish(0);
        CHECK_TEXT("sent", next(systemd, &got), "STOPPING=1");
}

static void test_nobody(void)
{
        static const char *const nowhere[] = {"", "relative", "vsock:2:1"};

        unsetenv("NOTIFY_SOCKET");
        CHECK(notify_send("READY=1") == -EOPNOTSUPP);
        for (size_t i = 0; i < ELEMENTSOF(nowhere); i++) {
                setenv("NOTIFY_SOCKET", nowhere[i], true);
                CHECK_ROW(nowhere[i], notify_send("READY=1") == -EOPNOTSUPP);
        }
}

int main(void)
{
        sd_event *event = NULL;
        int systemd;

        /* A call that waits for systemd would never return. */
        alarm(60);
        NEED(mkdtemp(directory));
        snprintf(path, sizeof(path), "%s/notify", directory);
        systemd = listen_as_systemd();
        setenv("NOTIFY_SOCKET", path, true);
        unsetenv("WATCHDOG_USEC");
        NEED(sd_event_new(&event) >= 0 && notify_start(event, on_lost) >= 0);
        test_order(event, systemd);
        test_bound(event, systemd);
        test_another_socket(event, &systemd);
        test_watchdog(event, systemd);
        test_finish_waits_for_a_time(systemd);
        test_nobody();
        sd_event_unref(event);
        fd_close(systemd);
        (void) unlink(path);
        (void) rmdir(directory);
        return test_finish("notify");
}
