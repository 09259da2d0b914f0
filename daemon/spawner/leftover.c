/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "spawner/leftover.h"

#include <sys/wait.h>

typedef struct Leftover {
        Leader *leader; /* owned reference, or NULL */
        unsigned *counter;
        pid_t child;
} Leftover;

static unsigned n_leftovers;

unsigned leftover_count(void)
{
        return n_leftovers;
}

static void leftover_free(void *userdata)
{
        Leftover *l = userdata;

        n_leftovers--;
        if (l->leader)
                (*l->counter)--;
        leader_unref(l->leader);
        free(l);
}

static int on_ended(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
        Leftover *l = userdata;

        (void) waitpid(l->child, NULL, WNOHANG);
        sd_event_source_disable_unref(source); /* frees it, and closes the pidfd */
        return 0;
}

int leftover_new(sd_event *event, pid_t child, int pidfd, Leader *leader, unsigned *counter)
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
        *l = (Leftover){.leader = leader_ref(leader), .counter = counter, .child = child};
        n_leftovers++;
        if (leader)
                (*counter)++;
        (void) sd_event_source_set_destroy_callback(source, leftover_free);
        (void) sd_event_source_set_io_fd_own(source, true);
        return 0;
}
