/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>
#include <string.h>

#include "ctl/bus.h"
#include "ctl/logs.h"
#include "ctl/table.h"
#include "ctl/terminal.h"

#define STATUS_LINES 10

typedef struct ExecStatus {
        sd_bus_message *message; /* holds the texts */
        const char *id, *container_id, *container, *command_line, *user, *unit, *state, *result, *error,
                *recording;
        char **command;
        int tty, privileged;
        int32_t exit_status;
        uint32_t caller, pid;
        uint64_t created, started, finished;
} ExecStatus;

static void status_done(ExecStatus *s)
{
        s->command = strv_free(s->command);
        s->message = sd_bus_message_unref(s->message);
}

static int read_property(sd_bus_message *m, ExecStatus *s)
{
        const struct {
                const char *name, *type;
                void *field;
        } fields[] = {
                {"Id", "s", &s->id},
                {"ContainerId", "s", &s->container_id},
                {"ContainerName", "s", &s->container},
                {"CommandLine", "s", &s->command_line},
                {"User", "s", &s->user},
                {"Unit", "s", &s->unit},
                {"State", "s", &s->state},
                {"Result", "s", &s->result},
                {"Error", "s", &s->error},
                {"RecordingPath", "s", &s->recording},
                {"Tty", "b", &s->tty},
                {"Privileged", "b", &s->privileged},
                {"ExitStatus", "i", &s->exit_status},
                {"CallerUID", "u", &s->caller},
                {"Pid", "u", &s->pid},
                {"CreatedUSec", "t", &s->created},
                {"StartedUSec", "t", &s->started},
                {"FinishedUSec", "t", &s->finished},
        };
        const char *name;
        int r;

        r = sd_bus_message_read(m, "s", &name);
        if (r < 0)
                return r;
        for (size_t i = 0; i < ELEMENTSOF(fields); i++)
                if (strcmp(fields[i].name, name) == 0)
                        return sd_bus_message_read(m, "v", fields[i].type, fields[i].field);
        if (strcmp(name, "Command") != 0)
                return sd_bus_message_skip(m, "v");
        r = sd_bus_message_enter_container(m, 'v', "as");
        if (r >= 0)
                r = sd_bus_message_read_strv(m, &s->command);
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int status_read(Ctl *c, const char *path, ExecStatus *ret)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        *ret = (ExecStatus){.exit_status = -1};
        r = bus_new_call(c, path, "org.freedesktop.DBus.Properties", "GetAll", &m);
        if (r != 0)
                return r;
        if (sd_bus_message_append(m, "s", EXEC_INTERFACE) < 0)
                return fail_memory();
        r = bus_call(c, m, &ret->message);
        if (r != 0)
                return r;
        r = sd_bus_message_enter_container(ret->message, 'a', "{sv}");
        while (r >= 0 && (r = sd_bus_message_enter_container(ret->message, 'e', "sv")) > 0) {
                r = read_property(ret->message, ret);
                if (r >= 0)
                        r = sd_bus_message_exit_container(ret->message);
        }
        if (r < 0 || !ret->id || !ret->container || !ret->container_id || !ret->command_line || !ret->user ||
            !ret->unit || !ret->state || !ret->result || !ret->error)
                return fail("the answer of execd makes no sense");
        return 0;
}

static int print_json(const Ctl *c, const ExecStatus *s)
{
        static const TableColumn columns[] = {
                {"ID"},      {"CONTAINER"}, {"CONTAINER ID"}, {"COMMAND"},   {"ARGUMENTS"},
                {"USER"},    {"TTY"},       {"PRIVILEGED"},   {"UNIT"},      {"CALLER"},
                {"STATE"},   {"RESULT"},    {"EXIT STATUS"},  {"ERROR"},     {"PID"},
                {"CREATED"}, {"STARTED"},   {"FINISHED"},     {"RECORDING"},
        };
        _cleanup_(table_freep) Table *t = table_new(columns, ELEMENTSOF(columns));

        if (!t)
                return fail_memory();
        table_add_text(t, s->id);
        table_add_text(t, s->container);
        table_add_text(t, s->container_id);
        table_add_text(t, s->command_line);
        table_add_strings(t, s->command);
        table_add_text(t, s->user);
        table_add_flag(t, s->tty);
        table_add_flag(t, s->privileged);
        table_add_text(t, s->unit);
        table_add_number(t, NULL, s->caller);
        table_add_text(t, s->state);
        table_add_text(t, s->result);
        table_add_integer(t, s->exit_status);
        table_add_text(t, s->error);
        table_add_number(t, NULL, s->pid);
        table_add_number(t, NULL, s->created);
        table_add_number(t, NULL, s->started);
        table_add_number(t, NULL, s->finished);
        table_add_text(t, s->recording ?: "");
        return table_print_object(t, c->options.json);
}

static void print_text(const char *name, const char *text, const char *more)
{
        _cleanup_free_ char *clean = text_clean(text);

        printf("%13s: %s%s\n", name, clean ?: "", more);
}

static void print_time(const char *name, uint64_t usec)
{
        char timestamp[TIMESTAMP_SIZE], age[AGE_SIZE];

        if (usec > 0)
                printf("%13s: %s; %s\n", name, format_timestamp(timestamp, usec), format_age(age, usec));
}

static void print_head(const Ctl *c, const ExecStatus *s)
{
        bool failed = strcmp(s->state, "failed") == 0 ||
                      (strcmp(s->state, "exited") == 0 && strcmp(s->result, "success") != 0);
        const char *color = strcmp(s->state, "running") == 0 ? COLOR_GREEN : failed ? COLOR_RED : COLOR_NONE;
        _cleanup_free_ char *line = text_clean(s->command_line);
        size_t room = terminal_columns();

        if (!c->colors)
                color = COLOR_NONE;
        room = room > ID_SHOWN + 6 ? room - ID_SHOWN - 6 : 1;
        if (!line)
                return;
        printf("%s%s%s %.*s - %.*s%s\n", color ?: "", failed ? "×" : "●", color ? COLOR_OFF : "", ID_SHOWN,
               s->id, c->on_terminal && !c->options.full ? (int) text_fit(line, room) : INT32_MAX, line,
               c->on_terminal && !c->options.full && text_width(line) > room ? "…" : "");
}

static int print_status(const Ctl *c, const ExecStatus *s)
{
        _cleanup_free_ char *caller = user_name(s->caller);

        print_head(c, s);
        print_text("ID", s->id, "");
        print_text("Container", s->container, "");
        if (*s->result)
                printf("%13s: %s (%s)\n", "State", s->state, s->result);
        else
                print_text("State", s->state, "");
        if (strcmp(s->state, "exited") == 0 || strcmp(s->state, "failed") == 0)
                printf("%13s: %d\n", "Exit status", s->exit_status);
        if (*s->error)
                print_text("Error", s->error, "");
        print_text("User", *s->user ? s->user : "(the container's)", s->privileged ? ", privileged" : "");
        print_text("Caller", caller ?: "?", "");
        if (s->pid > 0)
                printf("%13s: %u%s\n", "PID", s->pid, s->tty ? " (on a terminal)" : "");
        print_text("Unit", s->unit, "");
        print_time("Created", s->created);
        print_time("Started", s->started);
        print_time("Finished", s->finished);
        if (s->recording && *s->recording)
                print_text("Recording", s->recording, "");
        if (!c->options.host && c->options.lines != 0) {
                printf("\n");
                (void) logs_print(s->id, c->options.lines > 0 ? c->options.lines : STATUS_LINES, false,
                                  "    ", NULL);
        }
        return 0;
}

int verb_status(Ctl *c, int argc, char **argv)
{
        int status = 0;

        for (int i = 0; i < argc; i++) {
                _cleanup_(exec_name_done) ExecName e = {0};
                _cleanup_(status_done) ExecStatus s = {0};
                int r;

                r = exec_find(c, argv[i], &e);
                if (r == 0)
                        r = status_read(c, e.path, &s);
                if (r == 0) {
                        pager_open(c);
                        if (i > 0 && c->options.json == JSON_OFF)
                                printf("\n");
                        r = c->options.json != JSON_OFF ? print_json(c, &s) : print_status(c, &s);
                }
                status = r ?: status;
        }
        return status;
}
