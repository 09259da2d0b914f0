/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "spawner/launch.h"

#include <fcntl.h>
#include <string.h>

#include "base/log.h"
#include "base/time.h"

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        Launch *l = userdata;

        refuse(&refusal, REFUSAL_UNAVAILABLE, ETIMEDOUT, "the command did not start in time");
        launch_fail(l, &refusal, ETIMEDOUT);
        return 0;
}

static int on_control(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
        launch_on_report(userdata);
        return 0;
}

static int on_leader_ended(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
        Launch *l = userdata;

        l->leader = sd_event_source_disable_unref(l->leader);
        /* Where a start is under way, its runner will say so. */
        if (!l->start)
                launch_free(l);
        return 0;
}

static void on_scope_ready(void *userdata, const Refusal *refusal)
{
        Launch *l = userdata;

        l->scope = scope_free(l->scope);
        if (refusal) {
                launch_fail(l, refusal, EIO);
                return;
        }
        l->scope_is_ready = true;
        if (l->start)
                launch_release(l);
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

static int watch(Launch *l)
{
        sd_event *event = l->spawner->event;
        int r;

        r = sd_event_add_io(event, &l->control, l->runner.control, EPOLLIN, on_control, l);
        if (r >= 0)
                r = watch_leader(l);
        if (r >= 0)
                r = sd_event_add_time_relative(event, &l->timer, CLOCK_MONOTONIC, PARKED_SEC * USEC_PER_SEC,
                                               USEC_PER_SEC, on_timer, l);
        return r;
}

int launch_new(Connection *c, Container *container, const LaunchRequest *q, Launch **ret, Refusal *reterr)
{
        _cleanup_(launch_freep) Launch *l = calloc(1, sizeof(*l));
        int r;

        if (!l)
                return -ENOMEM;
        *l = (Launch){.spawner = c->spawner, .connection = c, .runner = RUNNER_INIT};
        list_append(&c->spawner->launches, &l->node);
        memcpy(l->exec_id, q->exec_id, EXEC_ID_LENGTH);
        l->container = container_ref(container);
        r = runner_spawn(c->spawner->options.runner, &l->runner);
        if (r < 0)
                return r;
        r = watch(l);
        if (r < 0)
                return r;
        r = scope_start(c->spawner->scopes,
                        &(ScopeRequest){
                                .exec_id = q->exec_id,
                                .slice = container->slice,
                                .description = q->description,
                                .pid = l->runner.pid,
                                .properties = q->properties,
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
        list_remove(&l->spawner->launches, &l->node);
        scope_free(l->scope);
        sd_event_source_disable_unref(l->timer);
        sd_event_source_disable_unref(l->control);
        sd_event_source_disable_unref(l->leader);
        runner_release(&l->runner, l->spawner->event);
        container_unref(l->container);
        start_free(l->start);
        free(l);
        return NULL;
}

Launch *launch_find(const Spawner *s, const char *exec_id)
{
        LIST_FOREACH_SAFE (n, &s->launches) {
                Launch *l = LIST_ENTRY(n, Launch, node);

                if (strcmp(l->exec_id, exec_id) == 0)
                        return l;
        }
        return NULL;
}

void launches_drop_connection(Spawner *s, const Connection *c)
{
        LIST_FOREACH_SAFE (n, &s->launches) {
                Launch *l = LIST_ENTRY(n, Launch, node);

                if (l->connection == c)
                        launch_free(l);
        }
}

void launches_drop_container(Spawner *s, const Container *c)
{
        LIST_FOREACH_SAFE (n, &s->launches) {
                Launch *l = LIST_ENTRY(n, Launch, node);

                if (l->container == c && !l->start)
                        launch_free(l);
        }
}
