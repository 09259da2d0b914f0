/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "wire/scope-property.h"

#include <stdbool.h>
#include <string.h>

#include "base/controllers.h"
#include "base/decimal.h"
#include "base/time.h"
#include "wire/units.h"

/* The value that means "no limit" to systemd. */
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
        const char *controller; /* the one that enforces it, or NULL */
        bool protects;          /* 0 means that there is nothing to enforce, and not infinity */
        const char *file;       /* one of base/controllers that it needs, or NULL */
} PropertyRule;

/* "50%", "12.5%", "12.25%" in hundredths of a percent; -ENODATA when the text is not a percentage. */
static int parse_permyriad(const char *text, uint64_t *ret)
{
        const char *p = text, *fraction;
        size_t n_fraction;
        uint64_t whole;
        int r;

        if (!*text || text[strlen(text) - 1] != '%')
                return -ENODATA;
        r = units_take_decimal(&p, &whole, &fraction, &n_fraction);
        if (r < 0)
                return r;
        if (n_fraction > 2 || strcmp(p, "%") != 0)
                return -EINVAL;
        return units_scale(whole, fraction, n_fraction, 100, ret);
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
                r = units_parse_size(text, &n);
        else {
                const char *p = text;

                r = decimal_take(&p, UINT64_MAX, &n);
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

        r = decimal_take(&p, UINT64_MAX, &n);
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
                r = decimal_take(&p, UINT64_MAX, &first);
                if (r < 0)
                        return r;
                last = first;
                if (*p == '-') {
                        p++;
                        r = decimal_take(&p, UINT64_MAX, &last);
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

static int parse_span(const PropertyRule *rule, const char *text, ScopeProperty *ret)
{
        uint64_t span;
        int r;

        r = units_parse_span(text, &span);
        if (r < 0)
                return r;
        if (span < rule->minimum)
                return -ERANGE;
        set_number(ret, SCOPE_PROPERTY_U64, rule->bus_name, span);
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

#define MEMORY_TEXT "bytes (such as 512M or 1G), a percentage up to 100%, or infinity"
#define MASK_TEXT   "a list of numbers and ranges below 1024 (such as 0-3,5)"

static const PropertyRule rules[] = {
        {"MemoryMin", "MemoryMin", "MemoryMinScale", 0, parse_memory, MEMORY_TEXT, "memory", true},
        {"MemoryLow", "MemoryLow", "MemoryLowScale", 0, parse_memory, MEMORY_TEXT, "memory", true},
        {"MemoryHigh", "MemoryHigh", "MemoryHighScale", 1, parse_memory, MEMORY_TEXT, "memory", false},
        {"MemoryMax", "MemoryMax", "MemoryMaxScale", 1, parse_memory, MEMORY_TEXT, "memory", false},
        {"MemorySwapMax", "MemorySwapMax", "MemorySwapMaxScale", 0, parse_memory, MEMORY_TEXT, "memory",
         false, "memory.swap.max"},
        {"TasksMax", "TasksMax", "TasksMaxScale", 1, parse_tasks,
         "a number of at least 1, a percentage up to 100%, or infinity", "pids", false},
        {"CPUQuota", "CPUQuotaPerSecUSec", NULL, 1, parse_cpu_quota,
         "a percentage above 0 (such as 20% or 150%)", "cpu", false, "cpu.max"},
        {"CPUWeight", "CPUWeight", NULL, 1, parse_cpu_weight, "1 to 10000, or idle", "cpu", false},
        {"IOWeight", "IOWeight", NULL, 1, parse_weight, "1 to 10000", "io", false, "io.weight"},
        {"AllowedCPUs", "AllowedCPUs", NULL, 0, parse_mask, MASK_TEXT, "cpuset", false},
        {"AllowedMemoryNodes", "AllowedMemoryNodes", NULL, 0, parse_mask, MASK_TEXT, "cpuset", false},
        {"RuntimeMaxSec", "RuntimeMaxUSec", NULL, 1, parse_span,
         "a time span longer than 0 (such as 2s or 1min 30s), or infinity", NULL, false},
        {"OOMPolicy", "OOMPolicy", NULL, 0, parse_oom_policy, "continue, stop or kill", NULL, false},
};

static const PropertyRule *rule_find(const char *name)
{
        return ARRAY_FIND(rules, ELEMENTSOF(rules), rule, strcmp(rule->name, name) == 0);
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

        if (strlen(text) > SCOPE_PROPERTY_TEXT_MAX)
                return refuse(reterr, REFUSAL_TOO_LARGE, E2BIG,
                              "Properties.%s is longer than %d bytes, which is the limit", name,
                              SCOPE_PROPERTY_TEXT_MAX);
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

size_t scope_properties_size(const ScopeProperty *p, size_t n)
{
        size_t size = n * sizeof(ScopeProperty);

        for (size_t i = 0; i < n; i++)
                size += strlen(p[i].name) + strlen(p[i].text);
        return size;
}

const char *scope_property_name(size_t i)
{
        return i < ELEMENTSOF(rules) ? rules[i].name : NULL;
}

static bool has_nothing_to_enforce(const PropertyRule *rule, const ScopeProperty *p)
{
        if (rule->protects)
                return p->number == 0;
        return p->type == SCOPE_PROPERTY_U64 && p->number == NO_LIMIT;
}

const char *scope_property_controller(const ScopeProperty *p)
{
        const PropertyRule *rule = rule_find(p->name);

        return rule && !has_nothing_to_enforce(rule, p) ? rule->controller : NULL;
}

const char *scope_property_file(const ScopeProperty *p)
{
        return scope_property_controller(p) ? rule_find(p->name)->file : NULL;
}

bool scope_property_has_all_controllers(const char *list)
{
        for (size_t i = 0; i < ELEMENTSOF(rules); i++)
                if ((rules[i].controller && !controllers_have(list, rules[i].controller)) ||
                    (rules[i].file && controllers_lack_file(list, rules[i].file)))
                        return false;
        return true;
}

void scope_property_list_done(ScopePropertyList *l)
{
        l->items = scope_properties_free(l->items, l->n);
        l->n = 0;
}

const ScopeProperty *scope_property_list_find(const ScopePropertyList *l, const char *name)
{
        return ARRAY_FIND(l->items, l->n, p, strcmp(p->name, name) == 0);
}

int scope_property_list_set(ScopePropertyList *l, const char *name, const char *text, Refusal *reterr)
{
        const ScopeProperty *old = scope_property_list_find(l, name);
        ScopeProperty p, *more;
        int r;

        r = scope_property_parse(name, text, &p, reterr);
        if (r < 0)
                return r;
        if (old) {
                size_t i = (size_t) (old - l->items);

                scope_property_done(&l->items[i]);
                l->items[i] = p;
                return 0;
        }
        more = reallocarray(l->items, l->n + 1, sizeof(ScopeProperty));
        if (!more) {
                scope_property_done(&p);
                return -ENOMEM;
        }
        l->items = more;
        l->items[l->n++] = p;
        return 0;
}

int scope_property_list_copy(const ScopePropertyList *from, ScopePropertyList *to)
{
        ScopePropertyList copy = {0};

        for (size_t i = 0; i < from->n; i++) {
                int r = scope_property_list_set(&copy, from->items[i].name, from->items[i].text, NULL);

                if (r < 0) {
                        scope_property_list_done(&copy);
                        return r;
                }
        }
        scope_property_list_done(to);
        *to = copy;
        return 0;
}

bool scope_property_lists_equal(const ScopePropertyList *a, const ScopePropertyList *b)
{
        if (a->n != b->n)
                return false;
        for (size_t i = 0; i < a->n; i++)
                if (strcmp(a->items[i].name, b->items[i].name) != 0 ||
                    strcmp(a->items[i].text, b->items[i].text) != 0)
                        return false;
        return true;
}
