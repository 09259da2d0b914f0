/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/spawner-link.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/log.h"
#include "base/time.h"

#define SPAWNER_PATH      "/org/execd1/spawner"
#define SPAWNER_INTERFACE "org.execd1.Spawner"
#define ERROR_PREFIX      "org.execd1.Error."

/* Unused for this long, the connection is closed. */
#define LINK_IDLE_USEC (5 * USEC_PER_SEC)

/* The time systemd has to start the spawner. Who asked is told then, before clients of HTTP give up by
 * themselves. */
#define LINK_START_USEC (15 * USEC_PER_SEC)

/* Long enough for a queue of scopes ahead of ours; a runner's own set-up is bounded much tighter. */
#define CALL_TIMEOUT_USEC (60 * USEC_PER_SEC)

#define FLAG_TTY          UINT64_C(1)
#define FLAG_PRIVILEGED   UINT64_C(2)
#define FLAG_NO_STDIN     UINT64_C(4)

struct SpawnerLink {
        sd_event *event; /* weak */
        char *socket_path;
        SpawnerLinkEvents events;
        void *userdata;
        sd_bus *bus;   /* the one that calls go to */
        sd_bus *dying; /* lost; it still hands out errors to the calls that were under way */
        sd_event_source *timer;
        unsigned holds;
        unsigned n_calls; /* that wait for an answer */
        uint64_t opened;  /* CLOCK_MONOTONIC, as is the next */
        uint64_t last_use;
};

SpawnerLink *spawner_link_new(sd_event *event, const char *socket_path, const SpawnerLinkEvents *events,
                              void *userdata)
{
        _cleanup_(spawner_link_freep) SpawnerLink *l = calloc(1, sizeof(SpawnerLink));

        if (!l)
                return NULL;
        l->event = event;
        l->events = *events;
        l->userdata = userdata;
        l->socket_path = strdup(socket_path);
        return l->socket_path ? TAKE_PTR(l) : NULL;
}

static sd_bus *bus_close(sd_bus *bus)
{
        if (!bus)
                return NULL;
        sd_bus_detach_event(bus);
        sd_bus_close(bus);
        return sd_bus_unref(bus);
}

/* A connection that was lost is set aside: sd-bus answers each of its pending calls with an error first. */
static void link_retire(SpawnerLink *l)
{
        if (!l->bus || sd_bus_is_open(l->bus))
                return;
        bus_close(l->dying);
        l->dying = TAKE_PTR(l->bus);
}

SpawnerLink *spawner_link_free(SpawnerLink *l)
{
        if (!l)
                return NULL;
        l->timer = sd_event_source_disable_unref(l->timer);
        bus_close(l->bus);
        bus_close(l->dying);
        free(l->socket_path);
        return mfree(l);
}

static int link_on_container_new(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        SpawnerLink *l = userdata;
        _cleanup_(container_unrefp) Container *c = NULL;

        if (container_read(m, &c) > 0 && l->events.on_container_new)
                l->events.on_container_new(l->userdata, c);
        return 0;
}

static int link_on_container_removed(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        SpawnerLink *l = userdata;
        _cleanup_(container_unrefp) Container *c = NULL;

        if (container_read(m, &c) > 0 && l->events.on_container_removed)
                l->events.on_container_removed(l->userdata, c);
        return 0;
}

/* Nobody accepts: the service fails to start. Without its socket sd-bus answers each call that waits with an
 * error. */
static void link_give_up(SpawnerLink *l)
{
        int fd = sd_bus_get_fd(l->bus);

        log_error("execd-spawner.service was not started in time");
        if (fd >= 0)
                (void) shutdown(fd, SHUT_RDWR);
}

static int link_on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
        SpawnerLink *l = userdata;
        uint64_t now = now_usec(CLOCK_MONOTONIC);

        l->dying = bus_close(l->dying);
        link_retire(l);
        if (l->bus && sd_bus_is_ready(l->bus) == 0 && now >= l->opened + LINK_START_USEC)
                link_give_up(l);
        if (l->bus && l->holds == 0 && l->n_calls == 0 && now >= l->last_use + LINK_IDLE_USEC)
                l->bus = bus_close(l->bus);
        if (l->bus || l->dying) {
                (void) sd_event_source_set_time_relative(l->timer, LINK_IDLE_USEC);
                (void) sd_event_source_set_enabled(l->timer, SD_EVENT_ONESHOT);
        }
        return 0;
}

static int link_connect_socket(const SpawnerLink *l)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        _cleanup_close_ int fd = -EBADF;

        if (strlen(l->socket_path) >= sizeof(address.sun_path))
                return -ENAMETOOLONG;
        strcpy(address.sun_path, l->socket_path);

        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        /* To a local listener this succeeds or fails at once: -EAGAIN is a full backlog. */
        if (connect(fd, (struct sockaddr *) &address, sizeof(address)) < 0)
                return -errno;
        return TAKE_FD(fd);
}

static int link_open(SpawnerLink *l)
{
        _cleanup_(sd_bus_unrefp) sd_bus *bus = NULL;
        _cleanup_close_ int fd = -EBADF;
        int r;

        fd = link_connect_socket(l);
        if (fd < 0)
                return fd;
        r = sd_bus_new(&bus);
        if (r < 0)
                return r;
        r = sd_bus_set_fd(bus, fd, fd);
        if (r < 0)
                return r;
        TAKE_FD(fd);
        r = sd_bus_negotiate_fds(bus, true);
        if (r >= 0)
                r = sd_bus_start(bus);
        if (r >= 0)
                r = sd_bus_attach_event(bus, l->event, SD_EVENT_PRIORITY_NORMAL);
        if (r >= 0)
                r = sd_bus_match_signal(bus, NULL, NULL, SPAWNER_PATH, SPAWNER_INTERFACE, "ContainerNew",
                                        link_on_container_new, l);
        if (r >= 0)
                r = sd_bus_match_signal(bus, NULL, NULL, SPAWNER_PATH, SPAWNER_INTERFACE, "ContainerRemoved",
                                        link_on_container_removed, l);
        if (r >= 0 && !l->timer)
                r = sd_event_add_time_relative(l->event, &l->timer, CLOCK_MONOTONIC, LINK_IDLE_USEC, 0,
                                               link_on_timer, l);
        if (r < 0)
                return r;
        (void) sd_event_source_set_time_relative(l->timer, LINK_IDLE_USEC);
        (void) sd_event_source_set_enabled(l->timer, SD_EVENT_ONESHOT);
        l->bus = TAKE_PTR(bus);
        l->opened = now_usec(CLOCK_MONOTONIC);
        return 0;
}

static int link_need(SpawnerLink *l, Refusal *reterr)
{
        int r;

        link_retire(l);
        if (!l->bus) {
                r = link_open(l);
                if (r < 0) {
                        log_error_errno(r, "Cannot connect to the spawner at %s", l->socket_path);
                        return refuse(reterr, REFUSAL_UNAVAILABLE, r, "execd-spawner cannot be reached");
                }
        }
        l->last_use = now_usec(CLOCK_MONOTONIC);
        return 0;
}

int spawner_link_hold(SpawnerLink *l, Refusal *reterr)
{
        int r = link_need(l, reterr);

        if (r < 0)
                return r;
        l->holds++;
        return 0;
}

void spawner_link_release(SpawnerLink *l)
{
        if (l->holds > 0)
                l->holds--;
}

int spawner_reply_refusal(sd_bus_message *reply, Refusal *reterr)
{
        const sd_bus_error *e = sd_bus_message_get_error(reply);
        RefusalKind kind = REFUSAL_UNAVAILABLE;

        if (!e)
                return 0;
        if (strncmp(e->name, ERROR_PREFIX, strlen(ERROR_PREFIX)) == 0)
                kind = refusal_kind_from_string(e->name + strlen(ERROR_PREFIX));
        else
                log_error("A call to the spawner failed: %s: %s", e->name, e->message ?: "");
        /* Too late, or the connection is lost: sd-bus' own word for it says nothing to who asked. */
        if (sd_bus_error_has_name(e, SD_BUS_ERROR_NO_REPLY))
                return refuse(reterr, kind, ETIMEDOUT,
                              "execd-spawner did not answer: see systemctl status execd-spawner.service");
        return refuse(reterr, kind, sd_bus_error_get_errno(e) ?: EIO, "%s",
                      e->message && *e->message ? e->message : e->name);
}

static int link_new_call(SpawnerLink *l, const char *member, sd_bus_message **ret, Refusal *reterr)
{
        int r = link_need(l, reterr);

        if (r < 0)
                return r;
        return sd_bus_message_new_method_call(l->bus, ret, NULL, SPAWNER_PATH, SPAWNER_INTERFACE, member);
}

/* A call under way: while there is one, the connection stays. */
typedef struct LinkCall {
        SpawnerLink *link; /* weak: slots go before the link */
        sd_bus_message_handler_t callback;
        void *userdata;
} LinkCall;

static int link_on_reply(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        const LinkCall call = *(const LinkCall *) userdata;

        /* The callback may free its slot, and the call with it. */
        call.link->last_use = now_usec(CLOCK_MONOTONIC);
        return call.callback(m, call.userdata, error);
}

static void link_call_free(void *userdata)
{
        LinkCall *call = userdata;

        call->link->n_calls--;
        free(call);
}

/* Without a callback there must be no slot either: sd-bus would call what is not there. */
static int link_call(SpawnerLink *l, sd_bus_message *m, sd_bus_message_handler_t callback, void *userdata,
                     sd_bus_slot **ret_slot)
{
        LinkCall *call = NULL;
        int r;

        if (!callback) {
                r = sd_bus_call_async(l->bus, NULL, m, NULL, NULL, CALL_TIMEOUT_USEC);
                return r < 0 ? log_error_errno(r, "Cannot send a call to the spawner") : 0;
        }
        call = malloc(sizeof(LinkCall));
        if (!call)
                return -ENOMEM;
        *call = (LinkCall){.link = l, .callback = callback, .userdata = userdata};
        r = sd_bus_call_async(l->bus, ret_slot, m, link_on_reply, call, CALL_TIMEOUT_USEC);
        if (r < 0) {
                free(call);
                return log_error_errno(r, "Cannot send a call to the spawner");
        }
        l->n_calls++;
        r = sd_bus_slot_set_destroy_callback(*ret_slot, link_call_free);
        return r < 0 ? r : 0;
}

int spawner_list_containers(SpawnerLink *l, sd_bus_message_handler_t callback, void *userdata,
                            sd_bus_slot **ret_slot, Refusal *reterr)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r = link_new_call(l, "ListContainers", &m, reterr);

        return r < 0 ? r : link_call(l, m, callback, userdata, ret_slot);
}

/* A call with one string. */
static int link_call_string(SpawnerLink *l, const char *member, const char *argument,
                            sd_bus_message_handler_t callback, void *userdata, sd_bus_slot **ret_slot,
                            Refusal *reterr)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r = link_new_call(l, member, &m, reterr);

        if (r < 0)
                return r;
        r = sd_bus_message_append(m, "s", argument);
        if (r < 0)
                return r;
        return link_call(l, m, callback, userdata, ret_slot);
}

int spawner_get_container(SpawnerLink *l, const char *reference, sd_bus_message_handler_t callback,
                          void *userdata, sd_bus_slot **ret_slot, Refusal *reterr)
{
        return link_call_string(l, "GetContainer", reference, callback, userdata, ret_slot, reterr);
}

int spawner_list_processes(SpawnerLink *l, const char *container_id, sd_bus_message_handler_t callback,
                           void *userdata, sd_bus_slot **ret_slot, Refusal *reterr)
{
        return link_call_string(l, "ListProcesses", container_id, callback, userdata, ret_slot, reterr);
}

/* exec_id, leader, description, properties: what Prepare and Start begin with. */
static int append_exec(sd_bus_message *m, const SpawnerExec *e)
{
        int r;

        r = sd_bus_message_append(m, "s(sut)s", e->id, e->container->id, e->container->leader,
                                  e->container->leader_start, e->description);
        if (r < 0)
                return r;
        r = sd_bus_message_open_container(m, 'a', "(ss)");
        for (size_t i = 0; r >= 0 && i < e->request->n_properties; i++)
                r = sd_bus_message_append(m, "(ss)", e->request->properties[i].name,
                                          e->request->properties[i].text);
        if (r < 0)
                return r;
        return sd_bus_message_close_container(m);
}

int spawner_prepare(SpawnerLink *l, const SpawnerExec *e, bool park, sd_bus_message_handler_t callback,
                    void *userdata, sd_bus_slot **ret_slot, Refusal *reterr)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r = link_new_call(l, "Prepare", &m, reterr);

        if (r < 0)
                return r;
        r = append_exec(m, e);
        if (r >= 0)
                r = sd_bus_message_append(m, "sb", e->request->user ?: "", park);
        if (r < 0)
                return r;
        return link_call(l, m, callback, userdata, ret_slot);
}

static int append_stdio(sd_bus_message *m, const int *stdio)
{
        int r = sd_bus_message_open_container(m, 'a', "h");

        for (size_t i = 0; r >= 0 && stdio && i < 3; i++)
                r = sd_bus_message_append(m, "h", stdio[i]);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

int spawner_start(SpawnerLink *l, const SpawnerExec *e, const ConsoleSize *size, uint32_t login_uid,
                  const int *stdio, sd_bus_message_handler_t callback, void *userdata,
                  sd_bus_slot **ret_slot, Refusal *reterr)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        const ExecRequest *q = e->request;
        uint64_t flags = (q->tty ? FLAG_TTY : 0) | (q->privileged ? FLAG_PRIVILEGED : 0) |
                         (q->attach_stdin ? 0 : FLAG_NO_STDIN);
        int r = link_new_call(l, "Start", &m, reterr);

        if (r < 0)
                return r;
        r = append_exec(m, e);
        if (r >= 0)
                r = sd_bus_message_append_strv(m, q->argv);
        if (r >= 0)
                r = sd_bus_message_append_strv(m, q->env);
        if (r >= 0)
                r = sd_bus_message_append(m, "ssttqqu", q->user ?: "", q->working_dir ?: "", flags,
                                          e->cap_privileged, size->set ? size->rows : 0,
                                          size->set ? size->columns : 0, login_uid);
        if (r >= 0)
                r = append_stdio(m, stdio);
        if (r < 0)
                return r;
        return link_call(l, m, callback, userdata, ret_slot);
}

void spawner_drop(SpawnerLink *l, const char *exec_id)
{
        /* Without a connection nothing is parked: parked runners leave with their peer. */
        if (!l->bus || !sd_bus_is_open(l->bus))
                return;
        (void) sd_bus_call_method_async(l->bus, NULL, NULL, SPAWNER_PATH, SPAWNER_INTERFACE, "Drop", NULL,
                                        NULL, "s", exec_id);
}

void spawner_record_decision(SpawnerLink *l, const char *text)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;

        if (link_need(l, &refusal) >= 0)
                (void) sd_bus_call_method_async(l->bus, NULL, NULL, SPAWNER_PATH, SPAWNER_INTERFACE,
                                                "RecordDecision", NULL, NULL, "s", text);
}

int spawner_kill(SpawnerLink *l, const char *exec_id, int pidfd, int signal_number, bool all,
                 sd_bus_message_handler_t callback, void *userdata, sd_bus_slot **ret_slot, Refusal *reterr)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r = link_new_call(l, "Kill", &m, reterr);

        if (r < 0)
                return r;
        r = sd_bus_message_append(m, "shib", exec_id, pidfd, signal_number, all);
        if (r < 0)
                return r;
        return link_call(l, m, callback, userdata, ret_slot);
}
