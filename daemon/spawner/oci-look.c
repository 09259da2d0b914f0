/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "spawner/oci-look.h"

#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/strv.h"
#include "spawner/image.h"
#include "spawner/root-file.h"

#define WATCH_MASK (IN_MOVED_TO | IN_CLOSE_WRITE | IN_ONLYDIR)

/* For the scout. */
typedef struct Given {
        OciPlace place;
        OciState state;
        OciSeen seen;
        bool is_known;
        char *directory, *id; /* owned */
} Given;

static void given_done(Given *g)
{
        free(g->directory);
        free(g->id);
        oci_state_done(&g->state);
}

void oci_found_done(OciFound *f)
{
        oci_config_done(&f->config);
        *f = (OciFound){.watch = OCI_NO_WATCH, .storage_watch = OCI_NO_WATCH};
}

static int put_given(Image *i, const OciQuery *q)
{
        const char *const texts[] = {q->place->directory, q->id, q->state->bundle, q->state->run_directory,
                                     q->state->docker};
        Given g = {
                .place = *q->place,
                .state = {.is_podmans = q->state->is_podmans},
                .is_known = q->seen,
        };
        int r;

        if (q->seen)
                g.seen = *q->seen;
        r = image_put(i, &g, sizeof(g));
        for (size_t k = 0; r >= 0 && k < ELEMENTSOF(texts); k++)
                r = image_put_text(i, texts[k]);
        return r;
}

static int take_given(Image *i, Given *ret)
{
        Given g = {0};
        char **const texts[] = {&g.directory, &g.id, &g.state.bundle, &g.state.run_directory,
                                &g.state.docker};
        int r = image_take(i, &g, sizeof(g));

        for (size_t k = 0; r >= 0 && k < ELEMENTSOF(texts); k++)
                r = image_take_text(i, texts[k]);
        g.place.directory = g.directory;
        *ret = g;
        return r;
}

static int put_found(Image *i, const OciFound *f)
{
        const OciConfig *c = &f->config;
        const char *const texts[] = {c->id, c->name, c->image, c->user, c->working_dir, c->run_directory};
        char *const *const lists[] = {c->environment, c->groups, c->details};
        int r = image_put(i, f, sizeof(*f));

        for (size_t k = 0; r >= 0 && k < ELEMENTSOF(texts); k++)
                r = image_put_text(i, texts[k]);
        for (size_t k = 0; r >= 0 && k < ELEMENTSOF(lists); k++)
                r = image_put_strv(i, lists[k]);
        return r;
}

static int take_found(Image *i, OciFound *ret)
{
        OciConfig c = {0};
        char **const texts[] = {&c.id, &c.name, &c.image, &c.user, &c.working_dir, &c.run_directory};
        char ***const lists[] = {&c.environment, &c.groups, &c.details};
        int r = image_take(i, ret, sizeof(*ret));

        for (size_t k = 0; r >= 0 && k < ELEMENTSOF(texts); k++)
                r = image_take_text(i, texts[k]);
        for (size_t k = 0; r >= 0 && k < ELEMENTSOF(lists); k++)
                r = image_take_strv(i, lists[k]);
        c.created_usec = ret->config.created_usec;
        c.is_podmans = ret->config.is_podmans;
        ret->config = c;
        return r;
}

/* The next functions run in the scout. The watch belongs to the loop, whose descriptor this is. */
static int watch(int watcher, const char *directory, int *ret, int *error)
{
        if (watcher < 0)
                return 0;
        *ret = inotify_add_watch(watcher, directory, WATCH_MASK);
        if (*ret >= 0)
                return 0;
        if (errno != ENOSPC)
                return -errno;
        *error = -errno;
        return 0;
}

static int watch_docker(const Given *g, int watcher, OciFound *f)
{
        _cleanup_free_ char *path = NULL;
        int r;

        if (!g->place.is_dockers)
                return 0;
        r = oci_docker_directory(&g->state, g->id, &path);
        return r < 0 ? r : watch(watcher, path, &f->watch, &f->watch_error);
}

/* Reads the names again, which may have changed before the watch began. */
static int watch_podman(const Given *g, int watcher, OciNames *names, OciFound *f, Refusal *reterr)
{
        _cleanup_free_ char *name = NULL;
        int r;

        if (g->place.is_dockers || !g->state.is_podmans)
                return 0;
        r = watch(watcher, names->directory, &f->storage_watch, &f->watch_error);
        if (r >= 0 && g->state.run_directory)
                r = watch(watcher, g->state.run_directory, &f->watch, &f->watch_error);
        if (r >= 0)
                r = oci_read_again(&g->place, g->id, &g->state, names, &f->seen, &f->config.details, &name,
                                   reterr);
        if (r < 0 || strcmp(name, f->config.name) == 0)
                return r;
        return refuse(reterr, REFUSAL_NOT_RUNNING, EAGAIN, "the container is changing");
}

static int look_first(Given *g, int watcher, OciNames *names, OciFound *f, Refusal *reterr)
{
        _cleanup_close_ int place_fd = -EBADF, dir_fd = -EBADF;
        int r;

        r = root_directory_open(g->directory, &place_fd, reterr);
        if (r >= 0)
                r = root_directory_open_at(place_fd, g->id, &dir_fd, reterr);
        if (r >= 0)
                r = watch_docker(g, watcher, f);
        if (r >= 0)
                r = oci_read_config(&g->place, dir_fd, g->id, &g->state, names, &f->seen, &f->config,
                                    reterr);
        if (r >= 0)
                r = watch_podman(g, watcher, names, f, reterr);
        if (r < 0)
                return r;
        f->is_podmans = g->state.is_podmans;
        f->config.run_directory = TAKE_PTR(g->state.run_directory);
        return 0;
}

static int look(Given *g, int watcher, OciFound *f, Refusal *reterr)
{
        static OciNames names; /* a scout reads the names of a storage once */

        if (!g->is_known)
                return look_first(g, watcher, &names, f, reterr);
        f->seen = g->seen;
        return oci_read_again(&g->place, g->id, &g->state, &names, &f->seen, &f->config.details,
                              &f->config.name, reterr);
}

static int run(void *data, int fd, ScoutFindings *ret)
{
        OciFound found = {.watch = OCI_NO_WATCH, .storage_watch = OCI_NO_WATCH};
        Image in = {data, SCOUT_DATA_SIZE}, out = in;
        Given given = {0};
        int r;

        r = take_given(&in, &given);
        if (r >= 0)
                r = look(&given, fd, &found, &ret->refusal);
        if (r >= 0)
                r = put_found(&out, &found);
        given_done(&given);
        oci_found_done(&found);
        return r;
}

/* The length of paths is limited, so that there is always room. */
static int prepare(void *userdata, void *data)
{
        OciLook *l = userdata;
        int r = put_given(&(Image){data, SCOUT_DATA_SIZE}, &l->query);

        if (r < 0)
                log_error_errno(r, "Failed to ask for the files of container %s", l->query.id);
        return l->query.seen ? -EBADF : l->query.watcher;
}

static void on_slow(void *userdata)
{
        OciLook *l = userdata;

        l->on_slow(l->userdata);
}

static void on_done(void *userdata, int error, const void *data, ScoutFindings *scouted)
{
        OciFound found = {.watch = OCI_NO_WATCH, .storage_watch = OCI_NO_WATCH};
        OciLook *l = userdata;
        int r = error;

        if (data)
                l->disk->is_doubtful = false;
        else if (r == -ETIMEDOUT) {
                l->disk->is_doubtful = true;
                r = oci_disk_refuse(l->disk, &scouted->refusal);
        } else if (r == -EBUSY)
                r = refuse(&scouted->refusal, REFUSAL_UNAVAILABLE, EBUSY,
                           "the container's files were not read in time");
        if (r >= 0)
                r = take_found(&(Image){(char *) data, SCOUT_DATA_SIZE}, &found);
        oci_disk_release(l->disk);
        if (r < 0)
                oci_found_done(&found);
        l->on_found(l->userdata, r, &found, &scouted->refusal);
}

/* Queries with the same directory may wait for the same file system. Podman's bundles are …/ID/userdata. */
static int disk_of(const OciQuery *q, OciDisk **ret, Refusal *reterr)
{
        _cleanup_free_ char *directory = NULL, *tail = NULL;
        const char *bundle = q->state->bundle ?: q->place->directory;
        size_t n = strlen(bundle), n_tail;

        if (asprintf(&tail, "/%s/userdata", q->id) < 0)
                return -ENOMEM;
        n_tail = strlen(tail);
        if (q->place->is_dockers)
                return oci_disk_take(q->state->docker ?: OCI_DOCKER_CONTAINERS, ret, reterr);
        if (n > n_tail && strcmp(bundle + n - n_tail, tail) == 0) {
                directory = memdup_text(bundle, n - n_tail);
                return directory ? oci_disk_take(directory, ret, reterr) : -ENOMEM;
        }
        return oci_disk_take(bundle, ret, reterr);
}

int oci_look_start(OciLook *l, const OciQuery *query, Refusal *reterr)
{
        static const ScoutWork work = {
                .prepare = prepare, .run = run, .on_done = on_done, .on_slow = on_slow};
        int r;

        l->query = *query;
        r = disk_of(query, &l->disk, reterr);
        if (r < 0)
                return r;
        r = scout_job_start(&l->job, &work, l,
                            &(ScoutTarget){.group = l->disk->group,
                                           .caller = SCOUT_NOBODY,
                                           .n_stuck = &l->disk->n_stuck,
                                           .n_at_work = &l->disk->n_at_work});
        if (r < 0)
                oci_disk_release(l->disk);
        return r;
}

void oci_look_cancel(OciLook *l)
{
        if (!l->job.work)
                return;
        scout_job_cancel(&l->job);
        oci_disk_release(l->disk);
}
