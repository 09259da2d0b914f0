/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "spawner/scope-describe.h"

#include <fcntl.h>
#include <poll.h>
#include <systemd/sd-event.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/time.h"
#include "spawner/scope-message.h"
#include "spawner/systemd.h"
#include "wire/exec-id.h"

/* Most commands have ended by then, also on a machine with much to do. Each change costs systemd, the bus and their
 * listeners half a millisecond of processor time together. */
#define DESCRIBE_USEC          (200 * USEC_PER_MSEC)
#define DESCRIBE_ACCURACY_USEC (50 * USEC_PER_MSEC)

typedef struct Describing {
        ScopeDescriptions *owner; /* weak */
        ListNode node;
        sd_event_source *timer;
        int pidfd; /* owned: of a process that is there as long as the scope is */
        char name[EXEC_UNIT_SIZE], description[SCOPE_DESCRIPTION_SIZE];
} Describing;

static Describing *describing_free(Describing *d)
{
        if (!d)
                return NULL;
        list_remove(&d->owner->waiting, &d->node);
        sd_event_source_disable_unref(d->timer);
        fd_close(d->pidfd);
        free(d);
        return NULL;
}
DEFINE_CLEANUP(Describing, describing_free);

static void describing_send(const Describing *d)
{
        struct pollfd p = {.fd = d->pidfd, .events = POLLIN};
        int r = 0;

        if (poll(&p, 1, 0) == 0)
                r = sd_bus_call_method_async(d->owner->bus, NULL, SYSTEMD_NAME, SYSTEMD_PATH,
                                             SYSTEMD_MANAGER, "SetUnitProperties", NULL, NULL, "sba(sv)",
                                             d->name, true, 1, "Description", "s", d->description);
        if (r < 0)
                log_errno(LOG_WARNING, r, "Failed to describe %s", d->name);
}

static int on_describe(sd_event_source *source, uint64_t usec, void *userdata)
{
        Describing *d = userdata;

        describing_send(d);
        describing_free(d);
        return 0;
}

static int describing_new(ScopeDescriptions *l, const char *exec_id, const char *text, int pidfd)
{
        _cleanup_(describing_freep) Describing *d = calloc(1, sizeof(*d));
        int r;

        if (!d)
                return -ENOMEM;
        *d = (Describing){.owner = l, .pidfd = fcntl(pidfd, F_DUPFD_CLOEXEC, 3)};
        list_append(&l->waiting, &d->node);
        if (d->pidfd < 0)
                return -errno;
        exec_id_unit(exec_id, d->name);
        scope_description(text, d->description);
        r = sd_event_add_time_relative(l->event, &d->timer, CLOCK_MONOTONIC, DESCRIBE_USEC,
                                       DESCRIBE_ACCURACY_USEC, on_describe, d);
        if (r < 0)
                return r;
        TAKE_PTR(d);
        return 0;
}

void scope_describe_later(ScopeDescriptions *l, const char *exec_id, const char *text, int pidfd)
{
        int r = describing_new(l, exec_id, text, pidfd);

        if (r < 0)
                log_errno(LOG_WARNING, r, "Failed to describe the scope of exec %.12s", exec_id);
}

void scope_descriptions_done(ScopeDescriptions *l)
{
        LIST_FOREACH (Describing, d, &l->waiting, node) {
                describing_send(d);
                describing_free(d);
        }
}
