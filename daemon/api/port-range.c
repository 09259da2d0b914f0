/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "api/port-range.h"

#include <stddef.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/decimal.h"

#define PORT_MAX 65535

bool port_range_parse(const char *text, PortRange *ret)
{
        static const char *const protocols[] = {"tcp", "udp", "sctp"};

        if (decimal_take(&text, PORT_MAX, &ret->first) < 0)
                return false;
        ret->last = ret->first;
        if (*text == '-') {
                text++;
                if (decimal_take(&text, PORT_MAX, &ret->last) < 0 || ret->last < ret->first)
                        return false;
        }
        ret->protocol = "tcp";
        if (!*text)
                return true;
        if (*text++ != '/')
                return false;
        for (size_t i = 0; i < ELEMENTSOF(protocols); i++)
                if (strcasecmp(protocols[i], text) == 0) {
                        ret->protocol = protocols[i];
                        return true;
                }
        return false;
}

bool port_range_has(const PortRange *range, const char *protocol, const char *port)
{
        uint64_t number;

        return strcasecmp(protocol, range->protocol) == 0 && decimal_take(&port, PORT_MAX, &number) >= 0 &&
               number >= range->first && number <= range->last;
}
