/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* list: execs. */

#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "base/decimal.h"
#include "base/refusal.h"
#include "ctl/properties.h"
#include "ctl/table.h"

static const TableColumn columns[] = {
        {"ID"},
        {"CONTAINER"},
        {"STATE"},
        {"STATUS", true, "exit_status"},
        {"CALLER"},
        {"USER"},
        {"CREATED"},
        {"DURATION", true},
        {"COMMAND"},
        {NULL, .key = "container_id"},
        {NULL, .key = "result"},
        {NULL, .key = "labels"},
        {NULL, .key = "unit"},
        {NULL, .key = "started"},
        {NULL, .key = "finished"},
};

static bool has_ended(const char *state)
{
        return strcmp(state, "exited") == 0 || strcmp(state, "failed") == 0;
}

static const char *text_of(const Properties *p, const char *name)
{
        return properties_text(p, name) ?: "";
}

static void add_json(Table *t, const Properties *p, const char *name)
{
        const Property *k = properties_find(p, name);

        table_add_json(t, "", k ? k->json : "null");
}

static void add_times(Table *t, const ExecRow *e, const Properties *p)
{
        uint64_t started = properties_number(p, "StartedUSec"),
                 finished = properties_number(p, "FinishedUSec");
        char age[AGE_SIZE], duration[DURATION_SIZE];

        table_add_number(t, format_age(age, e->created_usec), e->created_usec);
        if (started == 0 || finished < started)
                table_add_digits(t, "-", NULL);
        else
                table_add_number(t, format_duration(duration, finished - started), finished - started);
}

static int add_exec(Table *t, const Ctl *c, const ExecRow *e, const Properties *p)
{
        _cleanup_free_ char *caller = user_name(e->uid);
        const char *state = text_of(p, "State"), *user = text_of(p, "User");
        const char *status = has_ended(state) ? text_of(p, "ExitStatus") : NULL;
        char shown[EXEC_ID_LENGTH + 1];

        if (!caller)
                return fail_memory();
        snprintf(shown, sizeof(shown), "%.*s", c->options.full ? EXEC_ID_LENGTH : ID_SHOWN, e->id);
        table_add_short(t, shown, e->id);
        table_add_text(t, e->container);
        table_add_text(t, state);
        if (strcmp(state, "running") == 0)
                table_set_color(t, COLOR_GREEN);
        else if (strcmp(state, "failed") == 0)
                table_set_color(t, COLOR_RED);
        table_add_digits(t, NULL, status);
        table_set_color(t, status && strcmp(status, "0") != 0 ? COLOR_RED : COLOR_NONE);
        table_add_number(t, caller, e->uid);
        table_add_short(t, *user ? user : "-", user);
        add_times(t, e, p);
        table_add_text(t, e->command_line);
        add_json(t, p, "ContainerId");
        add_json(t, p, "Result");
        add_json(t, p, "Labels");
        add_json(t, p, "Unit");
        add_json(t, p, "StartedUSec");
        add_json(t, p, "FinishedUSec");
        return 0;
}

/* The filters of the list. */
typedef struct Wanted {
        const char *container, *state;
        bool by_caller;
        uid_t caller;
} Wanted;

static int read_wanted(const Options *o, int argc, char **argv, Wanted *ret)
{
        static const char *const states[] = {"created", "running", "exited", "failed"};
        const struct passwd *user;
        uint64_t uid = 0;

        *ret = (Wanted){.container = argc > 0 ? argv[0] : o->container, .state = o->state};
        if (argc > 0 && o->container)
                return fail("The container is given twice, as \"%s\" and with --container.", argv[0]);
        if (o->state && NAMES_FIND(states, o->state) < 0)
                return fail("--state: created, running, exited or failed is expected, not \"%s\"", o->state);
        if (!o->caller)
                return 0;
        user = getpwnam(o->caller);
        ret->by_caller = true;
        if (!user && decimal_parse(o->caller, UINT32_MAX - 1, &uid) < 0)
                return fail("--caller: there is no user \"%s\"", o->caller);
        ret->caller = user ? user->pw_uid : (uid_t) uid;
        return 0;
}

/* By facts that the list of execs already has. */
static bool may_be_wanted(const Options *o, const Wanted *w, const ExecRow *e, size_t *n_ended)
{
        if (w->state && strcmp(e->state, w->state) != 0)
                return false;
        if (w->by_caller && e->uid != w->caller)
                return false;
        if (o->all || w->state || !has_ended(e->state))
                return true;
        if (!w->container || strcmp(e->container, w->container) == 0)
                (*n_ended)++;
        return false;
}

static bool is_in_container(const Wanted *w, const Properties *p)
{
        const char *name = w->container;

        return !name || strcmp(text_of(p, "ContainerName"), name) == 0 ||
               (*name && strncmp(text_of(p, "ContainerId"), name, strlen(name)) == 0);
}

/* The errors of a reference to a container that does not exist, or cannot. */
static bool is_no_container(const sd_bus_error *error)
{
        return sd_bus_error_has_name(error, REFUSAL_ERROR_PREFIX "NoSuchContainer") ||
               sd_bus_error_has_name(error, REFUSAL_ERROR_PREFIX "BadRequest") ||
               sd_bus_error_has_name(error, REFUSAL_ERROR_PREFIX "TooLarge");
}

/* Nothing was listed of the container: does it exist at all? A caller without access to the container sees an
 * empty list. */
static int check_container(Ctl *c, const char *name)
{
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = bus_new_manager_call(c, "GetContainer", name, &m);
        if (r != 0)
                return r;
        if (sd_bus_message_set_allow_interactive_authorization(m, false) < 0)
                return fail_memory();
        r = sd_bus_call(c->bus, m, 0, &error, NULL);
        return r < 0 && is_no_container(&error) ? bus_fail(&error, r) : 0;
}

/* More questions than this take longer than all properties in one answer. */
#define QUESTIONS_MAX 8

typedef struct Listing {
        Ctl *c;
        const ExecList *execs;
        const Wanted *wanted;
        Table *table;
        size_t n, n_ended;
} Listing;

static int add_if_wanted(Listing *l, const ExecRow *e, const Properties *p)
{
        if (!is_in_container(l->wanted, p))
                return 0;
        l->n++;
        return add_exec(l->table, l->c, e, p);
}

static int add_each(Listing *l, const bool *chosen)
{
        int r = 0;

        for (size_t i = 0; i < l->execs->n && r == 0; i++) {
                _cleanup_properties_ Properties p = {0};
                const ExecRow *e = &l->execs->rows[i];

                if (!chosen[i])
                        continue;
                r = properties_get_of_exec(l->c, e->path, &p);
                if (r < 0) /* it has gone meanwhile */
                        r = 0;
                else if (r == 0 && properties_have_words(&p, "Labels", l->c->options.labels))
                        r = add_if_wanted(l, e, &p);
        }
        return r;
}

/* Negative, and nothing was added, if execd does not give all at once. */
static int add_many(Listing *l, const bool *chosen)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        size_t next = 0;
        int r;

        /* execd compares the labels, since those in this answer may be cut. */
        r = properties_list_execs(l->c, l->wanted->state, l->c->options.labels, &m);
        if (r < 0)
                return r;
        for (;;) {
                _cleanup_properties_ Properties p = {0};
                size_t i = next;
                const char *id;

                r = properties_next_exec(m, &id, &p);
                if (r <= 0)
                        return r < 0 ? fail_errno(r, "Invalid reply from execd") : 0;
                while (i < l->execs->n && strcmp(l->execs->rows[i].id, id) != 0)
                        i++;
                if (i == l->execs->n) /* it is newer than the list */
                        continue;
                next = i + 1;
                r = chosen[i] ? add_if_wanted(l, &l->execs->rows[i], &p) : 0;
                if (r != 0)
                        return r;
        }
}

static int add_all(Listing *l)
{
        _cleanup_free_ bool *chosen = calloc(l->execs->n + 1, sizeof(bool));
        size_t n = 0;
        int r = -1;

        if (!chosen)
                return fail_memory();
        for (size_t i = 0; i < l->execs->n; i++) {
                chosen[i] = may_be_wanted(&l->c->options, l->wanted, &l->execs->rows[i], &l->n_ended);
                n += chosen[i];
        }
        /* JSON has the labels, which must not be cut. */
        if (n > QUESTIONS_MAX && l->c->options.json == JSON_OFF)
                r = add_many(l, chosen);
        return r < 0 ? add_each(l, chosen) : r;
}

int verb_list(Ctl *c, int argc, char **argv)
{
        _cleanup_(exec_list_done) ExecList list = {0};
        _cleanup_(table_freep) Table *t = table_new(columns, ELEMENTSOF(columns));
        Wanted w;
        Listing l = {.c = c, .execs = &list, .wanted = &w, .table = t};
        int r;

        if (!t)
                return fail_memory();
        r = read_wanted(&c->options, argc, argv, &w);
        if (r == 0)
                r = exec_list_read(c, &list);
        if (r == 0)
                r = add_all(&l);
        if (r == 0 && l.n == 0 && l.n_ended == 0 && w.container)
                r = check_container(c, w.container);
        if (r == 0)
                r = table_print(t, c, "exec");
        if (r == 0 && l.n_ended > 0 && !c->options.no_legend && c->options.json == JSON_OFF)
                printf("%zu ended, shown with --all.\n", l.n_ended);
        return r;
}
