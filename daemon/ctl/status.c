/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>
#include <string.h>

#include "ctl/logs.h"
#include "ctl/properties.h"
#include "ctl/table.h"
#include "ctl/terminal.h"

#define STATUS_LINES 10

/* The property, in JSON under a name that does not change. */
static const TableColumn columns[] = {
        {"ID"},          {"CONTAINER"},  {"CONTAINER ID"}, {"COMMAND"}, {"ARGUMENTS"}, {"USER"},
        {"TTY"},         {"PRIVILEGED"}, {"UNIT"},         {"CALLER"},  {"STATE"},     {"RESULT"},
        {"EXIT STATUS"}, {"ERROR"},      {"PID"},          {"CREATED"}, {"STARTED"},   {"FINISHED"},
        {"RECORDING"},   {"LABELS"},     {"WARNINGS"},     {"CLIENTS"},
};
static const char *const names[ELEMENTSOF(columns)] = {
        "Id",          "ContainerName", "ContainerId",  "CommandLine",   "Command",
        "User",        "Tty",           "Privileged",   "Unit",          "CallerUID",
        "State",       "Result",        "ExitStatus",   "Error",         "Pid",
        "CreatedUSec", "StartedUSec",   "FinishedUSec", "RecordingPath", "Labels",
        "Warnings",    "Clients",
};

static int print_json(const Ctl *c, const Properties *p)
{
        _cleanup_(table_freep) Table *t = table_new(columns, ELEMENTSOF(columns));

        if (!t)
                return fail_memory();
        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                const Property *k = properties_find(p, names[i]);

                table_add_json(t, "", k ? k->json : "null");
        }
        return table_print_object(t, c->options.json);
}

static const char *text_of(const Properties *p, const char *name)
{
        return properties_text(p, name) ?: "";
}

static void print_text(const char *name, const char *text, const char *more)
{
        _cleanup_free_ char *clean = text_clean(text);

        printf("%13s: %s%s\n", name, clean ?: "", more);
}

/* Nothing for unknown values. */
static void print_property(const Properties *p, const char *title, const char *name)
{
        const char *text = text_of(p, name);

        if (*text)
                print_text(title, text, "");
}

static void print_time(const char *name, uint64_t usec)
{
        char timestamp[TIMESTAMP_SIZE], age[AGE_SIZE];

        if (usec > 0)
                printf("%13s: %s; %s\n", name, format_timestamp(timestamp, usec), format_age(age, usec));
}

/* One line for each limit that the kernel does not enforce. */
static void print_warnings(const Properties *p)
{
        const Property *warnings = properties_find(p, "Warnings");

        STRV_FOREACH (warning, warnings ? warnings->words : NULL)
                print_text("Warning", *warning, "");
}

static void print_head(const Ctl *c, const Properties *p)
{
        const char *state = text_of(p, "State"), *result = text_of(p, "Result");
        bool failed = strcmp(state, "failed") == 0 ||
                      (strcmp(state, "exited") == 0 && strcmp(result, "success") != 0);
        const char *color = strcmp(state, "running") == 0 ? COLOR_GREEN : failed ? COLOR_RED : COLOR_NONE;
        _cleanup_free_ char *line = text_clean(text_of(p, "CommandLine")), *shown = NULL;
        size_t room = terminal_columns();

        if (!c->colors)
                color = COLOR_NONE;
        room = room > ID_SHOWN + 6 ? room - ID_SHOWN - 5 : 1;
        if (line)
                shown = text_ellipsize(line, c->on_terminal && !c->options.full ? room : SIZE_MAX);
        printf("%s%s%s %.*s - %s\n", color ?: "", failed ? MARK_FAILED : MARK_FINE, color ? COLOR_OFF : "",
               ID_SHOWN, text_of(p, "Id"), shown ?: "");
}

static void print_times(const Properties *p)
{
        uint64_t started = properties_number(p, "StartedUSec"),
                 finished = properties_number(p, "FinishedUSec");
        char duration[DURATION_SIZE];

        print_time("Created", properties_number(p, "CreatedUSec"));
        print_time("Started", started);
        print_time("Finished", finished);
        if (started > 0 && finished >= started)
                print_text("Duration", format_duration(duration, finished - started), "");
}

static void print_login(const Properties *p)
{
        uint64_t uid = properties_number(p, "CallerLoginUID");
        _cleanup_free_ char *login = NULL;

        if (!properties_find(p, "CallerLoginUID") || uid == UINT32_MAX)
                return;
        login = user_name((uid_t) uid);
        print_text("Login user", login ?: "?", "");
}

static void print_status(const Ctl *c, const Properties *p)
{
        const char *state = text_of(p, "State"), *result = text_of(p, "Result"), *user = text_of(p, "User");
        _cleanup_free_ char *caller = user_name((uid_t) properties_number(p, "CallerUID"));
        bool privileged = strcmp(text_of(p, "Privileged"), "yes") == 0;
        bool tty = strcmp(text_of(p, "Tty"), "yes") == 0;

        print_head(c, p);
        print_property(p, "ID", "Id");
        print_property(p, "Container", "ContainerName");
        if (*result)
                printf("%13s: %s (%s)\n", "State", state, result);
        else
                print_text("State", state, "");
        if (strcmp(state, "exited") == 0 || strcmp(state, "failed") == 0)
                print_property(p, "Exit status", "ExitStatus");
        print_property(p, "Error", "Error");
        print_text("User", *user ? user : "(the container's)", privileged ? ", privileged" : "");
        print_text("Caller", caller ?: "?", "");
        print_login(p);
        print_property(p, "Labels", "Labels");
        print_warnings(p);
        if (properties_number(p, "Pid") > 0)
                print_text("PID", text_of(p, "Pid"), tty ? " (on a terminal)" : "");
        print_property(p, "Clients", "Clients");
        print_property(p, "Unit", "Unit");
        print_times(p);
        print_property(p, "Recording", "RecordingPath");
        if (!c->options.host && c->options.lines != 0)
                (void) logs_print(text_of(p, "Id"), c->options.lines > 0 ? c->options.lines : STATUS_LINES,
                                  false, &(LogsView){.indent = "    "}, NULL);
}

static int print_one(Ctl *c, const char *prefix, bool *printed)
{
        _cleanup_(exec_name_done) ExecName e = {0};
        _cleanup_properties_ Properties p = {0};
        int r;

        r = exec_find(c, prefix, &e);
        if (r == 0)
                r = properties_get_all(c, e.path, EXEC_INTERFACE, &p);
        if (r != 0)
                return r;
        pager_open(c);
        if (c->options.json != JSON_OFF)
                return print_json(c, &p);
        if (*printed)
                printf("\n");
        *printed = true;
        print_status(c, &p);
        return 0;
}

int verb_status(Ctl *c, int argc, char **argv)
{
        bool printed = false;
        int status = 0;

        for (int i = 0; i < argc; i++)
                status = print_one(c, argv[i], &printed) ?: status;
        return status;
}
