/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "spawner/cgroup-watch.h"

#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>

#include "spawner/cgroup.h"

#define EVENTS_MAX 4096

struct CgroupWatch {
        int fd; /* owned */
        sd_event_source *source;
        CgroupChanged callback;
        void *userdata;
};

CgroupWatch *cgroup_watch_free(CgroupWatch *w)
{
        if (!w)
                return NULL;
        sd_event_source_disable_unref(w->source);
        fd_close(w->fd);
        free(w);
        return NULL;
}

int cgroup_events_open(const char *cgroup)
{
        _cleanup_close_ int dir = cgroup_open(cgroup);
        int fd;

        if (dir < 0)
                return dir;
        fd = openat(dir, "cgroup.events", O_RDONLY | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

/* Reading acknowledges a change: the kernel does not report it again. */
int cgroup_events_read(int fd, CgroupEvents *ret)
{
        char text[EVENTS_MAX + 1];
        ssize_t n = pread(fd, text, EVENTS_MAX, 0);

        if (n < 0)
                return -errno;
        text[n] = 0;
        *ret = (CgroupEvents){
                .is_populated = strstr(text, "populated 1") != NULL,
                .is_frozen = strstr(text, "frozen 1") != NULL,
        };
        return 0;
}

int cgroup_is_frozen(const char *cgroup)
{
        _cleanup_close_ int fd = cgroup_events_open(cgroup);
        CgroupEvents now;
        int r = fd < 0 ? fd : cgroup_events_read(fd, &now);

        return r < 0 ? r : now.is_frozen;
}

void cgroup_watch_read(const CgroupWatch *w, CgroupEvents *ret)
{
        if (cgroup_events_read(w->fd, ret) < 0)
                *ret = (CgroupEvents){.is_gone = true};
}

static int on_change(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
        CgroupWatch *w = userdata;
        CgroupEvents now;

        if (cgroup_events_read(fd, &now) < 0) {
                now = (CgroupEvents){.is_gone = true};
                (void) sd_event_source_set_enabled(source, SD_EVENT_OFF);
        }
        w->callback(w->userdata, &now);
        return 0;
}

int cgroup_watch_new(sd_event *event, const char *cgroup, CgroupChanged callback, void *userdata,
                     CgroupWatch **ret, CgroupEvents *ret_now)
{
        _cleanup_(cgroup_watch_freep) CgroupWatch *w = calloc(1, sizeof(*w));
        int r;

        if (!w)
                return -ENOMEM;
        *w = (CgroupWatch){.fd = cgroup_events_open(cgroup), .callback = callback, .userdata = userdata};
        if (w->fd < 0)
                return w->fd;
        r = cgroup_events_read(w->fd, ret_now);
        if (r >= 0)
                r = sd_event_add_io(event, &w->source, w->fd, EPOLLPRI, on_change, w);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(w);
        return 0;
}
