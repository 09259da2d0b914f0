/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "spawner/container-table.h"

#include <string.h>
#include <sys/epoll.h>

#define SHORT_ID 12

static void take_out(ContainerTable *t, Container *c)
{
        c->on_death = sd_event_source_disable_unref(c->on_death);
        c->table = NULL;
        leader_close_namespaces(c->leader);
        list_remove(&t->containers, &c->node);
        container_unref(c);
}

static int on_leader_death(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
        Container *c = userdata;

        container_table_forget(c->table, c);
        return 0;
}

int container_table_add(ContainerTable *t, Container *c, bool is_new)
{
        int r;

        if (t->event) {
                r = sd_event_add_io(t->event, &c->on_death, c->leader->pidfd, EPOLLIN, on_leader_death, c);
                if (r < 0)
                        return r;
        }
        c->table = t;
        list_append(&t->containers, &container_ref(c)->node);
        if (t->events && t->events->on_added)
                t->events->on_added(t->userdata, c);
        if (is_new && t->events)
                t->events->on_new(t->userdata, c);
        return 0;
}

void container_table_forget(ContainerTable *t, Container *c)
{
        container_ref(c);
        take_out(t, c);
        if (t->events)
                t->events->on_removed(t->userdata, c);
        container_unref(c);
}

void container_table_forget_dead(ContainerTable *t)
{
        LIST_FOREACH (Container, c, &t->containers, node) {
                if (!container_is_alive(c))
                        container_table_forget(t, c);
        }
}

void container_table_clear(ContainerTable *t)
{
        LIST_FOREACH (Container, c, &t->containers, node)
                take_out(t, c);
}

Container *container_table_by_name(const ContainerTable *t, const char *kind, const char *name)
{
        return LIST_FIND(Container, c, &t->containers, node,
                         strcmp(c->kind, kind) == 0 && strcmp(c->name, name) == 0);
}

Container *container_table_by_id(const ContainerTable *t, const char *id)
{
        return LIST_FIND(Container, c, &t->containers, node, strcmp(c->id, id) == 0);
}

/* Among root's containers, or among users' containers. -ENOENT, without a refusal, when none of them has the name. */
static int find_name(const ContainerTable *t, const char *name, bool users, Container **ret, Refusal *reterr)
{
        Container *found = NULL;

        LIST_FOREACH (Container, c, &t->containers, node) {
                if (container_is_users(c) != users || !container_has_name(c, name) || !container_is_alive(c))
                        continue;
                if (found)
                        return refuse(
                                reterr, REFUSAL_CONFLICT, ENOTUNIQ,
                                "multiple containers have the name %s (%s %.12s, %s %.12s): use the ID",
                                name, found->kind, found->id, c->kind, c->id);
                found = c;
        }
        *ret = found;
        return found ? 0 : -ENOENT;
}

static int find_prefix(const ContainerTable *t, const char *prefix, Container **ret, Refusal *reterr)
{
        Container *found = NULL;
        size_t length = strlen(prefix);

        LIST_FOREACH (Container, c, &t->containers, node) {
                if (length == 0 || strncmp(c->id, prefix, length) != 0 || !container_is_alive(c))
                        continue;
                if (found)
                        return refuse(reterr, REFUSAL_BAD_REQUEST, ENOTUNIQ,
                                      "multiple IDs found with provided prefix: %s", prefix);
                found = c;
        }
        *ret = found;
        return found ? 0 : -ENOENT;
}

/* Users may call a container of theirs by the first digits of another one's ID. The usual twelve are an ID. */
static int find_users(const ContainerTable *t, const char *name, Container **ret, Refusal *reterr)
{
        size_t length = strlen(name);
        Container *other;
        int r;

        r = find_name(t, name, true, ret, reterr);
        if (r < 0)
                return r;
        other = LIST_FIND(Container, c, &t->containers, node,
                          c != *ret && strncmp(c->id, name, length) == 0 && container_is_alive(c));
        if (other && length >= SHORT_ID)
                *ret = other;
        else if (other)
                return refuse(
                        reterr, REFUSAL_CONFLICT, ENOTUNIQ,
                        "%s is the name of a container and the beginning of the ID of another: use the ID",
                        name);
        return 0;
}

Container *container_table_find(const ContainerTable *t, const char *reference, Refusal *reterr)
{
        Container *c = container_table_by_id(t, reference);
        int r;

        if (c && container_is_alive(c))
                return c;
        r = find_name(t, reference, false, &c, reterr);
        if (r == -ENOENT)
                r = find_users(t, reference, &c, reterr);
        if (r >= 0)
                return c;
        if (r != -ENOENT)
                return NULL;
        r = find_prefix(t, reference, &c, reterr);
        if (r >= 0)
                return c;
        if (r == -ENOENT)
                refuse(reterr, REFUSAL_NO_CONTAINER, ENOENT, "No such container: %s", reference);
        return NULL;
}
