/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Containers in Docker's shapes: list and look. All that is known comes from the spawner. */

#include <string.h>

#include "api/container-facts.h"
#include "api/container-filter.h"
#include "api/container-json.h"
#include "api/http-authz.h"
#include "api/http-need.h"
#include "api/http-route.h"
#include "base/event-turn.h"

/* Containers that are compared with a filter in a turn, which takes a client's regular expressions some milliseconds. */
#define LIST_IN_TURN 4

typedef struct ContainerList {
        HttpTask task;
        HttpExchange *exchange; /* weak: it owns this */
        ContainerFilter *filter;
        int64_t limit; /* 0: none */
        ContainerInfo **containers;
        size_t n, room, next;
        struct json_object *list; /* of those that match */
        sd_event_source *turn;
} ContainerList;

static void list_done(HttpTask *t)
{
        ContainerList *l = LIST_ENTRY(t, ContainerList, task);

        sd_event_source_disable_unref(l->turn);
        json_object_put(l->list);
        container_filter_free(l->filter);
        for (size_t i = 0; i < l->n; i++)
                container_info_unref(l->containers[i]);
        free(l->containers);
}

static int list_take(ContainerList *l, ContainerInfo *c)
{
        if (l->n == l->room) {
                size_t room = l->room * 2 + 16;
                ContainerInfo **more = reallocarray(l->containers, room, sizeof(ContainerInfo *));

                if (!more)
                        return -ENOMEM;
                l->containers = more;
                l->room = room;
        }
        l->containers[l->n++] = c;
        return 0;
}

static int list_read(ContainerList *l, sd_bus_message *m)
{
        int r;

        r = sd_bus_message_enter_container(m, 'a', CONTAINER_SIGNATURE);
        while (r >= 0) {
                _cleanup_(container_info_unrefp) ContainerInfo *c = NULL;

                r = container_info_read(m, &c);
                if (r <= 0)
                        break;
                r = list_take(l, c);
                if (r >= 0)
                        TAKE_PTR(c);
        }
        return r;
}

/* The newest first, as Docker lists them. */
static int compare_created(const void *a, const void *b)
{
        const ContainerInfo *const *x = a, *const *y = b;

        if ((*x)->created_usec != (*y)->created_usec)
                return (*x)->created_usec < (*y)->created_usec ? 1 : -1;
        return strcmp((*x)->id, (*y)->id);
}

static int list_begin(ContainerList *l, Refusal *reterr)
{
        if (l->n > 0)
                qsort(l->containers, l->n, sizeof(ContainerInfo *), compare_created);
        l->list = json_object_new_array();
        return l->list ? container_filter_resolve(l->filter, l->containers, l->n, reterr) : -ENOMEM;
}

static int list_add(ContainerList *l, const ContainerInfo *c, Refusal *reterr)
{
        struct json_object *facts = container_facts(c);
        int r = container_filter_match(l->filter, c, facts, reterr);

        if (r > 0)
                json_object_array_add(l->list, container_list_item(c, facts));
        json_object_put(facts);
        return r;
}

static bool list_is_complete(const ContainerList *l)
{
        return l->next == l->n || (l->limit > 0 && (int64_t) json_object_array_length(l->list) >= l->limit);
}

static int list_on_turn(sd_event_source *source, void *userdata);

static int list_step(ContainerList *l, Refusal *reterr)
{
        HttpExchange *x = l->exchange;

        for (size_t i = 0; i < LIST_IN_TURN && !list_is_complete(l); i++) {
                int r = list_add(l, l->containers[l->next++], reterr);

                if (r < 0)
                        return r;
        }
        if (!list_is_complete(l))
                return event_turn(x->manager->event, &l->turn, list_on_turn, l);
        http_reply_json(x, 200, TAKE_PTR(l->list));
        return 0;
}

static int list_on_turn(sd_event_source *source, void *userdata)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        ContainerList *l = userdata;

        if (list_step(l, &refusal) < 0)
                http_reply_refusal(l->exchange, &refusal);
        return 0;
}

static int list_on_reply(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        HttpExchange *x = userdata;
        ContainerList *l = HTTP_TASK(x, ContainerList);

        x->slot = sd_bus_slot_unref(x->slot);
        if (spawner_reply_refusal(m, &refusal) < 0 || list_read(l, m) < 0 || list_begin(l, &refusal) < 0 ||
            list_step(l, &refusal) < 0)
                http_reply_refusal(x, &refusal);
        return 0;
}

static int read_limit(HttpExchange *x, int64_t *ret, Refusal *reterr)
{
        _cleanup_free_ char *text = NULL;
        long long v;
        char *end;
        int r;

        r = http_query(x, "limit", &text, reterr);
        if (r < 0 || !text || !*text)
                return r;
        errno = 0;
        v = strtoll(text, &end, 10);
        if (*end || errno != 0 || strspn(text, "+-0123456789") != strlen(text))
                return refuse(reterr, REFUSAL_BAD_REQUEST, EINVAL, "limit: \"%s\" is not a number", text);
        *ret = v > 0 ? v : 0;
        return 0;
}

static int list_run(HttpExchange *x, Refusal *reterr)
{
        bool services = container_filter_wants_services(HTTP_TASK(x, ContainerList)->filter,
                                                        x->manager->config.list_services);

        return spawner_list_containers(x->manager->spawner, services, list_on_reply, x, &x->slot, reterr);
}

int http_list_containers(HttpExchange *x, Refusal *reterr)
{
        ContainerList *l = HTTP_TASK_NEW(x, ContainerList);
        int r;

        if (!l)
                return -ENOMEM;
        l->exchange = x;
        l->task.done = list_done;
        r = container_filter_from_query(x, &l->filter, reterr);
        if (r >= 0)
                r = read_limit(x, &l->limit, reterr);
        return r < 0 ? r : http_authorize_inspect(x, NULL, list_run, reterr);
}

/* Execs that are waiting or running, as Docker lists them: null when there are none. */
static struct json_object *exec_ids(const Manager *m, const ContainerInfo *c)
{
        struct json_object *ids = NULL;

        LIST_FOREACH (const Exec, e, &m->execs, node) {
                if (exec_has_ended(e) || e->state == EXEC_DRAINING || strcmp(e->container->id, c->id) != 0)
                        continue;
                if (!ids)
                        ids = json_object_new_array();
                json_object_array_add(ids, json_object_new_string(e->id));
        }
        return ids;
}

static int details_run(HttpExchange *x, Refusal *reterr)
{
        struct json_object *o = container_details(x->container);

        json_object_object_add(o, "ExecIDs", exec_ids(x->manager, x->container));
        http_reply_json(x, 200, o);
        return 0;
}

int http_get_container(HttpExchange *x, Refusal *reterr)
{
        return http_need_container(x, details_run, reterr);
}
