/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "spawner/connection.h"

#include <string.h>
#include <systemd/sd-id128.h>

#include "base/bus-loop.h"
#include "base/fd.h"
#include "base/log.h"
#include "spawner/leader-picture.h"
#include "wire/spawner-protocol.h"

/* A message that waits for the table, or for data of a leader. */
typedef struct Request {
        ConnectionJob job;
        LeaderWait wait;
        LeaderPicture picture;
        bool fresh; /* to be called with */
        sd_bus_message *message;
        RequestMethod method;
} Request;

void connection_add_job(Connection *c, ConnectionJob *j, void (*cancel)(ConnectionJob *j))
{
        j->connection = c;
        j->cancel = cancel;
        list_append(&c->jobs, &j->node);
}

void connection_remove_job(ConnectionJob *j)
{
        if (j->connection)
                list_remove(&j->connection->jobs, &j->node);
        j->connection = NULL;
}

static Request *request_free(Request *q)
{
        connection_remove_job(&q->job);
        leader_wait_cancel(&q->wait);
        leader_picture_done(&q->picture);
        sd_bus_message_unref(q->message);
        free(q);
        return NULL;
}

static void request_cancel(ConnectionJob *j)
{
        Request *q = (Request *) j;

        providers_cancel(j->connection->spawner->providers, q);
        request_free(q);
}

static Request *request_new(Connection *c, sd_bus_message *message, RequestMethod method, bool fresh)
{
        Request *q = calloc(1, sizeof(*q));

        if (!q)
                return NULL;
        q->message = sd_bus_message_ref(message);
        q->method = method;
        q->fresh = fresh;
        connection_add_job(c, &q->job, request_cancel);
        return q;
}

static void on_ready(void *userdata)
{
        Request *q = userdata;
        int r;

        r = sd_bus_message_rewind(q->message, true);
        if (r >= 0)
                request_answer(q->job.connection, q->message, q->method, q->fresh);
        else
                log_error_errno(r, "Failed to answer a request");
        request_free(q);
}

int request_leader(Connection *c, sd_bus_message *message, RequestMethod method, bool fresh, Leader *leader,
                   Refusal *reterr)
{
        Request *q = request_new(c, message, method, fresh);
        int r;

        if (!q)
                return -ENOMEM;
        r = leader_wait(leader->filters_waits ?: leader->memory_waits, &q->wait, on_ready, q, reterr);
        if (r < 0)
                request_free(q);
        return r < 0 ? r : 1;
}

int request_picture(Connection *c, sd_bus_message *message, RequestMethod method, Leader *leader,
                    uid_t caller, Refusal *reterr)
{
        Request *q = request_new(c, message, method, false);
        int r;

        if (!q)
                return -ENOMEM;
        r = leader_picture_take(&q->picture, leader, caller, on_ready, q, reterr);
        if (r < 0)
                request_free(q);
        return r < 0 ? r : 1;
}

/* `later`: not before containers that are starting are looked at again. */
static int request_refresh(Connection *c, sd_bus_message *message, RequestMethod method, bool later)
{
        Request *q = request_new(c, message, method, true);
        int r;

        if (!q)
                return -ENOMEM;
        r = later ? providers_refresh_later(c->spawner->providers, on_ready, q)
                  : providers_refresh(c->spawner->providers, on_ready, q);
        if (r < 0)
                request_free(q);
        return r;
}

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
        } else if (r == -EAGAIN &&
                   (refusal.kind == REFUSAL_NOT_RUNNING || refusal.kind == REFUSAL_UNAVAILABLE))
                /* A container that is just starting, or whose files are on a slow disk: worth some patience. */
                r = request_refresh(c, m, method, true);
        if (r >= 0)
                return;
        if (refusal.kind == REFUSAL_NONE)
                log_errno(LOG_WARNING, r, "%s failed", sd_bus_message_get_member(m));
        r = reply_refusal(m, &refusal, r);
        if (r < 0)
                log_error_errno(r, "Failed to answer %s", sd_bus_message_get_member(m));
}

Connection *connection_free(Connection *c)
{
        if (!c)
                return NULL;
        while (c->jobs.first) {
                ConnectionJob *j = LIST_ENTRY(c->jobs.first, ConnectionJob, node);

                j->cancel(j);
        }
        list_remove(&c->spawner->connections, &c->node);
        sd_bus_close_unref(c->bus);
        free(c);
        return NULL;
}

static int on_disconnected(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        Connection *c = userdata;
        void (*on_closed)(Spawner * s) = c->on_closed;
        Spawner *s = c->spawner;

        connection_free(c);
        on_closed(s);
        return 0;
}

static int open_bus(Connection *c, int fd)
{
        int r;

        r = sd_bus_new(&c->bus);
        if (r >= 0)
                r = sd_bus_set_fd(c->bus, fd, fd);
        if (r < 0)
                fd_close(fd);
        return r;
}

static int serve(Connection *c, const sd_bus_vtable *vtable)
{
        sd_id128_t id;
        int r;

        r = sd_id128_randomize(&id);
        if (r >= 0)
                r = sd_bus_set_server(c->bus, true, id);
        if (r >= 0)
                r = sd_bus_negotiate_fds(c->bus, true);
        if (r >= 0)
                r = sd_bus_set_description(c->bus, "execd");
        if (r >= 0)
                r = sd_bus_add_object_vtable(c->bus, NULL, SPAWNER_PATH, SPAWNER_INTERFACE, vtable, c);
        if (r >= 0)
                r = sd_bus_match_signal(c->bus, NULL, NULL, NULL, "org.freedesktop.DBus.Local",
                                        "Disconnected", on_disconnected, c);
        if (r >= 0)
                r = sd_bus_start(c->bus);
        return r < 0 ? r : bus_attach(c->bus, c->spawner->event);
}

int connection_new(Spawner *s, int fd, const sd_bus_vtable *vtable, void (*on_closed)(Spawner *s))
{
        _cleanup_(connection_freep) Connection *c = calloc(1, sizeof(*c));
        int r;

        if (!c) {
                fd_close(fd);
                return -ENOMEM;
        }
        c->spawner = s;
        c->on_closed = on_closed;
        list_append(&s->connections, &c->node);
        r = open_bus(c, fd);
        if (r >= 0)
                r = serve(c, vtable);
        if (r < 0)
                return r;
        TAKE_PTR(c);
        return 0;
}

void connection_emit_leaving(Connection *c)
{
        int r = sd_bus_emit_signal(c->bus, SPAWNER_PATH, SPAWNER_INTERFACE, "Leaving", NULL);

        if (r < 0)
                log_errno(LOG_WARNING, r, "Failed to emit Leaving");
}

void connection_emit_container(Connection *c, const char *member, const Container *container)
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
