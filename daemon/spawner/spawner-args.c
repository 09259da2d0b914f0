/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "spawner/spawner-args.h"

#include <string.h>

#include "base/strv.h"
#include "base/ticket.h"
#include "spawner/container-service.h"
#include "wire/scope-property.h"
#include "wire/spawner-protocol.h"
#include "wire/user-spec.h"

#define DESCRIPTION_MAX 4096
#define PROPERTY_MAX    1024
#define PATH_MAX_BYTES  4095
#define ITEMS_MAX       (512 * 1024)
#define ITEM_BYTES_MAX  (4 * 1024 * 1024)

int args_bad(Refusal *reterr, const char *what)
{
        return refuse(reterr, REFUSAL_BAD_REQUEST, EINVAL, "%s is not valid", what);
}

int args_read_exec_id(sd_bus_message *m, const char **ret, Refusal *reterr)
{
        int r = sd_bus_message_read(m, "s", ret);

        if (r < 0)
                return r;
        return exec_id_is_valid(*ret) ? 0 : args_bad(reterr, "exec_id");
}

/* The container that a leader reference means; weak. -ESTALE when it is not known. */
static int read_leader(Connection *c, sd_bus_message *m, bool fresh, Container **ret, Refusal *reterr)
{
        uint64_t start;
        uint32_t pid;
        Container *found;
        const char *id;
        int r;

        r = sd_bus_message_read(m, LEADER_SIGNATURE, &id, &pid, &start);
        if (r < 0)
                return r;
        if (!exec_id_is_valid(id))
                return args_bad(reterr, "container id");
        found = container_table_by_id(&c->spawner->containers, id);
        if (!found && !fresh) {
                (void) service_want(c->spawner->providers, id);
                return -ESTALE;
        }
        if (!found || !container_is_alive(found) || (uint32_t) found->leader->pid != pid ||
            found->leader->start_time != start)
                return refuse(reterr, REFUSAL_NOT_RUNNING, ESRCH, "container %s is not running", id);
        *ret = found;
        return 0;
}

/* Processes with execd's user may call this program. */
static int check_is_not_ours(const Connection *c, const Container *container, Refusal *reterr)
{
        if (container_is_service(container) && container->leader_uid == c->spawner->options.peer_uid &&
            container->leader_uid != 0)
                return refuse(reterr, REFUSAL_DENIED, EPERM, "%s runs as execd's own user", container->name);
        return 0;
}

void launch_arguments_done(LaunchArguments *a)
{
        a->properties = strv_free(a->properties);
}

static int read_properties(sd_bus_message *m, char ***ret, Refusal *reterr)
{
        const char *name, *text;
        size_t n = 0;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "(ss)");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_read(m, "(ss)", &name, &text)) > 0) {
                ScopeProperty p = {0};

                if (++n > SCOPE_PROPERTIES_MAX || strlen(name) > PROPERTY_MAX || strlen(text) > PROPERTY_MAX)
                        return args_bad(reterr, "properties");
                r = scope_property_parse(name, text, &p, reterr);
                scope_property_done(&p);
                if (r >= 0)
                        r = strv_append(ret, name);
                if (r >= 0)
                        r = strv_append(ret, text);
                if (r < 0)
                        return r;
        }
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

int args_read_launch(Connection *c, sd_bus_message *m, bool fresh, LaunchArguments *a, Refusal *reterr)
{
        int r;

        r = args_read_exec_id(m, &a->exec_id, reterr);
        if (r >= 0)
                r = read_leader(c, m, fresh, &a->container, reterr);
        if (r >= 0)
                r = container_check_unpaused(a->container, reterr);
        if (r >= 0)
                r = check_is_not_ours(c, a->container, reterr);
        if (r >= 0)
                r = sd_bus_message_read(m, "s", &a->description);
        if (r < 0)
                return r;
        if (strlen(a->description) > DESCRIPTION_MAX)
                return args_bad(reterr, "description");
        r = read_properties(m, &a->properties, reterr);
        return r < 0 ? r : sd_bus_message_read(m, "u", &a->caller);
}

int args_read_user(sd_bus_message *m, const char **ret, bool *ret_has_names, Refusal *reterr)
{
        UserSpec spec;
        int r;

        r = sd_bus_message_read(m, "s", ret);
        if (r >= 0)
                r = user_spec_parse(*ret, &spec, reterr);
        if (r < 0)
                return r;
        *ret_has_names = user_spec_has_names(&spec);
        user_spec_done(&spec);
        return 0;
}

/* A list that is owned, with all of it counted against the limits. */
static int read_list(sd_bus_message *m, char ***ret, size_t *items, size_t *bytes, Refusal *reterr)
{
        size_t n = 0, room = 0;
        const char *s;
        int r;

        *ret = calloc(1, sizeof(char *));
        if (!*ret)
                return -ENOMEM;
        r = sd_bus_message_enter_container(m, 'a', "s");
        while (r >= 0 && (r = sd_bus_message_read(m, "s", &s)) > 0) {
                *items += 1;
                *bytes += strlen(s) + 1;
                if (*items > ITEMS_MAX || *bytes > ITEM_BYTES_MAX)
                        return refuse(reterr, REFUSAL_TOO_LARGE, E2BIG,
                                      "arguments and environment are too large");
                r = strv_append_counted(ret, &n, &room, s);
        }
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int read_stdio(sd_bus_message *m, int fds[3], bool tty, const int **ret, Refusal *reterr)
{
        size_t n = 0;
        int fd, r;

        r = sd_bus_message_enter_container(m, 'a', "h");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_read(m, "h", &fd)) > 0) {
                if (n >= 3)
                        return args_bad(reterr, "stdio");
                fds[n++] = fd;
        }
        if (r < 0)
                return r;
        if (n != 0 && (n != 3 || tty))
                return args_bad(reterr, "stdio");
        *ret = n == 3 ? fds : NULL;
        return sd_bus_message_exit_container(m);
}

/* One that was used is of a start that another spawner has begun. */
static int read_ticket(sd_bus_message *m, int *ret, Refusal *reterr)
{
        int r = sd_bus_message_read(m, "h", ret);

        if (r < 0)
                return r;
        r = ticket_is_used(*ret);
        if (r < 0)
                return args_bad(reterr, "ticket");
        return r == 0 ? 0 : refuse(reterr, REFUSAL_CONFLICT, EALREADY, "the command was started before");
}

int args_read_start(sd_bus_message *m, LaunchStart *q, int fds[3], Refusal *reterr)
{
        size_t items = 0, bytes = 0;
        bool has_names;
        uint64_t flags;
        int r;

        r = read_list(m, &q->argv, &items, &bytes, reterr);
        if (r >= 0)
                r = read_list(m, &q->env, &items, &bytes, reterr);
        if (r >= 0)
                r = args_read_user(m, &q->user, &has_names, reterr);
        if (r >= 0)
                r = sd_bus_message_read(m, "sttqqu", &q->working_dir, &flags, &q->cap_privileged, &q->rows,
                                        &q->columns, &q->login_uid);
        if (r < 0)
                return r;
        /* An empty name is the runner's to look for, and not to find. */
        if (!q->argv[0])
                return args_bad(reterr, "argv");
        if (strlen(q->working_dir) > PATH_MAX_BYTES)
                return args_bad(reterr, "working_dir");
        if (flags & ~SPAWNER_FLAGS_ALL)
                return args_bad(reterr, "flags");
        q->tty = flags & SPAWNER_TTY;
        q->privileged = flags & SPAWNER_PRIVILEGED;
        q->null_stdin = flags & SPAWNER_NO_STDIN;
        q->log = flags & SPAWNER_LOG;
        q->one_output = flags & SPAWNER_ONE_OUTPUT;
        r = read_stdio(m, fds, q->tty, &q->stdio, reterr);
        return r < 0 ? r : read_ticket(m, &q->ticket, reterr);
}
