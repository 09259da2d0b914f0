/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Watches directories by inotify, those that are yet to be made too. */

#include <stdbool.h>
#include <systemd/sd-event.h>

typedef struct OciWatch OciWatch;

struct OciWatch {
        sd_event *event; /* weak */
        const char *directory;
        /* Something in it may have changed. `error` is negative when it is no longer watched. */
        void (*on_change)(OciWatch *w, int error);
        void *userdata;
        sd_event_source *source;
        bool is_there; /* it watches the directory itself, and not what is above it */
};

/* The directory, or what there is of the way to it. */
int oci_watch_begin(OciWatch *w);
