/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A configuration file. Its warnings are clean text, in order, and none is caused by a valid line.
 */

#include <stdbool.h>

#include "fuzz/fuzz.h"
#include "wire/config-file.h"
#include "wire/units.h"

typedef struct Seen {
        const uint8_t *data;
        size_t size;
        unsigned line;
        unsigned n_lines;
        char *section;
        size_t n;
} Seen;

static bool is_blank(char c)
{
        return c && strchr(" \t\r\f\v", c);
}

/* Lines come in order, and there are no more than the input has. */
static void check_line(Seen *s, unsigned line)
{
        PROMISE(line > s->line && line <= s->n_lines);
        s->line = line;
}

static void check_text(const char *text)
{
        size_t n = strlen(text);

        PROMISE(n <= CONFIG_LINE_MAX && !strchr(text, '\n'));
        PROMISE(n == 0 || (!is_blank(text[0]) && !is_blank(text[n - 1])));
}

/* They print accepted values in a form that they accept again, with the same value. */
static void check_units(const char *value)
{
        char text[UNITS_TEXT_SIZE];
        uint64_t n, again;

        if (units_parse_span(value, &n) >= 0) {
                PROMISE(n != UNITS_INFINITY || strcmp(value, "infinity") == 0);
                PROMISE(units_parse_span(units_format_span(text, n), &again) == 0 && again == n);
        }
        if (units_parse_size(value, &n) >= 0)
                PROMISE(units_parse_size(units_format_size(text, n), &again) == 0 && again == n);
}

static int on_assignment(void *userdata, unsigned line, const char *section, const char *key,
                         const char *value)
{
        Seen *s = userdata;

        check_line(s, line);
        check_text(key);
        check_text(value);
        PROMISE(*key && !strchr(key, '=') && *key != '[' && *key != '#' && *key != ';');
        /* After a malformed section there is no section, not the one before it. */
        PROMISE(fuzz_same(section, s->section) || (section && !*section));
        check_units(value);
        s->n++;
        return s->data[0] == '!' && s->n == 3 ? -ECANCELED : 0;
}

static int on_section(void *userdata, unsigned line, const char *section)
{
        Seen *s = userdata;

        check_line(s, line);
        PROMISE(*section && !strchr(section, '\n'));
        free(s->section);
        s->section = strdup(section);
        return 0;
}

static void on_malformed(void *userdata, unsigned line, const char *text)
{
        Seen *s = userdata;

        check_line(s, line);
        PROMISE(*text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_free_ char *copy = malloc(size > 0 ? size : 1);
        Seen seen = {.data = data, .size = size, .n_lines = 1};
        const ConfigHandler h = {
                .on_assignment = on_assignment,
                .on_section = on_section,
                .on_malformed = on_malformed,
                .userdata = &seen,
        };
        int r;

        PROMISE(copy);
        if (size > 0)
                memcpy(copy, data, size); /* no NUL after it */
        for (size_t i = 0; i < size; i++)
                seen.n_lines += data[i] == '\n';
        r = config_file_parse(copy, size, &h);
        PROMISE(r == 0 || (r == -ECANCELED && seen.n == 3) || (r == -EFBIG && size > CONFIG_FILE_MAX));
        free(seen.section);
        return 0;
}
