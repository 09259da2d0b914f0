/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "base/ticket.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "unit/test.h"

static void test_once(void)
{
        int fd = ticket_new(), copy;

        CHECK(fd >= 0);
        copy = dup(fd);
        CHECK(ticket_is_used(fd) == 0);
        CHECK(ticket_is_used(copy) == 0);
        CHECK(ticket_use(copy) == 0);
        CHECK(ticket_is_used(fd) == 1);
        CHECK(ticket_use(fd) == -EALREADY);
        CHECK(ticket_use(copy) == -EALREADY);
        close(copy);
        CHECK(ticket_is_used(fd) == 1);
        close(fd);
}

static void test_no_ticket(void)
{
        int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

        CHECK(fd >= 0);
        CHECK(ticket_use(fd) < 0 && ticket_use(fd) != -EALREADY);
        CHECK(ticket_is_used(fd) < 0);
        close(fd);
        CHECK(ticket_is_used(fd) < 0);
}

int main(void)
{
        test_once();
        test_no_ticket();
        return test_finish("ticket");
}
