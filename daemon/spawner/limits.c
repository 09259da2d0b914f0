/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "spawner/limits.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/decimal.h"
#include "base/fd.h"
#include "base/time.h"
#include "spawner/cgroup.h"

#define FILE_MAX 65536

typedef struct LimitRule {
        const char *file;
        const char *bus_name, *scale_name; /* of systemd's D-Bus interface */
        uint64_t absent;                   /* the kernel's value as long as it is not set */
} LimitRule;

static const LimitRule rules[_LIMIT_MAX] = {
        [LIMIT_MEMORY_MAX] = {"memory.max", "MemoryMax", "MemoryMaxScale", LIMIT_NONE},
        [LIMIT_MEMORY_HIGH] = {"memory.high", "MemoryHigh", "MemoryHighScale", LIMIT_NONE},
        [LIMIT_MEMORY_SWAP_MAX] = {"memory.swap.max", "MemorySwapMax", "MemorySwapMaxScale", LIMIT_NONE},
        /* Not limits but claims on others' memory: an exec has no more of them than its container. */
        [LIMIT_MEMORY_LOW] = {"memory.low", "MemoryLow", "MemoryLowScale", 0},
        [LIMIT_MEMORY_MIN] = {"memory.min", "MemoryMin", "MemoryMinScale", 0},
        [LIMIT_TASKS_MAX] = {"pids.max", "TasksMax", "TasksMaxScale", LIMIT_NONE},
        [LIMIT_CPU_QUOTA] = {"cpu.max", "CPUQuotaPerSecUSec", NULL, LIMIT_NONE},
        [LIMIT_CPU_WEIGHT] = {"cpu.weight", "CPUWeight", NULL, LIMIT_NONE},
        [LIMIT_IO_WEIGHT] = {"io.weight", "IOWeight", NULL, LIMIT_NONE},
};

static const char *const io_names[4] = {"rbps", "wbps", "riops", "wiops"};
static const char *const io_bus_names[4] = {"IOReadBandwidthMax", "IOWriteBandwidthMax", "IOReadIOPSMax",
                                            "IOWriteIOPSMax"};

static const char *take_value(const char *p, uint64_t *ret)
{
        p += strspn(p, " \t");
        if (strncmp(p, "max", 3) == 0) {
                *ret = LIMIT_NONE;
                return p + 3;
        }
        return decimal_take(&p, UINT64_MAX, ret) >= 0 ? p : NULL;
}

int limits_parse_value(LimitType type, const char *text, uint64_t *ret)
{
        uint64_t value, period;
        const char *p = text;

        if (type == LIMIT_IO_WEIGHT) {
                /* "default 100", then lines for devices. */
                if (strncmp(p, "default ", 8) != 0)
                        return -EBADMSG;
                p += 8;
        }
        p = take_value(p, &value);
        if (!p || !strchr(" \n", *p))
                return -EBADMSG;
        if (type == LIMIT_CPU_QUOTA && value != LIMIT_NONE) {
                if (!take_value(p, &period) || period == 0 || period == LIMIT_NONE)
                        return -EBADMSG;
                value = (uint64_t) MIN((unsigned __int128) value * USEC_PER_SEC / period, LIMIT_NONE - 1);
                value = MAX(value, 1);
        }
        *ret = value;
        return 0;
}

int limits_parse_mask(const char *text, LimitMask *ret)
{
        LimitMask mask = {0};
        const char *p = text;

        while (*p && *p != '\n') {
                uint64_t from, to;

                if (decimal_take(&p, LIMITS_MASK_BYTES * 8 - 1, &from) < 0)
                        return -EBADMSG;
                to = from;
                if (*p == '-' && (p++, decimal_take(&p, LIMITS_MASK_BYTES * 8 - 1, &to) < 0))
                        return -EBADMSG;
                if (from > to || !strchr(",\n", *p))
                        return -EBADMSG;
                for (; from <= to; from++)
                        mask.bytes[from / 8] |= (uint8_t) (1u << from % 8);
                mask.set = true;
                p += *p == ',';
        }
        *ret = mask;
        return 0;
}

/* "8:0 rbps=1048576 wbps=max riops=max wiops=max" */
static int parse_io_line(char *line, LimitIo *ret)
{
        char *rest = line, *word = strsep(&rest, " ");
        unsigned major, minor;
        char after;

        if (sscanf(word, "%u:%u%c", &major, &minor, &after) != 2)
                return -EBADMSG;
        snprintf(ret->device, sizeof(ret->device), "/dev/block/%u:%u", major, minor);
        for (int i = 0; i < 4; i++)
                ret->values[i] = LIMIT_NONE;
        while ((word = strsep(&rest, " "))) {
                char *value = strchr(word, '=');
                const char *end;

                if (!value)
                        return -EBADMSG;
                *value++ = 0;
                for (int i = 0; i < 4; i++)
                        if (strcmp(word, io_names[i]) == 0) {
                                end = take_value(value, &ret->values[i]);
                                if (!end || *end)
                                        return -EBADMSG;
                        }
        }
        return 0;
}

int limits_parse_io(const char *text, LimitIo *ret, size_t max, size_t *ret_n)
{
        _cleanup_free_ char *copy = strdup(text);
        char *rest = copy, *line;
        size_t n = 0;

        if (!copy)
                return -ENOMEM;
        while ((line = strsep(&rest, "\n"))) {
                int r;

                if (!*line)
                        continue;
                if (n >= max)
                        return -E2BIG;
                r = parse_io_line(line, &ret[n]);
                if (r < 0)
                        return r;
                n++;
        }
        *ret_n = n;
        return 0;
}

/* The controllers that a cgroup has; and the text of one of their files, or NULL. */
typedef struct Files {
        int fd; /* weak */
        char *controllers;
} Files;

static bool has_controller(const Files *f, const char *file)
{
        size_t n = strcspn(file, ".");

        for (const char *p = f->controllers; *p; p += strspn(p, " \n")) {
                size_t length = strcspn(p, " \n");

                if (length == n && strncmp(p, file, n) == 0)
                        return true;
                p += length;
        }
        return false;
}

static int read_file(const Files *f, const char *file, char **ret)
{
        int r;

        *ret = NULL;
        if (!has_controller(f, file))
                return 0;
        r = file_read_at(f->fd, file, FILE_MAX, ret, NULL);
        return r == -ENOENT ? 0 : r;
}

static int read_value(const Files *f, LimitType type, uint64_t *ret)
{
        _cleanup_free_ char *text = NULL;
        int r = read_file(f, rules[type].file, &text);

        *ret = rules[type].absent;
        return r < 0 || !text ? r : limits_parse_value(type, text, ret);
}

static int read_mask(const Files *f, const char *file, LimitMask *ret)
{
        _cleanup_free_ char *text = NULL;
        int r = read_file(f, file, &text);

        return r < 0 || !text ? r : limits_parse_mask(text, ret);
}

static int read_io(const Files *f, Limits *ret)
{
        _cleanup_free_ char *text = NULL;
        int r = read_file(f, "io.max", &text);

        return r < 0 || !text ? r : limits_parse_io(text, ret->io, LIMITS_IO_MAX, &ret->n_io);
}

int limits_read(const char *cgroup, Limits *ret)
{
        _cleanup_close_ int fd = cgroup_open(cgroup);
        _cleanup_free_ char *controllers = NULL;
        Files f = {.fd = fd};
        int r;

        *ret = (Limits){0};
        if (fd < 0)
                return fd;
        r = file_read_at(fd, "cgroup.controllers", FILE_MAX, &controllers, NULL);
        f.controllers = controllers;
        for (LimitType t = 0; r >= 0 && t < _LIMIT_MAX; t++)
                r = read_value(&f, t, &ret->values[t]);
        if (r >= 0)
                r = read_mask(&f, "cpuset.cpus", &ret->cpus);
        if (r >= 0)
                r = read_mask(&f, "cpuset.mems", &ret->memory_nodes);
        return r < 0 ? r : read_io(&f, ret);
}

static void lower_mask(LimitMask *mask, const LimitMask *below)
{
        LimitMask common = {0};

        if (!below->set)
                return;
        for (size_t i = 0; mask->set && i < LIMITS_MASK_BYTES; i++) {
                common.bytes[i] = mask->bytes[i] & below->bytes[i];
                common.set = common.set || common.bytes[i];
        }
        *mask = common.set ? common : *below;
}

static int lower_io(Limits *l, const LimitIo *below)
{
        size_t i = 0;

        while (i < l->n_io && strcmp(l->io[i].device, below->device) != 0)
                i++;
        if (i == l->n_io) {
                if (l->n_io == LIMITS_IO_MAX)
                        return -E2BIG;
                l->io[l->n_io++] = *below;
        }
        for (int k = 0; k < 4; k++)
                l->io[i].values[k] = MIN(l->io[i].values[k], below->values[k]);
        return 0;
}

int limits_lower(Limits *l, const Limits *below)
{
        int r = 0;

        for (LimitType t = 0; t < _LIMIT_MAX; t++)
                if (t != LIMIT_CPU_WEIGHT && t != LIMIT_IO_WEIGHT)
                        l->values[t] = MIN(l->values[t], below->values[t]);
        lower_mask(&l->cpus, &below->cpus);
        lower_mask(&l->memory_nodes, &below->memory_nodes);
        for (size_t i = 0; r >= 0 && i < below->n_io; i++)
                r = lower_io(l, &below->io[i]);
        return r;
}

static uint64_t read_number(const char *path)
{
        _cleanup_free_ char *text = NULL;
        uint64_t v;

        return file_read_at(AT_FDCWD, path, 64, &text, NULL) >= 0 && take_value(text, &v) ? v : LIMIT_NONE;
}

/* The total to which a share refers. */
static uint64_t whole_of(LimitType type)
{
        if (type == LIMIT_TASKS_MAX)
                return MIN(read_number("/proc/sys/kernel/pid_max"),
                           read_number("/proc/sys/kernel/threads-max"));
        return (uint64_t) sysconf(_SC_PHYS_PAGES) * (uint64_t) sysconf(_SC_PAGESIZE);
}

static void apply_value(const Limits *l, LimitType type, ScopeProperty *p)
{
        if (strcmp(p->bus_name, rules[type].bus_name) == 0)
                p->number = MIN(p->number, l->values[type]);
        else if (rules[type].scale_name && strcmp(p->bus_name, rules[type].scale_name) == 0) {
                unsigned __int128 value = (unsigned __int128) whole_of(type) * p->number / UINT32_MAX;

                if (l->values[type] == LIMIT_NONE)
                        return;
                p->bus_name = rules[type].bus_name;
                p->type = SCOPE_PROPERTY_U64;
                p->number = (uint64_t) MIN(value, l->values[type]);
        }
}

/* The common part; where there is none, the container's. */
static void apply_mask(const LimitMask *mask, ScopeProperty *p)
{
        uint8_t bytes[LIMITS_MASK_BYTES] = {0};
        bool any = false;

        if (!mask->set)
                return;
        for (size_t i = 0; i < MIN(p->n_bytes, sizeof(bytes)); i++) {
                bytes[i] = p->bytes[i] & mask->bytes[i];
                any = any || bytes[i];
        }
        memcpy(p->bytes, any ? bytes : mask->bytes, sizeof(bytes));
        p->n_bytes = sizeof(bytes);
}

void limits_apply(const Limits *l, ScopeProperty *p)
{
        if (strcmp(p->bus_name, "AllowedCPUs") == 0)
                apply_mask(&l->cpus, p);
        else if (strcmp(p->bus_name, "AllowedMemoryNodes") == 0)
                apply_mask(&l->memory_nodes, p);
        else
                for (LimitType t = 0; t < _LIMIT_MAX; t++)
                        apply_value(l, t, p);
}

bool limits_equal(const Limits *a, const Limits *b)
{
        if (memcmp(a->values, b->values, sizeof(a->values)) != 0 || a->n_io != b->n_io ||
            a->cpus.set != b->cpus.set || a->memory_nodes.set != b->memory_nodes.set ||
            memcmp(a->cpus.bytes, b->cpus.bytes, sizeof(a->cpus.bytes)) != 0 ||
            memcmp(a->memory_nodes.bytes, b->memory_nodes.bytes, sizeof(a->memory_nodes.bytes)) != 0)
                return false;
        for (size_t i = 0; i < a->n_io; i++)
                if (strcmp(a->io[i].device, b->io[i].device) != 0 ||
                    memcmp(a->io[i].values, b->io[i].values, sizeof(a->io[i].values)) != 0)
                        return false;
        return true;
}

static bool mask_is_within(const LimitMask *mask, const LimitMask *bounds)
{
        if (!bounds->set)
                return true;
        for (size_t i = 0; i < LIMITS_MASK_BYTES; i++)
                if (mask->bytes[i] & ~bounds->bytes[i])
                        return false;
        return mask->set;
}

static bool io_is_within(const Limits *l, const LimitIo *bound)
{
        for (size_t i = 0; i < l->n_io; i++)
                if (strcmp(l->io[i].device, bound->device) == 0) {
                        for (int k = 0; k < 4; k++)
                                if (l->io[i].values[k] > bound->values[k])
                                        return false;
                        return true;
                }
        return false;
}

bool limits_are_within(const Limits *l, const Limits *bounds)
{
        for (LimitType t = 0; t < _LIMIT_MAX; t++) {
                bool is_weight = t == LIMIT_CPU_WEIGHT || t == LIMIT_IO_WEIGHT;
                /* systemd has periods of its own, and rounds. */
                uint64_t slack = t == LIMIT_CPU_QUOTA ? bounds->values[t] / 100 : 0;

                if (!is_weight && bounds->values[t] != LIMIT_NONE &&
                    l->values[t] > bounds->values[t] + slack)
                        return false;
        }
        for (size_t i = 0; i < bounds->n_io; i++)
                if (!io_is_within(l, &bounds->io[i]))
                        return false;
        return mask_is_within(&l->cpus, &bounds->cpus) &&
               mask_is_within(&l->memory_nodes, &bounds->memory_nodes);
}

static bool was_asked(const ScopeProperty *asked, size_t n, const char *name, const char *other_name)
{
        for (size_t i = 0; i < n; i++)
                if (strcmp(asked[i].bus_name, name) == 0 ||
                    (other_name && strcmp(asked[i].bus_name, other_name) == 0))
                        return true;
        return false;
}

static int append_mask(sd_bus_message *m, const char *name, const LimitMask *mask)
{
        int r;

        r = sd_bus_message_open_container(m, 'r', "sv");
        if (r >= 0)
                r = sd_bus_message_append(m, "s", name);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'v', "ay");
        if (r >= 0)
                r = sd_bus_message_append_array(m, 'y', mask->bytes, mask->set ? sizeof(mask->bytes) : 0);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_io_kind(const Limits *l, int kind, sd_bus_message *m)
{
        int r;

        r = sd_bus_message_open_container(m, 'r', "sv");
        if (r >= 0)
                r = sd_bus_message_append(m, "s", io_bus_names[kind]);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'v', "a(st)");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "(st)");
        for (size_t i = 0; r >= 0 && i < l->n_io; i++)
                if (l->io[i].values[kind] != LIMIT_NONE)
                        r = sd_bus_message_append(m, "(st)", l->io[i].device, l->io[i].values[kind]);
        for (int i = 0; r >= 0 && i < 3; i++)
                r = sd_bus_message_close_container(m);
        return r;
}

/* An empty list removes the entries of the unit; the new list is added to its entries. */
static int append_io(const Limits *l, bool all, sd_bus_message *m)
{
        static const Limits none;
        int r = 0;

        for (int k = 0; r >= 0 && k < 4; k++) {
                bool any = false;

                for (size_t i = 0; i < l->n_io; i++)
                        any = any || l->io[i].values[k] != LIMIT_NONE;
                if (all)
                        r = append_io_kind(&none, k, m);
                if (r >= 0 && any)
                        r = append_io_kind(l, k, m);
        }
        return r;
}

int limits_append(const Limits *l, bool all, sd_bus_message *m)
{
        int r = 0;

        for (LimitType t = 0; r >= 0 && t < _LIMIT_MAX; t++)
                if (all || (l->values[t] != rules[t].absent && l->values[t] != LIMIT_NONE))
                        r = sd_bus_message_append(m, "(sv)", rules[t].bus_name, "t", l->values[t]);
        if (r >= 0 && (all || l->cpus.set))
                r = append_mask(m, "AllowedCPUs", &l->cpus);
        if (r >= 0 && (all || l->memory_nodes.set))
                r = append_mask(m, "AllowedMemoryNodes", &l->memory_nodes);
        return r < 0 ? r : append_io(l, all, m);
}

int limits_append_tasks(const Limits *l, const ScopeProperty *asked, size_t n_asked, sd_bus_message *m)
{
        const LimitRule *rule = &rules[LIMIT_TASKS_MAX];

        if (l->values[LIMIT_TASKS_MAX] == LIMIT_NONE ||
            was_asked(asked, n_asked, rule->bus_name, rule->scale_name))
                return 0;
        return sd_bus_message_append(m, "(sv)", rule->bus_name, "t", l->values[LIMIT_TASKS_MAX]);
}
