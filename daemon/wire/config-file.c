/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "wire/config-file.h"

#include <stdbool.h>
#include <string.h>

#include "base/buf.h"

#define BYTE_ORDER_MARK "\xef\xbb\xbf"
#define BLANKS          " \t\r\f\v"

typedef struct ConfigParser {
        const ConfigHandler *handler;
        Buf line;       /* the part of one line that has been put together */
        unsigned first; /* where it began; 0: none is under way */
        bool bad;       /* it is too long, or has a NUL: the rest is skipped */
        char *section;
} ConfigParser;

static void parser_done(ConfigParser *p)
{
        buf_done(&p->line);
        free(p->section);
}

static bool is_blank(char c)
{
        return c && strchr(BLANKS, c);
}

static void malformed(ConfigParser *p, const char *text)
{
        if (p->handler->on_malformed)
                p->handler->on_malformed(p->handler->userdata, p->first, text);
}

/* Cuts the blanks off both ends, in place. */
static char *strip(char *s)
{
        size_t n;

        s += strspn(s, BLANKS);
        for (n = strlen(s); n > 0 && is_blank(s[n - 1]); n--)
                s[n - 1] = 0;
        return s;
}

static int take_section(ConfigParser *p, char *text)
{
        size_t n = strlen(text);

        /* The following lines belong to an unknown section. */
        p->section = mfree(p->section);
        if (n < 3 || text[n - 1] != ']') {
                malformed(p, "a section is written [Name]");
                p->section = strdup("");
                return p->section ? 0 : -ENOMEM;
        }
        text[n - 1] = 0;
        p->section = strdup(text + 1);
        if (!p->section)
                return -ENOMEM;
        return p->handler->on_section ? p->handler->on_section(p->handler->userdata, p->first, p->section)
                                      : 0;
}

static int take_line(ConfigParser *p, char *text)
{
        char *equals;

        text = strip(text);
        if (!*text)
                return 0;
        if (*text == '[')
                return take_section(p, text);
        equals = strchr(text, '=');
        if (!equals) {
                malformed(p, "there is no \"=\" in it");
                return 0;
        }
        *equals = 0;
        text = strip(text);
        if (!*text) {
                malformed(p, "there is no key before the \"=\"");
                return 0;
        }
        return p->handler->on_assignment(p->handler->userdata, p->first, p->section, text,
                                         strip(equals + 1));
}

/* The line is whole. */
static int end_line(ConfigParser *p)
{
        int r = 0;

        if (p->first > 0 && !p->bad) {
                buf_append(&p->line, "", 1);
                r = buf_error(&p->line);
                if (r >= 0)
                        r = take_line(p, buf_head(&p->line));
        }
        buf_done(&p->line);
        p->first = 0;
        p->bad = false;
        return r;
}

/* An odd number of backslashes: an even one is pairs of them. */
static bool goes_on(const char *text, size_t n)
{
        size_t slashes = 0;

        while (slashes < n && text[n - 1 - slashes] == '\\')
                slashes++;
        return slashes % 2 == 1;
}

static void add_piece(ConfigParser *p, const char *text, size_t n)
{
        if (p->bad)
                return;
        if (memchr(text, 0, n)) {
                malformed(p, "there is a NUL byte in it");
                p->bad = true;
        } else if (buf_length(&p->line) + n > CONFIG_LINE_MAX) {
                malformed(p, "it is longer than 64 KiB");
                p->bad = true;
        } else
                buf_append(&p->line, text, n);
}

static int take_physical_line(ConfigParser *p, unsigned number, const char *text, size_t n)
{
        bool more;

        if (n > 0 && text[n - 1] == '\r')
                n--;
        while (n > 0 && is_blank(*text)) {
                text++;
                n--;
        }
        if (n > 0 && (*text == '#' || *text == ';'))
                return 0;
        if (p->first == 0)
                p->first = number;
        more = goes_on(text, n);
        add_piece(p, text, more ? n - 1 : n);
        if (!more)
                return end_line(p);
        add_piece(p, " ", 1);
        return 0;
}

int config_file_parse(const char *data, size_t size, const ConfigHandler *h)
{
        _cleanup_(parser_done) ConfigParser p = {.handler = h};
        const char *end = data + size;
        unsigned number = 0;

        if (size > CONFIG_FILE_MAX)
                return -EFBIG;
        if (size >= strlen(BYTE_ORDER_MARK) && memcmp(data, BYTE_ORDER_MARK, strlen(BYTE_ORDER_MARK)) == 0)
                data += strlen(BYTE_ORDER_MARK);
        while (data < end) {
                const char *newline = memchr(data, '\n', (size_t) (end - data));
                size_t n = newline ? (size_t) (newline - data) : (size_t) (end - data);
                int r;

                r = take_physical_line(&p, ++number, data, n);
                if (r < 0)
                        return r;
                data += newline ? n + 1 : n;
        }
        /* A line that was to go on, and did not. */
        return end_line(&p);
}
