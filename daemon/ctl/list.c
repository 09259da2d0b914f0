/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* list: execs; containers: what they run in. */

#include <stdio.h>
#include <string.h>

#include "ctl/bus.h"
#include "ctl/table.h"

/* Ids are cut for people. */
static void add_id(Table *t, const Ctl *c, const char *id)
{
        char shown[EXEC_ID_LENGTH + 1];

        snprintf(shown, sizeof(shown), "%.*s", c->options.full ? EXEC_ID_LENGTH : ID_SHOWN, id);
        table_add_short(t, shown, id);
}

static bool has_ended(const char *state)
{
        return strcmp(state, "exited") == 0 || strcmp(state, "failed") == 0;
}

static int add_exec(Table *t, const Ctl *c, const ExecRow *e)
{
        _cleanup_free_ char *name = user_name(e->uid);
        char age[AGE_SIZE];

        if (!name)
                return fail_memory();
        add_id(t, c, e->id);
        table_add_text(t, e->container);
        table_add_text(t, e->state);
        if (strcmp(e->state, "running") == 0)
                table_set_color(t, COLOR_GREEN);
        else if (strcmp(e->state, "failed") == 0)
                table_set_color(t, COLOR_RED);
        table_add_number(t, name, e->uid);
        table_add_number(t, format_age(age, e->created_usec), e->created_usec);
        table_add_text(t, e->command_line);
        return 0;
}

int verb_list(Ctl *c, int argc, char **argv)
{
        static const TableColumn columns[] = {
                {"ID"}, {"CONTAINER"}, {"STATE"}, {"CALLER"}, {"CREATED"}, {"COMMAND"},
        };
        _cleanup_(exec_list_done) ExecList list = {0};
        _cleanup_(table_freep) Table *t = table_new(columns, ELEMENTSOF(columns));
        size_t n_ended = 0;
        int r;

        if (!t)
                return fail_memory();
        r = exec_list_read(c, &list);
        for (size_t i = 0; i < list.n && r == 0; i++) {
                const ExecRow *e = &list.rows[i];

                if (argc > 0 && strcmp(e->container, argv[0]) != 0)
                        continue;
                if (c->options.all || !has_ended(e->state))
                        r = add_exec(t, c, e);
                else
                        n_ended++;
        }
        if (r == 0)
                r = table_print(t, c, "exec");
        if (r == 0 && n_ended > 0 && !c->options.no_legend && c->options.json == JSON_OFF)
                printf("%zu ended, shown with --all.\n", n_ended);
        return r;
}

int verb_containers(Ctl *c, int argc, char **argv)
{
        static const TableColumn columns[] = {
                {"NAME"}, {"KIND"}, {"STATE"}, {"ID"}, {"LEADER", true}, {"STARTED"}, {"UNIT"},
        };
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
        _cleanup_(table_freep) Table *t = table_new(columns, ELEMENTSOF(columns));
        int r;

        if (!t)
                return fail_memory();
        r = bus_new_call(c, MANAGER_PATH, MANAGER_INTERFACE, "ListContainers", &m);
        if (r == 0)
                r = bus_call(c, m, &reply);
        if (r != 0)
                return r;
        r = sd_bus_message_enter_container(reply, 'a', "(sssssut)");
        while (r >= 0) {
                const char *id, *name, *kind, *state, *unit;
                char age[AGE_SIZE];
                uint64_t started;
                uint32_t leader;

                r = sd_bus_message_read(reply, "(sssssut)", &id, &name, &kind, &state, &unit, &leader,
                                        &started);
                if (r <= 0)
                        break;
                table_add_text(t, name);
                table_add_text(t, kind);
                table_add_text(t, state);
                table_set_color(t, strcmp(state, "running") == 0 ? COLOR_GREEN : COLOR_YELLOW);
                add_id(t, c, id);
                table_add_number(t, NULL, leader);
                table_add_number(t, format_age(age, started), started);
                table_add_text(t, unit);
        }
        return r < 0 ? fail_errno(r, "the answer of execd makes no sense") : table_print(t, c, "container");
}
