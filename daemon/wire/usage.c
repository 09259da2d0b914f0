/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "wire/usage.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/decimal.h"

void usage_clear(Usage *u)
{
        for (int i = 0; i < _USAGE_MAX; i++)
                u->values[i] = USAGE_UNKNOWN;
}

uint64_t usage_parse_number(const char *text)
{
        const char *p = text;
        uint64_t v;

        /* strchr() finds the NUL as well. */
        return decimal_take(&p, UINT64_MAX, &v) >= 0 && strchr(" \n", *p) ? v : USAGE_UNKNOWN;
}

/* Lines "KEY NUMBER". */
static void take_key(const char *text, const char *key, uint64_t *ret)
{
        size_t n = strlen(key);

        for (const char *p = text; p && *p; p = strchr(p, '\n'), p = p ? p + 1 : NULL)
                if (strncmp(p, key, n) == 0 && p[n] == ' ') {
                        *ret = usage_parse_number(p + n + 1);
                        return;
                }
}

void usage_parse_cpu(Usage *u, const char *text)
{
        static const struct {
                const char *key;
                UsageField field;
        } keys[] = {
                {"usage_usec", USAGE_CPU_USEC},
                {"user_usec", USAGE_USER_USEC},
                {"system_usec", USAGE_SYSTEM_USEC},
                {"nr_periods", USAGE_PERIODS},
                {"nr_throttled", USAGE_THROTTLED_PERIODS},
                {"throttled_usec", USAGE_THROTTLED_USEC},
        };

        for (size_t i = 0; i < ELEMENTSOF(keys); i++)
                take_key(text, keys[i].key, &u->values[keys[i].field]);
}

void usage_parse_memory(Usage *u, const char *text)
{
        take_key(text, "inactive_file", &u->values[USAGE_INACTIVE_FILE]);
}

/* The sum of "KEY=NUMBER" over all devices. */
static uint64_t sum_of(const char *text, const char *key)
{
        uint64_t sum = 0;

        for (const char *p = strstr(text, key); p; p = strstr(p + 1, key)) {
                uint64_t v = usage_parse_number(p + strlen(key));

                if (p > text && p[-1] == ' ' && v != USAGE_UNKNOWN)
                        sum += v;
        }
        return sum;
}

void usage_parse_io(Usage *u, const char *text)
{
        u->values[USAGE_IO_READ] = sum_of(text, "rbytes=");
        u->values[USAGE_IO_WRITE] = sum_of(text, "wbytes=");
}

const char *usage_field_name(UsageField f)
{
        static const char *const names[_USAGE_MAX] = {
                [USAGE_MEMORY] = "MemoryCurrent",  [USAGE_MEMORY_MAX] = "MemoryMax",
                [USAGE_TASKS] = "TasksCurrent",    [USAGE_TASKS_MAX] = "TasksMax",
                [USAGE_CPU_USEC] = "CPUUsageUSec", [USAGE_IO_READ] = "IOReadBytes",
                [USAGE_IO_WRITE] = "IOWriteBytes",
        };

        return names[f];
}
