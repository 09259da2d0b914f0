/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "spawner/spawner.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/bus-loop.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/notify.h"
#include "base/origin.h"
#include "base/time.h"
#include "spawner/connection.h"
#include "spawner/container-machined.h"
#include "spawner/container-oci.h"
#include "spawner/container-service.h"
#include "spawner/scout.h"

/* Peers get so long to take their last answers, less than systemd gives us. */
#define LEAVE_USEC (5 * USEC_PER_SEC)

/* For systemd to read that we exit. */
#define NOTIFY_USEC             USEC_PER_SEC

#define SYSTEMD_PRIVATE_ADDRESS "unix:path=/run/systemd/private"

/* The kinds of containers. Services are last, so that they can be left out. */
static const ProviderType *const provider_types[] = {
        &machined_provider,
        &oci_provider,
        &service_provider,
};

/* The line that systemctl status shows, sent when it is another one. */
static int on_status(sd_event_source *source, uint64_t usec, void *userdata)
{
        size_t n_connections = 0, n = 0;
        Spawner *s = userdata;
        char text[STATUS_SIZE];

        LIST_FOREACH (const Connection, c, &s->connections, node)
                n_connections++;
        LIST_FOREACH (const Container, c, &s->containers.containers, node)
                n += !container_is_service(c);
        if (n_connections == 0)
                snprintf(text, sizeof(text), "Waiting for execd.");
        else
                snprintf(text, sizeof(text), "Serving execd, watching %zu container%s.", n,
                         n == 1 ? "" : "s");
        s->status_state = STATUS_SENT;
        (void) sd_event_source_set_time(source, UINT64_MAX);
        (void) sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
        if (!s->leave && strcmp(text, s->status_text) != 0) {
                strcpy(s->status_text, text);
                (void) notify_sendf("STATUS=%s", text);
        }
        return 0;
}

/* Each time the loop is about to wait, after all that has happened. An event source that is dispatched after
 * others (sd_event_add_post(3)) would cost each event a second turn of the loop. */
static int on_status_prepare(sd_event_source *source, void *userdata)
{
        Spawner *s = userdata;

        if (s->status_state == STATUS_SENT) /* nothing has happened since */
                s->status_state = STATUS_QUIET;
        else if (s->status_state == STATUS_QUIET &&
                 sd_event_source_set_time_relative(source, USEC_PER_SEC) >= 0)
                s->status_state = STATUS_DUE;
        return 0;
}

static int on_idle(sd_event_source *source, uint64_t usec, void *userdata)
{
        Spawner *s = userdata;

        /* The listener stays with PID 1: a connection starts the next execd-spawner. */
        (void) notify_send("STOPPING=1\nSTATUS=Idle, exiting.");
        return sd_event_exit(s->event, 0);
}

static void spawner_check_idle(Spawner *s)
{
        s->idle = sd_event_source_disable_unref(s->idle);
        if (s->leave && list_is_empty(&s->connections))
                (void) sd_event_exit(s->event, 0);
        /* Running execs may have to be frozen. */
        if (!list_is_empty(&s->connections) || slices_are_there(s->slices) ||
            s->options.idle_usec == UINT64_MAX)
                return;
        if (sd_event_add_time_relative(s->event, &s->idle, CLOCK_MONOTONIC, s->options.idle_usec, 0, on_idle,
                                       s) < 0)
                log_warning("Failed to set the idle timer");
}

/* Inside a container that was given the socket, execd's uid is anybody's. */
static const char *refuse_peer(const Spawner *s, int fd, uid_t *ret_uid)
{
        _cleanup_(origin_done) Origin o = ORIGIN_INIT;
        struct ucred peer = {.uid = (uid_t) -1};
        socklen_t n = sizeof(peer);

        *ret_uid = peer.uid;
        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) < 0)
                return "its credentials cannot be read";
        *ret_uid = peer.uid;
        if (peer.uid != s->options.peer_uid && !(peer.uid == 0 && s->options.allow_root))
                return "its uid is not execd's";
        o = origin_of_socket(fd, peer.pid);
        return o.foreign;
}

static int on_connection(sd_event_source *source, int listen_fd, uint32_t events, void *userdata)
{
        Spawner *s = userdata;
        const char *why;
        uid_t uid;
        int fd, r;

        fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0) {
                if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
                        log_error_errno(errno, "Failed to accept a connection");
                return 0;
        }
        why = refuse_peer(s, fd, &uid);
        if (why) {
                log_warning("Refused a connection of uid %u: %s", (unsigned) uid, why);
                fd_close(fd);
                return 0;
        }
        r = connection_new(s, fd, s->options.methods, spawner_check_idle);
        if (r < 0)
                log_error_errno(r, "Failed to set up a connection");
        spawner_check_idle(s);
        return 0;
}

static void on_container_added(void *userdata, Container *c)
{
        Spawner *s = userdata;

        slices_settle(s->slices);
}

static void on_container_new(void *userdata, Container *c)
{
        Spawner *s = userdata;

        /* A service is not new when a request names it for the first time. */
        if (container_is_service(c))
                return;
        LIST_FOREACH (Connection, entry, &s->connections, node)
                connection_emit_container(entry, "ContainerNew", c);
}

static void on_container_removed(void *userdata, Container *c)
{
        Spawner *s = userdata;

        if (!container_is_alive(c))
                slices_on_container_gone(s->slices, c);
        if (container_is_service(c))
                return;
        /* The runners for it end with its leader: it may only have been renamed. */
        LIST_FOREACH (Connection, entry, &s->connections, node)
                connection_emit_container(entry, "ContainerRemoved", c);
}

static int on_bus_lost(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        Spawner *s = userdata;

        /* Running execs continue, and the socket unit starts execd-spawner again when there is something to
         * do. */
        log_error("The system bus closed the connection");
        return sd_event_exit(s->event, EXIT_FAILURE);
}

static void on_slices_usable(void *userdata)
{
        Spawner *s = userdata;

        if (s->scopes)
                scope_manager_send(s->scopes);
}

static void on_fewer_slices(void *userdata)
{
        spawner_check_idle(userdata);
}

static int make_managers(Spawner *s, sd_bus *bus, bool is_private)
{
        static const SlicesEvents events = {.on_usable = on_slices_usable, .on_fewer = on_fewer_slices};
        int r;

        r = slices_new(bus, is_private, &s->containers, &events, s, &s->slices);
        return r < 0 ? r : scope_manager_new(bus, is_private, &s->scopes);
}

/* PID 1 executes itself anew now and then. Pending requests may be lost, and are sent again over the bus,
 * which stays connected. */
static int on_systemd_lost(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        Spawner *s = userdata;
        int r;

        log_warning("systemd closed its connection, using the system bus");
        slices_move(s->slices, s->bus);
        r = scope_manager_move(s->scopes, s->bus);
        s->systemd = sd_bus_close_unref(s->systemd);
        return r < 0 ? sd_event_exit(s->event, r) : 0;
}

/* PID 1 has a bus of its own for root: one hop less for each message, and no limit of pending replies but
 * ours. Where it is not there, the system bus does as well. */
static int open_systemd(Spawner *s)
{
        sd_bus *bus = NULL;
        int r;

        r = sd_bus_new(&bus);
        if (r >= 0)
                r = sd_bus_set_address(bus, SYSTEMD_PRIVATE_ADDRESS);
        if (r >= 0)
                r = sd_bus_start(bus);
        if (r >= 0)
                r = bus_attach(bus, s->event);
        if (r >= 0)
                r = sd_bus_match_signal(bus, NULL, NULL, NULL, "org.freedesktop.DBus.Local", "Disconnected",
                                        on_systemd_lost, s);
        if (r < 0) {
                log_debug("Using the system bus to talk to systemd: %s", strerrordesc_np(-r));
                sd_bus_close_unref(bus);
                return make_managers(s, s->bus, false);
        }
        s->systemd = bus;
        return make_managers(s, bus, true);
}

static int open_bus(Spawner *s)
{
        int r;

        r = sd_bus_open_system(&s->bus);
        if (r >= 0)
                r = bus_attach(s->bus, s->event);
        if (r >= 0)
                r = sd_bus_match_signal(s->bus, NULL, NULL, NULL, "org.freedesktop.DBus.Local",
                                        "Disconnected", on_bus_lost, s);
        return r;
}

int spawner_new(const SpawnerOptions *options, int listen_fd, Spawner **ret)
{
        static const ContainerEvents events = {.on_new = on_container_new,
                                               .on_removed = on_container_removed,
                                               .on_added = on_container_added};
        _cleanup_(spawner_freep) Spawner *s = calloc(1, sizeof(*s));
        _cleanup_close_ int fd = listen_fd;
        int r;

        if (!s)
                return -ENOMEM;
        s->options = *options;
        r = sd_event_default(&s->event);
        s->containers = (ContainerTable){.event = s->event, .events = &events, .userdata = s};
        if (r >= 0)
                r = scouts_init(s->event);
        if (r >= 0)
                r = open_bus(s);
        if (r < 0)
                return r;
        r = open_systemd(s);
        if (r >= 0)
                r = providers_new(provider_types, ELEMENTSOF(provider_types) - options->no_services, s->bus,
                                  s->event, &s->containers, &s->providers);
        if (r >= 0)
                r = fd_set_nonblock(fd, true);
        if (r >= 0)
                r = sd_event_add_io(s->event, &s->listener, fd, EPOLLIN, on_connection, s);
        if (r < 0)
                return r;
        (void) sd_event_source_set_io_fd_own(s->listener, true);
        TAKE_FD(fd);
        *ret = TAKE_PTR(s);
        return 0;
}

Spawner *spawner_free(Spawner *s)
{
        if (!s)
                return NULL;
        LIST_FOREACH (Connection, c, &s->connections, node)
                connection_free(c);
        providers_free(s->providers);
        scope_manager_free(s->scopes);
        slices_free(s->slices);
        container_table_clear(&s->containers);
        scouts_done();
        sd_event_source_disable_unref(s->listener);
        sd_event_source_disable_unref(s->idle);
        sd_event_source_disable_unref(s->leave);
        sd_bus_close_unref(s->systemd);
        s->status = sd_event_source_disable_unref(s->status);
        sd_bus_close_unref(s->bus);
        sd_event_unref(s->event);
        free(s);
        return NULL;
}

static int on_leave(sd_event_source *source, uint64_t usec, void *userdata)
{
        Spawner *s = userdata;

        log_warning("A peer did not close its connection in time");
        return sd_event_exit(s->event, 0);
}

/* Requests in progress are completed. New connections wait for the next execd-spawner. Peers send new
 * requests there, and close their connections after the last answer. */
static int on_term(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
        Spawner *s = userdata;
        int r;

        if (s->leave)
                return 0;
        (void) notify_send("STOPPING=1");
        s->listener = sd_event_source_disable_unref(s->listener);
        r = sd_event_add_time_relative(s->event, &s->leave, CLOCK_MONOTONIC, LEAVE_USEC, 0, on_leave, s);
        if (r < 0)
                return sd_event_exit(s->event, 0);
        LIST_FOREACH (Connection, c, &s->connections, node)
                connection_emit_leaving(c);
        spawner_check_idle(s);
        return 0;
}

static void on_notify_lost(const char *text, int error)
{
        log_errno(LOG_WARNING, error, "Failed to notify systemd of \"%s\"", text);
}

int spawner_run(Spawner *s)
{
        sigset_t mask;
        int r;

        sigemptyset(&mask);
        sigaddset(&mask, SIGTERM);
        sigaddset(&mask, SIGINT);
        if (sigprocmask(SIG_BLOCK, &mask, NULL) < 0)
                return -errno;
        r = sd_event_add_signal(s->event, NULL, SIGTERM, on_term, s);
        if (r >= 0)
                r = sd_event_add_signal(s->event, NULL, SIGINT, on_term, s);
        if (r >= 0)
                r = notify_start(s->event, on_notify_lost);
        if (r >= 0)
                r = sd_event_add_time_relative(s->event, &s->status, CLOCK_MONOTONIC, 0, 0, on_status, s);
        if (r >= 0)
                r = sd_event_source_set_prepare(s->status, on_status_prepare);
        if (r < 0)
                return r;
        spawner_check_idle(s);
        (void) notify_send("READY=1");
        r = sd_event_loop(s->event);
        notify_finish(NOTIFY_USEC);
        return r;
}
