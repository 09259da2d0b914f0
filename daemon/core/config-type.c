/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/config-type.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/decimal.h"
#include "base/log.h"
#include "base/strv.h"
#include "wire/capability.h"

/* Numbers. */

static int parse_quantity(const ConfigKey *k, const char *text, void *value, Refusal *reterr)
{
        uint64_t n = 0;
        int r = k->type->read(text, &n);

        if (r < 0)
                return r;
        if (n < k->minimum || n > k->maximum)
                return -ERANGE;
        *(uint64_t *) value = n;
        return 0;
}

static void print_quantity(const ConfigKey *k, const void *value, Buf *b)
{
        char text[UNITS_TEXT_SIZE];

        buf_printf(b, "%s=%s\n", k->name, k->type->format(text, *(const uint64_t *) value));
}

static void expect_quantity(const ConfigKey *k, Buf *b)
{
        const ConfigType *t = k->type;
        char least[UNITS_TEXT_SIZE], most[UNITS_TEXT_SIZE];

        if (k->maximum == UNITS_INFINITY)
                buf_printf(b, "%s of at least %s%s, or infinity", t->expected, t->format(least, k->minimum),
                           t->example);
        else
                buf_printf(b, "%s from %s to %s%s", t->expected, t->format(least, k->minimum),
                           t->format(most, k->maximum), t->example);
}

#define QUANTITY \
        .size = sizeof(uint64_t), .parse = parse_quantity, .print = print_quantity, .expect = expect_quantity

static int read_number(const char *text, uint64_t *ret)
{
        return decimal_parse(text, UINT64_MAX, ret);
}

static char *format_number(char text[static UNITS_TEXT_SIZE], uint64_t value)
{
        snprintf(text, UNITS_TEXT_SIZE, "%" PRIu64, value);
        return text;
}

const ConfigType config_number = {
        QUANTITY, .read = read_number, .format = format_number, .expected = "a number", .example = "",
};

const ConfigType config_size = {
        QUANTITY,
        .read = units_parse_size,
        .format = units_format_size,
        .expected = "a number of bytes",
        .example = " (such as 512K or 64M)",
};

const ConfigType config_span = {
        QUANTITY,
        .read = units_parse_span,
        .format = units_format_span,
        .expected = "a time span",
        .example = " (such as 45s or 15min)",
};

/* One of some words. */

static int parse_word(const ConfigKey *k, const char *text, void *value, Refusal *reterr)
{
        const ConfigType *t = k->type;
        int r = t->names ? names_find(t->names, t->n_names, text) : t->from_string(text);

        if (r < 0)
                return r;
        *(unsigned *) value = (unsigned) r;
        return 0;
}

static void print_word(const ConfigKey *k, const void *value, Buf *b)
{
        const ConfigType *t = k->type;
        unsigned v = *(const unsigned *) value;

        buf_printf(b, "%s=%s\n", k->name, t->names ? t->names[v] : t->to_string(v));
}

#define WORD .size = sizeof(unsigned), .parse = parse_word, .print = print_word

static const char *log_level_name(unsigned level)
{
        return log_level_to_string((int) level);
}

const ConfigType config_log_level = {
        WORD,
        .from_string = log_level_from_string,
        .to_string = log_level_name,
        .expected =
                "one of emerg, alert, crit, err, warning, notice, info and debug, or a number from 0 to 7",
};

const ConfigType config_on_disconnect = {
        WORD,
        .from_string = on_disconnect_from_string,
        .to_string = on_disconnect_to_string,
        .expected = "keep, hangup or kill",
};

static const char *const limit_modes[] = {[LIMITS_WARN] = "warn", [LIMITS_REFUSE] = "refuse"};

const ConfigType config_limit_mode = {
        WORD,
        .names = limit_modes,
        .n_names = ELEMENTSOF(limit_modes),
        .expected = "warn or refuse",
};

static const char *const record_modes[] = {
        [RECORD_OFF] = "off",
        [RECORD_REQUESTED] = "requested",
        [RECORD_ALWAYS] = "always",
};

const ConfigType config_record_mode = {
        WORD,
        .names = record_modes,
        .n_names = ELEMENTSOF(record_modes),
        .expected = "off, requested or always",
};

static int parse_boolean(const ConfigKey *k, const char *text, void *value, Refusal *reterr)
{
        return units_parse_boolean(text, value);
}

static void print_boolean(const ConfigKey *k, const void *value, Buf *b)
{
        buf_printf(b, "%s=%s\n", k->name, *(const bool *) value ? "yes" : "no");
}

const ConfigType config_boolean = {
        .size = sizeof(bool),
        .parse = parse_boolean,
        .print = print_boolean,
        .expected = "yes or no",
};

/* Some of the names of a list. */

static int parse_names(const ConfigKey *k, const char *text, void *value, Refusal *reterr)
{
        return name_mask_parse(k->type->name_at, text, value);
}

static void print_names(const ConfigKey *k, const void *value, Buf *b)
{
        buf_printf(b, "%s=", k->name);
        name_mask_print(k->type->name_at, *(const uint64_t *) value, b);
        buf_puts(b, "\n");
}

static void expect_names(const ConfigKey *k, Buf *b)
{
        name_mask_expect(k->type->name_at, b);
}

#define NAMES .size = sizeof(uint64_t), .parse = parse_names, .print = print_names, .expect = expect_names

const ConfigType config_property_names = {NAMES, .name_at = scope_property_name};
const ConfigType config_capabilities = {NAMES, .name_at = capability_name};

/* All else. */

static int parse_detach_keys(const ConfigKey *k, const char *text, void *value, Refusal *reterr)
{
        return detach_keys_parse(text, value, NULL);
}

static void print_detach_keys(const ConfigKey *k, const void *value, Buf *b)
{
        char text[DETACH_KEYS_TEXT_SIZE];

        buf_printf(b, "%s=%s\n", k->name, detach_keys_format(text, value));
}

static void expect_detach_keys(const ConfigKey *k, Buf *b)
{
        buf_printf(b,
                   "at most %d keys separated by commas, each a character, DEL, or ctrl- and one of a-z @ [ "
                   "\\ ] "
                   "^ _ and the comma; or none",
                   DETACH_KEYS_MAX);
}

const ConfigType config_detach_keys = {
        .size = sizeof(DetachKeys),
        .parse = parse_detach_keys,
        .print = print_detach_keys,
        .expect = expect_detach_keys,
};

static int copy_properties(const void *from, void *to)
{
        return scope_property_list_copy(from, to);
}

/* One more, or another value for one that is there. */
static int parse_property(const ConfigKey *k, const char *text, void *value, Refusal *reterr)
{
        const char *equals = strchr(text, '=');
        _cleanup_free_ char *name = NULL;

        if (!equals)
                return -EINVAL;
        name = memdup_text(text, (size_t) (equals - text));
        if (!name)
                return -ENOMEM;
        return scope_property_list_set(value, name, equals + 1, reterr);
}

static void print_properties(const ConfigKey *k, const void *value, Buf *b)
{
        const ScopePropertyList *l = value;

        for (size_t i = 0; i < l->n; i++)
                buf_printf(b, "%s=%s=%s\n", k->name, l->items[i].name, l->items[i].text);
        if (l->n == 0)
                buf_printf(b, "%s=\n", k->name);
}

const ConfigType config_property = {
        .size = sizeof(ScopePropertyList),
        .parse = parse_property,
        .print = print_properties,
        .expected = "NAME=VALUE (such as MemoryMax=1G)",
        .copy = copy_properties,
};

static int copy_path(const void *from, void *to)
{
        const char *source = *(char *const *) from;
        char *copy = source ? strdup(source) : NULL;

        if (source && !copy)
                return -ENOMEM;
        free(*(char **) to);
        *(char **) to = copy;
        return 0;
}

static int parse_path(const ConfigKey *k, const char *text, void *value, Refusal *reterr)
{
        if (text[0] != '/' || strlen(text) > k->maximum)
                return -EINVAL;
        return copy_path(&text, value);
}

static void print_path(const ConfigKey *k, const void *value, Buf *b)
{
        buf_printf(b, "%s=%s\n", k->name, *(char *const *) value ?: RECORDINGS_PATH);
}

static void expect_path(const ConfigKey *k, Buf *b)
{
        buf_printf(b, "a path that begins with / and has at most %" PRIu64 " bytes", k->maximum);
}

const ConfigType config_path = {
        .size = sizeof(char *),
        .parse = parse_path,
        .print = print_path,
        .expect = expect_path,
        .copy = copy_path,
};
