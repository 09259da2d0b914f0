/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Records on their way to a journal that reads, that does not, and that is not there. */

#include "core/journal-queue.h"

#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/fd.h"
#include "base/time.h"
#include "unit/test.h"

#define PATH "/tmp/execd-test-journal"

static char path[64];

static int journal_new(void)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        strcpy(address.sun_path, path);
        (void) unlink(path);
        CHECK(bind(fd, (struct sockaddr *) &address, sizeof(address)) == 0);
        return fd;
}

static Buf record(const char *text)
{
        Buf b = BUF_INIT;

        journal_addf(&b, "MESSAGE", "%s", text);
        return b;
}

/* The next datagram as text, "" for none, or of a memfd its bytes. */
static const char *next(int journal)
{
        static char text[1024 * 1024];
        size_t n_fds = 0, size = 0;
        char *data = NULL;
        int fd = -EBADF;
        ssize_t n = fd_recv_message(journal, text, sizeof(text) - 1, &fd, 1, &n_fds);

        text[MAX(n, (ssize_t) 0)] = 0;
        if (n_fds == 1) {
                CHECK(memfd_read(fd, sizeof(text) - 1, &data, &size) == 0);
                memcpy(text, data, size);
                text[size] = 0;
                free(data);
                fd_close(fd);
        }
        return text;
}

static int written = 1;

static void on_written(void *userdata, int error)
{
        *(JournalRecord **) userdata = NULL;
        written = error;
}

/* Fills the queue of the kernel; the number of records. */
static unsigned fill(JournalQueue *q)
{
        unsigned n = 0;

        while (journal_queue_is_empty(q)) {
                Buf b = record("filler");

                CHECK(journal_queue_add(q, &b, false) == 0);
                n++;
        }
        return n;
}

static void test_protocol(void)
{
        _cleanup_buf_ Buf b = BUF_INIT;

        journal_add(&b, "A", "x=y", 3);
        journal_addf(&b, "B", "%d", 7);
        CHECK(buf_length(&b) == 10 && memcmp(buf_head(&b), "A=x=y\nB=7\n", 10) == 0);
        buf_done(&b);
        journal_add(&b, "C", "1\n2", 3);
        CHECK(buf_length(&b) == 14 && memcmp(buf_head(&b), "C\n\3\0\0\0\0\0\0\0001\n2\n", 14) == 0);
}

static void test_order(sd_event *event)
{
        _cleanup_(journal_queue_freep) JournalQueue *q = journal_queue_new(event, path);
        _cleanup_close_ int journal = journal_new();
        JournalRecord *wait = NULL, *gone = NULL;
        unsigned n;
        Buf b;

        b = record("first");
        CHECK(journal_queue_wait(q, &b, on_written, &wait, &wait) == 1 && !wait);
        CHECK_TEXT("at once", next(journal), "MESSAGE=first\n");

        n = fill(q);
        CHECK(n > 1);
        b = record("waits");
        CHECK(journal_queue_wait(q, &b, on_written, &wait, &wait) == 0 && wait);
        b = record("dropped");
        CHECK(journal_queue_wait(q, &b, on_written, &gone, &gone) == 0 && gone);
        gone = journal_wait_free(gone);
        b = record("last");
        CHECK(journal_queue_add(q, &b, true) == 0);
        for (int i = 0; i < 3; i++)
                (void) sd_event_run(event, 0);
        CHECK(written == 1 && !journal_queue_is_empty(q));

        for (unsigned i = 0; i < n - 1; i++)
                CHECK_TEXT("in order", next(journal), "MESSAGE=filler\n");
        (void) sd_event_run(event, USEC_PER_SEC);
        CHECK(written == 0 && !wait && journal_queue_is_empty(q));
        CHECK_TEXT("in order", next(journal), "MESSAGE=filler\n");
        CHECK_TEXT("in order", next(journal), "MESSAGE=waits\n");
        CHECK_TEXT("in order", next(journal), "MESSAGE=last\n");
        CHECK_TEXT("in order", next(journal), "");
}

static void test_full(sd_event *event)
{
        _cleanup_(journal_queue_freep) JournalQueue *q = journal_queue_new(event, path);
        _cleanup_close_ int journal = journal_new();
        JournalRecord *wait = NULL;
        unsigned n = 0;
        Buf b;

        (void) fill(q);
        for (int r = 0; r >= 0; n++) {
                b = record("act");
                r = journal_queue_add(q, &b, true);
        }
        CHECK(n == JOURNAL_ACTS_MAX + 1);
        b = record("act");
        CHECK(journal_queue_wait(q, &b, on_written, &wait, &wait) == -ENOBUFS && !wait);
        b = record("end");
        CHECK(journal_queue_add(q, &b, false) == 0);
        CHECK(journal_queue_flush(q, 0) == JOURNAL_ACTS_MAX + 2);
        while (*next(journal))
                ;
        CHECK(journal_queue_flush(q, 0) > 0);
}

static void test_absent(sd_event *event)
{
        _cleanup_(journal_queue_freep) JournalQueue *q = journal_queue_new(event, path);
        _cleanup_close_ int journal = -EBADF;
        JournalRecord *wait = NULL;
        Buf b = record("unwritten");

        (void) unlink(path);
        CHECK(journal_queue_wait(q, &b, on_written, &wait, &wait) == -ENOENT && !wait);
        b = record("kept");
        CHECK(journal_queue_add(q, &b, false) == 0 && !journal_queue_is_empty(q));
        journal = journal_new();
        while (!journal_queue_is_empty(q))
                (void) sd_event_run(event, UINT64_MAX);
        CHECK_TEXT("kept", next(journal), "MESSAGE=kept\n");

        /* Another socket at the same place. */
        fd_close(journal);
        journal = journal_new();
        b = record("again");
        CHECK(journal_queue_add(q, &b, false) == 0 && journal_queue_is_empty(q));
        CHECK_TEXT("again", next(journal), "MESSAGE=again\n");
}

static void test_large(sd_event *event)
{
        _cleanup_(journal_queue_freep) JournalQueue *q = journal_queue_new(event, path);
        _cleanup_close_ int journal = journal_new();
        static char large[900 * 1024];
        const char *text;
        Buf b;

        memset(large, 'x', sizeof(large) - 1);
        b = record(large);
        CHECK(journal_queue_add(q, &b, false) == 0 && journal_queue_is_empty(q));
        text = next(journal);
        CHECK(strlen(text) == strlen("MESSAGE=\n") + strlen(large));
}

int main(void)
{
        sd_event *event = NULL;

        snprintf(path, sizeof(path), PATH "-%d", (int) getpid());
        CHECK(sd_event_new(&event) >= 0);
        test_protocol();
        test_order(event);
        test_full(event);
        test_absent(event);
        test_large(event);
        (void) unlink(path);
        sd_event_unref(event);
        return test_finish("journal-queue");
}
