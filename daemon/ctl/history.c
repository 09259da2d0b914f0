/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "ctl/history.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/time.h"
#include "ctl/bus.h"
#include "ctl/table.h"
#include "ctl/timestamp.h"
#include "wire/signal-name.h"

static const char *const act_names[_ACT_MAX] = {
        [ACT_RUN] = "run",       [ACT_ATTACH] = "attach", [ACT_REPLAY] = "replay",
        [ACT_RESIZE] = "resize", [ACT_KILL] = "kill",     [ACT_DENIED] = "denied",
};

static uint64_t number_of(const char *text)
{
        return text ? strtoull(text, NULL, 10) : 0;
}

/* "alice", or the number of a user whose name was not recorded and is not known here. */
static char *name_of(const HistoryRow *row, HistoryField name, HistoryField uid)
{
        if (row->fields[name])
                return strdup(row->fields[name]);
        return row->fields[uid] ? user_name((uid_t) number_of(row->fields[uid])) : strdup("-");
}

#define RESULT_SIZE 64

/* How an act came out, in a word or two. Acts but run have none. */
static const char *result_of(const HistoryRow *row, char buf[static RESULT_SIZE])
{
        const char *number = row->fields[FIELD_EXIT_SIGNAL];

        if (row->act == ACT_DENIED)
                return "denied";
        if (row->act != ACT_RUN)
                return "-";
        if (row->failed)
                return "failed";
        if (!row->started)
                return "not started";
        if (!row->ended)
                return "not ended";
        if (row->fields[FIELD_EXEC_TIMED_OUT])
                return "timeout";
        if (number)
                return signal_to_text((int) number_of(number), buf);
        if (number_of(row->fields[FIELD_EXIT_CODE]) > 0)
                snprintf(buf, RESULT_SIZE, "exit %.8s", row->fields[FIELD_EXIT_CODE]);
        else
                return "success";
        return buf;
}

static const char *result_color(const HistoryRow *row, const char *result)
{
        if (row->act == ACT_DENIED || row->failed)
                return COLOR_RED;
        if (row->act != ACT_RUN || strcmp(result, "success") == 0)
                return COLOR_NONE;
        return row->ended ? COLOR_YELLOW : COLOR_GREY;
}

/* The last column: the command, preceded by the details of an act. */
static char *make_details(const HistoryRow *row)
{
        char *const *f = row->fields;
        const char *command = f[FIELD_EXEC_CMDLINE] ?: "";
        char *text = NULL;
        int n;

        if (f[FIELD_N_DENIALS])
                n = asprintf(&text, "%s more requests, which have no records of their own",
                             f[FIELD_N_DENIALS]);
        else if (row->act == ACT_DENIED)
                n = asprintf(&text, "%s%s%s%s: %s%s%s", f[FIELD_ACTION] ?: "", f[FIELD_VERB] ? " (" : "",
                             f[FIELD_VERB] ?: "", f[FIELD_VERB] ? ")" : "", f[FIELD_REASON] ?: "",
                             *command ? ": " : "", command);
        else if (row->failed && f[FIELD_DETAIL])
                n = asprintf(&text, "%s (%s)", command, f[FIELD_DETAIL]);
        else
                n = asprintf(&text, "%s%s%s", f[FIELD_DETAIL] ?: "", f[FIELD_DETAIL] ? ": " : "", command);
        return n < 0 ? NULL : text;
}

static void add_time(Table *t, uint64_t usec)
{
        time_t seconds = (time_t) (usec / USEC_PER_SEC);
        char text[TIMESTAMP_SIZE];
        struct tm tm;

        if (!localtime_r(&seconds, &tm) || strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm) == 0)
                strcpy(text, "-");
        table_add_number(t, text, usec);
}

static int add_row(Table *t, const Ctl *c, const HistoryRow *row)
{
        _cleanup_free_ char *user = name_of(row, FIELD_CALLER_USER, FIELD_CALLER_UID);
        _cleanup_free_ char *login = name_of(row, FIELD_CALLER_LOGINUSER, FIELD_CALLER_LOGINUID);
        _cleanup_free_ char *details = make_details(row);
        const char *id = row->fields[FIELD_EXEC_ID] ?: "-", *duration = row->fields[FIELD_DURATION_USEC],
                   *result;
        char text[RESULT_SIZE], shown[EXEC_ID_LENGTH + 1], elapsed[DURATION_SIZE];

        if (!user || !login || !details)
                return fail_memory();
        result = result_of(row, text);
        snprintf(shown, sizeof(shown), "%.*s", c->options.full ? EXEC_ID_LENGTH : ID_SHOWN, id);
        add_time(t, row->time_usec);
        table_add_text(t, user);
        table_add_text(t, login);
        table_add_optional(t, row->fields[FIELD_CONTAINER_NAME]);
        table_add_text(t, act_names[row->act]);
        table_add_text(t, result);
        table_set_color(t, result_color(row, result));
        table_add_digits(t, duration ? format_duration(elapsed, number_of(duration)) : "-", duration);
        table_add_text(t, shown);
        table_add_text(t, details);
        return 0;
}

static int print_rows(Ctl *c, const History *h, size_t first)
{
        static const TableColumn columns[] = {
                {"TIME"},   {"USER"},           {"LOGIN"}, {"CONTAINER"}, {"ACT"},
                {"RESULT"}, {"DURATION", true}, {"EXEC"},  {"COMMAND"},
        };
        _cleanup_(table_freep) Table *t = table_new(columns, ELEMENTSOF(columns));
        int r = 0;

        if (!t)
                return fail_memory();
        for (size_t i = first; i < h->n && r == 0; i++)
                r = add_row(t, c, h->rows[i]);
        return r ?: table_print(t, c, "record");
}

static int add_row_json(Table *t, const HistoryRow *row)
{
        _cleanup_free_ char *user = name_of(row, FIELD_CALLER_USER, FIELD_CALLER_UID);
        _cleanup_free_ char *login = name_of(row, FIELD_CALLER_LOGINUSER, FIELD_CALLER_LOGINUID);
        char *const *f = row->fields;
        char text[RESULT_SIZE];

        if (!user || !login)
                return fail_memory();
        table_add_number(t, NULL, row->time_usec);
        table_add_text(t, act_names[row->act]);
        table_add_optional(t, f[FIELD_CALLER_UID] ? user : NULL);
        table_add_digits(t, NULL, f[FIELD_CALLER_UID]);
        table_add_optional(t, f[FIELD_CALLER_LOGINUID] ? login : NULL);
        table_add_digits(t, NULL, f[FIELD_CALLER_LOGINUID]);
        table_add_optional(t, f[FIELD_CONTAINER_NAME]);
        table_add_optional(t, f[FIELD_CONTAINER_ID]);
        table_add_optional(t, f[FIELD_CONTAINER_KIND]);
        table_add_optional(t, f[FIELD_EXEC_ID]);
        table_add_optional(t, f[FIELD_EXEC_CMDLINE]);
        table_add_optional(t, f[FIELD_EXEC_USER]);
        table_add_strings(t, row->labels);
        table_add_text(t, result_of(row, text));
        table_add_digits(t, NULL, row->ended ? f[FIELD_EXIT_CODE] : NULL);
        table_add_digits(t, NULL, f[FIELD_EXIT_SIGNAL]);
        table_add_digits(t, NULL, f[FIELD_DURATION_USEC]);
        table_add_optional(t, f[FIELD_DETAIL]);
        table_add_optional(t, f[FIELD_ACTION]);
        table_add_optional(t, f[FIELD_VERB]);
        table_add_optional(t, f[FIELD_REASON]);
        table_add_optional(t, f[FIELD_RECORDING_PATH]);
        table_add_digits(t, NULL, f[FIELD_N_DENIALS]);
        return 0;
}

static int print_json(Ctl *c, const History *h, size_t first)
{
        static const TableColumn columns[] = {
                {"TIME"},           {"ACT"},       {"USER"},        {"UID"},
                {"LOGIN USER"},     {"LOGIN UID"}, {"CONTAINER"},   {"CONTAINER ID"},
                {"CONTAINER KIND"}, {"EXEC"},      {"COMMAND"},     {"RUN AS"},
                {"LABELS"},         {"RESULT"},    {"EXIT STATUS"}, {"SIGNAL"},
                {"DURATION"},       {"DETAIL"},    {"ACTION"},      {"VERB"},
                {"REASON"},         {"RECORDING"}, {"DENIALS"},
        };
        _cleanup_(table_freep) Table *t = table_new(columns, ELEMENTSOF(columns));
        int r = 0;

        if (!t)
                return fail_memory();
        for (size_t i = first; i < h->n && r == 0; i++)
                r = add_row_json(t, h->rows[i]);
        return r ?: table_print(t, c, "record");
}

static int read_time(const char *option, const char *text, uint64_t *ret)
{
        if (text && timestamp_parse(text, now_usec(CLOCK_REALTIME), ret) < 0)
                return fail(
                        "%s: a time such as \"2026-01-31 18:30\", \"today\" or \"-2h\" is expected, not \"%s\"",
                        option, text);
        return 0;
}

int verb_history(Ctl *c, int argc, char **argv)
{
        const Options *o = &c->options;
        HistoryFilter filter = {.container = o->container,
                                .user = o->user,
                                .labels = o->labels,
                                .last = o->lines < 0 ? 0 : MAX((size_t) o->lines, 1U)};
        _cleanup_(history_done) History h = {0};
        size_t first;
        int r;

        if (o->host)
                return remote_run(c, "history", false, argc, argv);
        r = read_time("--since", o->since, &filter.since_usec);
        r = r ?: read_time("--until", o->until, &filter.until_usec);
        if (r != 0)
                return r;
        if (filter.until_usec > 0 && filter.since_usec > filter.until_usec)
                return fail("--since is later than --until.");
        r = history_read(&h, &filter);
        if (r == -EACCES)
                return fail("You are not allowed to read the system journal. Members of the groups adm and "
                            "systemd-journal are.");
        if (r < 0)
                return fail_errno(r, "Failed to read the journal");
        first = o->lines >= 0 && h.n > (size_t) o->lines ? h.n - (size_t) o->lines : 0;
        return o->json != JSON_OFF ? print_json(c, &h, first) : print_rows(c, &h, first);
}
