/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The types of the keys of execd.conf, for the table in config-key.c. */

#include "core/config.h"
#include "wire/name-mask.h"
#include "wire/units.h"

typedef struct ConfigType {
        size_t size;
        int (*parse)(const ConfigKey *k, const char *text, void *value, Refusal *reterr);
        void (*print)(const ConfigKey *k, const void *value, Buf *b); /* with the newline */
        void (*expect)(const ConfigKey *k, Buf *b);                   /* allowed values; NULL: `expected` */
        const char *expected;
        int (*copy)(const void *from, void *to); /* NULL: its bytes. The previous value of `to` is freed. */

        /* Of a number with a unit. */
        int (*read)(const char *text, uint64_t *ret);
        char *(*format)(char text[static UNITS_TEXT_SIZE], uint64_t value);
        const char *example;
        /* Of one of some words, and of several. */
        const char *const *names; /* NULL: from_string() and to_string() */
        size_t n_names;
        int (*from_string)(const char *text);
        const char *(*to_string)(unsigned value);
        NameAt name_at;
} ConfigType;

struct ConfigKey {
        const char *section;
        const char *name;
        const ConfigType *type;
        size_t offset;
        uint64_t minimum;
        uint64_t maximum; /* UNITS_INFINITY: of a span, "infinity" is allowed too */
};

extern const ConfigType config_number, config_size, config_span, config_log_level, config_on_disconnect,
        config_detach_keys, config_property, config_property_names, config_capabilities, config_limit_mode,
        config_record_mode, config_boolean, config_path;
