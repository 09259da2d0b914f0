/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* GET /containers/{id}/top: the processes of a container, in the columns that ps would show. */

#include <string.h>

#include "api/http-need.h"
#include "api/http-route.h"
#include "api/top-column.h"

#define COLUMNS_MAX 32

typedef struct Top {
        HttpTask task;
        Column columns[COLUMNS_MAX];
        size_t n;
        bool for_users; /* the BSD option u */
} Top;

static int top_add_columns(Top *t, char *list, Refusal *reterr)
{
        char *name;

        while ((name = strsep(&list, ", "))) {
                char *equals = strchr(name, '=');
                const Column *column;

                if (!*name)
                        continue;
                /* Docker needs titles, and so the usual one stays. */
                if (equals)
                        *equals = 0;
                column = top_column_find(name);
                if (!column)
                        return refuse(reterr, REFUSAL_BAD_REQUEST, EINVAL,
                                      "ps_args: unknown user-defined format specifier \"%s\"", name);
                if (t->n >= COLUMNS_MAX)
                        return refuse(reterr, REFUSAL_BAD_REQUEST, EINVAL, "ps_args: more than %d columns",
                                      COLUMNS_MAX);
                t->columns[t->n] = *column;
                t->n++;
        }
        return 0;
}

/* One word of options: letters that choose nothing here, and perhaps an o whose list is the rest or the next
 * word. */
static int top_read_word(Top *t, char *word, bool *ret_list_follows, Refusal *reterr)
{
        bool is_bsd = word[0] != '-';
        char *p = word + (is_bsd ? 0 : 1);

        for (; *p && *p != 'o'; p++) {
                if (!strchr(is_bsd ? "aefuwx" : "AefwH", *p))
                        return refuse(reterr, REFUSAL_BAD_REQUEST, EINVAL,
                                      "ps_args: unsupported option \"%s\"", word);
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
        const Column *preset;
        size_t n;
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
        if (list_follows)
                return refuse(reterr, REFUSAL_BAD_REQUEST, EINVAL, "ps_args: the option o needs a list");
        preset = t->for_users ? top_columns_user(&n) : top_columns_full(&n);
        if (t->n == 0) {
                memcpy(t->columns, preset, n * sizeof(Column));
                t->n = n;
        }
        for (size_t i = 0; i < t->n; i++)
                if (strcmp(t->columns[i].name, "pid") == 0)
                        return 0;
        return refuse(reterr, REFUSAL_BAD_REQUEST, EINVAL, "Couldn't find PID field in ps output");
}

static struct json_object *top_row(const Top *t, const Process *p, size_t *size)
{
        struct json_object *row = json_object_new_array();
        char text[4096];

        for (size_t i = 0; i < t->n; i++) {
                t->columns[i].write(p, text, sizeof(text));
                *size += strlen(text);
                json_object_array_add(row, json_object_new_string(text));
        }
        return row;
}

/* Makes no more rows than there is room for: a client may ask for one long column many times. Returns the bytes. */
static size_t top_read_rows(const Top *t, sd_bus_message *m, size_t room, struct json_object *rows)
{
        size_t size = 0;
        Process p;

        while (size <= room && sd_bus_message_read(m, PROCESS_SIGNATURE, &p.pid, &p.parent, &p.uid,
                                                   &p.cpu_usec, &p.started_usec, &p.tty, &p.command, &p.comm,
                                                   &p.vsize, &p.rss, &p.priority, &p.nice, &p.threads,
                                                   &p.group, &p.session, &p.tty_group, &p.state, &p.gid) > 0)
                json_object_array_add(rows, top_row(t, &p, &size));
        return size;
}

static void top_refuse(HttpExchange *x, size_t room)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;

        (void) refuse(&refusal, REFUSAL_BUSY, EBUSY,
                      "the list is larger than the %zu bytes that are left for answers to uid %u "
                      "(RequestMemoryPerUserMax=, RequestMemoryMax=): ask for fewer columns, or try again",
                      room, (unsigned) x->peer->uid);
        http_reply_refusal(x, &refusal);
}

static int top_on_processes(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        struct json_object *o, *titles, *rows;
        HttpExchange *x = userdata;
        const Top *t = HTTP_TASK(x, Top);
        size_t room = http_room(x);

        if (!http_need_answer(x, m))
                return 0;
        if (sd_bus_message_enter_container(m, 'a', PROCESS_SIGNATURE) < 0) {
                http_reply_error(x, 500, "internal error");
                return 0;
        }
        rows = json_object_new_array();
        if (top_read_rows(t, m, room, rows) > room) {
                json_object_put(rows);
                top_refuse(x, room);
                return 0;
        }
        titles = json_object_new_array();
        for (size_t i = 0; i < t->n; i++)
                json_object_array_add(titles, json_object_new_string(t->columns[i].title));
        o = json_object_new_object();
        json_object_object_add(o, "Processes", rows);
        json_object_object_add(o, "Titles", titles);
        http_reply_json(x, 200, o);
        return 0;
}

static int top_run(HttpExchange *x, Refusal *reterr)
{
        return spawner_list_processes(x->manager->spawner, x->container->id, top_on_processes, x, &x->slot,
                                      reterr);
}

int http_get_top(HttpExchange *x, Refusal *reterr)
{
        _cleanup_free_ char *arguments = NULL;
        Top *t = HTTP_TASK_NEW(x, Top);
        int r = t ? http_query(x, "ps_args", &arguments, reterr) : -ENOMEM;

        if (r >= 0)
                r = top_read_arguments(t, arguments && *arguments ? arguments : "-ef", reterr);
        return r < 0 ? r : http_need_container(x, top_run, reterr);
}
