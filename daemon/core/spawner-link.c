/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/spawner-link.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/bus-loop.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/time.h"
#include "core/spawner-link-internal.h"

/* Unused for this long, the connection is closed, unless it is said otherwise. */
#define LINK_IDLE_USEC (5 * USEC_PER_SEC)

/* How often connections are looked at that have another end than being unused. */
#define LINK_LOOK_USEC (5 * USEC_PER_SEC)

/* Reconnects if a client follows the events and the connection is lost, but not in a loop. */
#define LINK_AGAIN_USEC USEC_PER_SEC

/* The time systemd has to start the spawner. After that, the requests fail, before clients of HTTP give up by
 * themselves. */
#define LINK_START_USEC (15 * USEC_PER_SEC)

SpawnerLink *spawner_link_new(sd_event *event, const char *socket_path, const SpawnerLinkEvents *events,
                              void *userdata)
{
        _cleanup_(spawner_link_freep) SpawnerLink *l = calloc(1, sizeof(SpawnerLink));

        if (!l)
                return NULL;
        l->event = event;
        l->events = *events;
        l->userdata = userdata;
        l->idle_usec = LINK_IDLE_USEC;
        l->socket_path = strdup(socket_path);
        return l->socket_path ? TAKE_PTR(l) : NULL;
}

static LinkBus *link_bus_free(LinkBus *b)
{
        if (!b)
                return NULL;
        list_remove(&b->link->buses, &b->node);
        if (b->link->current == b)
                b->link->current = NULL;
        if (b->bus) {
                sd_bus_detach_event(b->bus);
                sd_bus_close_unref(b->bus);
        }
        free(b);
        return NULL;
}
DEFINE_CLEANUP(LinkBus, link_bus_free);

/* A connection that was lost is set aside: sd-bus answers each of its pending calls with an error first. */
static void link_retire(SpawnerLink *l)
{
        if (l->current && sd_bus_is_open(l->current->bus) <= 0)
                l->current = NULL;
}

SpawnerLink *spawner_link_free(SpawnerLink *l)
{
        if (!l)
                return NULL;
        LIST_FOREACH (LinkCall, entry, &l->own_calls, node)
                sd_bus_slot_unref(entry->own);
        l->timer = sd_event_source_disable_unref(l->timer);
        LIST_FOREACH (LinkBus, entry, &l->buses, node)
                link_bus_free(entry);
        free(l->socket_path);
        return mfree(l);
}

void spawner_link_arm(SpawnerLink *l, uint64_t usec)
{
        uint64_t due = now_usec(CLOCK_MONOTONIC) + usec, armed;
        int enabled;

        if (sd_event_source_get_enabled(l->timer, &enabled) > 0 &&
            sd_event_source_get_time(l->timer, &armed) >= 0 && armed <= due)
                return;
        (void) sd_event_source_set_time(l->timer, due);
        (void) sd_event_source_set_enabled(l->timer, SD_EVENT_ONESHOT);
}

static int link_on_container_new(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        const LinkBus *b = userdata;
        _cleanup_(container_info_unrefp) ContainerInfo *c = NULL;

        if (container_info_read(m, &c) > 0 && b->link->events.on_container_new)
                b->link->events.on_container_new(b->link->userdata, c);
        return 0;
}

static int link_on_container_removed(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        const LinkBus *b = userdata;
        _cleanup_(container_info_unrefp) ContainerInfo *c = NULL;

        if (container_info_read(m, &c) > 0 && b->link->events.on_container_removed)
                b->link->events.on_container_removed(b->link->userdata, c);
        return 0;
}

/* The spawner exits as soon as we have closed the connection: new calls go to its successor, and those that
 * are under way are answered first. */
static int link_on_leaving(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        LinkBus *b = userdata;

        if (b->link->current == b)
                b->link->current = NULL;
        spawner_link_arm(b->link, 0);
        return 0;
}

/* The last that comes from a connection. */
static int link_on_disconnected(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        LinkBus *b = userdata;
        SpawnerLink *l = b->link;

        link_bus_free(b);
        if (l->holds > 0)
                spawner_link_arm(l, LINK_AGAIN_USEC);
        return 0;
}

/* The connection is not accepted: the service fails to start. Without its socket sd-bus answers each waiting
 * call with an error. */
static void link_give_up(LinkBus *b)
{
        int fd = sd_bus_get_fd(b->bus);

        log_error("execd-spawner.service was not started in time");
        b->given_up = true;
        if (fd >= 0)
                (void) shutdown(fd, SHUT_RDWR);
}

static int link_open(SpawnerLink *l);

/* One that is only waited with until it was unused for long enough needs no look before that. */
static uint64_t link_next_look(const SpawnerLink *l, uint64_t now)
{
        const LinkBus *b = l->current;
        uint64_t due = l->last_use + l->idle_usec;
        bool is_quiet = b && b->n_calls == 0 && sd_bus_is_ready(b->bus) > 0 && l->buses.first == &b->node &&
                        l->buses.last == &b->node;

        return is_quiet && l->holds == 0 && due > now ? due - now : LINK_LOOK_USEC;
}

void spawner_link_set_idle(SpawnerLink *l, uint64_t usec)
{
        bool is_less = usec < l->idle_usec;

        l->idle_usec = usec;
        if (is_less && l->timer)
                spawner_link_arm(l, usec);
}

static int link_on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
        SpawnerLink *l = userdata;
        uint64_t now = now_usec(CLOCK_MONOTONIC);

        link_retire(l);
        LIST_FOREACH (LinkBus, b, &l->buses, node) {
                bool is_idle = l->holds == 0 && now >= l->last_use + l->idle_usec;

                if (sd_bus_is_ready(b->bus) == 0 && now >= b->opened + LINK_START_USEC && !b->given_up)
                        link_give_up(b);
                /* One that was lost still has errors to hand out, and is freed after them. */
                if (sd_bus_is_open(b->bus) > 0 && b->n_calls == 0 && (b != l->current || is_idle))
                        link_bus_free(b);
        }
        if (!l->current && l->holds > 0)
                (void) link_open(l);
        if (!list_is_empty(&l->buses) || l->holds > 0)
                spawner_link_arm(l, link_next_look(l, now));
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

static int link_match(LinkBus *b, const char *member, sd_bus_message_handler_t callback)
{
        return sd_bus_match_signal(b->bus, NULL, NULL, SPAWNER_PATH, SPAWNER_INTERFACE, member, callback, b);
}

static int link_set_up(LinkBus *b)
{
        SpawnerLink *l = b->link;
        int r;

        r = sd_bus_negotiate_fds(b->bus, true);
        if (r >= 0)
                r = sd_bus_start(b->bus);
        if (r >= 0)
                r = bus_attach(b->bus, l->event);
        if (r >= 0)
                r = link_match(b, "ContainerNew", link_on_container_new);
        if (r >= 0)
                r = link_match(b, "ContainerRemoved", link_on_container_removed);
        if (r >= 0)
                r = link_match(b, "Leaving", link_on_leaving);
        if (r >= 0)
                r = sd_bus_match_signal(b->bus, NULL, NULL, NULL, "org.freedesktop.DBus.Local",
                                        "Disconnected", link_on_disconnected, b);
        if (r >= 0 && !l->timer)
                r = sd_event_add_time_relative(l->event, &l->timer, CLOCK_MONOTONIC, LINK_LOOK_USEC, 0,
                                               link_on_timer, l);
        return r;
}

static int link_open(SpawnerLink *l)
{
        _cleanup_(link_bus_freep) LinkBus *b = NULL;
        _cleanup_close_ int fd = -EBADF;
        int r;

        fd = link_connect_socket(l);
        if (fd < 0)
                return fd;
        b = calloc(1, sizeof(LinkBus));
        if (!b)
                return -ENOMEM;
        *b = (LinkBus){.link = l, .opened = now_usec(CLOCK_MONOTONIC)};
        list_append(&l->buses, &b->node);
        r = sd_bus_new(&b->bus);
        if (r < 0)
                return r;
        r = sd_bus_set_fd(b->bus, fd, fd);
        if (r < 0)
                return r;
        TAKE_FD(fd);
        r = link_set_up(b);
        if (r < 0)
                return r;
        spawner_link_arm(l, LINK_LOOK_USEC);
        l->current = TAKE_PTR(b);
        return 0;
}

int spawner_link_need(SpawnerLink *l, sd_bus **ret, Refusal *reterr)
{
        int r;

        link_retire(l);
        if (!l->current) {
                r = link_open(l);
                if (r < 0) {
                        log_error_errno(r, "Failed to connect to execd-spawner at %s", l->socket_path);
                        return refuse(reterr, REFUSAL_UNAVAILABLE, r, "failed to connect to execd-spawner");
                }
        }
        l->last_use = now_usec(CLOCK_MONOTONIC);
        *ret = l->current->bus;
        return 0;
}

sd_bus *spawner_link_bus(const SpawnerLink *l)
{
        return l->current && sd_bus_is_open(l->current->bus) > 0 ? l->current->bus : NULL;
}

int spawner_link_hold(SpawnerLink *l, Refusal *reterr)
{
        sd_bus *bus;
        int r = spawner_link_need(l, &bus, reterr);

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
