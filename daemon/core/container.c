/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/container.h"

#include <fcntl.h>
#include <string.h>

int container_read(sd_bus_message *m, Container **ret)
{
        _cleanup_(container_unrefp) Container *c = NULL;
        const char *id, *name, *kind, *state, *image, *unit, *slice, *label, *user, *working_dir;
        int r;

        r = sd_bus_message_enter_container(m, 'r', "sssssssututtassss");
        if (r <= 0)
                return r;
        c = calloc(1, sizeof(Container));
        if (!c)
                return -ENOMEM;
        c->n_ref = 1;
        c->leader_pidfd = -EBADF;

        r = sd_bus_message_read(m, "sssssssututt", &id, &name, &kind, &state, &image, &unit, &slice,
                                &c->leader, &c->leader_start, &c->leader_uid, &c->created_usec,
                                &c->started_usec);
        if (r < 0)
                return r;
        r = sd_bus_message_read_strv(m, &c->command);
        if (r >= 0)
                r = sd_bus_message_read(m, "sss", &label, &user, &working_dir);
        if (r < 0)
                return r;
        r = sd_bus_message_exit_container(m);
        if (r < 0)
                return r;

        c->id = strdup(id);
        c->name = strdup(name);
        c->kind = strdup(kind);
        c->state = strdup(state);
        c->image = strdup(image);
        c->unit = strdup(unit);
        c->slice = strdup(slice);
        c->label = strdup(label);
        c->user = strdup(user);
        c->working_dir = strdup(working_dir);
        if (!c->id || !c->name || !c->kind || !c->state || !c->image || !c->unit || !c->slice || !c->label ||
            !c->user || !c->working_dir)
                return -ENOMEM;
        *ret = TAKE_PTR(c);
        return 1;
}

Container *container_ref(Container *c)
{
        c->n_ref++;
        return c;
}

Container *container_unref(Container *c)
{
        if (!c || --c->n_ref > 0)
                return NULL;
        free(c->id);
        free(c->name);
        free(c->kind);
        free(c->state);
        free(c->image);
        free(c->unit);
        free(c->slice);
        free(c->label);
        free(c->user);
        free(c->working_dir);
        strv_free(c->command);
        fd_close(c->leader_pidfd);
        return mfree(c);
}

void container_forget_leader(Container *c)
{
        if (c)
                c->leader_pidfd = fd_close(c->leader_pidfd);
}

bool container_is_paused(const Container *c)
{
        return strcmp(c->state, "paused") == 0;
}

int container_read_reply(sd_bus_message *m, Container **ret)
{
        _cleanup_(container_unrefp) Container *c = NULL;
        int fd, r;

        r = container_read(m, &c);
        if (r <= 0)
                return r < 0 ? r : -EBADMSG;
        r = sd_bus_message_read(m, "h", &fd);
        if (r < 0)
                return r;
        /* The message owns its fds. */
        c->leader_pidfd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        if (c->leader_pidfd < 0)
                return -errno;
        *ret = TAKE_PTR(c);
        return 0;
}
