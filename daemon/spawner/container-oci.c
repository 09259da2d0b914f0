/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A directory with a state file stands for a container. Its process is believed to be the one that is meant
 * when the kernel gives it the same start time and has it in the control group that the file names, and to
 * be a template when it has executed what the container is for: until then it is the runtime's, and not yet
 * confined.
 */

#include "spawner/container-oci.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/inotify.h>

#include "base/fd.h"
#include "base/log.h"
#include "spawner/oci-files.h"
#include "spawner/oci-leader.h"
#include "spawner/oci-watch.h"
#include "spawner/root-file.h"

#define RENAMED_MASK (IN_MOVED_TO | IN_CLOSE_WRITE | IN_ONLYDIR)
#define PODMAN_KIND  "podman"

typedef struct Oci Oci;

/* A container that was put into the table. */
typedef struct Known {
        ListNode node;
        const OciPlace *place;
        char *id;
        OciState state; /* as it was when the container was found */
        struct stat st; /* of its state file */
        OciSeen seen;
        sd_event_source *renamed; /* the engine's files of it have changed */
        Container *container;     /* owned reference */
} Known;

/* The files with the names of Podman's containers. Once used, they are watched permanently. */
typedef struct Storage {
        ListNode node;
        char *directory;
        sd_event_source *renamed;
} Storage;

struct Oci {
        Provider provider;
        ContainerTable *table; /* weak */
        sd_event *event;       /* weak */
        OciPlaces places;
        OciWatch watches[OCI_PLACES_MAX];
        OciWatch others; /* places that are found there */
        List known;
        OciLeaders leaders;
        OciNames names;
        List storages;
        Refusal failure; /* of the running refresh */
};

static void storage_free(Oci *o, Storage *s)
{
        list_remove(&o->storages, &s->node);
        sd_event_source_disable_unref(s->renamed);
        free(s->directory);
        free(s);
}

static void known_free(Oci *o, Known *k)
{
        list_remove(&o->known, &k->node);
        sd_event_source_disable_unref(k->renamed);
        container_unref(k->container);
        free(k->id);
        oci_state_done(&k->state);
        free(k);
}

static void forget(Oci *o, Known *k)
{
        if (k->container->table)
                container_table_forget(o->table, k->container);
        known_free(o, k);
}

/* The kernel's limits of inotify count what all processes of a user have, those in containers too. Without a
 * watch each request looks again, which takes longer and is as true. */
static int do_without(Oci *o, int r, const char *what)
{
        if (r != -EMFILE && r != -ENFILE && r != -ENOSPC)
                return r;
        if (!o->provider.is_blind)
                log_errno(LOG_WARNING, r, "Failed to watch %s, scanning it at each request instead", what);
        o->provider.is_blind = true;
        return 0;
}

static int on_renamed(sd_event_source *s, const struct inotify_event *event, void *userdata);

static int watch_storage(Oci *o, const char *directory)
{
        Storage *s;
        int r;

        if (LIST_FIND(Storage, known, &o->storages, node, strcmp(known->directory, directory) == 0))
                return 0;
        s = calloc(1, sizeof(*s));
        if (!s)
                return -ENOMEM;
        list_append(&o->storages, &s->node);
        s->directory = strdup(directory);
        r = s->directory ? oci_watch_add(o->event, directory, RENAMED_MASK, on_renamed, o, &s->renamed)
                         : -ENOMEM;
        if (r < 0)
                storage_free(o, s);
        return r;
}

/* Names are kept elsewhere than what the runtimes write. */
static int watch_name(Oci *o, Known *k)
{
        _cleanup_free_ char *path = NULL;
        int r;

        if (!k->place->is_dockers && !k->state.is_podmans)
                return 0;
        if (k->state.is_podmans && !k->place->is_dockers) {
                r = watch_storage(o, o->names.directory);
                if (r >= 0 && k->state.run_directory)
                        r = oci_watch_add(o->event, k->state.run_directory, RENAMED_MASK, on_renamed, o,
                                          &k->renamed);
                return r;
        }
        r = oci_docker_directory(&k->state, k->id, &path);
        return r < 0 ? r : oci_watch_add(o->event, path, RENAMED_MASK, on_renamed, o, &k->renamed);
}

/* Takes `state`. */
static int remember(Oci *o, const OciPlace *place, const char *id, OciState *state, const struct stat *st,
                    const OciSeen *seen, Container *c, Known **ret)
{
        Known *k = calloc(1, sizeof(*k));
        int r;

        if (!k)
                return -ENOMEM;
        *k = (Known){.place = place, .state = *state, .st = *st, .seen = *seen};
        *state = (OciState){0};
        k->container = container_ref(c);
        list_append(&o->known, &k->node);
        k->id = strdup(id);
        r = k->id ? do_without(o, watch_name(o, k), id) : -ENOMEM;
        if (r < 0)
                known_free(o, k);
        else
                *ret = k;
        return r;
}

static int check_unique(const Oci *o, const Container *c, Refusal *reterr)
{
        if (container_table_by_id(o->table, c->id))
                return refuse(reterr, REFUSAL_CONFLICT, EEXIST, "another container has the ID %s", c->id);
        if (container_table_by_name(o->table, c->kind, c->name))
                return refuse(reterr, REFUSAL_CONFLICT, EEXIST, "another %s container has this name",
                              c->kind);
        return 0;
}

/* The file may be another one by now, and containers can be given another name. */
static bool is_as_known(Oci *o, int place_fd, Known *k)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        const Leader *l = k->container->leader;
        _cleanup_oci_state_ OciState state = {0};
        _cleanup_close_ int dir_fd = -EBADF;
        _cleanup_free_ char *name = NULL;
        int r;

        if (!k->container->table)
                return false;
        r = root_directory_open_at(place_fd, k->id, &dir_fd, &refusal);
        if (r >= 0)
                r = oci_read_state(k->place, dir_fd, k->id, &k->st, &state, &refusal);
        if (r == 0 && (state.pid != l->pid || state.start_time != l->start_time ||
                       strcmp(state.bundle, k->state.bundle) != 0))
                return false;
        if (r >= 0)
                r = oci_read_again(k->place, k->id, &k->state, &o->names, &k->seen, &k->container->details,
                                   &name, &refusal);
        return r >= 0 && (!name || strcmp(name, k->container->name) == 0);
}

static int add_container(Oci *o, const OciPlace *place, int place_fd, int dir_fd, const char *id,
                         OciState *state, const struct stat *st, const OciSeen *seen,
                         const OciConfig *config, Refusal *reterr)
{
        Known *k = NULL;
        _cleanup_(container_unrefp) Container *c = NULL;
        _cleanup_(leader_unrefp) Leader *leader = NULL;
        bool is_engines = place->is_dockers || state->is_podmans;
        int r;

        r = oci_leader_open(&o->leaders, place, id, state, dir_fd, &leader, reterr);
        if (r >= 0)
                r = container_new(
                        &(ContainerFacts){
                                .id = is_engines ? id : NULL,
                                .name = config->name,
                                .kind = state->is_podmans && !place->is_dockers ? PODMAN_KIND : place->kind,
                                .image = config->image,
                                .cgroup = state->cgroup,
                                .created_usec = config->created_usec ?: state->created_usec,
                                .started_usec = state->created_usec,
                                .environment = config->environment,
                                .user = config->user,
                                .working_dir = config->working_dir,
                                .groups = config->groups,
                                .details = config->details,
                        },
                        leader, &c);
        if (r >= 0)
                r = check_unique(o, c, reterr);
        if (r >= 0)
                r = remember(o, place, id, state, st, seen, c, &k);
        if (r >= 0)
                r = provider_add(&o->provider, c);
        if (r < 0)
                return r;
        /* It may have been renamed before the watch began. */
        if (!is_as_known(o, place_fd, k)) {
                forget(o, k);
                return refuse(reterr, REFUSAL_NOT_RUNNING, EAGAIN, "the container is changing");
        }
        return 0;
}

static void look_at(Oci *o, const OciPlace *place, int place_fd, const char *id)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        _cleanup_oci_config_ OciConfig config = {0};
        _cleanup_oci_state_ OciState state = {0};
        _cleanup_close_ int dir_fd = -EBADF;
        struct stat st = {0};
        OciSeen seen = {0};
        int r;

        r = root_directory_open_at(place_fd, id, &dir_fd, &refusal);
        /* It has just been removed. */
        if (r == -ENOENT)
                return;
        if (r >= 0)
                r = oci_read_state(place, dir_fd, id, &st, &state, &refusal);
        if (r >= 0)
                r = oci_read_config(place, dir_fd, id, &state, &o->names, &seen, &config, &refusal);
        if (r >= 0)
                r = add_container(o, place, place_fd, dir_fd, id, &state, &st, &seen, &config, &refusal);
        if (r < 0 && r != -EINPROGRESS)
                provider_reject(&o->provider, config.name ?: id, r, &refusal);
}

/* Those that are not what they were go first: what they were called may be another one's name by now. */
static void forget_changed(Oci *o, const OciPlace *place, int place_fd)
{
        LIST_FOREACH (Known, k, &o->known, node) {
                if (k->place == place && (place_fd < 0 || !is_as_known(o, place_fd, k)))
                        forget(o, k);
        }
}

static int look_for_others(Oci *o, const OciPlace *place, int place_fd)
{
        DIR *d = fdopendir(fcntl(place_fd, F_DUPFD_CLOEXEC, 3));

        if (!d)
                return -errno;
        for (struct dirent *e = readdir(d); e; e = readdir(d))
                if (oci_name_is_valid(e->d_name) && (e->d_type == DT_DIR || e->d_type == DT_UNKNOWN) &&
                    !LIST_FIND(Known, k, &o->known, node,
                               k->place == place && strcmp(k->id, e->d_name) == 0))
                        look_at(o, place, place_fd, e->d_name);
        closedir(d);
        return 0;
}

static int open_place(const char *directory, int *ret_fd, Refusal *failure)
{
        _cleanup_refusal_ Refusal why = REFUSAL_INIT;
        int r = root_directory_open(directory, ret_fd, &why);

        if (r < 0 && r != -ENOENT)
                refuse(failure, REFUSAL_UNAVAILABLE, -r, "failed to read %s: %s", directory,
                       why.message ?: strerrordesc_np(-r));
        return r;
}

static void watch_place(Oci *o, OciWatch *w, const char *directory);

static void find_places(Oci *o, Refusal *failure)
{
        _cleanup_close_ int fd = -EBADF;
        size_t n = o->places.n;
        int r;

        if (open_place(OCI_PLACES_OF_DOCKER, &fd, failure) < 0)
                return;
        r = oci_places_find(&o->places, fd);
        if (r < 0)
                refuse(failure, REFUSAL_UNAVAILABLE, -r, "failed to read %s: %s", OCI_PLACES_OF_DOCKER,
                       strerrordesc_np(-r));
        for (; n < o->places.n; n++)
                watch_place(o, &o->watches[n], o->places.list[n].directory);
}

static void look_everywhere(Oci *o, Refusal *failure)
{
        const OciPlace *places = o->places.list;
        int fds[OCI_PLACES_MAX];

        find_places(o, failure);
        for (size_t i = 0; i < o->places.n; i++) {
                fds[i] = -EBADF;
                (void) open_place(places[i].directory, &fds[i], failure);
                forget_changed(o, &places[i], fds[i]);
        }
        for (size_t i = 0; i < o->places.n; i++) {
                int r = fds[i] < 0 ? 0 : look_for_others(o, &places[i], fds[i]);

                if (r < 0)
                        refuse(failure, REFUSAL_UNAVAILABLE, -r, "failed to read %s: %s",
                               places[i].directory, strerrordesc_np(-r));
                fd_close(fds[i]);
        }
}

static void refresh_maybe_done(void *userdata)
{
        Oci *o = userdata;

        if (o->provider.is_running && !oci_leaders_are_waited_for(&o->leaders))
                provider_refreshed(&o->provider, &o->failure);
}

static void on_looked(void *userdata, const OciPlace *place, const char *id, bool was_slow)
{
        _cleanup_refusal_ Refusal failure = REFUSAL_INIT;
        _cleanup_close_ int fd = -EBADF;
        Oci *o = userdata;

        if (root_directory_open(place->directory, &fd, &failure) >= 0)
                look_at(o, place, fd, id);
        /* Somebody may wait for another round. */
        if (was_slow)
                provider_changed(&o->provider);
}

static void oci_refresh(Provider *p)
{
        Oci *o = (Oci *) p;

        look_everywhere(o, &o->failure);
        refresh_maybe_done(o);
}

/* Does not wait for the next round, which other providers may delay. */
static void look_at_once(Oci *o)
{
        _cleanup_refusal_ Refusal failure = REFUSAL_INIT;

        look_everywhere(o, &failure);
        provider_changed(&o->provider);
}

static int on_renamed(sd_event_source *s, const struct inotify_event *event, void *userdata)
{
        if ((event->mask & IN_Q_OVERFLOW) || (event->len > 0 && oci_file_is_of_interest(event->name)))
                look_at_once(userdata);
        return 0;
}

static void on_change(OciWatch *w, int error)
{
        Oci *o = w->userdata;
        int r = do_without(o, error, w->directory);

        if (r < 0)
                log_errno(LOG_WARNING, r, "Failed to watch %s", w->directory);
        look_at_once(o);
}

/* Without a watch, what is there is found when somebody asks. */
static void watch_place(Oci *o, OciWatch *w, const char *directory)
{
        int r;

        *w = (OciWatch){.event = o->event, .directory = directory, .on_change = on_change, .userdata = o};
        r = do_without(o, oci_watch_begin(w), directory);
        if (r < 0)
                log_errno(LOG_WARNING, r, "Failed to watch %s", directory);
}

static Provider *oci_free(Provider *p)
{
        Oci *o = (Oci *) p;

        if (!o)
                return NULL;
        for (size_t i = 0; i < o->places.n; i++)
                sd_event_source_disable_unref(o->watches[i].source);
        sd_event_source_disable_unref(o->others.source);
        LIST_FOREACH (Known, k, &o->known, node)
                known_free(o, k);
        oci_leaders_done(&o->leaders);
        refusal_done(&o->failure);
        LIST_FOREACH (Storage, s, &o->storages, node)
                storage_free(o, s);
        oci_names_done(&o->names);
        oci_places_done(&o->places);
        free(o);
        return NULL;
}

static int oci_new(Providers *all, Provider **ret)
{
        Oci *o = calloc(1, sizeof(*o));

        if (!o)
                return -ENOMEM;
        o->table = all->table;
        o->event = all->event;
        o->leaders = (OciLeaders){.on_looked = on_looked, .on_settled = refresh_maybe_done, .userdata = o};
        oci_places_init(&o->places);
        for (size_t i = 0; i < o->places.n; i++)
                watch_place(o, &o->watches[i], o->places.list[i].directory);
        watch_place(o, &o->others, OCI_PLACES_OF_DOCKER);
        *ret = &o->provider;
        return 0;
}

const ProviderType oci_provider = {
        .name = "OCI runtimes",
        .new = oci_new,
        .free = oci_free,
        .refresh = oci_refresh,
};
