/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* api/port-range: the forms of ports in filters, and the ports that they include. */

#include "api/port-range.h"

#include "base/cleanup.h"
#include "unit/test.h"

static void test_forms(void)
{
        static const struct {
                const char *text;
                bool is_valid;
                uint64_t first, last;
                const char *protocol;
        } rows[] = {
                {"80", true, 80, 80, "tcp"},          {"0", true, 0, 0, "tcp"},
                {"65535", true, 65535, 65535, "tcp"}, {"80/udp", true, 80, 80, "udp"},
                {"80/SCTP", true, 80, 80, "sctp"},    {"80-90", true, 80, 90, "tcp"},
                {"80-80/tcp", true, 80, 80, "tcp"},   {"", false, 0, 0, NULL},
                {"65536", false, 0, 0, NULL},         {"80-65536", false, 0, 0, NULL},
                {"90-80", false, 0, 0, NULL},         {"80-", false, 0, 0, NULL},
                {"-80", false, 0, 0, NULL},           {" 80", false, 0, 0, NULL},
                {"80 ", false, 0, 0, NULL},           {"80/", false, 0, 0, NULL},
                {"80/tcpx", false, 0, 0, NULL},       {"80/udp/tcp", false, 0, 0, NULL},
                {"80-85-90", false, 0, 0, NULL},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                PortRange range;
                bool is_valid = port_range_parse(rows[i].text, &range);

                CHECK_ROW(rows[i].text, is_valid == rows[i].is_valid);
                if (!is_valid)
                        continue;
                CHECK_ROW(rows[i].text, range.first == rows[i].first && range.last == rows[i].last);
                CHECK_TEXT(rows[i].text, range.protocol, rows[i].protocol);
        }
}

static void test_ports(void)
{
        static const PortRange range = {.first = 80, .last = 90, .protocol = "tcp"};
        static const struct {
                const char *port, *protocol;
                bool is_in;
        } rows[] = {
                {"80", "tcp", true},     {"90", "TCP", true},   {"85/tcp", "tcp", true},
                {"79", "tcp", false},    {"91", "tcp", false},  {"85", "udp", false},
                {"", "tcp", false},      {"x85", "tcp", false}, {"8500", "tcp", false},
                {"65621", "tcp", false}, /* 85 in 16 bits */
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                CHECK_ROW(rows[i].port,
                          port_range_has(&range, rows[i].protocol, rows[i].port) == rows[i].is_in);
}

int main(void)
{
        test_forms();
        test_ports();
        return test_finish("port-range");
}
