/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Private to wire/http-*.c: common to the parsers of a head, a body and a target. */

#include <string.h>
#include <sys/types.h>

#include "wire/http-request.h"

static inline ssize_t http_fail(HttpParseError *e, unsigned status, const char *text)
{
        *e = (HttpParseError){.status = status, .text = text};
        return -EBADMSG;
}

static inline int http_hex_digit(char c)
{
        if (c >= '0' && c <= '9')
                return c - '0';
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        if (c >= 'A' && c <= 'F')
                return c - 'A' + 10;
        return -1;
}

/* RFC 9110 token characters. */
static inline bool http_is_token_char(unsigned char c)
{
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
               (c != 0 && strchr("!#$%&'*+-.^_`|~", c));
}
