/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "spawner/launch.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/time.h"
#include "spawner/cgroup-bpf.h"
#include "spawner/cgroup.h"
#include "spawner/limits.h"
#include "spawner/proc-parse.h"

#define CGROUPS_MAX 16384

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        Launch *l = userdata;

        /* It was not used, as most last ones. */
        if (!l->start) {
                launch_free(l);
                return 0;
        }
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

/* The scope must forbid what the cgroup of the container forbids. */
static int copy_device_policy(const Launch *l, Refusal *reterr)
{
        _cleanup_free_ char *path = NULL, *slice = NULL, *own = NULL, *scope = NULL, *theirs = NULL,
                            *mine = NULL;
        const Leader *leader = l->container->leader;
        char unit[EXEC_UNIT_SIZE], file[64];
        int r;

        exec_id_unit(l->exec_id, unit);
        snprintf(file, sizeof(file), "/proc/%d/cgroup", l->runner.pid);
        r = file_read_at(leader->proc_fd, "cgroup", CGROUPS_MAX, &theirs, NULL);
        if (r >= 0)
                r = file_read_at(AT_FDCWD, file, CGROUPS_MAX, &mine, NULL);
        if (r >= 0)
                r = device_policy_check_v1(theirs, mine, reterr);
        if (r >= 0)
                r = leader_cgroup(leader, &path);
        if (r >= 0)
                r = cgroup_path_split(path, &slice, &own);
        if (r >= 0)
                r = cgroup_of_unit(l->runner.pid, unit, &scope);
        if (r < 0)
                return r;
        return device_policy_copy(path, slice, scope, reterr);
}

static void on_scope_ready(void *userdata, const Refusal *refusal)
{
        _cleanup_refusal_ Refusal mismatch = REFUSAL_INIT;
        Launch *l = userdata;
        int r;

        l->scope = scope_free(l->scope);
        if (refusal) {
                l->events->on_failed(l, refusal, EIO);
                return;
        }
        r = copy_device_policy(l, &mismatch);
        if (r < 0) {
                if (!leader_is_alive(l->container->leader))
                        r = refuse(&mismatch, REFUSAL_NOT_RUNNING, ESRCH, "the container is not running");
                l->events->on_failed(l, &mismatch, r);
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

/* An engine may have given the container a cgroup below that of its unit, or below one for all. What limits
 * it there cannot be said of a scope. */
static int check_below(const Container *c, const char *own, Refusal *reterr)
{
        _cleanup_free_ char *path = c->given_cgroup ? strdup(c->given_cgroup) : NULL;
        size_t n = strlen(own);
        Limits limits;
        int r;

        if (!c->given_cgroup)
                return 0;
        if (!path)
                return -ENOMEM;
        while (strncmp(path, own, n) == 0 && path[n] == '/') {
                r = limits_read(path, &limits);
                if (r < 0)
                        return r;
                if (!limits_are_none(&limits))
                        return refuse(reterr, REFUSAL_UNSUPPORTED, EOPNOTSUPP,
                                      "the container has limits in the control group %s, which systemd does "
                                      "not manage: they cannot be copied",
                                      path);
                *strrchr(path, '/') = 0;
        }
        return 0;
}

/* From the cgroup that the host gave the container, not from those that it has made in it. */
static int read_limits(const Container *c, Limits *ret, Refusal *reterr)
{
        _cleanup_free_ char *path = NULL, *slice = NULL, *own = NULL;
        int r;

        r = leader_cgroup(c->leader, &path);
        if (r >= 0)
                r = cgroup_path_split(path, &slice, &own);
        if (r >= 0)
                r = limits_read(own, ret);
        if (r >= 0)
                r = check_below(c, own, reterr);
        if (r < 0)
                return reterr->kind != REFUSAL_NONE
                               ? r
                               : refuse(reterr, REFUSAL_UNSUPPORTED, r,
                                        "failed to read the container's limits: %s", strerrordesc_np(-r));
        return 0;
}

static void launch_cancel(ConnectionJob *j)
{
        launch_free((Launch *) j);
}

int launch_new(Connection *c, Container *container, const LaunchRequest *q, Launch **ret, Refusal *reterr)
{
        _cleanup_(launch_freep) Launch *l = calloc(1, sizeof(*l));
        Limits limits;
        int r;

        if (!l)
                return -ENOMEM;
        *l = (Launch){.spawner = c->spawner, .events = q->events, .runner = RUNNER_INIT};
        connection_add_job(c, &l->job, launch_cancel);
        list_append(&c->spawner->launches, &l->node);
        memcpy(l->exec_id, q->exec_id, EXEC_ID_LENGTH);
        l->container = container_ref(container);
        l->description = strdup(q->description);
        if (!l->description)
                return -ENOMEM;
        r = read_limits(container, &limits, reterr);
        if (r < 0)
                return r;
        r = runner_spawn(c->spawner->options.runner, &l->runner);
        if (r < 0)
                return r;
        r = watch(l, q->parked_usec);
        if (r < 0)
                return r;
        r = scope_start(c->spawner->scopes,
                        &(ScopeRequest){
                                .exec_id = q->exec_id,
                                .slice = container->slice,
                                .description = q->description,
                                .runner = &l->runner,
                                .properties = q->properties,
                                .limits = &limits,
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
        sd_event_source_disable_unref(l->timer);
        sd_event_source_disable_unref(l->control);
        sd_event_source_disable_unref(l->leader);
        scope_abandon(l->scope, &l->runner);
        runner_release(&l->runner, l->spawner->event);
        container_unref(l->container);
        l->events->on_free(l);
        free(l->description);
        free(l);
        return NULL;
}

Launch *launch_find(const Spawner *s, const char *exec_id)
{
        LIST_FOREACH (Launch, l, &s->launches, node) {
                if (strcmp(l->exec_id, exec_id) == 0)
                        return l;
        }
        return NULL;
}

/* The same run of the same container, and what its scopes are made after is the same. */
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
