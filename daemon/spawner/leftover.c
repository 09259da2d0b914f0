/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "spawner/leftover.h"

#include <sys/wait.h>

typedef struct Leftover {
        LeftoverOf of; /* with an owned reference of the leader */
        pid_t pid;
} Leftover;

static void leftover_free(void *userdata)
{
        Leftover *l = userdata;

        if (l->of.of_leader)
                (*l->of.of_leader)--;
        if (l->of.of_all)
                (*l->of.of_all)--;
        if (l->of.of_caller)
                (*l->of.of_caller)--;
        leader_unref(l->of.leader);
        free(l);
}

/* It need not be a child. */
static int on_ended(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
        Leftover *l = userdata;

        (void) waitpid(l->pid, NULL, WNOHANG);
        sd_event_source_disable_unref(source); /* frees it, and closes the pidfd */
        return 0;
}

int leftover_new(sd_event *event, const LeftoverOf *of, pid_t pid, int pidfd)
{
        sd_event_source *source = NULL;
        Leftover *l = calloc(1, sizeof(*l));
        int r;

        if (!l)
                return -ENOMEM;
        r = sd_event_add_io(event, &source, pidfd, EPOLLIN, on_ended, l);
        if (r < 0) {
                free(l);
                return r;
        }
        *l = (Leftover){.of = *of, .pid = pid};
        (void) leader_ref(of->leader);
        if (of->of_leader)
                (*of->of_leader)++;
        if (of->of_all)
                (*of->of_all)++;
        if (of->of_caller)
                (*of->of_caller)++;
        (void) sd_event_source_set_destroy_callback(source, leftover_free);
        (void) sd_event_source_set_io_fd_own(source, true);
        /* The event loop owns it. */
        (void) sd_event_source_set_floating(source, true);
        sd_event_source_unref(source);
        return 0;
}
