/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Methods of the manager that find execs. */

#include <string.h>

#include "api/dbus-call.h"
#include "api/dbus-methods.h"
#include "api/dbus-options.h"
#include "api/dbus-path.h"
#include "api/exec-brief.h"

/* Bytes of an entry of ListExecs, without the command line. */
#define LISTED_SIZE 512

static size_t row_size(const DbusCall *c, const Exec *e)
{
        return LISTED_SIZE + strlen(e->command_line ?: "");
}

static int append_row(sd_bus_message *reply, const Exec *e)
{
        char path[DBUS_EXEC_PATH_SIZE];

        return sd_bus_message_append(reply, "(sossssut)", e->id, dbus_exec_path(e, path), e->container->name,
                                     exec_status_name(e), e->command_line ?: "", e->unit,
                                     (uint32_t) e->creator->uid, e->created_usec);
}

static void list_execs_run(DbusCall *c)
{
        static const DbusExecList rows = {"(sossssut)", row_size, append_row};

        dbus_call_reply_execs(c, &rows);
}

typedef struct FilterCall {
        DbusCall call;
        char *container, *state, *user;
        char **labels; /* "key" or "key=value", all of which must hold */
        uint32_t caller_uid;
        bool by_caller;
} FilterCall;

static void filter_done(DbusCall *c)
{
        FilterCall *k = DBUS_CALL(c, FilterCall);

        free(k->container);
        free(k->state);
        free(k->user);
        strv_free(k->labels);
}

static bool has_label(char **labels, const char *wanted)
{
        size_t n = strlen(wanted);

        STRV_FOREACH (l, labels)
                if (strcmp(*l, wanted) == 0 ||
                    (!strchr(wanted, '=') && strncmp(*l, wanted, n) == 0 && (*l)[n] == '='))
                        return true;
        return false;
}

static bool filter_matches(const FilterCall *k, const Exec *e)
{
        if (k->container && strcmp(k->container, e->container->name) != 0 &&
            (!*k->container || strncmp(k->container, e->container->id, strlen(k->container)) != 0))
                return false;
        if (k->state && strcmp(k->state, exec_status_name(e)) != 0)
                return false;
        if (k->user && strcmp(k->user, exec_request_user(e->request)) != 0)
                return false;
        if (k->by_caller && k->caller_uid != e->creator->uid)
                return false;
        STRV_FOREACH (l, k->labels)
                if (!has_label(e->request->labels, *l))
                        return false;
        return true;
}

static int append_exec(sd_bus_message *reply, const Exec *e)
{
        char path[DBUS_EXEC_PATH_SIZE];
        int r;

        r = sd_bus_message_open_container(reply, 'r', "soa{sv}");
        if (r >= 0)
                r = sd_bus_message_append(reply, "so", e->id, dbus_exec_path(e, path));
        if (r >= 0)
                r = dbus_append_properties(reply, e, false);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static size_t wanted_size(const DbusCall *c, const Exec *e)
{
        return filter_matches(LIST_ENTRY(c, const FilterCall, call), e) ? exec_brief_size(e) : 0;
}

static void list_filtered_run(DbusCall *c)
{
        static const DbusExecList wanted = {"(soa{sv})", wanted_size, append_exec};

        dbus_call_reply_execs(c, &wanted);
}

static int read_state(sd_bus_message *m, char **field, Refusal *reterr)
{
        int r = dbus_read_string(m, "State", field, reterr);

        if (r < 0)
                return r;
        return exec_status_exists(*field) ? 0
                                          : refuse(reterr, REFUSAL_BAD_REQUEST, EINVAL,
                                                   "State: created, running, exited or failed is expected");
}

static int read_filter(sd_bus_message *m, const char *key, void *userdata, Refusal *reterr)
{
        FilterCall *k = userdata;

        if (strcmp(key, "Container") == 0)
                return dbus_read_string(m, key, &k->container, reterr);
        if (strcmp(key, "State") == 0)
                return read_state(m, &k->state, reterr);
        if (strcmp(key, "User") == 0)
                return dbus_read_string(m, key, &k->user, reterr);
        if (strcmp(key, "Labels") == 0)
                return dbus_read_strings(m, key, true, &k->labels, reterr);
        if (strcmp(key, "CallerUID") == 0) {
                k->by_caller = true;
                return sd_bus_message_read(m, "v", "u", &k->caller_uid) >= 0
                               ? 0
                               : refuse(reterr, REFUSAL_BAD_REQUEST, EINVAL,
                                        "CallerUID: a number (u) is expected");
        }
        return refuse(reterr, REFUSAL_BAD_REQUEST, EINVAL, "filters: unknown filter \"%s\"", key);
}

static int filter_read(DbusCall *c, sd_bus_message *m, Refusal *reterr)
{
        FilterCall *k = DBUS_CALL(c, FilterCall);
        int r = dbus_read_options(m, read_filter, k, reterr);

        if (r >= 0 && strv_length(k->labels) > EXEC_LABELS_MAX)
                r = refuse(reterr, REFUSAL_TOO_LARGE, E2BIG, "Labels: more than %d", EXEC_LABELS_MAX);
        c->size = 2 * strv_size(k->labels); /* the message has them, too */
        return r;
}

typedef struct GetCall {
        DbusCall call;
        const char *id; /* in the message */
} GetCall;

static void get_exec_run(DbusCall *c)
{
        char path[DBUS_EXEC_PATH_SIZE];

        dbus_call_reply(c, "o", dbus_exec_path(c->exec, path));
}

static void get_exec_find(DbusCall *c)
{
        dbus_call_find_exec(c, NULL, DBUS_CALL(c, GetCall)->id, get_exec_run);
}

static int get_exec_read(DbusCall *c, sd_bus_message *m, Refusal *reterr)
{
        return dbus_read_id(m, &DBUS_CALL(c, GetCall)->id, reterr);
}

const DbusMethod dbus_list_methods[] = {
        {"ListExecs", .act = {AUTHZ_INSPECT, "list", list_execs_run, .shows_part = true}},
        {"ListExecsFiltered", sizeof(FilterCall), filter_read, .done = filter_done,
         .act = {AUTHZ_INSPECT, "list", list_filtered_run, .shows_part = true}},
        {"GetExec", sizeof(GetCall), get_exec_read, .known = get_exec_find},
        {NULL},
};

/* The path of an exec is made of its id, without a lookup. */
int dbus_method_get_exec(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        DbusService *s = userdata;
        char path[DBUS_EXEC_PATH_SIZE];
        const char *id;
        Exec *e;
        int r;

        r = sd_bus_message_read(m, "s", &id);
        if (r < 0)
                return r;
        e = manager_find_exec(s->manager, id);
        if (e)
                return sd_bus_reply_method_return(m, "o", dbus_exec_path(e, path));
        (void) sd_bus_message_rewind(m, true);
        return dbus_method_serve(&dbus_list_methods[2], s, m, NULL, error);
}
