/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * org.execd1.Spawner. All arguments are checked here as if the peer were unknown: execd is trusted to
 * authorize callers, but it may be compromised.
 */

#include "spawner/spawner-bus.h"

#include <signal.h>
#include <string.h>

#include "base/characters.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/strv.h"
#include "spawner/container-service.h"
#include "spawner/hanging.h"
#include "spawner/kill.h"
#include "spawner/label.h"
#include "spawner/leader-memory.h"
#include "spawner/leader-picture.h"
#include "spawner/processes.h"
#include "spawner/scope-end.h"
#include "spawner/spawner-args.h"
#include "spawner/usage.h"
#include "spawner/user-check.h"
#include "wire/scope-property.h"
#include "wire/service-name.h"
#include "wire/spawner-protocol.h"
#include "wire/user-spec.h"

#define REFERENCE_MAX 256
#define DECISION_MAX  3072
#define LAUNCHES_MAX  4096

static int make_launch(Connection *c, const LaunchArguments *a, uint64_t parked_usec, Launch **ret,
                       Refusal *reterr)
{
        int r = hanging_check(a->container->leader, a->caller, reterr);
        size_t n = 0;

        if (r < 0)
                return r;
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
                                  .parked_usec = parked_usec,
                                  .caller = a->caller,
                                  .events = &launch_start_events,
                          },
                          ret, reterr);
}

static bool is_listed(const Container *c, bool services)
{
        return container_is_alive(c) && (services || !container_is_service(c));
}

/* Container lists show how their first processes were called. */
static int need_commands(Connection *c, sd_bus_message *m, RequestMethod method, bool services,
                         Refusal *reterr)
{
        _cleanup_free_ Leader **leaders = NULL;
        size_t n = 0;
        int r;

        LIST_FOREACH (const Container, container, &c->spawner->containers.containers, node)
                n++;
        leaders = calloc(n + 1, sizeof(*leaders));
        if (!leaders)
                return -ENOMEM;
        n = 0;
        LIST_FOREACH (Container, container, &c->spawner->containers.containers, node)
                if (is_listed(container, services) && !container_is_service(container))
                        leaders[n++] = container->leader;
        r = leader_memory_need(leaders, n);
        for (size_t i = 0; r == -EINPROGRESS && i < n; i++)
                if (leaders[i]->memory_waits)
                        return request_leader(c, m, method, true, leaders[i], reterr);
        return r;
}

static int do_list(Connection *c, sd_bus_message *m, bool fresh, Refusal *reterr)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int services, r;
        size_t n = 0;

        r = sd_bus_message_read(m, "b", &services);
        if (r < 0)
                return r;
        if (!fresh) {
                if (services)
                        service_want_all(c->spawner->providers);
                return -ESTALE;
        }
        r = need_commands(c, m, do_list, services, reterr);
        if (r != 0)
                return r;
        LIST_FOREACH (const Container, container, &c->spawner->containers.containers, node)
                n += is_listed(container, services);
        /* If a provider fails, only its containers are missing; but "none" would not be true. */
        if (n == 0) {
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
                if (!is_listed(container, services))
                        continue;
                r = container_append(container, reply);
                if (r < 0)
                        return r;
        }
        r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_send(c->bus, reply, NULL);
}

/* A name may be any that a directory has. */
static int append_rejected(void *userdata, const char *name, const char *source, const char *reason)
{
        _cleanup_free_ char *shown = utf8_repaired(name), *text = utf8_repaired(reason);

        return shown && text ? sd_bus_message_append(userdata, "(sss)", shown, source, text) : -ENOMEM;
}

static int do_list_rejected(Connection *c, sd_bus_message *m, bool fresh, Refusal *reterr)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r;

        if (!fresh)
                return -ESTALE;
        r = sd_bus_message_new_method_return(m, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(sss)");
        if (r >= 0)
                r = providers_list_rejected(c->spawner->providers, append_rejected, reply);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_send(c->bus, reply, NULL);
}

static int do_get(Connection *c, sd_bus_message *m, bool fresh, Refusal *reterr)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *reference;
        Container *found;
        bool may_be_stale;
        int r;

        r = sd_bus_message_read(m, "s", &reference);
        if (r < 0)
                return r;
        if (strlen(reference) > REFERENCE_MAX)
                return refuse(reterr, REFUSAL_BAD_REQUEST, EINVAL,
                              "the name or ID of a container has at most %d bytes", REFERENCE_MAX);
        if (!*reference)
                return refuse(reterr, REFUSAL_BAD_REQUEST, EINVAL, "the name or ID of a container is empty");
        found = container_table_find(&c->spawner->containers, reference, reterr);
        /* Providers learn about containers that start and end, but a prefix that fits one of those we know may fit
         * another one that we do not know yet. A service may have another main process by now, though the one that we
         * know still lives. */
        may_be_stale =
                !found || !providers_are_primed(c->spawner->providers) ||
                providers_are_blind(c->spawner->providers) || providers_are_behind(c->spawner->providers) ||
                (strncmp(found->id, reference, strlen(reference)) == 0 && !exec_id_is_valid(reference));
        if (!fresh && (may_be_stale || service_name_is_valid(reference))) {
                (void) service_want(c->spawner->providers, reference);
                return -ESTALE;
        }
        if (!found) {
                r = reterr->kind == REFUSAL_NO_CONTAINER
                            ? providers_why_not(c->spawner->providers, reference, reterr)
                            : 0;
                if (r == -EAGAIN)
                        (void) service_want(c->spawner->providers, reference);
                return r < 0 ? r : -ENOENT;
        }
        if (found->is_unsure && container_has_name(found, reference))
                return refuse(reterr, REFUSAL_UNAVAILABLE, EBUSY,
                              "the file system with the name of container %s does not answer: use the ID",
                              reference);
        r = container_is_service(found) ? 0 : leader_memory_need(&found->leader, 1);
        if (r == -EINPROGRESS)
                return request_leader(c, m, do_get, fresh, found->leader, reterr);
        if (r >= 0)
                r = sd_bus_message_new_method_return(m, &reply);
        if (r >= 0)
                r = container_append(found, reply);
        if (r >= 0)
                r = sd_bus_message_append(reply, "h", found->leader->pidfd);
        return r < 0 ? r : sd_bus_send(c->bus, reply, NULL);
}

/* The part of Prepare after the check of the user. */
static int do_prepare_launch(Connection *c, sd_bus_message *m, bool fresh, Refusal *reterr)
{
        _cleanup_(launch_arguments_done) LaunchArguments a = {0};
        const char *user;
        uint64_t park;
        Launch *l;
        int r;

        r = args_read_launch(c, m, fresh, &a, reterr);
        if (r >= 0)
                r = sd_bus_message_read(m, "st", &user, &park);
        if (r < 0)
                return r;
        if (park > 0 && launch_find(c->spawner, a.exec_id))
                return refuse(reterr, REFUSAL_CONFLICT, EEXIST, "exec %s is already prepared", a.exec_id);
        if (park > 0) {
                r = make_launch(c, &a, MIN(park, PARKED_USEC_MAX), &l, reterr);
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
                log_error_errno(r, "Failed to answer Prepare");
}

static int do_prepare(Connection *c, sd_bus_message *m, bool fresh, Refusal *reterr)
{
        _cleanup_(launch_arguments_done) LaunchArguments a = {0};
        const char *user;
        bool has_names;
        int r;

        r = args_read_launch(c, m, fresh, &a, reterr);
        if (r >= 0)
                r = args_read_user(m, &user, &has_names, reterr);
        if (r < 0)
                return r;
        /* A number needs no looking up to be a user. */
        if (has_names && !a.container->leader->picture)
                return request_picture(c, m, do_prepare, a.container->leader, a.caller, reterr);
        if (has_names) {
                r = check_user(c, m, a.container, user, a.caller, on_user_checked, reterr);
                return r == -EINPROGRESS
                               ? request_leader(c, m, do_prepare, false, a.container->leader, reterr)
                               : r;
        }
        r = sd_bus_message_rewind(m, true);
        return r < 0 ? r : do_prepare_launch(c, m, fresh, reterr);
}

/* The launch that was prepared, or a new one. */
static int find_or_make_launch(Connection *c, const LaunchArguments *a, Launch **ret, Refusal *reterr)
{
        Launch *l = launch_find(c->spawner, a->exec_id);

        /* It was stopped, for example with its slice, and its end was not seen yet. */
        if (l && !l->start && l->job.connection == c && pidfd_is_alive(l->runner.pidfd) <= 0)
                l = launch_free(l);
        if (!l) {
                int r = filters_check_failure(a->container->leader, reterr);

                if (r >= 0)
                        r = leader_picture_check(a->container->leader, reterr);
                return r < 0 ? r : make_launch(c, a, PARKED_USEC_MAX, ret, reterr);
        }
        if (l->start || l->job.connection != c || !launch_follow(l, a->container))
                return refuse(reterr, REFUSAL_CONFLICT, EBUSY, "exec %s is already starting", a->exec_id);
        *ret = l;
        return 0;
}

static int do_start(Connection *c, sd_bus_message *m, bool fresh, Refusal *reterr);

/* The scope is made while the leader is looked at. */
static int start_launch(Connection *c, sd_bus_message *m, const LaunchArguments *a, LaunchStart *q,
                        Refusal *reterr)
{
        Leader *leader = a->container->leader;
        Launch *l;
        int r;

        r = find_or_make_launch(c, a, &l, reterr);
        if (r < 0)
                return r;
        /* A spare, made before its exec and its caller were known. */
        l->caller = a->caller;
        if (strcmp(l->description, a->description) != 0)
                scope_describe(c->spawner->scopes, a->exec_id, a->description, l->runner.pidfd);
        r = leader->picture ? launch_start(l, m, q, reterr)
                            : request_picture(c, m, do_start, leader, a->caller, reterr);
        if (r < 0 && r != -EINPROGRESS)
                launch_free(l);
        return r;
}

static int do_start(Connection *c, sd_bus_message *m, bool fresh, Refusal *reterr)
{
        _cleanup_(launch_arguments_done) LaunchArguments a = {0};
        LaunchStart q = {0};
        int fds[3], r;

        r = args_read_launch(c, m, fresh, &a, reterr);
        if (r >= 0)
                r = args_read_start(m, &q, fds, reterr);
        if (r >= 0)
                r = start_launch(c, m, &a, &q, reterr);
        if (r == -EINPROGRESS)
                r = request_leader(c, m, do_start, false, a.container->leader, reterr);
        strv_free(q.argv);
        strv_free(q.env);
        return r;
}

static int do_drop(Connection *c, sd_bus_message *m, bool fresh, Refusal *reterr)
{
        const char *exec_id;
        Launch *l;
        int r;

        r = args_read_exec_id(m, &exec_id, reterr);
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

        r = args_read_exec_id(m, &exec_id, reterr);
        if (r >= 0)
                r = sd_bus_message_read(m, "hib", &pidfd, &signal_number, &all);
        if (r < 0)
                return r;
        if (signal_number < 1 || signal_number > SIGRTMAX)
                return args_bad(reterr, "signal");
        r = kill_exec(exec_id, pidfd, signal_number, all, reterr);
        if (r == -ESRCH)
                return refuse(reterr, REFUSAL_NOT_RUNNING, ESRCH, "the command is not running");
        return r < 0 ? r : sd_bus_reply_method_return(m, NULL);
}

/* A launch of a connection that was lost ends with that, and this may be heard of first. */
static int do_end_exec(Connection *c, sd_bus_message *m, bool fresh, Refusal *reterr)
{
        const char *exec_id;
        Launch *l;
        int r;

        r = args_read_exec_id(m, &exec_id, reterr);
        if (r < 0)
                return r;
        l = launch_find(c->spawner, exec_id);
        if (l && l->job.connection == c)
                return refuse(reterr, REFUSAL_CONFLICT, EBUSY, "exec %s is already starting", exec_id);
        launch_free(l);
        return scope_end(c, m, exec_id, reterr);
}

/* The container whose id is the argument. */
static int read_running(Connection *c, sd_bus_message *m, bool fresh, Container **ret, Refusal *reterr)
{
        const char *id;
        int r;

        r = sd_bus_message_read(m, "s", &id);
        if (r < 0)
                return r;
        *ret = container_table_by_id(&c->spawner->containers, id);
        if (!*ret && !fresh) {
                (void) service_want(c->spawner->providers, id);
                return -ESTALE;
        }
        if (!*ret || !container_is_alive(*ret))
                return refuse(reterr, REFUSAL_NOT_RUNNING, ESRCH, "the container is not running");
        return 0;
}

static int do_list_processes(Connection *c, sd_bus_message *m, bool fresh, Refusal *reterr)
{
        Container *found;
        int r = read_running(c, m, fresh, &found, reterr);

        return r < 0 ? r : processes_list(c, m, found, reterr);
}

static int do_get_usage(Connection *c, sd_bus_message *m, bool fresh, Refusal *reterr)
{
        Container *found;
        int r = read_running(c, m, fresh, &found, reterr);

        return r < 0 ? r : usage_request(c, m, slices_find(c->spawner->slices, found), reterr);
}

/* No answer is expected. */
static int do_record_decision(Connection *c, sd_bus_message *m, bool fresh, Refusal *reterr)
{
        const char *text;
        int r;

        r = sd_bus_message_read(m, "s", &text);
        if (r < 0)
                return r;
        if (strncmp(text, "avc: ", strlen("avc: ")) != 0 || strlen(text) > DECISION_MAX)
                return args_bad(reterr, "text");
        for (const char *p = text; *p; p++)
                if (*p < ' ' || *p > '~' || *p == '\'')
                        return args_bad(reterr, "text");
        r = label_record_decision(text, c->spawner->options.peer_uid);
        return r < 0 ? r : sd_bus_reply_method_return(m, NULL);
}

#define DEFINE_METHOD(name)                                                          \
        static int on_##name(sd_bus_message *m, void *userdata, sd_bus_error *error) \
        {                                                                            \
                request_answer(userdata, m, do_##name, false);                       \
                return 1;                                                            \
        }

DEFINE_METHOD(list)
DEFINE_METHOD(list_rejected)
DEFINE_METHOD(get)
DEFINE_METHOD(prepare)
DEFINE_METHOD(start)
DEFINE_METHOD(drop)
DEFINE_METHOD(kill)
DEFINE_METHOD(end_exec)
DEFINE_METHOD(list_processes)
DEFINE_METHOD(get_usage)
DEFINE_METHOD(record_decision)

#define FOR_ALL SD_BUS_VTABLE_UNPRIVILEGED

const sd_bus_vtable spawner_methods[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("ListContainers", SD_BUS_ARGS("b", services),
                                SD_BUS_RESULT("a" CONTAINER_SIGNATURE, containers), on_list, FOR_ALL),
        SD_BUS_METHOD_WITH_ARGS("ListRejected", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(sss)", rejected),
                                on_list_rejected, FOR_ALL),
        SD_BUS_METHOD_WITH_ARGS("GetContainer", SD_BUS_ARGS("s", reference),
                                SD_BUS_RESULT(CONTAINER_SIGNATURE, container, "h", leader_pidfd), on_get,
                                FOR_ALL),
        SD_BUS_METHOD_WITH_ARGS("Prepare",
                                SD_BUS_ARGS("s", exec_id, LEADER_SIGNATURE, leader, "s", description,
                                            "a(ss)", properties, "u", caller, "s", user, "t", park),
                                SD_BUS_NO_RESULT, on_prepare, FOR_ALL),
        SD_BUS_METHOD_WITH_ARGS(
                "Start",
                SD_BUS_ARGS("s", exec_id, LEADER_SIGNATURE, leader, "s", description, "a(ss)", properties,
                            "u", caller, "as", argv, "as", env, "s", user, "s", working_dir, "t", flags, "t",
                            capabilities, "q", rows, "q", columns, "u", login_uid, "ah", stdio, "h", ticket),
                SD_BUS_RESULT("h", control, "h", pidfd, "u", pid, "ah", streams), on_start, FOR_ALL),
        SD_BUS_METHOD_WITH_ARGS("Drop", SD_BUS_ARGS("s", exec_id), SD_BUS_NO_RESULT, on_drop, FOR_ALL),
        SD_BUS_METHOD_WITH_ARGS("Kill", SD_BUS_ARGS("s", exec_id, "h", pidfd, "i", signal, "b", all),
                                SD_BUS_NO_RESULT, on_kill, FOR_ALL),
        SD_BUS_METHOD_WITH_ARGS("EndExec", SD_BUS_ARGS("s", exec_id), SD_BUS_NO_RESULT, on_end_exec,
                                FOR_ALL),
        SD_BUS_METHOD_WITH_ARGS("ListProcesses", SD_BUS_ARGS("s", container_id),
                                SD_BUS_RESULT("a" PROCESS_SIGNATURE, processes), on_list_processes, FOR_ALL),
        SD_BUS_METHOD_WITH_ARGS("GetUsage", SD_BUS_ARGS("s", container_id),
                                SD_BUS_RESULT("at", usage, "a(sat)", execs), on_get_usage, FOR_ALL),
        SD_BUS_METHOD_WITH_ARGS("RecordDecision", SD_BUS_ARGS("s", text), SD_BUS_NO_RESULT,
                                on_record_decision, FOR_ALL),
        SD_BUS_SIGNAL_WITH_ARGS("ContainerNew", SD_BUS_ARGS(CONTAINER_SIGNATURE, container), 0),
        SD_BUS_SIGNAL_WITH_ARGS("ContainerRemoved", SD_BUS_ARGS(CONTAINER_SIGNATURE, container), 0),
        SD_BUS_SIGNAL("Leaving", NULL, 0),
        SD_BUS_VTABLE_END,
};
