/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/fdstore.h"

#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "base/log.h"
#include "core/exec-internal.h"
#include "wire/units.h"

/* How often what has expired is looked for. */
#define COLLECT_USEC (10 * USEC_PER_SEC)
/* After an end: what all execs take is looked at once for many of them. */
#define COLLECT_SOON_USEC (100 * USEC_PER_MSEC)
/* Bytes of ended execs without their output. The oldest go first; the journal knows them. */
#define ENDED_SIZE_MAX (8 * 1024 * 1024)

static void tell_container(Manager *m, const char *action, const ContainerInfo *c)
{
        _cleanup_strv_ char **attributes = NULL;

        if (container_info_attributes(c, &attributes) >= 0)
                event_log_add(m->events, action, c->id, attributes);
}

static void manager_on_container_new(void *userdata, ContainerInfo *c)
{
        tell_container(userdata, "start", c);
}

static void manager_on_container_removed(void *userdata, ContainerInfo *c)
{
        tell_container(userdata, "die", c);
}

/* Of those that have ended, no more is kept than this, whatever is asked for. */
static bool has_too_many_ended(const Manager *m)
{
        return m->n_ended > m->config.ended_max || m->ended_size > ENDED_SIZE_MAX;
}

/* Frees what is over. Runs from the loop, never from inside an exec's own callbacks. */
static void manager_collect(Manager *m)
{
        uint64_t now = now_usec(CLOCK_MONOTONIC);
        size_t kept_output = 0;

        LIST_FOREACH (Exec, e, &m->execs, node) {
                bool expired;

                if (e->state == EXEC_CREATED && now > e->created_monotonic + m->config.created_usec_max) {
                        spawner_drop(m->spawner, e->id);
                        e->hidden = true;
                        exec_fail(e, REFUSAL_NO_EXEC, "it was not started in time");
                }
                if (!exec_has_ended(e))
                        continue;
                /* Not at its end already: whoever asks for the status right after a crash finds it. */
                if (!e->stream || stream_count_clients(e->stream) == 0)
                        fdstore_forget(e);
                expired = e->hidden || now > e->ended_monotonic + m->config.retention_usec ||
                          has_too_many_ended(m);
                /* A client that is still being flushed, or one that waits, keeps it. */
                if (!expired || !list_is_empty(&e->watches) ||
                    (e->stream && stream_count_clients(e->stream) > 0)) {
                        if (e->stream)
                                kept_output += stream_output_ring(e->stream)->size;
                        continue;
                }
                manager_unlink_exec(m, e);
                exec_unref(e);
        }

        /* The oldest output goes first when there is too much of it. */
        LIST_FOREACH (Exec, e, &m->execs, node) {
                if (kept_output <= m->config.output_kept_max)
                        break;
                if (!exec_has_ended(e) || !e->stream || stream_count_clients(e->stream) > 0)
                        continue;
                kept_output -= stream_output_ring(e->stream)->size;
                output_ring_done(stream_output_ring(e->stream));
                stream_output_ring(e->stream)->dropped = true;
        }
}

static void manager_arm_collect(Manager *m)
{
        if (list_is_empty(&m->execs))
                return;
        (void) sd_event_source_set_time_relative(m->collect_timer, COLLECT_USEC);
        (void) sd_event_source_set_enabled(m->collect_timer, SD_EVENT_ONESHOT);
}

static int manager_on_collect(sd_event_source *source, uint64_t usec, void *userdata)
{
        Manager *m = userdata;

        manager_collect(m);
        return 0;
}

static int manager_on_collect_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
        Manager *m = userdata;

        manager_collect(m);
        manager_arm_collect(m);
        return 0;
}

void manager_tell(Manager *m, const Exec *e, ManagerEvent event)
{
        if (m->on_exec_changed && !e->hidden)
                m->on_exec_changed(m, e, event);
}

void manager_queue_collect(Manager *m)
{
        bool too_many = has_too_many_ended(m);
        int enabled = SD_EVENT_OFF;

        if (!too_many && sd_event_source_get_enabled(m->collect_source, &enabled) >= 0 &&
            enabled != SD_EVENT_OFF)
                return;
        (void) sd_event_source_set_time_relative(m->collect_source, too_many ? 0 : COLLECT_SOON_USEC);
        (void) sd_event_source_set_enabled(m->collect_source, SD_EVENT_ONESHOT);
}

static void manager_arm_idle(Manager *m, uint64_t usec)
{
        if (m->config.idle_usec == UNITS_INFINITY) {
                (void) sd_event_source_set_enabled(m->idle_timer, SD_EVENT_OFF);
                return;
        }
        (void) sd_event_source_set_time_relative(m->idle_timer, usec);
        (void) sd_event_source_set_enabled(m->idle_timer, SD_EVENT_ONESHOT);
}

static int manager_on_idle(sd_event_source *source, uint64_t usec, void *userdata)
{
        Manager *m = userdata;
        uint64_t now = now_usec(CLOCK_MONOTONIC), due = m->last_busy + m->config.idle_usec;

        if (m->busy > 0 || m->n_live > 0 || !journal_queue_is_empty(m->journal)) {
                manager_arm_idle(m, m->config.idle_usec);
                return 0;
        }
        if (now < due) {
                manager_arm_idle(m, due - now);
                return 0;
        }
        log_debug("Nothing to do, leaving until the next connection");
        return sd_event_exit(m->event, 0);
}

static void manager_set_budgets(Manager *m)
{
        const ManagerConfig *c = &m->config;
        const struct {
                Budget *budget;
                const char *what, *key, *uid_key;
                uint64_t max, uid_max;
        } budgets[] = {
                {&m->execs_budget, "execs", "ExecsMax", "ExecsPerUserMax", c->execs_max,
                 c->execs_per_uid_max},
                {&m->connections_budget, "connections", "ConnectionsMax", "ConnectionsPerUserMax",
                 c->connections_max, c->connections_per_uid_max},
                {&m->authz_budget, "authorizations", "AuthorizationsMax", "AuthorizationsPerUserMax",
                 c->authz_max, c->authz_per_uid_max},
                {&m->calls_budget, "calls", NULL, NULL, CALLS_MAX, CALLS_PER_UID_MAX},
                {&m->memory_budget, "bytes of requests and answers", "RequestMemoryMax",
                 "RequestMemoryPerUserMax", c->memory_max, c->memory_per_uid_max},
        };

        for (size_t i = 0; i < ELEMENTSOF(budgets); i++) {
                Budget *b = budgets[i].budget;

                b->what = budgets[i].what;
                b->key = budgets[i].key;
                b->uid_key = budgets[i].uid_key;
                b->max = budgets[i].max;
                b->uid_max = budgets[i].uid_max;
        }
}

/* Without a system bus only the host's root is served: everybody else is polkit's to judge. */
static void manager_open_bus(Manager *m)
{
        int r;

        r = sd_bus_open_system(&m->bus);
        if (r >= 0)
                r = sd_bus_attach_event(m->bus, m->event, SD_EVENT_PRIORITY_NORMAL);
        if (r < 0) {
                log_errno(LOG_WARNING, r, "There is no system bus: only root is served");
                m->bus = sd_bus_unref(m->bus);
                return;
        }
        m->polkit = polkit_new(m->bus, &m->authz_budget);
}

int manager_new(ManagerConfig *config, Manager **ret)
{
        static const SpawnerLinkEvents link_events = {manager_on_container_new,
                                                      manager_on_container_removed};
        _cleanup_(manager_freep) Manager *m = calloc(1, sizeof(Manager));
        int r;

        if (!m) {
                manager_config_done(config);
                return -ENOMEM;
        }
        m->config = *config;
        *config = (ManagerConfig){0};
        log_set_max_level(m->config.log_level);
        manager_set_budgets(m);
        m->last_busy = now_usec(CLOCK_MONOTONIC);
        r = sd_event_default(&m->event);
        if (r < 0)
                return r;
        m->events = event_log_new();
        m->slots = slot_pool_new();
        m->spawner = spawner_link_new(m->event, m->config.spawner_socket, &link_events, m);
        m->recordings =
                recording_store_new(m->event, &(RecordingStoreOptions){
                                                      .path = m->config.record_path ?: RECORDINGS_PATH,
                                                      .size_max = m->config.record_size_max,
                                                      .total_max = m->config.record_total_max,
                                              });
        m->journal = journal_queue_new(m->event, JOURNAL_SOCKET);
        if (!m->events || !m->slots || !m->spawner || !m->recordings || !m->journal)
                return -ENOMEM;

        r = sd_event_add_time_relative(m->event, &m->collect_source, CLOCK_MONOTONIC, 0, 0,
                                       manager_on_collect, m);
        if (r >= 0)
                r = sd_event_source_set_enabled(m->collect_source, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_add_time_relative(m->event, &m->collect_timer, CLOCK_MONOTONIC, COLLECT_USEC, 0,
                                               manager_on_collect_timer, m);
        if (r >= 0)
                r = sd_event_add_time_relative(m->event, &m->idle_timer, CLOCK_MONOTONIC, 0, 0,
                                               manager_on_idle, m);
        /* After all else that is ready: a request that has come is read first, and is no idleness. */
        if (r >= 0)
                r = sd_event_source_set_priority(m->idle_timer, SD_EVENT_PRIORITY_IDLE);
        if (r < 0)
                return r;
        manager_arm_idle(m, m->config.idle_usec);
        manager_open_bus(m);
        r = recording_store_open(m->recordings);
        if (r < 0 && (m->config.record == RECORD_ALWAYS || r != -ENOENT))
                log_errno(LOG_WARNING, r, "Cannot use %s for recordings", m->recordings->path);
        *ret = TAKE_PTR(m);
        return 0;
}

Manager *manager_free(Manager *m)
{
        if (!m)
                return NULL;
        LIST_FOREACH (Exec, e, &m->execs, node) {
                manager_unlink_exec(m, e);
                exec_unref(e);
        }
        spare_runners_done(m);
        recording_store_free(m->recordings);
        m->collect_source = sd_event_source_disable_unref(m->collect_source);
        m->collect_timer = sd_event_source_disable_unref(m->collect_timer);
        m->idle_timer = sd_event_source_disable_unref(m->idle_timer);
        shutdown_done(&m->shutdown);
        spawner_link_free(m->spawner);
        m->polkit = polkit_free(m->polkit);
        if (m->bus) {
                sd_bus_detach_event(m->bus);
                m->bus = sd_bus_flush_close_unref(m->bus);
        }
        journal_queue_free(m->journal);
        event_log_free(m->events);
        slot_pool_free(m->slots);
        sd_event_unref(m->event);
        manager_config_done(&m->config);
        budget_done(&m->execs_budget);
        budget_done(&m->connections_budget);
        budget_done(&m->calls_budget);
        budget_done(&m->authz_budget);
        budget_done(&m->memory_budget);
        return mfree(m);
}

void manager_reconfigure(Manager *m, ManagerConfig *config)
{
        ManagerConfig old = m->config;

        m->config = *config;
        *config = (ManagerConfig){0};
        m->config.spawner_socket = old.spawner_socket;
        m->config.state_path = old.state_path;
        manager_set_budgets(m);
        /* One that was set over D-Bus meanwhile stays, unless the file now says something else. */
        if (m->config.log_level != old.log_level)
                log_set_max_level(m->config.log_level);
        spare_runners_drop_from(m, scope_property_lists_equal(&old.properties, &m->config.properties)
                                           ? m->config.spares_max
                                           : 0);
        m->recordings->options.size_max = m->config.record_size_max;
        m->recordings->options.total_max = m->config.record_total_max;
        manager_arm_idle(m, m->config.idle_usec);
        manager_queue_collect(m);
        manager_config_done(&old);
}

/* Ids are random hex digits, so some of them are a good hash. */
static Exec **manager_bucket(Manager *m, const char *id)
{
        unsigned h = 0;

        for (unsigned i = 0; i < 6 && id[i]; i++)
                h = h * 31 + (unsigned char) id[i];
        return &m->buckets[h % EXEC_BUCKETS];
}

Exec *manager_find_exec(Manager *m, const char *id)
{
        for (Exec *e = *manager_bucket(m, id); e; e = e->hash_next)
                if (strcmp(e->id, id) == 0)
                        return e->hidden ? NULL : e;
        return NULL;
}

void manager_link_exec(Manager *m, Exec *e)
{
        Exec **bucket = manager_bucket(m, e->id);

        e->hash_next = *bucket;
        *bucket = exec_ref(e);
        list_append(&m->execs, &e->node);
        e->linked = true;
        if (exec_has_ended(e))
                manager_count_ended(m, e);
        else {
                m->n_live++;
                manager_count_exec(m, e);
        }
        manager_arm_collect(m);
        manager_tell(m, e, MANAGER_EXEC_NEW);
}

void manager_unlink_exec(Manager *m, Exec *e)
{
        manager_tell(m, e, MANAGER_EXEC_REMOVED);
        for (Exec **p = manager_bucket(m, e->id); *p; p = &(*p)->hash_next)
                if (*p == e) {
                        *p = e->hash_next;
                        break;
                }
        list_remove(&m->execs, &e->node);
        e->linked = false;
        if (exec_has_ended(e)) {
                m->n_ended--;
                m->ended_size -= e->size;
        } else
                m->n_live--;
}

int manager_may_create(Manager *m, const Peer *creator, size_t size, Refusal *reterr)
{
        if (budget_room(&m->execs_budget, creator->uid) == 0)
                return budget_refuse(&m->execs_budget, creator->uid, REFUSAL_LIMIT, reterr);
        if (budget_room(&m->memory_budget, creator->uid) < size)
                return budget_refuse(&m->memory_budget, creator->uid, REFUSAL_BUSY, reterr);
        return 0;
}

void manager_count_exec(Manager *m, Exec *e)
{
        if (e->counted)
                return;
        e->counted = true;
        e->size = exec_size(e);
        budget_force(&m->execs_budget, e->creator->uid, 1);
        budget_force(&m->memory_budget, e->creator->uid, e->size);
}

void manager_uncount_exec(Manager *m, Exec *e)
{
        if (!e->counted)
                return;
        e->counted = false;
        budget_give(&m->execs_budget, e->creator->uid, 1);
        budget_give(&m->memory_budget, e->creator->uid, e->size);
}

void manager_count_ended(Manager *m, Exec *e)
{
        e->size = exec_size(e);
        m->n_ended++;
        m->ended_size += e->size;
}

bool manager_may_park(const Manager *m)
{
        return m->n_parked < m->config.parked_max;
}

void manager_busy_begin(Manager *m)
{
        m->busy++;
        m->last_busy = now_usec(CLOCK_MONOTONIC);
}

void manager_busy_end(Manager *m)
{
        m->busy--;
        m->last_busy = now_usec(CLOCK_MONOTONIC);
        if (m->busy == 0)
                manager_arm_idle(m, m->config.idle_usec);
}
