/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* core/usage-reply: an answer of the spawner with as many numbers as there are fields, and no others. */

#include "core/usage-reply.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "unit/need.h"
#include "unit/test.h"

static sd_bus *bus;

static void open_bus(void)
{
        int ends[2];

        NEED(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
        NEED(sd_bus_new(&bus) >= 0 && sd_bus_set_fd(bus, ends[0], ends[0]) >= 0 && sd_bus_start(bus) >= 0);
        close(ends[1]);
}

static void append_values(sd_bus_message *m, size_t n, uint64_t first)
{
        uint64_t values[_USAGE_MAX + 1];

        for (size_t i = 0; i < n; i++)
                values[i] = first + i;
        NEED(sd_bus_message_append_array(m, 't', values, n * sizeof(values[0])) >= 0);
}

/* The usage of all, and of `n_execs` execs, the last of which has `n_last` numbers. */
static sd_bus_message *make_reply(size_t n_all, size_t n_execs, size_t n_last)
{
        sd_bus_message *m = NULL;

        NEED(sd_bus_message_new_signal(bus, &m, "/a", "a.b", "C") >= 0);
        append_values(m, n_all, 1);
        NEED(sd_bus_message_open_container(m, 'a', "(sat)") >= 0);
        for (size_t i = 0; i < n_execs; i++) {
                NEED(sd_bus_message_open_container(m, 'r', "sat") >= 0);
                NEED(sd_bus_message_append(m, "s", i == 0 ? "first" : "second") >= 0);
                append_values(m, i + 1 == n_execs ? n_last : _USAGE_MAX, 100 * (i + 1));
                NEED(sd_bus_message_close_container(m) >= 0);
        }
        NEED(sd_bus_message_close_container(m) >= 0);
        NEED(sd_bus_message_seal(m, 1, 0) >= 0);
        return m;
}

static void test_whole(void)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = make_reply(_USAGE_MAX, 2, _USAGE_MAX);
        const char *id;
        Usage u;

        NEED(usage_read_all(m, &u) >= 0);
        CHECK(u.values[0] == 1 && u.values[_USAGE_MAX - 1] == _USAGE_MAX);
        NEED(usage_read_next(m, &id, &u) == 1);
        CHECK_TEXT("first", id, "first");
        CHECK(u.values[USAGE_MEMORY] == 100);
        NEED(usage_read_next(m, &id, &u) == 1);
        CHECK_TEXT("second", id, "second");
        CHECK(u.values[USAGE_IO_WRITE] == 200 + _USAGE_MAX - 1);
        CHECK(usage_read_next(m, &id, &u) == 0);
}

static void test_bad(void)
{
        static const size_t sizes[] = {0, 1, _USAGE_MAX - 1, _USAGE_MAX + 1};

        for (size_t i = 0; i < ELEMENTSOF(sizes); i++) {
                _cleanup_(sd_bus_message_unrefp) sd_bus_message *all = make_reply(sizes[i], 0, 0);
                _cleanup_(sd_bus_message_unrefp) sd_bus_message *one = make_reply(_USAGE_MAX, 1, sizes[i]);
                const char *id;
                Usage u;

                CHECK(usage_read_all(all, &u) == -EBADMSG);
                NEED(usage_read_all(one, &u) >= 0);
                CHECK(usage_read_next(one, &id, &u) == -EBADMSG);
        }
}

int main(void)
{
        open_bus();
        test_whole();
        test_bad();
        sd_bus_close_unref(bus);
        return test_finish("usage-reply");
}
