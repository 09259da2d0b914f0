/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "wire/scope-property.h"

#include <stdbool.h>
#include <string.h>

#include "base/time.h"

/* What systemd takes as "no limit". */
#define NO_LIMIT        UINT64_MAX

#define CPU_WEIGHT_IDLE 0
#define WEIGHT_MAX      10000

/* A percentage in hundredths of a percent. */
#define PERMYRIAD_WHOLE 10000

typedef struct PropertyRule {
        const char *name;
        const char *bus_name;
        const char *scale_name; /* for percentages of the whole, or NULL */
        uint64_t minimum;
        int (*parse)(const struct PropertyRule *rule, const char *text, ScopeProperty *ret);
        const char *expected;
} PropertyRule;

static bool is_digit(char c)
{
        return c >= '0' && c <= '9';
}

/* Decimal digits at *p, which is moved behind them. Anything that does not fit is -ERANGE. */
static int take_number(const char **p, uint64_t *ret)
{
        const char *s = *p;
        uint64_t n = 0;

        if (!is_digit(*s))
                return -EINVAL;
        for (; is_digit(*s); s++)
                if (__builtin_mul_overflow(n, UINT64_C(10), &n) ||
                    __builtin_add_overflow(n, (uint64_t) (*s - '0'), &n))
                        return -ERANGE;
        *p = s;
        *ret = n;
        return 0;
}

/* A number with an optional fraction, times `unit`, exact to one part in 10^9 of the unit. */
static int scale_fraction(uint64_t whole, const char *fraction, size_t n_fraction, uint64_t unit,
                          uint64_t *ret)
{
        uint64_t nano = 0, value, part;

        for (size_t i = 0; i < 9; i++)
                nano = nano * 10 + (i < n_fraction ? (uint64_t) (fraction[i] - '0') : 0);
        part = (uint64_t) ((unsigned __int128) nano * unit / 1000000000u);
        if (__builtin_mul_overflow(whole, unit, &value) || __builtin_add_overflow(value, part, &value))
                return -ERANGE;
        *ret = value;
        return 0;
}

/* "12" or "12.5" at *p: the digits before the point and those after it. */
static int take_decimal(const char **p, uint64_t *ret_whole, const char **ret_fraction, size_t *ret_n)
{
        int r;

        r = take_number(p, ret_whole);
        if (r < 0)
                return r;
        *ret_fraction = *p;
        *ret_n = 0;
        if (**p != '.')
                return 0;
        *ret_fraction = ++*p;
        while (is_digit(**p))
                (*p)++;
        *ret_n = (size_t) (*p - *ret_fraction);
        return *ret_n > 0 ? 0 : -EINVAL;
}

static int parse_bytes(const char *text, uint64_t *ret)
{
        static const char suffixes[] = "BKMGTPE";
        const char *p = text, *fraction, *suffix;
        uint64_t whole, unit = 1;
        size_t n_fraction;
        int r;

        r = take_decimal(&p, &whole, &fraction, &n_fraction);
        if (r < 0)
                return r;
        if (*p) {
                suffix = strchr(suffixes, *p);
                if (!suffix || p[1])
                        return -EINVAL;
                unit = UINT64_C(1) << 10 * (suffix - suffixes);
        }
        if (unit == 1 && n_fraction > 0)
                return -EINVAL;
        return scale_fraction(whole, fraction, n_fraction, unit, ret);
}

/* "50%", "12.5%", "12.25%" in hundredths of a percent; -ENODATA when the text is no percentage. */
static int parse_permyriad(const char *text, uint64_t *ret)
{
        const char *p = text, *fraction;
        size_t n_fraction;
        uint64_t whole;
        int r;

        if (!*text || text[strlen(text) - 1] != '%')
                return -ENODATA;
        r = take_decimal(&p, &whole, &fraction, &n_fraction);
        if (r < 0)
                return r;
        if (n_fraction > 2 || strcmp(p, "%") != 0)
                return -EINVAL;
        return scale_fraction(whole, fraction, n_fraction, 100, ret);
}

static void set_number(ScopeProperty *p, ScopePropertyType type, const char *bus_name, uint64_t number)
{
        p->type = type;
        p->bus_name = bus_name;
        p->number = number;
}

/* An absolute value, a percentage of the whole machine, or no limit. */
static int parse_limit(const PropertyRule *rule, const char *text, bool bytes, ScopeProperty *ret)
{
        uint64_t n;
        int r;

        if (strcmp(text, "infinity") == 0) {
                set_number(ret, SCOPE_PROPERTY_U64, rule->bus_name, NO_LIMIT);
                return 0;
        }

        r = parse_permyriad(text, &n);
        if (r >= 0) {
                if (n > PERMYRIAD_WHOLE || (n == 0 && rule->minimum > 0))
                        return -ERANGE;
                /* systemd's scale: UINT32_MAX is the whole. */
                n = (n * UINT32_MAX + PERMYRIAD_WHOLE / 2) / PERMYRIAD_WHOLE;
                set_number(ret, SCOPE_PROPERTY_U32, rule->scale_name, n);
                return 0;
        }
        if (r != -ENODATA)
                return r;

        if (bytes)
                r = parse_bytes(text, &n);
        else {
                const char *p = text;

                r = take_number(&p, &n);
                if (r >= 0 && *p)
                        r = -EINVAL;
        }
        if (r < 0)
                return r;
        if (n < rule->minimum || n == NO_LIMIT)
                return -ERANGE;
        set_number(ret, SCOPE_PROPERTY_U64, rule->bus_name, n);
        return 0;
}

static int parse_memory(const PropertyRule *rule, const char *text, ScopeProperty *ret)
{
        return parse_limit(rule, text, true, ret);
}

static int parse_tasks(const PropertyRule *rule, const char *text, ScopeProperty *ret)
{
        return parse_limit(rule, text, false, ret);
}

static int parse_cpu_quota(const PropertyRule *rule, const char *text, ScopeProperty *ret)
{
        uint64_t n;
        int r;

        r = parse_permyriad(text, &n);
        if (r < 0)
                return r;
        /* systemd keeps the percentage in an int. */
        if (n == 0 || n > INT32_MAX)
                return -ERANGE;
        set_number(ret, SCOPE_PROPERTY_U64, rule->bus_name, n * (USEC_PER_SEC / PERMYRIAD_WHOLE));
        return 0;
}

static int parse_weight(const PropertyRule *rule, const char *text, ScopeProperty *ret)
{
        const char *p = text;
        uint64_t n;
        int r;

        r = take_number(&p, &n);
        if (r < 0)
                return r;
        if (*p || n < rule->minimum || n > WEIGHT_MAX)
                return -ERANGE;
        set_number(ret, SCOPE_PROPERTY_U64, rule->bus_name, n);
        return 0;
}

static int parse_cpu_weight(const PropertyRule *rule, const char *text, ScopeProperty *ret)
{
        if (strcmp(text, "idle") == 0) {
                set_number(ret, SCOPE_PROPERTY_U64, rule->bus_name, CPU_WEIGHT_IDLE);
                return 0;
        }
        return parse_weight(rule, text, ret);
}

/* "0-3,5": numbers and ranges, separated by commas or spaces. */
static int parse_mask(const PropertyRule *rule, const char *text, ScopeProperty *ret)
{
        const char *p = text;

        ret->type = SCOPE_PROPERTY_BYTES;
        ret->bus_name = rule->bus_name;

        for (;;) {
                uint64_t first, last;
                int r;

                p += strspn(p, ", ");
                if (!*p)
                        break;
                r = take_number(&p, &first);
                if (r < 0)
                        return r;
                last = first;
                if (*p == '-') {
                        p++;
                        r = take_number(&p, &last);
                        if (r < 0)
                                return r;
                }
                if (*p && *p != ',' && *p != ' ')
                        return -EINVAL;
                if (last < first || last >= sizeof(ret->bytes) * 8)
                        return -ERANGE;
                for (uint64_t i = first; i <= last; i++)
                        ret->bytes[i / 8] |= (uint8_t) (1u << i % 8);
                ret->n_bytes = MAX(ret->n_bytes, (size_t) last / 8 + 1);
        }
        return ret->n_bytes > 0 ? 0 : -EINVAL;
}

static uint64_t time_unit(const char *unit, size_t n)
{
        static const struct {
                const char *name;
                uint64_t usec;
        } units[] = {
                {"seconds", USEC_PER_SEC},
                {"second", USEC_PER_SEC},
                {"sec", USEC_PER_SEC},
                {"s", USEC_PER_SEC},
                {"minutes", 60 * USEC_PER_SEC},
                {"minute", 60 * USEC_PER_SEC},
                {"min", 60 * USEC_PER_SEC},
                {"m", 60 * USEC_PER_SEC},
                {"months", 2629800 * USEC_PER_SEC},
                {"month", 2629800 * USEC_PER_SEC},
                {"M", 2629800 * USEC_PER_SEC},
                {"msec", USEC_PER_MSEC},
                {"ms", USEC_PER_MSEC},
                {"hours", 3600 * USEC_PER_SEC},
                {"hour", 3600 * USEC_PER_SEC},
                {"hr", 3600 * USEC_PER_SEC},
                {"h", 3600 * USEC_PER_SEC},
                {"days", 86400 * USEC_PER_SEC},
                {"day", 86400 * USEC_PER_SEC},
                {"d", 86400 * USEC_PER_SEC},
                {"weeks", 604800 * USEC_PER_SEC},
                {"week", 604800 * USEC_PER_SEC},
                {"w", 604800 * USEC_PER_SEC},
                {"years", 31557600 * USEC_PER_SEC},
                {"year", 31557600 * USEC_PER_SEC},
                {"y", 31557600 * USEC_PER_SEC},
                {"usec", 1},
                {"us", 1},
                {"\xc2\xb5s", 1}, /* micro sign */
                {"\xce\xbcs", 1}, /* Greek mu */
        };

        if (n == 0)
                return USEC_PER_SEC;
        for (size_t i = 0; i < ELEMENTSOF(units); i++)
                if (strlen(units[i].name) == n && memcmp(units[i].name, unit, n) == 0)
                        return units[i].usec;
        return 0;
}

/* "2", "2s", "1min 30s", "1.5h", "infinity": a sum of terms, seconds where no unit is given. */
static int parse_span(const PropertyRule *rule, const char *text, ScopeProperty *ret)
{
        const char *p = text;
        uint64_t sum = 0;

        if (strcmp(text, "infinity") == 0) {
                set_number(ret, SCOPE_PROPERTY_U64, rule->bus_name, NO_LIMIT);
                return 0;
        }

        do {
                uint64_t whole, term, unit;
                const char *fraction;
                size_t n_fraction, n;
                int r;

                r = take_decimal(&p, &whole, &fraction, &n_fraction);
                if (r < 0)
                        return r;
                p += strspn(p, " ");
                n = strcspn(p, " 0123456789.");
                unit = time_unit(p, n);
                if (unit == 0)
                        return -EINVAL;
                p += n;
                p += strspn(p, " ");
                r = scale_fraction(whole, fraction, n_fraction, unit, &term);
                if (r < 0)
                        return r;
                if (__builtin_add_overflow(sum, term, &sum))
                        return -ERANGE;
        } while (*p);

        if (sum < rule->minimum || sum == NO_LIMIT)
                return -ERANGE;
        set_number(ret, SCOPE_PROPERTY_U64, rule->bus_name, sum);
        return 0;
}

static int parse_oom_policy(const PropertyRule *rule, const char *text, ScopeProperty *ret)
{
        if (strcmp(text, "continue") != 0 && strcmp(text, "stop") != 0 && strcmp(text, "kill") != 0)
                return -EINVAL;
        ret->string = strdup(text);
        if (!ret->string)
                return -ENOMEM;
        ret->type = SCOPE_PROPERTY_STRING;
        ret->bus_name = rule->bus_name;
        return 0;
}

#define MEMORY_TEXT "bytes (as 512M or 1G), a percentage up to 100%, or infinity"
#define MASK_TEXT   "a list of numbers and ranges below 1024 (as 0-3,5)"

static const PropertyRule rules[] = {
        {"MemoryMin", "MemoryMin", "MemoryMinScale", 0, parse_memory, MEMORY_TEXT},
        {"MemoryLow", "MemoryLow", "MemoryLowScale", 0, parse_memory, MEMORY_TEXT},
        {"MemoryHigh", "MemoryHigh", "MemoryHighScale", 1, parse_memory, MEMORY_TEXT},
        {"MemoryMax", "MemoryMax", "MemoryMaxScale", 1, parse_memory, MEMORY_TEXT},
        {"MemorySwapMax", "MemorySwapMax", "MemorySwapMaxScale", 0, parse_memory, MEMORY_TEXT},
        {"TasksMax", "TasksMax", "TasksMaxScale", 1, parse_tasks,
         "a number of at least 1, a percentage up to 100%, or infinity"},
        {"CPUQuota", "CPUQuotaPerSecUSec", NULL, 1, parse_cpu_quota,
         "a percentage above 0 (as 20% or 150%)"},
        {"CPUWeight", "CPUWeight", NULL, 1, parse_cpu_weight, "1 to 10000, or idle"},
        {"IOWeight", "IOWeight", NULL, 1, parse_weight, "1 to 10000"},
        {"AllowedCPUs", "AllowedCPUs", NULL, 0, parse_mask, MASK_TEXT},
        {"AllowedMemoryNodes", "AllowedMemoryNodes", NULL, 0, parse_mask, MASK_TEXT},
        {"RuntimeMaxSec", "RuntimeMaxUSec", NULL, 1, parse_span,
         "a time span longer than 0 (as 2s or 1min 30s), or infinity"},
        {"OOMPolicy", "OOMPolicy", NULL, 0, parse_oom_policy, "continue, stop or kill"},
};

static const PropertyRule *rule_find(const char *name)
{
        for (size_t i = 0; i < ELEMENTSOF(rules); i++)
                if (strcmp(rules[i].name, name) == 0)
                        return &rules[i];
        return NULL;
}

int scope_property_parse(const char *name, const char *text, ScopeProperty *ret, Refusal *reterr)
{
        const PropertyRule *rule = rule_find(name);
        ScopeProperty p = {0};
        int r;

        if (!rule)
                return refuse(reterr, REFUSAL_BAD_REQUEST, EINVAL,
                              "Properties.%s cannot be set; allowed are MemoryMin, MemoryLow, MemoryHigh, "
                              "MemoryMax, MemorySwapMax, TasksMax, CPUQuota, CPUWeight, IOWeight, "
                              "AllowedCPUs, AllowedMemoryNodes, RuntimeMaxSec and OOMPolicy",
                              name);

        r = rule->parse(rule, text, &p);
        if (r < 0) {
                scope_property_done(&p);
                if (r == -ENOMEM)
                        return r;
                return refuse(reterr, REFUSAL_BAD_REQUEST, EINVAL,
                              "Properties.%s: invalid value \"%s\", expected %s", name, text,
                              rule->expected);
        }

        p.name = strdup(name);
        p.text = strdup(text);
        if (!p.name || !p.text) {
                scope_property_done(&p);
                return -ENOMEM;
        }
        *ret = p;
        return 0;
}

void scope_property_done(ScopeProperty *p)
{
        free(p->name);
        free(p->text);
        free(p->string);
        *p = (ScopeProperty){0};
}

ScopeProperty *scope_properties_free(ScopeProperty *p, size_t n)
{
        for (size_t i = 0; p && i < n; i++)
                scope_property_done(&p[i]);
        return mfree(p);
}
