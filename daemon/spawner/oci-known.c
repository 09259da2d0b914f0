/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "spawner/oci-known.h"

#include <string.h>
#include <sys/inotify.h>

#include "base/strv.h"
#include "spawner/root-file.h"
#include "wire/oci-details.h"

OciKnown *oci_known_free(OciKnown *k, OciReadings *readings, int watcher)
{
        if (!k)
                return NULL;
        if (k->watch >= 0)
                (void) inotify_rm_watch(watcher, k->watch);
        if (k->id)
                oci_reading_drop(readings, k->place, k->id);
        container_unref(k->container);
        free(k->id);
        oci_state_done(&k->state);
        free(k);
        return NULL;
}

int oci_known_new(const OciPlace *place, const char *id, OciState *state, const struct stat *st,
                  OciFound *found, Container *c, OciKnown **ret)
{
        _cleanup_free_ char *copy = strdup(id);
        OciKnown *k = calloc(1, sizeof(*k));

        if (!k || !copy) {
                free(k);
                return -ENOMEM;
        }
        *k = (OciKnown){
                .place = place,
                .id = TAKE_PTR(copy),
                .state = *state,
                .st = *st,
                .seen = found->seen,
                .has_engine = place->is_dockers || found->is_podmans,
                .watch = found->watch,
                .storage_watch = found->storage_watch,
                .container = container_ref(c),
        };
        *state = (OciState){0};
        k->state.is_podmans = found->is_podmans;
        k->state.run_directory = TAKE_PTR(found->config.run_directory);
        found->watch = OCI_NO_WATCH;
        *ret = k;
        return 0;
}

bool oci_known_runs(OciKnown *k, int place_fd)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        const Leader *l = k->container->leader;
        _cleanup_oci_state_ OciState state = {0};
        _cleanup_close_ int dir_fd = -EBADF;
        int r;

        if (!k->container->table)
                return false;
        r = root_directory_open_at(place_fd, k->id, &dir_fd, &refusal);
        if (r >= 0)
                r = oci_read_state(k->place, dir_fd, k->id, &k->st, &state, &refusal);
        if (r != 0)
                return r > 0;
        return state.pid == l->pid && state.start_time == l->start_time &&
               strcmp(state.bundle, k->state.bundle) == 0;
}

/* -ESTALE: it has another name. */
static int take_changes(OciKnown *k, OciFound *found)
{
        OciConfig *c = &found->config;
        char ***details = &k->container->details;

        k->seen = found->seen;
        if (k->place->is_dockers && c->name) {
                strv_free(*details);
                *details = TAKE_PTR(c->details);
        }
        for (char **d = c->details; d && d[0]; d += 2) {
                int r = oci_details_set(details, d[0], d[1]);

                if (r < 0)
                        return r;
        }
        return c->name && strcmp(c->name, k->container->name) != 0 ? -ESTALE : 0;
}

/* Then the next refresh asks again. */
static bool is_unanswered(int r)
{
        return r == -EAGAIN || r == -ETIMEDOUT || r == -EBUSY || r == -EIO || r == -ENOMEM;
}

bool oci_known_read(OciKnown *k, OciReadings *readings)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        OciFound *found;
        int r;

        r = oci_reading_get(readings,
                            &(OciQuery){
                                    .place = k->place,
                                    .id = k->id,
                                    .state = &k->state,
                                    .seen = &k->seen,
                                    .watcher = OCI_NO_WATCH,
                            },
                            &found, &refusal);
        if (r == -EINPROGRESS)
                return true;
        if (r >= 0) {
                r = take_changes(k, found);
                oci_reading_drop(readings, k->place, k->id);
        }
        k->is_behind = k->container->is_unsure = is_unanswered(r);
        return r >= 0 || k->is_behind;
}
