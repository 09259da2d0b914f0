/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "api/stats-json.h"

#include <sched.h>
#include <stdio.h>
#include <sys/sysinfo.h>

#include "base/time.h"
#include "wire/json-build.h"

#define NSEC_PER_USEC 1000

static unsigned count_cpus(void)
{
        cpu_set_t set;

        return sched_getaffinity(0, sizeof(set), &set) < 0 ? 1 : (unsigned) CPU_COUNT(&set);
}

static uint64_t memory_of_host(void)
{
        struct sysinfo info;

        return sysinfo(&info) < 0 ? 0 : (uint64_t) info.totalram * info.mem_unit;
}

void stats_sample_stamp(StatsSample *s)
{
        s->taken_usec = now_usec(CLOCK_REALTIME);
        s->uptime_usec = now_usec(CLOCK_BOOTTIME);
}

/* Unknown figures are left out. */
static void add_known(struct json_object *o, const char *key, uint64_t value, uint64_t factor)
{
        if (value != USAGE_UNKNOWN)
                json_add_int(o, key, (int64_t) (value * factor));
}

static void add_or_zero(struct json_object *o, const char *key, uint64_t value, uint64_t factor)
{
        json_add_int(o, key, value == USAGE_UNKNOWN ? 0 : (int64_t) (value * factor));
}

static void add_cpu(struct json_object *o, const char *key, const StatsSample *s)
{
        struct json_object *cpu = json_branch(o, key), *usage = json_branch(cpu, "cpu_usage"),
                           *throttling = json_branch(cpu, "throttling_data");
        const uint64_t *v = s->usage.values;
        unsigned n = count_cpus();
        bool any = s->taken_usec > 0;

        add_or_zero(usage, "total_usage", any ? v[USAGE_CPU_USEC] : 0, NSEC_PER_USEC);
        add_or_zero(usage, "usage_in_kernelmode", any ? v[USAGE_SYSTEM_USEC] : 0, NSEC_PER_USEC);
        add_or_zero(usage, "usage_in_usermode", any ? v[USAGE_USER_USEC] : 0, NSEC_PER_USEC);
        if (any) {
                /* The time that all processors had, idle or not. */
                json_add_int(cpu, "system_cpu_usage", (int64_t) (s->uptime_usec * n * NSEC_PER_USEC));
                json_add_int(cpu, "online_cpus", n);
        }
        add_or_zero(throttling, "periods", any ? v[USAGE_PERIODS] : 0, 1);
        add_or_zero(throttling, "throttled_periods", any ? v[USAGE_THROTTLED_PERIODS] : 0, 1);
        add_or_zero(throttling, "throttled_time", any ? v[USAGE_THROTTLED_USEC] : 0, NSEC_PER_USEC);
}

static void add_memory(struct json_object *o, const Usage *u)
{
        struct json_object *memory = json_branch(o, "memory_stats");

        if (u->values[USAGE_MEMORY] == USAGE_UNKNOWN)
                return;
        json_add_int(memory, "usage", (int64_t) u->values[USAGE_MEMORY]);
        add_or_zero(json_branch(memory, "stats"), "inactive_file", u->values[USAGE_INACTIVE_FILE], 1);
        json_add_int(memory, "limit",
                     u->values[USAGE_MEMORY_MAX] == USAGE_UNKNOWN ? (int64_t) memory_of_host()
                                                                  : (int64_t) u->values[USAGE_MEMORY_MAX]);
}

static void add_tasks(struct json_object *o, const Usage *u)
{
        struct json_object *pids = json_branch(o, "pids_stats");

        add_known(pids, "current", u->values[USAGE_TASKS], 1);
        add_known(pids, "limit", u->values[USAGE_TASKS_MAX], 1);
}

static void add_io_entry(struct json_object *list, const char *op, uint64_t value)
{
        struct json_object *entry = json_object_new_object();

        json_add_int(entry, "major", 0);
        json_add_int(entry, "minor", 0);
        json_add_text(entry, "op", op);
        json_add_int(entry, "value", (int64_t) value);
        json_object_array_add(list, entry);
}

/* Of all devices together. */
static void add_io(struct json_object *o, const Usage *u)
{
        struct json_object *io = json_branch(o, "blkio_stats"), *list;

        if (u->values[USAGE_IO_READ] == USAGE_UNKNOWN || u->values[USAGE_IO_WRITE] == USAGE_UNKNOWN) {
                json_object_object_add(io, "io_service_bytes_recursive", NULL);
                return;
        }
        list = json_object_new_array();
        add_io_entry(list, "read", u->values[USAGE_IO_READ]);
        add_io_entry(list, "write", u->values[USAGE_IO_WRITE]);
        json_object_object_add(io, "io_service_bytes_recursive", list);
}

static void add_when(struct json_object *o, const char *key, uint64_t usec)
{
        char text[RFC3339_SIZE];

        json_add_text(o, key, usec > 0 ? format_rfc3339(text, usec, 1) : "0001-01-01T00:00:00Z");
}

struct json_object *stats_exec_json(const char *id, const Usage *u)
{
        struct json_object *o = json_object_new_object();

        json_add_text(o, "id", id);
        add_known(o, "memory", u->values[USAGE_MEMORY], 1);
        add_known(o, "tasks", u->values[USAGE_TASKS], 1);
        add_known(o, "cpu_total", u->values[USAGE_CPU_USEC], NSEC_PER_USEC);
        add_known(o, "io_read", u->values[USAGE_IO_READ], 1);
        add_known(o, "io_write", u->values[USAGE_IO_WRITE], 1);
        return o;
}

struct json_object *stats_json(const ContainerInfo *c, const StatsSample *now, const StatsSample *before)
{
        struct json_object *o = json_object_new_object();
        char name[1024] = "/";

        (void) snprintf(name + 1, sizeof(name) - 1, "%s", c->name);
        json_add_text(o, "name", name);
        json_add_text(o, "id", c->id);
        add_when(o, "read", now->taken_usec);
        add_when(o, "preread", before->taken_usec);
        add_tasks(o, &now->usage);
        add_io(o, &now->usage);
        json_add_int(o, "num_procs", 0);
        json_branch(o, "storage_stats");
        add_cpu(o, "cpu_stats", now);
        add_cpu(o, "precpu_stats", before);
        add_memory(o, &now->usage);
        return o;
}
