/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/config-type.h"

#include <inttypes.h>
#include <string.h>
#include <syslog.h>

#include "base/decimal.h"
#include "base/log.h"
#include "base/strv.h"
#include "wire/capability.h"
#include "wire/name-mask.h"
#include "wire/units.h"

static int parse_in_range(const ConfigKey *k, int r, uint64_t n, void *value)
{
        if (r < 0)
                return r;
        if (n < k->minimum || n > k->maximum)
                return -ERANGE;
        *(uint64_t *) value = n;
        return 0;
}

static int parse_number(const ConfigKey *k, const char *text, void *value, Refusal *reterr)
{
        uint64_t n = 0;
        int r = decimal_parse(text, UINT64_MAX, &n);

        return parse_in_range(k, r, n, value);
}

static void print_number(const ConfigKey *k, const void *value, Buf *b)
{
        buf_printf(b, "%s=%" PRIu64 "\n", k->name, *(const uint64_t *) value);
}

static void expect_number(const ConfigKey *k, Buf *b)
{
        buf_printf(b, "a number from %" PRIu64 " to %" PRIu64, k->minimum, k->maximum);
}

const ConfigType config_number = {sizeof(uint64_t), parse_number, print_number, expect_number, NULL};

static int parse_size(const ConfigKey *k, const char *text, void *value, Refusal *reterr)
{
        uint64_t n = 0;
        int r = units_parse_size(text, &n);

        return parse_in_range(k, r, n, value);
}

static void print_size(const ConfigKey *k, const void *value, Buf *b)
{
        char text[UNITS_TEXT_SIZE];

        buf_printf(b, "%s=%s\n", k->name, units_format_size(text, *(const uint64_t *) value));
}

static void expect_size(const ConfigKey *k, Buf *b)
{
        char least[UNITS_TEXT_SIZE], most[UNITS_TEXT_SIZE];

        buf_printf(b, "a number of bytes from %s to %s (such as 512K or 64M)",
                   units_format_size(least, k->minimum), units_format_size(most, k->maximum));
}

const ConfigType config_size = {sizeof(uint64_t), parse_size, print_size, expect_size, NULL};

static int parse_span(const ConfigKey *k, const char *text, void *value, Refusal *reterr)
{
        uint64_t n = 0;
        int r = units_parse_span(text, &n);

        return parse_in_range(k, r, n, value);
}

static void print_span(const ConfigKey *k, const void *value, Buf *b)
{
        char text[UNITS_TEXT_SIZE];

        buf_printf(b, "%s=%s\n", k->name, units_format_span(text, *(const uint64_t *) value));
}

static void expect_span(const ConfigKey *k, Buf *b)
{
        char least[UNITS_TEXT_SIZE], most[UNITS_TEXT_SIZE];

        units_format_span(least, k->minimum);
        if (k->maximum == UNITS_INFINITY)
                buf_printf(b, "a time span of at least %s (such as 45s or 15min), or infinity", least);
        else
                buf_printf(b, "a time span from %s to %s (such as 45s or 15min)", least,
                           units_format_span(most, k->maximum));
}

const ConfigType config_span = {sizeof(uint64_t), parse_span, print_span, expect_span, NULL};

static int parse_log_level(const ConfigKey *k, const char *text, void *value, Refusal *reterr)
{
        int level = log_level_from_string(text);

        if (level < 0)
                return level;
        *(int *) value = level;
        return 0;
}

static void print_log_level(const ConfigKey *k, const void *value, Buf *b)
{
        buf_printf(b, "%s=%s\n", k->name, log_level_to_string(*(const int *) value));
}

static void expect_log_level(const ConfigKey *k, Buf *b)
{
        buf_puts(b,
                 "one of emerg, alert, crit, err, warning, notice, info and debug, or a number from 0 to 7");
}

const ConfigType config_log_level = {sizeof(int), parse_log_level, print_log_level, expect_log_level, NULL};

static int parse_on_disconnect(const ConfigKey *k, const char *text, void *value, Refusal *reterr)
{
        int r = on_disconnect_from_string(text);

        if (r < 0)
                return r;
        *(OnDisconnect *) value = (OnDisconnect) r;
        return 0;
}

static void print_on_disconnect(const ConfigKey *k, const void *value, Buf *b)
{
        buf_printf(b, "%s=%s\n", k->name, on_disconnect_to_string(*(const OnDisconnect *) value));
}

static void expect_on_disconnect(const ConfigKey *k, Buf *b)
{
        buf_puts(b, "keep, hangup or kill");
}

const ConfigType config_on_disconnect = {sizeof(OnDisconnect), parse_on_disconnect, print_on_disconnect,
                                         expect_on_disconnect, NULL};

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

const ConfigType config_detach_keys = {sizeof(DetachKeys), parse_detach_keys, print_detach_keys,
                                       expect_detach_keys, NULL};

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

static void expect_property(const ConfigKey *k, Buf *b)
{
        buf_puts(b, "NAME=VALUE (such as MemoryMax=1G)");
}

const ConfigType config_property = {sizeof(ScopePropertyList), parse_property, print_properties,
                                    expect_property, copy_properties};

static void print_mask(NameAt name_at, const ConfigKey *k, const void *value, Buf *b)
{
        buf_printf(b, "%s=", k->name);
        name_mask_print(name_at, *(const uint64_t *) value, b);
        buf_puts(b, "\n");
}

static int parse_property_names(const ConfigKey *k, const char *text, void *value, Refusal *reterr)
{
        return name_mask_parse(scope_property_name, text, value);
}

static void print_property_names(const ConfigKey *k, const void *value, Buf *b)
{
        print_mask(scope_property_name, k, value, b);
}

static void expect_property_names(const ConfigKey *k, Buf *b)
{
        name_mask_expect(scope_property_name, b);
}

const ConfigType config_property_names = {sizeof(uint64_t), parse_property_names, print_property_names,
                                          expect_property_names, NULL};

static int parse_capabilities(const ConfigKey *k, const char *text, void *value, Refusal *reterr)
{
        return name_mask_parse(capability_name, text, value);
}

static void print_capabilities(const ConfigKey *k, const void *value, Buf *b)
{
        print_mask(capability_name, k, value, b);
}

static void expect_capabilities(const ConfigKey *k, Buf *b)
{
        name_mask_expect(capability_name, b);
}

const ConfigType config_capabilities = {sizeof(uint64_t), parse_capabilities, print_capabilities,
                                        expect_capabilities, NULL};

static int parse_limit_mode(const ConfigKey *k, const char *text, void *value, Refusal *reterr)
{
        int r = limit_mode_from_string(text);

        if (r < 0)
                return r;
        *(LimitMode *) value = (LimitMode) r;
        return 0;
}

static void print_limit_mode(const ConfigKey *k, const void *value, Buf *b)
{
        buf_printf(b, "%s=%s\n", k->name, limit_mode_to_string(*(const LimitMode *) value));
}

static void expect_limit_mode(const ConfigKey *k, Buf *b)
{
        buf_puts(b, "warn or refuse");
}

const ConfigType config_limit_mode = {sizeof(LimitMode), parse_limit_mode, print_limit_mode,
                                      expect_limit_mode, NULL};

static int parse_record_mode(const ConfigKey *k, const char *text, void *value, Refusal *reterr)
{
        int r = record_mode_from_string(text);

        if (r < 0)
                return r;
        *(RecordMode *) value = (RecordMode) r;
        return 0;
}

static void print_record_mode(const ConfigKey *k, const void *value, Buf *b)
{
        buf_printf(b, "%s=%s\n", k->name, record_mode_to_string(*(const RecordMode *) value));
}

static void expect_record_mode(const ConfigKey *k, Buf *b)
{
        buf_puts(b, "off, requested or always");
}

const ConfigType config_record_mode = {sizeof(RecordMode), parse_record_mode, print_record_mode,
                                       expect_record_mode, NULL};

static int parse_boolean(const ConfigKey *k, const char *text, void *value, Refusal *reterr)
{
        return units_parse_boolean(text, value);
}

static void print_boolean(const ConfigKey *k, const void *value, Buf *b)
{
        buf_printf(b, "%s=%s\n", k->name, *(const bool *) value ? "yes" : "no");
}

static void expect_boolean(const ConfigKey *k, Buf *b)
{
        buf_puts(b, "yes or no");
}

const ConfigType config_boolean = {sizeof(bool), parse_boolean, print_boolean, expect_boolean, NULL};

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

const ConfigType config_path = {sizeof(char *), parse_path, print_path, expect_path, copy_path};
