/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* base/journal: a field is one field, whatever bytes it has, and a large record arrives whole. */

#include "base/journal.h"

#include <endian.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "unit/need.h"
#include "unit/test.h"

#define LARGE (4 * 1024 * 1024)

static bool has(const Buf *record, const void *expected, size_t size)
{
        return buf_length(record) == size && memcmp(buf_head(record), expected, size) == 0;
}

/* With its length before it, a text with line breaks ends where it ends, and not at the first of them. */
static void test_line_breaks(void)
{
        static const char *const texts[] = {"x\nCALLER_UID=0", "\n", "x\n", "\nCALLER_UID=0\n"};

        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
                _cleanup_buf_ Buf record = BUF_INIT, expected = BUF_INIT;
                uint64_t length = htole64(strlen(texts[i]));

                journal_add(&record, "MESSAGE", texts[i], strlen(texts[i]));
                buf_puts(&expected, "MESSAGE\n");
                buf_append(&expected, &length, sizeof(length));
                buf_printf(&expected, "%s\n", texts[i]);
                CHECK_ROW(texts[i], has(&record, buf_head(&expected), buf_length(&expected)));
                buf_done(&record);
                record = BUF_INIT;
                journal_addf(&record, "MESSAGE", "%s", texts[i]);
                CHECK_ROW(texts[i], has(&record, buf_head(&expected), buf_length(&expected)));
        }
}

static void test_other_bytes(void)
{
        static const char expected[] = "A=b=c\nB=\nC=\0\xff\nD=7\n";
        _cleanup_buf_ Buf record = BUF_INIT;

        journal_add(&record, "A", "b=c", 3);
        journal_add(&record, "B", "", 0);
        journal_add(&record, "C", "\0\xff", 2);
        journal_addf(&record, "D", "%d", 7);
        CHECK(has(&record, expected, sizeof(expected) - 1));
}

/* The file that comes with the next message, or -1. */
static int receive_file(int fd)
{
        union {
                struct cmsghdr header;
                char space[CMSG_SPACE(sizeof(int))];
        } control = {0};
        struct msghdr message = {.msg_control = control.space, .msg_controllen = sizeof(control.space)};
        int file;

        if (recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) != 0 ||
            message.msg_controllen < CMSG_LEN(sizeof(int)))
                return -1;
        memcpy(&file, CMSG_DATA(&control.header), sizeof(file));
        return file;
}

static void test_send(void)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        _cleanup_close_ int journal = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), fd = -EBADF,
                            file = -EBADF;
        _cleanup_free_ char *large = calloc(1, LARGE);
        char said[16];
        struct stat st;

        snprintf(address.sun_path, sizeof(address.sun_path), "/tmp/test-journal-%d", (int) getpid());
        NEED(large && journal >= 0);
        CHECK(journal_open(address.sun_path, 65536) == -ENOENT);
        NEED(bind(journal, (struct sockaddr *) &address, sizeof(address)) >= 0);
        fd = journal_open(address.sun_path, 65536);
        CHECK(fd >= 0 && journal_send(fd, address.sun_path, "A=b\n", 4) == 0);
        CHECK(recv(journal, said, sizeof(said), MSG_DONTWAIT) == 4 && memcmp(said, "A=b\n", 4) == 0);
        CHECK(journal_send(fd, address.sun_path, large, LARGE) == 0);
        file = receive_file(journal);
        CHECK(file >= 0 && fstat(file, &st) == 0 && st.st_size == LARGE);
        /* Without a reader: it does not wait. */
        for (unsigned n = 0; n < 100000; n++)
                if (journal_send(fd, address.sun_path, "A=b\n", 4) != 0)
                        break;
        CHECK(journal_send(fd, address.sun_path, "A=b\n", 4) == -EAGAIN);
        (void) unlink(address.sun_path);
}

int main(void)
{
        test_line_breaks();
        test_other_bytes();
        test_send();
        return test_finish("journal");
}
