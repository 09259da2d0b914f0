/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "spawner/oci-watch.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#define WATCH_MASK \
        (IN_CREATE | IN_DELETE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)
#define WATCH_TRIES 8

static int on_event(sd_event_source *s, const struct inotify_event *event, void *userdata);

/* A change is looked at before anything that is asked for after it: a name may mean another container. */
static int add_watch(OciWatch *w, const char *path)
{
        int r;

        w->source = sd_event_source_disable_unref(w->source);
        r = sd_event_add_inotify(w->event, &w->source, path, WATCH_MASK, on_event, w);
        if (r >= 0)
                r = sd_event_source_set_priority(w->source, SD_EVENT_PRIORITY_IMPORTANT);
        if (r < 0)
                w->source = sd_event_source_disable_unref(w->source);
        return r;
}

int oci_watch_begin(OciWatch *w)
{
        const char *wanted = w->directory;
        char path[PATH_MAX];

        for (unsigned tries = 0; tries < WATCH_TRIES; tries++) {
                size_t length = strlen(wanted), next;
                int r;

                for (;;) {
                        memcpy(path, wanted, length);
                        path[length] = 0;
                        r = add_watch(w, path);
                        if (r != -ENOENT)
                                break;
                        while (length > 0 && wanted[length - 1] != '/')
                                length--;
                        if (length <= 1)
                                return r;
                        length--;
                }
                if (r < 0)
                        return r;
                w->is_there = !wanted[length];
                if (w->is_there)
                        return 0;
                /* The next part of the way may have been made meanwhile. */
                next = length + 1 + strcspn(wanted + length + 1, "/");
                memcpy(path, wanted, next);
                path[next] = 0;
                if (access(path, F_OK) < 0)
                        return 0;
        }
        return 0;
}

static int on_event(sd_event_source *s, const struct inotify_event *event, void *userdata)
{
        OciWatch *w = userdata;
        bool was_there = w->is_there;
        int r = 0;

        /* Above the directory only what is on the way to it matters. */
        if (!was_there || (event->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED)))
                r = oci_watch_begin(w);
        if (was_there || w->is_there || r < 0)
                w->on_change(w, r);
        return 0;
}
