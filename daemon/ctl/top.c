/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* top: shows the resource usage of execs. The share of the processors is measured over one second. */

#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/time.h"
#include "ctl/bus.h"
#include "ctl/table.h"
#include "wire/usage.h"

#define PERIOD_MSEC 1000

typedef struct Entry {
        char *container;       /* its name */
        char id[EXEC_ID_SIZE]; /* of an exec; empty: all of the container */
        Usage usage;
        uint64_t taken; /* CLOCK_MONOTONIC */
} Entry;

typedef struct Entries {
        Entry *items;
        size_t n, room;
} Entries;

static void entries_done(Entries *e)
{
        for (size_t i = 0; i < e->n; i++)
                free(e->items[i].container);
        free(e->items);
}

static int entries_add(Entries *e, const char *container, const char *id, const Usage *u)
{
        Entry *more;

        if (e->n == e->room) {
                more = reallocarray(e->items, e->room * 2 + 16, sizeof(*more));
                if (!more)
                        return -ENOMEM;
                e->items = more;
                e->room = e->room * 2 + 16;
        }
        e->items[e->n] = (Entry){.usage = *u, .taken = now_usec(CLOCK_MONOTONIC)};
        snprintf(e->items[e->n].id, EXEC_ID_SIZE, "%s", id);
        e->items[e->n].container = strdup(container);
        return e->items[e->n].container ? (e->n++, 0) : -ENOMEM;
}

static int read_usage(sd_bus_message *m, Usage *ret)
{
        const char *name;
        uint64_t value;
        int r;

        usage_clear(ret);
        r = sd_bus_message_enter_container(m, 'a', "{st}");
        while (r >= 0 && (r = sd_bus_message_read(m, "{st}", &name, &value)) > 0)
                for (UsageField f = 0; f < _USAGE_MAX; f++)
                        if (usage_field_name(f) && strcmp(usage_field_name(f), name) == 0)
                                ret->values[f] = value;
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int read_reply(sd_bus_message *m, const char *container, Entries *e)
{
        const char *id;
        Usage u;
        int r;

        r = read_usage(m, &u);
        if (r >= 0)
                r = entries_add(e, container, "", &u);
        if (r >= 0)
                r = sd_bus_message_enter_container(m, 'a', "(sa{st})");
        while (r >= 0 && (r = sd_bus_message_enter_container(m, 'r', "sa{st}")) > 0) {
                r = sd_bus_message_read(m, "s", &id);
                if (r >= 0)
                        r = read_usage(m, &u);
                if (r >= 0)
                        r = entries_add(e, container, id, &u);
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
        }
        return r;
}

/* One that was not named may have gone meanwhile. */
static int sample_container(Ctl *c, const char *name, bool is_named, Entries *e)
{
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
        int r;

        r = bus_new_manager_call(c, "GetContainerUsage", name, &m);
        if (r != 0)
                return r;
        if (is_named)
                r = bus_call(c, m, &reply);
        else if (sd_bus_call(c->bus, m, 0, &error, &reply) < 0)
                return 0;
        if (r != 0)
                return r;
        r = read_reply(reply, name, e);
        return r < 0 ? fail_errno(r, "Invalid reply from execd") : 0;
}

static int sample_all(Ctl *c, Entries *e)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *name;
        int r, status = 0;

        r = bus_ask(c, "ListContainers", NULL, &reply);
        if (r != 0)
                return r;
        r = sd_bus_message_enter_container(reply, 'a', "(sssssut)");
        while (r >= 0 && status == 0 &&
               (r = sd_bus_message_read(reply, "(sssssut)", NULL, &name, NULL, NULL, NULL, NULL, NULL)) > 0)
                status = sample_container(c, name, false, e);
        return r < 0 ? fail_errno(r, "Invalid reply from execd") : status;
}

static int sample(Ctl *c, int argc, char **argv, Entries *e)
{
        int r = 0;

        if (argc == 0)
                return sample_all(c, e);
        for (int i = 0; i < argc && r == 0; i++)
                r = sample_container(c, argv[i], true, e);
        return r;
}

static void add_size(Table *t, uint64_t bytes)
{
        static const char units[] = "BKMGTPE";
        char text[32], digits[32];
        double value = (double) bytes;
        size_t unit = 0;

        if (bytes == USAGE_UNKNOWN) {
                table_add_digits(t, "-", NULL);
                return;
        }
        while (value >= 1024 && unit < sizeof(units) - 2) {
                value /= 1024;
                unit++;
        }
        snprintf(text, sizeof(text), unit == 0 ? "%.0f%c" : "%.1f%c", value, units[unit]);
        snprintf(digits, sizeof(digits), "%llu", (unsigned long long) bytes);
        table_add_digits(t, text, digits);
}

static void add_share(Table *t, const Entry *now, const Entry *before)
{
        uint64_t used = now->usage.values[USAGE_CPU_USEC];
        char shown[32], digits[32];
        double share;

        if (!before || used == USAGE_UNKNOWN || used < before->usage.values[USAGE_CPU_USEC] ||
            now->taken <= before->taken) {
                table_add_digits(t, "-", NULL);
                return;
        }
        share = 100.0 * (double) (used - before->usage.values[USAGE_CPU_USEC]) /
                (double) (now->taken - before->taken);
        snprintf(shown, sizeof(shown), "%.1f%%", share);
        snprintf(digits, sizeof(digits), "%.1f", share);
        table_add_json(t, shown, digits);
}

static void add_row(Table *t, const Ctl *c, const Entry *e, const Entry *before)
{
        char shown[EXEC_ID_SIZE];

        snprintf(shown, sizeof(shown), "%.*s", c->options.full ? EXEC_ID_LENGTH : ID_SHOWN, e->id);
        table_add_text(t, e->container);
        if (*e->id)
                table_add_short(t, shown, e->id);
        else
                table_add_optional(t, NULL);
        add_share(t, e, before);
        add_size(t, e->usage.values[USAGE_MEMORY]);
        if (e->usage.values[USAGE_TASKS] == USAGE_UNKNOWN)
                table_add_digits(t, "-", NULL);
        else
                table_add_number(t, NULL, e->usage.values[USAGE_TASKS]);
        add_size(t, e->usage.values[USAGE_IO_READ]);
        add_size(t, e->usage.values[USAGE_IO_WRITE]);
}

int verb_top(Ctl *c, int argc, char **argv)
{
        static const TableColumn columns[] = {
                {"CONTAINER"},   {"EXEC"},       {"CPU", true},     {"MEMORY", true},
                {"TASKS", true}, {"READ", true}, {"WRITTEN", true},
        };
        _cleanup_(table_freep) Table *t = table_new(columns, ELEMENTSOF(columns));
        _cleanup_(entries_done) Entries before = {0}, now = {0};
        int r;

        if (!t)
                return fail_memory();
        r = sample(c, argc, argv, &before);
        if (r != 0)
                return r;
        (void) poll(NULL, 0, PERIOD_MSEC);
        r = sample(c, argc, argv, &now);
        if (r != 0)
                return r;
        for (size_t i = 0; i < now.n; i++)
                add_row(t, c, &now.items[i],
                        ARRAY_FIND(before.items, before.n, e,
                                   strcmp(e->id, now.items[i].id) == 0 &&
                                           strcmp(e->container, now.items[i].container) == 0));
        return table_print(t, c, "row");
}
