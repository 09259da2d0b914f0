/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* GET /containers/{id}/top: the processes of a container, in the columns that ps would show. */

#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "api/http-authz.h"
#include "api/http-error.h"
#include "api/http-route.h"

typedef struct Process {
        uint32_t pid, parent, uid;
        uint64_t cpu_usec, started_usec;
        uint32_t tty;
        const char *command;
        const char *comm;
} Process;

static void column_user(const Process *p, char *out, size_t size)
{
        const struct passwd *pw = getpwuid(p->uid);

        if (pw)
                snprintf(out, size, "%s", pw->pw_name);
        else
                snprintf(out, size, "%" PRIu32, p->uid);
}

static void column_uid(const Process *p, char *out, size_t size)
{
        snprintf(out, size, "%" PRIu32, p->uid);
}

static void column_pid(const Process *p, char *out, size_t size)
{
        snprintf(out, size, "%" PRIu32, p->pid);
}

static void column_parent(const Process *p, char *out, size_t size)
{
        snprintf(out, size, "%" PRIu32, p->parent);
}

static void column_cpu(const Process *p, char *out, size_t size)
{
        snprintf(out, size, "0");
}

static void column_start(const Process *p, char *out, size_t size)
{
        time_t t = (time_t) (p->started_usec / USEC_PER_SEC), now = time(NULL);
        struct tm tm;

        if (!localtime_r(&t, &tm) || strftime(out, size, now - t < 86400 ? "%H:%M" : "%b%d", &tm) == 0)
                snprintf(out, size, "?");
}

static void column_tty(const Process *p, char *out, size_t size)
{
        if (p->tty == 0)
                snprintf(out, size, "?");
        else
                snprintf(out, size, "pts/%u",
                         minor(p->tty) + (major(p->tty) > 136 ? 256 * (major(p->tty) - 136) : 0));
}

static void column_time(const Process *p, char *out, size_t size)
{
        uint64_t s = p->cpu_usec / USEC_PER_SEC;

        snprintf(out, size, "%02" PRIu64 ":%02" PRIu64 ":%02" PRIu64, s / 3600, s / 60 % 60, s % 60);
}

static void column_command(const Process *p, char *out, size_t size)
{
        snprintf(out, size, "%s", *p->command ? p->command : p->comm);
}

static void column_comm(const Process *p, char *out, size_t size)
{
        snprintf(out, size, "%s", p->comm);
}

typedef struct Column {
        const char *name; /* what `ps -o` calls it */
        const char *title;
        void (*write)(const Process *p, char *out, size_t size);
} Column;

static const Column columns[] = {
        {"user", "USER", column_user},
        {"uid", "UID", column_uid},
        {"pid", "PID", column_pid},
        {"ppid", "PPID", column_parent},
        {"c", "C", column_cpu},
        {"stime", "STIME", column_start},
        {"tty", "TTY", column_tty},
        {"time", "TIME", column_time},
        {"cmd", "CMD", column_command},
        {"args", "COMMAND", column_command},
        {"command", "COMMAND", column_command},
        {"comm", "COMMAND", column_comm},
};

/* The columns of `ps -ef`, Docker's default. */
static const Column full_columns[] = {
        {"user", "UID", column_user},  {"pid", "PID", column_pid},       {"ppid", "PPID", column_parent},
        {"c", "C", column_cpu},        {"stime", "STIME", column_start}, {"tty", "TTY", column_tty},
        {"time", "TIME", column_time}, {"cmd", "CMD", column_command},
};

/* Those of `ps u` that are known here. */
static const Column user_columns[] = {
        {"user", "USER", column_user},    {"pid", "PID", column_pid},    {"tty", "TTY", column_tty},
        {"stime", "START", column_start}, {"time", "TIME", column_time}, {"args", "COMMAND", column_command},
};

#define COLUMNS_MAX 32

typedef struct Top {
        Column columns[COLUMNS_MAX];
        size_t n;
        bool for_users; /* the BSD option u */
} Top;

static int top_add_columns(Top *t, char *list, Refusal *reterr)
{
        char *name;

        while ((name = strsep(&list, ", "))) {
                const char *title = NULL;
                char *equals = strchr(name, '=');
                size_t i;

                if (!*name)
                        continue;
                if (equals) {
                        *equals = 0;
                        title = equals + 1;
                }
                for (i = 0; i < ELEMENTSOF(columns); i++)
                        if (strcmp(columns[i].name, name) == 0)
                                break;
                if (i == ELEMENTSOF(columns) || t->n >= COLUMNS_MAX)
                        return refuse(reterr, REFUSAL_INTERNAL, EINVAL,
                                      "ps_args: unknown user-defined format specifier \"%s\"", name);
                t->columns[t->n] = columns[i];
                if (title && strcmp(title, "") != 0)
                        t->columns[t->n].title = columns[i].title;
                t->n++;
        }
        return 0;
}

static void top_set_columns(Top *t, const Column *preset, size_t n)
{
        if (t->n > 0)
                return;
        memcpy(t->columns, preset, n * sizeof(Column));
        t->n = n;
}

/* One word of options: letters that choose nothing here, and perhaps an o whose list is the rest or the next
 * word. */
static int top_read_word(Top *t, char *word, bool *ret_list_follows, Refusal *reterr)
{
        bool is_bsd = word[0] != '-';
        char *p = word + (is_bsd ? 0 : 1);

        for (; *p && *p != 'o'; p++) {
                if (!strchr("AaefluwxH", *p))
                        return refuse(reterr, REFUSAL_INTERNAL, EINVAL, "ps_args: unsupported option \"%s\"",
                                      word);
                t->for_users = t->for_users || (is_bsd && *p == 'u');
        }
        if (!*p)
                return 0;
        if (!p[1]) {
                *ret_list_follows = true;
                return 0;
        }
        return top_add_columns(t, p + 1, reterr);
}

/* Understands what ps_args is used for: "-ef", "aux" and the like, and -o lists. */
static int top_read_arguments(Top *t, const char *text, Refusal *reterr)
{
        _cleanup_free_ char *copy = strdup(text);
        char *rest = copy, *word;
        bool list_follows = false;
        int r;

        if (!copy)
                return -ENOMEM;
        while ((word = strsep(&rest, " "))) {
                if (!*word)
                        continue;
                if (list_follows) {
                        list_follows = false;
                        r = top_add_columns(t, word, reterr);
                } else
                        r = top_read_word(t, word, &list_follows, reterr);
                if (r < 0)
                        return r;
        }
        if (t->for_users)
                top_set_columns(t, user_columns, ELEMENTSOF(user_columns));
        else
                top_set_columns(t, full_columns, ELEMENTSOF(full_columns));
        for (size_t i = 0; i < t->n; i++)
                if (strcmp(t->columns[i].name, "pid") == 0)
                        return 0;
        return refuse(reterr, REFUSAL_INTERNAL, EINVAL, "Couldn't find PID field in ps output");
}

static void top_on_close(HttpExchange *x)
{
        x->state = mfree(x->state);
}

static struct json_object *top_row(const Top *t, const Process *p)
{
        struct json_object *row = json_object_new_array();
        char text[4096];

        for (size_t i = 0; i < t->n; i++) {
                t->columns[i].write(p, text, sizeof(text));
                json_object_array_add(row, json_object_new_string(text));
        }
        return row;
}

static int top_on_processes(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        struct json_object *o, *titles = json_object_new_array(), *rows = json_object_new_array();
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        HttpExchange *x = userdata;
        const Top *t = x->state;
        Process p;

        x->slot = sd_bus_slot_unref(x->slot);
        if (spawner_reply_refusal(m, &refusal) < 0 ||
            sd_bus_message_enter_container(m, 'a', "(uuuttuss)") < 0) {
                http_reply_refusal(x, &refusal);
                json_object_put(titles);
                json_object_put(rows);
                return 0;
        }
        while (sd_bus_message_read(m, "(uuuttuss)", &p.pid, &p.parent, &p.uid, &p.cpu_usec, &p.started_usec,
                                   &p.tty, &p.command, &p.comm) > 0)
                json_object_array_add(rows, top_row(t, &p));
        for (size_t i = 0; i < t->n; i++)
                json_object_array_add(titles, json_object_new_string(t->columns[i].title));
        o = json_object_new_object();
        json_object_object_add(o, "Processes", rows);
        json_object_object_add(o, "Titles", titles);
        http_reply_json(x, 200, o);
        return 0;
}

static void top_go(HttpExchange *x)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;

        if (spawner_list_processes(x->manager->spawner, x->container->id, top_on_processes, x, &x->slot,
                                   &refusal) < 0)
                http_reply_refusal(x, &refusal);
}

static int top_on_container(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        HttpExchange *x = userdata;

        x->slot = sd_bus_slot_unref(x->slot);
        if (spawner_reply_refusal(m, &refusal) < 0 || container_read_reply(m, &x->container) < 0)
                http_reply_refusal(x, &refusal);
        else
                http_authorize_inspect(x, x->container, top_go);
        return 0;
}

void http_get_top(HttpExchange *x)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        _cleanup_free_ char *arguments = NULL;
        Top *t = calloc(1, sizeof(Top));

        x->state = t;
        x->on_close = top_on_close;
        if (!t || http_query(x, "ps_args", &arguments, &refusal) < 0 ||
            top_read_arguments(t, arguments && *arguments ? arguments : "-ef", &refusal) < 0 ||
            spawner_get_container(x->manager->spawner, x->name, top_on_container, x, &x->slot, &refusal) < 0)
                http_reply_refusal(x, &refusal);
}
