/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "spawner/launch.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/time.h"
#include "spawner/cgroup-bpf.h"
#include "spawner/cgroup.h"
#include "spawner/proc-parse.h"
#include "wire/runner-spec.h"

#define CGROUPS_MAX 16384

/* How often a start that is under way is looked at, and how often without success: it has as long as the runner, and a
 * little more. */
#define LOOK_USEC (5 * USEC_PER_SEC)
#define LOOKS_MAX ((RUNNER_STARVED_SEC_MAX + 5) * USEC_PER_SEC / LOOK_USEC)

int launch_arm(Launch *l)
{
        int r = sd_event_source_set_time_relative(l->timer, LOOK_USEC);

        return r < 0 ? r : sd_event_source_set_enabled(l->timer, SD_EVENT_ONESHOT);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        Launch *l = userdata;

        /* It was not used, as most last ones. */
        if (!l->start) {
                launch_free(l);
                return 0;
        }
        /* While it is frozen with the container, its time does not count. */
        if (cgroup_is_frozen(l->slice->cgroup) <= 0)
                l->n_looks++;
        if (l->n_looks < LOOKS_MAX && launch_arm(l) >= 0)
                return 0;
        if (!launch_limits_explain(&l->limits, l->slice, ETIMEDOUT, &refusal))
                refuse(&refusal, REFUSAL_UNAVAILABLE, ETIMEDOUT, "the command did not start in time");
        l->events->on_failed(l, &refusal, ETIMEDOUT);
        return 0;
}

static int on_control(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
        Launch *l = userdata;

        l->events->on_report(l);
        return 0;
}

static int on_leader_ended(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
        Launch *l = userdata;

        l->leader = sd_event_source_disable_unref(l->leader);
        l->events->on_leader_gone(l);
        return 0;
}

/* Another client of systemd has stopped the scope, or the slice that it is in. */
static int refuse_stopped(Refusal *reterr)
{
        return refuse(reterr, REFUSAL_UNAVAILABLE, ECANCELED,
                      "the scope of this exec was stopped before the command started, try again");
}

int launch_copy_programs(const Launch *l, Refusal *reterr)
{
        _cleanup_free_ char *path = NULL, *parent = NULL, *own = NULL, *theirs = NULL, *mine = NULL;
        const Leader *leader = l->container->leader;
        char file[64];
        int r;

        snprintf(file, sizeof(file), "/proc/%d/cgroup", l->runner.pid);
        r = file_read_at(leader->proc_fd, "cgroup", CGROUPS_MAX, &theirs, NULL);
        if (r >= 0)
                r = file_read_at(AT_FDCWD, file, CGROUPS_MAX, &mine, NULL);
        if (theirs && (r == -ENOENT || r == -ESRCH))
                return refuse_stopped(reterr);
        if (r >= 0)
                r = device_policy_check_v1(theirs, mine, reterr);
        if (r >= 0)
                r = proc_cgroup_parse(theirs, &path);
        if (r >= 0)
                r = cgroup_path_split(path, &parent, &own);
        return r < 0 ? r : device_policy_copy(path, parent, l->slice->cgroup, &l->slice->bare, reterr);
}

static int check_slice(const Launch *l, Refusal *reterr)
{
        _cleanup_free_ char *scope = NULL;
        char unit[EXEC_UNIT_SIZE];
        int r;

        exec_id_unit(l->exec_id, unit);
        r = cgroup_of_unit(l->runner.pid, unit, &scope);
        if (r == -ENOENT || r == -ESRCH)
                return refuse_stopped(reterr);
        return r < 0 ? r : slice_verify(l->slice, scope, reterr);
}

static void on_scope_ready(void *userdata, const Refusal *refusal)
{
        _cleanup_refusal_ Refusal mismatch = REFUSAL_INIT;
        Launch *l = userdata;
        int r;

        l->scope = scope_free(l->scope);
        r = refusal ? -EIO : check_slice(l, &mismatch);
        if (r < 0 && !leader_is_alive(l->container->leader)) {
                r = refuse(&mismatch, REFUSAL_NOT_RUNNING, ESRCH, "the container is not running");
                refusal = NULL;
        }
        if (r < 0) {
                l->events->on_failed(l, refusal ?: &mismatch, r);
                return;
        }
        l->scope_is_ready = true;
        l->events->on_scope_ready(l);
}

/* Under an fd of our own: launches share their container, and one fd can be watched once only. */
static int watch_leader(Launch *l)
{
        _cleanup_close_ int pidfd = fcntl(l->container->leader->pidfd, F_DUPFD_CLOEXEC, 3);
        int r;

        if (pidfd < 0)
                return -errno;
        r = sd_event_add_io(l->spawner->event, &l->leader, pidfd, EPOLLIN, on_leader_ended, l);
        if (r < 0)
                return r;
        (void) sd_event_source_set_io_fd_own(l->leader, true);
        TAKE_FD(pidfd);
        return 0;
}

static int watch(Launch *l, uint64_t parked_usec)
{
        sd_event *event = l->spawner->event;
        int r;

        r = sd_event_add_io(event, &l->control, l->runner.control, EPOLLIN, on_control, l);
        if (r >= 0)
                r = watch_leader(l);
        if (r >= 0)
                r = sd_event_add_time_relative(event, &l->timer, CLOCK_MONOTONIC, parked_usec, USEC_PER_SEC,
                                               on_timer, l);
        return r;
}

static void launch_cancel(ConnectionJob *j)
{
        launch_free((Launch *) j);
}

int launch_new(Connection *c, Container *container, const LaunchRequest *q, Launch **ret, Refusal *reterr)
{
        _cleanup_(launch_freep) Launch *l = calloc(1, sizeof(*l));
        int r;

        if (!l)
                return -ENOMEM;
        *l = (Launch){.spawner = c->spawner, .events = q->events, .runner = RUNNER_INIT};
        connection_add_job(c, &l->job, launch_cancel);
        list_append(&c->spawner->launches, &l->node);
        memcpy(l->exec_id, q->exec_id, EXEC_ID_LENGTH);
        l->caller = q->caller;
        launch_limits_init(&l->limits, q->properties);
        l->container = container_ref(container);
        l->description = strdup(q->description);
        if (!l->description)
                return -ENOMEM;
        r = slices_get(c->spawner->slices, container, &l->slice, reterr);
        if (r < 0)
                return r;
        launch_limits_mark(&l->limits, l->slice);
        r = runner_spawn(c->spawner->options.runner, &l->runner);
        if (r < 0)
                return r;
        r = watch(l, q->parked_usec);
        if (r < 0)
                return r;
        r = scope_start(c->spawner->scopes,
                        &(ScopeRequest){
                                .exec_id = q->exec_id,
                                .caller = q->caller,
                                .slice = l->slice,
                                .description = q->description,
                                .runner = &l->runner,
                                .properties = q->properties,
                                .bound_to = container_is_service(container) ? container->unit : NULL,
                                .is_after_bound = !container->is_activating,
                        },
                        on_scope_ready, l, &l->scope, reterr);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(l);
        return 0;
}

Launch *launch_free(Launch *l)
{
        if (!l)
                return NULL;
        connection_remove_job(&l->job);
        list_remove(&l->spawner->launches, &l->node);
        l->spawner->n_prepared -= l->is_prepared;
        sd_event_source_disable_unref(l->timer);
        sd_event_source_disable_unref(l->control);
        sd_event_source_disable_unref(l->leader);
        scope_abandon(l->scope, &l->runner);
        runner_release(&l->runner, l->spawner->event);
        slice_unref(l->slice);
        container_unref(l->container);
        l->events->on_free(l);
        free(l->description);
        free(l);
        return NULL;
}

Launch *launch_find(const Spawner *s, const char *exec_id)
{
        return LIST_FIND(Launch, l, &s->launches, node, strcmp(l->exec_id, exec_id) == 0);
}

/* The same run of the same container, with the same properties for its scopes. */
static bool is_same_run(const Container *a, const Container *b)
{
        return strcmp(a->id, b->id) == 0 && a->leader->pid == b->leader->pid &&
               a->leader->start_time == b->leader->start_time && strcmp(a->slice, b->slice) == 0 &&
               a->cgroup && b->cgroup && strcmp(a->cgroup, b->cgroup) == 0;
}

bool launch_follow(Launch *l, Container *c)
{
        if (l->container == c)
                return true;
        if (!is_same_run(l->container, c))
                return false;
        container_unref(l->container);
        l->container = container_ref(c);
        return true;
}
