/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The manager's execs: the table in which they are found, their counters, the reactions to a change, and the
 * collector, which alone lets one go.
 */

#include <assert.h>
#include <string.h>

#include "base/log.h"
#include "core/audit.h"
#include "core/exec-internal.h"
#include "core/exec-recording.h"
#include "core/fdstore.h"
#include "core/manager.h"

/* How often expired execs are looked for. */
#define COLLECT_USEC (10 * USEC_PER_SEC)
/* After an end: the sizes of all execs are added up once for many of them. */
#define COLLECT_SOON_USEC (100 * USEC_PER_MSEC)
/* Bytes of ended execs without their output. The oldest go first; the journal knows them. */
#define ENDED_SIZE_MAX (8 * 1024 * 1024)

/* The maximum number of ended execs to keep, regardless of requests. */
static bool has_too_many_ended(const Manager *m)
{
        return m->n_ended > m->config.ended_max || m->ended_size > ENDED_SIZE_MAX;
}

/* Each exec is in one queue at most, so that the ones that are due are at its head, however many are kept. */
static void exec_queue_in(Exec *e, List *queue)
{
        list_move(&e->queue, queue, &e->queue_node);
}

/* A client that is still being flushed, or one that waits, keeps it. */
static bool is_watched(const Exec *e)
{
        return !list_is_empty(&e->watches) || (e->stream && stream_count_clients(e->stream) > 0);
}

static void manager_forget_output(Manager *m, Exec *e)
{
        if (e->kept_output == 0)
                return;
        m->kept_output -= e->kept_output;
        e->kept_output = 0;
        list_remove(&m->outputs, &e->output_node);
}

static void manager_drop(Manager *m, Exec *e)
{
        manager_unlink_exec(m, e);
        exec_unref(e);
}

static void collect_created(Manager *m, uint64_t now)
{
        while (m->created.first) {
                Exec *e = LIST_ENTRY(m->created.first, Exec, queue_node);

                if (now <= e->created_monotonic + m->config.created_usec_max)
                        break;
                spawner_drop(m->spawner, e->id);
                e->hidden = true;
                exec_fail(e, REFUSAL_NO_EXEC, "it was not started in time");
        }
}

/* A runner that was made for an exec exits by itself. One that was a spare would stay for as long as a spare. */
static void collect_parked(Manager *m, uint64_t now)
{
        LIST_FOREACH (Exec, e, &m->created, queue_node) {
                if (now <= e->created_monotonic + EXEC_PARKED_USEC)
                        break;
                if (!e->parked)
                        continue;
                spawner_drop(m->spawner, e->id);
                exec_unpark(e);
        }
}

static void collect_flushed(Manager *m)
{
        LIST_FOREACH (Exec, e, &m->flushing, queue_node) {
                if (e->stream && stream_count_clients(e->stream) > 0)
                        continue;
                /* The slot is kept until now, so that clients find the exit status after a crash. */
                fdstore_forget(e);
                if (is_watched(e))
                        continue;
                if (e->hidden) {
                        manager_drop(m, e);
                        continue;
                }
                exec_queue_in(e, &m->ended);
                exec_uncharge_ring(e);
                if (!e->stream || e->kept_output > 0)
                        continue;
                e->kept_output = stream_output_ring(e->stream)->size;
                if (e->kept_output > 0)
                        list_append(&m->outputs, &e->output_node);
                m->kept_output += e->kept_output;
        }
}

static void collect_ended(Manager *m, uint64_t now)
{
        while (m->ended.first) {
                Exec *e = LIST_ENTRY(m->ended.first, Exec, queue_node);

                if (now <= e->ended_monotonic + m->config.retention_usec && !has_too_many_ended(m))
                        break;
                /* It is in use again. */
                if (is_watched(e))
                        exec_queue_in(e, &m->flushing);
                else
                        manager_drop(m, e);
        }
}

/* The oldest output goes first when there is too much of it. */
static void collect_outputs(Manager *m)
{
        LIST_FOREACH (Exec, e, &m->outputs, output_node) {
                if (m->kept_output <= m->config.output_kept_max)
                        break;
                if (stream_count_clients(e->stream) > 0)
                        continue;
                manager_forget_output(m, e);
                output_ring_done(stream_output_ring(e->stream));
                stream_output_ring(e->stream)->dropped = true;
        }
}

/* Frees expired execs. Runs from the loop, never from inside an exec's own callbacks. */
static void manager_collect(Manager *m)
{
        uint64_t now = now_usec(CLOCK_MONOTONIC);

        collect_created(m, now);
        collect_parked(m, now);
        collect_flushed(m);
        collect_ended(m, now);
        collect_outputs(m);
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

static void manager_tell(Manager *m, Exec *e, ManagerEvent event)
{
        if (m->on_exec_changed && !e->hidden)
                m->on_exec_changed(m->on_exec_changed_userdata, e, event);
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

static void manager_count_ended(Manager *m, Exec *e)
{
        e->size = exec_size(e);
        m->n_ended++;
        m->ended_size += e->size;
}

bool manager_may_park(const Manager *m, uid_t uid)
{
        return budget_room(&m->parked_budget, uid) > 0;
}

/* Ids are random hex digits, so some of them are a good hash. */
static Exec **manager_bucket(Manager *m, const char *id)
{
        unsigned h = 0;

        for (unsigned i = 0; i < 6 && id[i]; i++)
                h = h * 31 + (unsigned char) id[i];
        return &m->buckets[h % EXEC_BUCKETS];
}

static Exec *find_exec(Manager *m, const char *id)
{
        for (Exec *e = *manager_bucket(m, id); e; e = e->hash_next)
                if (strcmp(e->id, id) == 0)
                        return e;
        return NULL;
}

Exec *manager_find_exec(Manager *m, const char *id)
{
        Exec *e = find_exec(m, id);

        if (!e && m->read_saved) {
                m->read_saved(m);
                e = find_exec(m, id);
        }
        return e && !e->hidden ? e : NULL;
}

const List *manager_all_execs(Manager *m)
{
        if (m->read_saved)
                m->read_saved(m);
        return &m->execs;
}

void manager_link_exec(Manager *m, Exec *e)
{
        Exec **bucket = manager_bucket(m, e->id);

        assert(!e->linked);
        e->hash_next = *bucket;
        *bucket = exec_ref(e);
        list_append(&m->execs, &e->node);
        e->linked = true;
        if (exec_has_ended(e)) {
                manager_count_ended(m, e);
                exec_queue_in(e, &m->flushing);
        } else {
                if (e->state == EXEC_CREATED)
                        exec_queue_in(e, &m->created);
                m->n_live++;
                manager_count_exec(m, e);
        }
        manager_arm_collect(m);
        manager_tell(m, e, MANAGER_EXEC_NEW);
}

void manager_unlink_exec(Manager *m, Exec *e)
{
        assert(e->linked);
        manager_tell(m, e, MANAGER_EXEC_REMOVED);
        for (Exec **p = manager_bucket(m, e->id); *p; p = &(*p)->hash_next)
                if (*p == e) {
                        *p = e->hash_next;
                        break;
                }
        list_remove(&m->execs, &e->node);
        exec_queue_in(e, NULL);
        manager_forget_output(m, e);
        e->linked = false;
        if (exec_has_ended(e)) {
                m->n_ended--;
                m->ended_size -= e->size;
        } else {
                m->n_live--;
                manager_uncount_exec(m, e);
        }
}

/* Its end is on record before anybody hears of it. */
static void manager_record_end(Exec *e)
{
        exec_recording_end(e);
        if (e->state == EXEC_FAILED) {
                if (!e->hidden)
                        (void) audit_exec(AUDIT_FAILED, e, e->starter, e->failure);
                return;
        }
        if (e->stream && stream_recorded(e->stream) > 0) {
                log_debug("The end of exec %.12s was recorded before execd crashed", e->id);
                return;
        }
        (void) audit_exec(AUDIT_EXITED, e, e->starter, NULL);
        if (e->stream)
                stream_set_recorded(e->stream, e->finished_usec);
        exec_tell(e, "exec_die");
}

static void manager_on_exec_change(void *userdata, Exec *e, ExecState old)
{
        Manager *m = userdata;

        if (exec_has_ended(e)) {
                if (e->starter)
                        e->starter->pidfd = fd_close(e->starter->pidfd);
                manager_uncount_exec(m, e);
                manager_record_end(e);
        }
        if (!e->linked)
                return;
        exec_queue_in(e, exec_has_ended(e) ? &m->flushing : NULL);
        if (exec_has_ended(e)) {
                m->n_live--;
                manager_count_ended(m, e);
                manager_queue_collect(m);
        }
        manager_tell(m, e, MANAGER_EXEC_CHANGED);
}

static void manager_on_exec_clients(void *userdata, Exec *e)
{
        if (e->linked)
                manager_tell(userdata, e, MANAGER_EXEC_CLIENTS);
}

static void manager_on_exec_settled(void *userdata, Exec *e)
{
        Manager *m = userdata;

        if (e->state == EXEC_RUNNING)
                spare_runners_request(m->spares, e->container);
        else if (e->state == EXEC_EXITED)
                spare_runners_make_now(m->spares, e->container);
        shutdown_check(m->shutdown);
}

bool manager_execs_are_settled(void *userdata)
{
        const Manager *m = userdata;

        return !LIST_FIND(const Exec, e, &m->execs, node,
                          e->state == EXEC_STARTING || e->state == EXEC_DRAINING);
}

int manager_execs_init(Manager *m)
{
        static const ExecEvents events = {manager_on_exec_change, manager_on_exec_settled,
                                          manager_on_exec_clients};
        int r;

        m->exec_env = (ExecEnv){
                .event = m->event,
                .callers = m->callers,
                .spawner = m->spawner,
                .journal = m->journal,
                .event_log = m->events,
                .recorder = m->recorder,
                .slots = m->slots,
                .outputs = &m->outputs_budget,
                .parked = &m->parked_budget,
                .config = &m->config,
                .events = &events,
                .userdata = m,
        };
        r = sd_event_add_time_relative(m->event, &m->collect_source, CLOCK_MONOTONIC, 0, 0,
                                       manager_on_collect, m);
        if (r >= 0)
                r = sd_event_source_set_enabled(m->collect_source, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_add_time_relative(m->event, &m->collect_timer, CLOCK_MONOTONIC, COLLECT_USEC, 0,
                                               manager_on_collect_timer, m);
        return r;
}

void manager_execs_done(Manager *m)
{
        LIST_FOREACH (Exec, e, &m->execs, node) {
                manager_unlink_exec(m, e);
                exec_unref(e);
        }
        m->collect_source = sd_event_source_disable_unref(m->collect_source);
        m->collect_timer = sd_event_source_disable_unref(m->collect_timer);
}

/* Before the last look at the execs: no exec is between two states. */
static void settle(Exec *e)
{
        if (e->state == EXEC_STARTING)
                exec_fail(e, REFUSAL_UNAVAILABLE, "execd was stopped before the command ran");
        /* Its status is known, and the rest of its output is not waited for. */
        if (e->state == EXEC_DRAINING)
                exec_set_state(e, EXEC_EXITED);
}

void manager_leave_execs(Manager *m)
{
        size_t n_running = 0, n_left = 0;

        LIST_FOREACH (Exec, e, &m->execs, node) {
                bool with_clients = !shutdown_is_stop(m->shutdown) && !e->hidden;

                settle(e);
                if (e->state == EXEC_RUNNING && !e->slot)
                        log_error("Failed to store exec %.12s with systemd, its end will be unknown", e->id);
                if (e->state == EXEC_RUNNING && e->slot) {
                        e->persistence = EXEC_STORED;
                        n_running++;
                } else if (!e->stream || stream_count_clients(e->stream) == 0)
                        fdstore_forget(e);
                if (e->slot && e->stream)
                        stream_leave(e->stream, with_clients);
                n_left += e->slot != NULL;
                e->slot = slot_leave(e->slot);
        }
        if (n_left == 0)
                slot_pool_forget();
        if (n_running > 0)
                log_info("Stored %u running execs in the fd store", (unsigned) n_running);
}
