/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The limits of a container's cgroup, and what is left of a client's wish under them. */

#include <unistd.h>

#include "spawner/cgroup-bpf.h"
#include "spawner/limits.h"
#include "spawner/proc-parse.h"
#include "unit/need.h"

static const struct {
        LimitType type;
        const char *text;
        uint64_t value;
        bool bad;
} values[] = {
        {LIMIT_MEMORY_MAX, "max\n", LIMIT_NONE, false},
        {LIMIT_MEMORY_MAX, "1073741824\n", 1073741824, false},
        {LIMIT_MEMORY_MAX, "0\n", 0, false},
        {LIMIT_MEMORY_MAX, "\n", 0, true},
        {LIMIT_MEMORY_MAX, "-1\n", 0, true},
        {LIMIT_MEMORY_MAX, "12x\n", 0, true},
        {LIMIT_MEMORY_MAX, "99999999999999999999999\n", 0, true},
        {LIMIT_CPU_QUOTA, "max 100000\n", LIMIT_NONE, false},
        {LIMIT_CPU_QUOTA, "50000 100000\n", 500000, false},
        {LIMIT_CPU_QUOTA, "300000 100000\n", 3000000, false},
        {LIMIT_CPU_QUOTA, "1000 0\n", 0, true},
        {LIMIT_CPU_QUOTA, "1000\n", 0, true},
        {LIMIT_IO_WEIGHT, "default 100\n8:0 50\n", 100, false},
        {LIMIT_IO_WEIGHT, "100\n", 0, true},
};

static void test_values(void)
{
        for (size_t i = 0; i < ELEMENTSOF(values); i++) {
                uint64_t v = 7;
                int r = limits_parse_value(values[i].type, values[i].text, &v);

                NEED_ROW(values[i].text, (r < 0) == values[i].bad);
                NEED_ROW(values[i].text, v == (r < 0 ? 7 : values[i].value));
        }
}

static void test_masks(void)
{
        LimitMask m;

        NEED(limits_parse_mask("0-2,9\n", &m) == 0 && m.set);
        NEED(m.bytes[0] == 0x07 && m.bytes[1] == 0x02 && m.bytes[2] == 0);
        NEED(limits_parse_mask("\n", &m) == 0 && !m.set);
        NEED(limits_parse_mask("1023\n", &m) == 0 && m.bytes[127] == 0x80);
        NEED(limits_parse_mask("1024\n", &m) == -EBADMSG && limits_parse_mask("2-1\n", &m) == -EBADMSG);
        NEED(limits_parse_mask("a\n", &m) == -EBADMSG && limits_parse_mask("1-\n", &m) == -EBADMSG);
        NEED(limits_parse_mask("1;2\n", &m) == -EBADMSG &&
             limits_parse_mask("0-99999999999\n", &m) == -EBADMSG);
}

static void test_io(void)
{
        LimitIo io[2];
        size_t n;

        NEED(limits_parse_io("8:0 rbps=1048576 wbps=max riops=max wiops=120\n254:16 rbps=max wbps=1 "
                             "riops=2 wiops=3\n",
                             io, 2, &n) == 0);
        NEED(n == 2 && same_text(io[0].device, "/dev/block/8:0") &&
             same_text(io[1].device, "/dev/block/254:16"));
        NEED(io[0].values[0] == 1048576 && io[0].values[1] == LIMIT_NONE && io[0].values[3] == 120);
        NEED(limits_parse_io("", io, 2, &n) == 0 && n == 0);
        NEED(limits_parse_io("8:0 rbps\n", io, 2, &n) == -EBADMSG);
        NEED(limits_parse_io("8 rbps=1\n", io, 2, &n) == -EBADMSG);
        NEED(limits_parse_io("8:0 rbps=1x\n", io, 2, &n) == -EBADMSG);
        NEED(limits_parse_io("8:0 rbps=1\n8:1 rbps=1\n8:2 rbps=1\n", io, 2, &n) == -E2BIG);
}

static Limits no_limits(void)
{
        Limits l = {0};

        for (LimitType t = 0; t < _LIMIT_MAX; t++)
                l.values[t] = t == LIMIT_MEMORY_LOW || t == LIMIT_MEMORY_MIN ? 0 : LIMIT_NONE;
        return l;
}

static ScopeProperty asked(const Limits *l, const char *name, const char *text)
{
        ScopeProperty p = {0};

        NEED_ROW(text, scope_property_parse(name, text, &p, NULL) == 0);
        limits_apply(l, &p);
        return p;
}

static void check_number(const Limits *l, const char *name, const char *text, const char *bus_name,
                         uint64_t number)
{
        ScopeProperty p = asked(l, name, text);

        NEED_ROW(text, same_text(p.bus_name, bus_name) && p.number == number);
        scope_property_done(&p);
}

static void test_apply(void)
{
        uint64_t memory = (uint64_t) sysconf(_SC_PHYS_PAGES) * (uint64_t) sysconf(_SC_PAGESIZE);
        Limits l = no_limits();
        ScopeProperty p;

        check_number(&l, "MemoryMax", "1G", "MemoryMax", UINT64_C(1) << 30);
        check_number(&l, "MemoryMax", "infinity", "MemoryMax", UINT64_MAX);
        /* Claims on the memory of others are none of a client's unless the container has them. */
        check_number(&l, "MemoryLow", "1G", "MemoryLow", 0);

        l.values[LIMIT_MEMORY_MAX] = 1000000;
        l.values[LIMIT_TASKS_MAX] = 100;
        l.values[LIMIT_CPU_QUOTA] = 500000;
        check_number(&l, "MemoryMax", "1G", "MemoryMax", 1000000);
        check_number(&l, "MemoryMax", "infinity", "MemoryMax", 1000000);
        check_number(&l, "MemoryMax", "4K", "MemoryMax", 4096);
        check_number(&l, "MemoryMax", "90%", "MemoryMax", 1000000);
        check_number(&l, "MemoryHigh", "1G", "MemoryHigh", UINT64_C(1) << 30);
        check_number(&l, "TasksMax", "5", "TasksMax", 5);
        check_number(&l, "TasksMax", "infinity", "TasksMax", 100);
        check_number(&l, "CPUQuota", "200%", "CPUQuotaPerSecUSec", 500000);
        check_number(&l, "CPUQuota", "20%", "CPUQuotaPerSecUSec", 200000);
        l.values[LIMIT_MEMORY_MAX] = memory;
        p = asked(&l, "MemoryMax", "50%");
        NEED(same_text(p.bus_name, "MemoryMax") && p.number > memory / 2 - 4096 &&
             p.number <= memory / 2 + 4096);
        scope_property_done(&p);

        NEED(limits_parse_mask("1-2", &l.cpus) == 0);
        p = asked(&l, "AllowedCPUs", "0-1");
        NEED(p.bytes[0] == 0x02);
        scope_property_done(&p);
        /* Nothing in common: the container's, not all. */
        p = asked(&l, "AllowedCPUs", "5");
        NEED(p.bytes[0] == 0x06);
        scope_property_done(&p);
}

static void test_split(void)
{
        static const struct {
                const char *path, *slice, *own;
        } rows[] = {
                {"/machine.slice/a.service/payload/init.scope", "/machine.slice",
                 "/machine.slice/a.service"},
                {"/a.slice/a-b.slice/c.scope", "/a.slice/a-b.slice", "/a.slice/a-b.slice/c.scope"},
                {"/libpod/x", "/", "/libpod"},
                {"/machine.slice", "/machine.slice", "/machine.slice"},
                {"/", "/", "/"},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_free_ char *slice = NULL, *own = NULL;

                NEED_ROW(rows[i].path, cgroup_path_split(rows[i].path, &slice, &own) == 0);
                NEED_ROW(rows[i].path, same_text(slice, rows[i].slice) && same_text(own, rows[i].own));
        }
}

static void test_old_hierarchy(void)
{
        static const struct {
                const char *container, *own;
                bool ok;
        } rows[] = {
                {"0::/a\n", "0::/b\n", true},
                {"5:devices:/\n0::/a\n", "5:devices:/\n0::/b\n", true},
                {"5:devices:/a\n0::/a\n", "5:devices:/\n0::/b\n", false},
                {"5:devices:/\n0::/a\n", "0::/b\n", false},
                {"5:cpu,devices:/a\n", "5:cpu,devices:/b\n", false},
                {"5:mydevices:/a\n", "5:mydevices:/b\n", true},
                {"5:name=devices:/a\n", "5:name=devices:/b\n", true},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
                int r = device_policy_check_v1(rows[i].container, rows[i].own, &refusal);

                NEED_ROW(rows[i].container, (r >= 0) == rows[i].ok);
                NEED_ROW(rows[i].container, refusal.kind == (r < 0 ? REFUSAL_UNSUPPORTED : REFUSAL_NONE));
        }
}

/* Of a cgroup in another one: the lower of each, and what only one of them has. */
static void test_lower(void)
{
        Limits l = {0}, below = {0}, before;

        for (LimitType t = 0; t < _LIMIT_MAX; t++)
                l.values[t] = below.values[t] =
                        t == LIMIT_MEMORY_LOW || t == LIMIT_MEMORY_MIN ? 0 : LIMIT_NONE;
        l.values[LIMIT_CPU_WEIGHT] = 50;
        below.values[LIMIT_CPU_WEIGHT] = 20;
        before = l;
        NEED(limits_lower(&l, &below) == 0 && limits_equal(&l, &before));
        l.values[LIMIT_TASKS_MAX] = 10;
        below.values[LIMIT_TASKS_MAX] = 20;
        below.values[LIMIT_MEMORY_MAX] = 64 << 20;
        below.values[LIMIT_MEMORY_LOW] = 1 << 20;
        below.cpus = (LimitMask){.set = true, .bytes = {6}};
        below.n_io = 1;
        below.io[0] = (LimitIo){.device = "/dev/block/8:0", .values = {1000, LIMIT_NONE, 10, LIMIT_NONE}};
        NEED(limits_lower(&l, &below) == 0);
        NEED(l.values[LIMIT_TASKS_MAX] == 10 && l.values[LIMIT_MEMORY_MAX] == 64 << 20);
        NEED(l.values[LIMIT_MEMORY_LOW] == 0 && l.values[LIMIT_CPU_WEIGHT] == 50);
        NEED(l.cpus.set && l.cpus.bytes[0] == 6 && !l.memory_nodes.set);
        NEED(l.n_io == 1 && l.io[0].values[0] == 1000);
        below.cpus.bytes[0] = 12;
        below.io[0].values[0] = 2000;
        below.io[0].values[1] = 5;
        NEED(limits_lower(&l, &below) == 0 && l.cpus.bytes[0] == 4);
        NEED(l.n_io == 1 && l.io[0].values[0] == 1000 && l.io[0].values[1] == 5);
        l.n_io = LIMITS_IO_MAX;
        strcpy(l.io[0].device, "/dev/block/9:0");
        NEED(limits_lower(&l, &below) == -E2BIG);
}

/* Limits that are read of a slice, and limits of the container. */
static void test_within(void)
{
        Limits slice = {0}, container = {0};

        for (LimitType t = 0; t < _LIMIT_MAX; t++)
                slice.values[t] = container.values[t] =
                        t == LIMIT_MEMORY_LOW || t == LIMIT_MEMORY_MIN ? 0 : LIMIT_NONE;
        NEED(limits_equal(&slice, &container) && limits_are_within(&slice, &container));
        container.values[LIMIT_MEMORY_MAX] = 64 << 20;
        NEED(!limits_equal(&slice, &container) && !limits_are_within(&slice, &container));
        slice.values[LIMIT_MEMORY_MAX] = 32 << 20;
        NEED(limits_are_within(&slice, &container) && !limits_are_within(&container, &slice));
        container.values[LIMIT_CPU_QUOTA] = 200000;
        slice.values[LIMIT_CPU_QUOTA] = 201000; /* rounded */
        NEED(limits_are_within(&slice, &container));
        slice.values[LIMIT_CPU_QUOTA] = 210000;
        NEED(!limits_are_within(&slice, &container));
        slice.values[LIMIT_CPU_QUOTA] = 200000;
        slice.values[LIMIT_MEMORY_LOW] = 1;
        NEED(!limits_are_within(&slice, &container));
        slice.values[LIMIT_MEMORY_LOW] = 0;
        container.cpus.set = true;
        container.cpus.bytes[0] = 3;
        NEED(!limits_are_within(&slice, &container));
        slice.cpus.set = true;
        slice.cpus.bytes[0] = 2;
        NEED(limits_are_within(&slice, &container));
        slice.cpus.bytes[0] = 4;
        NEED(!limits_are_within(&slice, &container));
        slice.cpus = container.cpus;
        container.n_io = 1;
        container.io[0] =
                (LimitIo){.device = "/dev/block/8:0", .values = {1000, LIMIT_NONE, 10, LIMIT_NONE}};
        NEED(!limits_are_within(&slice, &container));
        slice.n_io = 1;
        slice.io[0] = container.io[0];
        NEED(limits_are_within(&slice, &container));
        slice.io[0].values[2] = 11;
        NEED(!limits_are_within(&slice, &container));
}

int main(void)
{
        test_within();
        test_lower();
        test_values();
        test_masks();
        test_io();
        test_apply();
        test_split();
        test_old_hierarchy();
        return 0;
}
