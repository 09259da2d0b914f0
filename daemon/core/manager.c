/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/manager.h"

#include <assert.h>

#include "base/bus-loop.h"
#include "base/log.h"
#include "wire/units.h"

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

/* How long to run without work: as long as a client is expected to come back. */
static uint64_t manager_stay(const Manager *m)
{
        return recurrence_stay(&m->recurrence, m->config.idle_usec, m->config.idle_usec_max);
}

/* The spawner and the runners parked with it need not stay for ever because execd does. */
static void manager_spread_stay(Manager *m)
{
        uint64_t usec = recurrence_stay(&m->recurrence, MIN(m->config.idle_usec, IDLE_USEC),
                                        m->config.idle_usec_max);

        spawner_link_set_idle(m->spawner, usec);
        spare_runners_set_stay(m->spares, usec);
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
        uint64_t now = now_usec(CLOCK_MONOTONIC), due = m->last_busy + manager_stay(m);

        if (m->busy > 0 || m->n_live > 0 || !journal_queue_is_empty(m->journal) || bus_has_queued(m->bus)) {
                manager_arm_idle(m, manager_stay(m));
                return 0;
        }
        if (now < due) {
                manager_arm_idle(m, due - now);
                return 0;
        }
        log_debug("Idle, exiting until the next connection");
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
                {&m->outputs_budget, "bytes of output", "OutputMemoryMax", "OutputMemoryPerUserMax",
                 c->output_memory_max, c->output_memory_per_uid_max},
                {&m->parked_budget, "ready runners", "ReadyRunnersMax", NULL, c->parked_max, c->parked_max},
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

/* The next execd connects again, and takes over all that is under way. */
static void manager_on_bus_lost(void *userdata, const char *why)
{
        Manager *m = userdata;

        log_error("Lost the system bus, because %s: restarting", why);
        shutdown_fail(m->shutdown);
}

/* Without a system bus only the host's root is served, since polkit decides about all other users. */
static void manager_open_bus(Manager *m)
{
        int r;

        r = sd_bus_open_system(&m->bus);
        if (r >= 0)
                r = bus_attach(m->bus, m->event);
        if (r < 0) {
                log_errno(LOG_WARNING, r, "Failed to connect to the system bus, serving only root");
                m->bus = sd_bus_unref(m->bus);
                return;
        }
        m->polkit = polkit_new(m->bus, &m->authz_budget);
        m->callers = caller_watches_new(m->bus);
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
        m->helpers = helper_pool_new(m->event);
        m->recorder = m->helpers ? recorder_new(m->event, m->helpers,
                                                &(RecordingStoreOptions){
                                                        .path = m->config.record_path ?: RECORDINGS_PATH,
                                                        .size_max = m->config.record_size_max,
                                                        .total_max = m->config.record_total_max,
                                                },
                                                m->config.state_path)
                                 : NULL;
        m->journal = journal_queue_new(m->event, JOURNAL_SOCKET);
        m->denials = denials_new(m->event, m->journal);
        if (!m->events || !m->slots || !m->spawner || !m->recorder || !m->journal || !m->denials)
                return -ENOMEM;

        r = sd_event_add_time_relative(m->event, &m->idle_timer, CLOCK_MONOTONIC, 0, 0, manager_on_idle, m);
        /* After all else that is ready: a request that has arrived is read first, and keeps execd from being idle. */
        if (r >= 0)
                r = sd_event_source_set_priority(m->idle_timer, SD_EVENT_PRIORITY_IDLE);
        if (r < 0)
                return r;
        recurrence_load(&m->recurrence, m->config.state_path);
        manager_arm_idle(m, manager_stay(m));
        manager_open_bus(m);
        m->spares = spare_runners_new(m->event, m->spawner, &m->config);
        m->shutdown = shutdown_new(m->event, m->bus, manager_execs_are_settled, m);
        if (!m->spares || !m->shutdown || (m->bus && !m->callers))
                return -ENOMEM;
        r = m->bus ? bus_watch_new(m->bus, manager_on_bus_lost, m, &m->bus_watch) : 0;
        if (r < 0)
                return r;
        manager_spread_stay(m);
        r = manager_execs_init(m);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(m);
        return 0;
}

Manager *manager_free(Manager *m)
{
        if (!m)
                return NULL;
        manager_execs_done(m);
        m->spares = spare_runners_free(m->spares);
        m->recorder = recorder_free(m->recorder);
        m->idle_timer = sd_event_source_disable_unref(m->idle_timer);
        m->shutdown = shutdown_free(m->shutdown);
        spawner_link_free(m->spawner);
        m->polkit = polkit_free(m->polkit);
        m->callers = caller_watches_free(m->callers);
        m->bus_watch = bus_watch_free(m->bus_watch);
        if (m->bus) {
                sd_bus_detach_event(m->bus);
                m->bus = sd_bus_close_unref(m->bus);
        }
        m->denials = denials_free(m->denials);
        journal_queue_free(m->journal);
        event_log_free(m->events);
        slot_pool_free(m->slots);
        helper_pool_free(m->helpers);
        sd_event_unref(m->event);
        manager_config_done(&m->config);
        budget_done(&m->execs_budget);
        budget_done(&m->connections_budget);
        budget_done(&m->calls_budget);
        budget_done(&m->authz_budget);
        budget_done(&m->memory_budget);
        budget_done(&m->outputs_budget);
        budget_done(&m->parked_budget);
        journal_reader_done(&m->journal_reader);
        containers_seen_done(&m->seen);
        return mfree(m);
}

void manager_reconfigure(Manager *m, ManagerConfig *config)
{
        ManagerConfig old = m->config;

        m->config = *config;
        *config = (ManagerConfig){0};
        m->config.spawner_socket = old.spawner_socket;
        m->config.state_path = old.state_path;
        m->config.controllers_path = old.controllers_path;
        manager_set_budgets(m);
        /* One that was set over D-Bus meanwhile stays, unless the file now says something else. */
        if (m->config.log_level != old.log_level)
                log_set_max_level(m->config.log_level);
        spare_runners_drop_from(m->spares, scope_property_lists_equal(&old.properties, &m->config.properties)
                                                   ? m->config.spares_max
                                                   : 0);
        recorder_set_limits(m->recorder, m->config.record_size_max, m->config.record_total_max);
        manager_spread_stay(m);
        manager_arm_idle(m, manager_stay(m));
        manager_queue_collect(m);
        manager_config_done(&old);
}

void manager_busy_begin(Manager *m)
{
        m->last_busy = now_usec(CLOCK_MONOTONIC);
        if (m->busy++ > 0)
                return;
        recurrence_begin(&m->recurrence, m->last_busy, m->config.idle_usec_max);
        manager_spread_stay(m);
}

void manager_busy_end(Manager *m)
{
        assert(m->busy > 0);
        m->busy--;
        m->last_busy = now_usec(CLOCK_MONOTONIC);
        if (m->busy > 0)
                return;
        recurrence_end(&m->recurrence, m->last_busy);
        manager_arm_idle(m, manager_stay(m));
}
