/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * org.execd1.Spawner. Every argument is checked here, as if the peer were not known: execd is trusted to
 * decide who may do what, not to be well.
 */

#include <signal.h>
#include <string.h>

#include "base/log.h"
#include "base/strv.h"
#include "base/ticket.h"
#include "spawner/kill.h"
#include "spawner/label.h"
#include "spawner/launch.h"
#include "spawner/processes.h"
#include "spawner/spawner.h"
#include "spawner/user-check.h"
#include "wire/scope-property.h"
#include "wire/spawner-protocol.h"
#include "wire/user-spec.h"

#define REFERENCE_MAX   256
#define DESCRIPTION_MAX 4096
#define DECISION_MAX    3072
#define PROPERTY_MAX    1024
#define PATH_MAX_BYTES  4095
#define ITEMS_MAX       (512 * 1024)
#define ITEM_BYTES_MAX  (4 * 1024 * 1024)
#define LAUNCHES_MAX    4096

int reply_refusal(sd_bus_message *m, const Refusal *r, int error)
{
        _cleanup_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;
        RefusalKind kind = r && r->kind != REFUSAL_NONE ? r->kind : REFUSAL_INTERNAL;
        const char *message = r && r->message ? r->message : strerrordesc_np(abs(error));
        char name[128];

        strcpy(stpcpy(name, REFUSAL_ERROR_PREFIX), refusal_kind_to_string(kind));
        (void) sd_bus_error_set(&e, name, message ?: "unknown error");
        return sd_bus_reply_method_error(m, &e);
}

void request_answer(Connection *c, sd_bus_message *m, RequestMethod method, bool fresh)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        int r;

        r = method(c, m, fresh, &refusal);
        if (r == -ESTALE && !fresh) {
                refusal_done(&refusal);
                r = request_refresh(c, m, method, false);
        } else if (r == -EAGAIN && refusal.kind == REFUSAL_NOT_RUNNING)
                /* A container that is just starting: worth some patience. */
                r = request_refresh(c, m, method, true);
        if (r >= 0)
                return;
        if (refusal.kind == REFUSAL_NONE)
                log_errno(LOG_WARNING, r, "%s failed", sd_bus_message_get_member(m));
        r = reply_refusal(m, &refusal, r);
        if (r < 0)
                log_error_errno(r, "Cannot answer %s", sd_bus_message_get_member(m));
}

static int bad(Refusal *reterr, const char *what)
{
        return refuse(reterr, REFUSAL_BAD_REQUEST, EINVAL, "%s is not valid", what);
}

static int read_exec_id(sd_bus_message *m, const char **ret, Refusal *reterr)
{
        int r = sd_bus_message_read(m, "s", ret);

        if (r < 0)
                return r;
        return exec_id_is_valid(*ret) ? 0 : bad(reterr, "exec_id");
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
                return bad(reterr, "container id");
        found = container_table_by_id(&c->spawner->containers, id);
        if (!found && !fresh)
                return -ESTALE;
        if (!found || !container_is_alive(found) || (uint32_t) found->leader->pid != pid ||
            found->leader->start_time != start)
                return refuse(reterr, REFUSAL_NOT_RUNNING, ESRCH, "container %s is not running", id);
        *ret = found;
        return 0;
}

static int check_is_unpaused(const Container *c, Refusal *reterr)
{
        if (strcmp(container_state(c), "paused") == 0)
                return refuse(reterr, REFUSAL_CONFLICT, EBUSY,
                              "Container %s is paused, unpause the container before exec", c->id);
        return 0;
}

typedef struct LaunchArguments {
        const char *exec_id, *description;
        Container *container; /* weak */
        char **properties;    /* name, text, … */
} LaunchArguments;

static void launch_arguments_done(LaunchArguments *a)
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
                        return bad(reterr, "properties");
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

static int read_launch(Connection *c, sd_bus_message *m, bool fresh, LaunchArguments *a, Refusal *reterr)
{
        int r;

        r = read_exec_id(m, &a->exec_id, reterr);
        if (r >= 0)
                r = read_leader(c, m, fresh, &a->container, reterr);
        if (r >= 0)
                r = check_is_unpaused(a->container, reterr);
        if (r >= 0)
                r = sd_bus_message_read(m, "s", &a->description);
        if (r < 0)
                return r;
        if (strlen(a->description) > DESCRIPTION_MAX)
                return bad(reterr, "description");
        return read_properties(m, &a->properties, reterr);
}

static int make_launch(Connection *c, const LaunchArguments *a, Launch **ret, Refusal *reterr)
{
        size_t n = 0;

        LIST_FOREACH (Launch, l, &c->spawner->launches, node)
                n++;
        if (n >= LAUNCHES_MAX)
                return refuse(reterr, REFUSAL_LIMIT, EAGAIN, "too many execs are being started (limit %d)",
                              LAUNCHES_MAX);
        return launch_new(c, a->container,
                          &(LaunchRequest){
                                  .exec_id = a->exec_id,
                                  .description = a->description,
                                  .properties = a->properties,
                          },
                          ret, reterr);
}

static int read_user(sd_bus_message *m, const char **ret, bool *ret_has_names, Refusal *reterr)
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

static int do_list(Connection *c, sd_bus_message *m, bool fresh, Refusal *reterr)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r;

        if (!fresh)
                return -ESTALE;
        /* Where a provider fails, only its containers are missing; but "none" would not be true. */
        if (list_is_empty(&c->spawner->containers.containers)) {
                r = providers_failure(c->spawner->providers, reterr);
                if (r < 0)
                        return r;
        }
        r = sd_bus_message_new_method_return(m, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', CONTAINER_SIGNATURE);
        if (r < 0)
                return r;
        LIST_FOREACH (Container, container, &c->spawner->containers.containers, node) {
                if (!container_is_alive(container))
                        continue;
                r = container_append(container, reply);
                if (r < 0)
                        return r;
        }
        r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_send(c->bus, reply, NULL);
}

/* What is in the table by its name is taken from there, since providers are told of what comes and goes. A
 * prefix that fits one of those we know may fit another one that we do not know yet. */
static bool may_be_stale(const Connection *c, const Container *found, const char *reference)
{
        return !found || !providers_are_primed(c->spawner->providers) ||
               providers_are_blind(c->spawner->providers) ||
               (strncmp(found->id, reference, strlen(reference)) == 0 && !exec_id_is_valid(reference));
}

static int do_get(Connection *c, sd_bus_message *m, bool fresh, Refusal *reterr)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *reference;
        Container *found;
        int r;

        r = sd_bus_message_read(m, "s", &reference);
        if (r < 0)
                return r;
        if (strlen(reference) > REFERENCE_MAX)
                return refuse(reterr, REFUSAL_BAD_REQUEST, EINVAL,
                              "the name or id of a container has at most %d bytes", REFERENCE_MAX);
        if (!*reference)
                return bad(reterr, "container reference");
        found = container_table_find(&c->spawner->containers, reference, reterr);
        if (!fresh && may_be_stale(c, found, reference))
                return -ESTALE;
        if (!found) {
                r = reterr->kind == REFUSAL_NO_CONTAINER
                            ? providers_why_not(c->spawner->providers, reference, reterr)
                            : 0;
                return r < 0 ? r : -ENOENT;
        }
        r = sd_bus_message_new_method_return(m, &reply);
        if (r >= 0)
                r = container_append(found, reply);
        if (r >= 0)
                r = sd_bus_message_append(reply, "h", found->leader->pidfd);
        return r < 0 ? r : sd_bus_send(c->bus, reply, NULL);
}

/* The half of Prepare behind the check of the user. */
static int do_prepare_launch(Connection *c, sd_bus_message *m, bool fresh, Refusal *reterr)
{
        _cleanup_(launch_arguments_done) LaunchArguments a = {0};
        const char *user;
        Launch *l;
        int park, r;

        r = read_launch(c, m, fresh, &a, reterr);
        if (r >= 0)
                r = sd_bus_message_read(m, "sb", &user, &park);
        if (r < 0)
                return r;
        if (park && launch_find(c->spawner, a.exec_id))
                return refuse(reterr, REFUSAL_CONFLICT, EEXIST, "exec %s is already prepared", a.exec_id);
        if (park) {
                r = make_launch(c, &a, &l, reterr);
                if (r < 0)
                        return r;
        }
        return sd_bus_reply_method_return(m, NULL);
}

static void on_user_checked(Connection *c, sd_bus_message *m, const Refusal *refusal)
{
        int r;

        if (refusal)
                r = reply_refusal(m, refusal, EINVAL);
        else {
                r = sd_bus_message_rewind(m, true);
                if (r >= 0)
                        request_answer(c, m, do_prepare_launch, false);
        }
        if (r < 0)
                log_error_errno(r, "Cannot answer Prepare");
}

static int do_prepare(Connection *c, sd_bus_message *m, bool fresh, Refusal *reterr)
{
        _cleanup_(launch_arguments_done) LaunchArguments a = {0};
        const char *user;
        bool has_names;
        int r;

        r = read_launch(c, m, fresh, &a, reterr);
        if (r >= 0)
                r = read_user(m, &user, &has_names, reterr);
        if (r < 0)
                return r;
        /* A number needs no looking up to be a user. */
        if (has_names) {
                r = check_user(c, m, a.container, user, on_user_checked, reterr);
                return r == -EINPROGRESS ? request_filters(c, m, do_prepare, a.container->leader, reterr)
                                         : r;
        }
        r = sd_bus_message_rewind(m, true);
        return r < 0 ? r : do_prepare_launch(c, m, fresh, reterr);
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
                        return bad(reterr, "stdio");
                fds[n++] = fd;
        }
        if (r < 0)
                return r;
        if (n != 0 && (n != 3 || tty))
                return bad(reterr, "stdio");
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
                return bad(reterr, "ticket");
        return r == 0 ? 0 : refuse(reterr, REFUSAL_CONFLICT, EALREADY, "the command was started before");
}

static int read_start(sd_bus_message *m, LaunchStart *q, int fds[3], Refusal *reterr)
{
        size_t items = 0, bytes = 0;
        bool has_names;
        uint64_t flags;
        int r;

        r = read_list(m, &q->argv, &items, &bytes, reterr);
        if (r >= 0)
                r = read_list(m, &q->env, &items, &bytes, reterr);
        if (r >= 0)
                r = read_user(m, &q->user, &has_names, reterr);
        if (r >= 0)
                r = sd_bus_message_read(m, "sttqqu", &q->working_dir, &flags, &q->cap_privileged, &q->rows,
                                        &q->columns, &q->login_uid);
        if (r < 0)
                return r;
        /* An empty name is the runner's to look for, and not to find. */
        if (!q->argv[0])
                return bad(reterr, "argv");
        if (strlen(q->working_dir) > PATH_MAX_BYTES)
                return bad(reterr, "working_dir");
        if (flags & ~SPAWNER_FLAGS_ALL)
                return bad(reterr, "flags");
        q->tty = flags & SPAWNER_TTY;
        q->privileged = flags & SPAWNER_PRIVILEGED;
        q->null_stdin = flags & SPAWNER_NO_STDIN;
        q->log = flags & SPAWNER_LOG;
        q->one_output = flags & SPAWNER_ONE_OUTPUT;
        r = read_stdio(m, fds, q->tty, &q->stdio, reterr);
        return r < 0 ? r : read_ticket(m, &q->ticket, reterr);
}

/* The launch that was prepared, or a new one. */
static int find_or_make_launch(Connection *c, const LaunchArguments *a, Launch **ret, Refusal *reterr)
{
        Launch *l = launch_find(c->spawner, a->exec_id);

        if (!l) {
                int r = filters_check_failure(a->container->leader, reterr);

                return r < 0 ? r : make_launch(c, a, ret, reterr);
        }
        if (l->start || l->connection != c || !launch_follow(l, a->container))
                return refuse(reterr, REFUSAL_CONFLICT, EBUSY, "exec %s is already starting", a->exec_id);
        *ret = l;
        return 0;
}

static int start_launch(Connection *c, sd_bus_message *m, const LaunchArguments *a, LaunchStart *q,
                        Refusal *reterr)
{
        Launch *l;
        int r;

        r = find_or_make_launch(c, a, &l, reterr);
        if (r < 0)
                return r;
        /* A spare, made before it was known for what. */
        if (strcmp(l->description, a->description) != 0)
                scope_describe(c->spawner->scopes, a->exec_id, a->description, l->runner.pidfd);
        r = launch_start(l, m, q, reterr);
        if (r < 0 && r != -EINPROGRESS)
                launch_free(l);
        return r;
}

static int do_start(Connection *c, sd_bus_message *m, bool fresh, Refusal *reterr)
{
        _cleanup_(launch_arguments_done) LaunchArguments a = {0};
        LaunchStart q = {0};
        int fds[3], r;

        r = read_launch(c, m, fresh, &a, reterr);
        if (r >= 0)
                r = read_start(m, &q, fds, reterr);
        if (r >= 0)
                r = start_launch(c, m, &a, &q, reterr);
        if (r == -EINPROGRESS)
                r = request_filters(c, m, do_start, a.container->leader, reterr);
        strv_free(q.argv);
        strv_free(q.env);
        return r;
}

static int do_drop(Connection *c, sd_bus_message *m, bool fresh, Refusal *reterr)
{
        const char *exec_id;
        Launch *l;
        int r;

        r = read_exec_id(m, &exec_id, reterr);
        if (r < 0)
                return r;
        l = launch_find(c->spawner, exec_id);
        if (l && !l->start)
                launch_free(l);
        return sd_bus_reply_method_return(m, NULL);
}

static int do_kill(Connection *c, sd_bus_message *m, bool fresh, Refusal *reterr)
{
        int pidfd, signal_number, all, r;
        const char *exec_id;

        r = read_exec_id(m, &exec_id, reterr);
        if (r >= 0)
                r = sd_bus_message_read(m, "hib", &pidfd, &signal_number, &all);
        if (r < 0)
                return r;
        if (signal_number < 1 || signal_number > SIGRTMAX)
                return bad(reterr, "signal");
        r = kill_exec(exec_id, pidfd, signal_number, all, reterr);
        if (r == -ESRCH)
                return refuse(reterr, REFUSAL_NOT_RUNNING, ESRCH, "the command is not running");
        return r < 0 ? r : sd_bus_reply_method_return(m, NULL);
}

static int do_list_processes(Connection *c, sd_bus_message *m, bool fresh, Refusal *reterr)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        Container *found;
        const char *id;
        int r;

        r = sd_bus_message_read(m, "s", &id);
        if (r < 0)
                return r;
        found = container_table_by_id(&c->spawner->containers, id);
        if (!found && !fresh)
                return -ESTALE;
        if (!found || !container_is_alive(found))
                return refuse(reterr, REFUSAL_NOT_RUNNING, ESRCH, "the container is not running");
        r = sd_bus_message_new_method_return(m, &reply);
        if (r >= 0)
                r = processes_append(found, reply);
        return r < 0 ? r : sd_bus_send(c->bus, reply, NULL);
}

/* Nobody waits for an answer to this. */
static int do_record_decision(Connection *c, sd_bus_message *m, bool fresh, Refusal *reterr)
{
        const char *text;
        int r;

        r = sd_bus_message_read(m, "s", &text);
        if (r < 0)
                return r;
        if (strncmp(text, "avc: ", strlen("avc: ")) != 0 || strlen(text) > DECISION_MAX)
                return bad(reterr, "text");
        for (const char *p = text; *p; p++)
                if (*p < ' ' || *p > '~' || *p == '\'')
                        return bad(reterr, "text");
        r = label_record_decision(text, c->spawner->options.peer_uid);
        return r < 0 ? r : sd_bus_reply_method_return(m, NULL);
}

void spawner_emit_leaving(Connection *c)
{
        int r = sd_bus_emit_signal(c->bus, SPAWNER_PATH, SPAWNER_INTERFACE, "Leaving", NULL);

        if (r < 0)
                log_errno(LOG_WARNING, r, "Failed to emit Leaving");
}

static void emit_container(Connection *c, const char *member, const Container *container)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *signal = NULL;
        int r;

        r = sd_bus_message_new_signal(c->bus, &signal, SPAWNER_PATH, SPAWNER_INTERFACE, member);
        if (r >= 0)
                r = container_append(container, signal);
        if (r >= 0)
                r = sd_bus_send(c->bus, signal, NULL);
        if (r < 0)
                log_errno(LOG_WARNING, r, "Failed to emit %s for %s", member, container->name);
}

void spawner_emit_container_new(Connection *c, const Container *container)
{
        emit_container(c, "ContainerNew", container);
}

void spawner_emit_container_removed(Connection *c, const Container *container)
{
        emit_container(c, "ContainerRemoved", container);
}

#define DEFINE_METHOD(name)                                                          \
        static int on_##name(sd_bus_message *m, void *userdata, sd_bus_error *error) \
        {                                                                            \
                request_answer(userdata, m, do_##name, false);                       \
                return 1;                                                            \
        }

DEFINE_METHOD(list)
DEFINE_METHOD(get)
DEFINE_METHOD(prepare)
DEFINE_METHOD(start)
DEFINE_METHOD(drop)
DEFINE_METHOD(kill)
DEFINE_METHOD(list_processes)
DEFINE_METHOD(record_decision)

const sd_bus_vtable spawner_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("ListContainers", SD_BUS_NO_ARGS,
                                SD_BUS_RESULT("a" CONTAINER_SIGNATURE, containers), on_list,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GetContainer", SD_BUS_ARGS("s", reference),
                                SD_BUS_RESULT(CONTAINER_SIGNATURE, container, "h", leader_pidfd), on_get,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Prepare",
                                SD_BUS_ARGS("s", exec_id, LEADER_SIGNATURE, leader, "s", description,
                                            "a(ss)", properties, "s", user, "b", park),
                                SD_BUS_NO_RESULT, on_prepare, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Start",
                                SD_BUS_ARGS("s", exec_id, LEADER_SIGNATURE, leader, "s", description,
                                            "a(ss)", properties, "as", argv, "as", env, "s", user, "s",
                                            working_dir, "t", flags, "t", capabilities, "q", rows, "q",
                                            columns, "u", login_uid, "ah", stdio, "h", ticket),
                                SD_BUS_RESULT("h", control, "h", pidfd, "u", pid, "ah", streams), on_start,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Drop", SD_BUS_ARGS("s", exec_id), SD_BUS_NO_RESULT, on_drop,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Kill", SD_BUS_ARGS("s", exec_id, "h", pidfd, "i", signal, "b", all),
                                SD_BUS_NO_RESULT, on_kill, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ListProcesses", SD_BUS_ARGS("s", container_id),
                                SD_BUS_RESULT("a" PROCESS_SIGNATURE, processes), on_list_processes,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("RecordDecision", SD_BUS_ARGS("s", text), SD_BUS_NO_RESULT,
                                on_record_decision, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_SIGNAL_WITH_ARGS("ContainerNew", SD_BUS_ARGS(CONTAINER_SIGNATURE, container), 0),
        SD_BUS_SIGNAL_WITH_ARGS("ContainerRemoved", SD_BUS_ARGS(CONTAINER_SIGNATURE, container), 0),
        SD_BUS_SIGNAL("Leaving", NULL, 0),
        SD_BUS_VTABLE_END,
};
