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
#include <sys/epoll.h>
#include <sys/inotify.h>

#include "base/fd.h"
#include "base/log.h"
#include "spawner/oci-files.h"
#include "spawner/oci-known.h"
#include "spawner/oci-leader.h"
#include "spawner/oci-watch.h"
#include "spawner/root-file.h"

#define PODMAN_KIND "podman"
#define EVENTS_SIZE 16384

typedef struct Oci Oci;

struct Oci {
        Provider provider;
        ContainerTable *table; /* weak */
        sd_event *event;       /* weak */
        OciPlaces places;
        OciWatch watches[OCI_PLACES_MAX];
        OciWatch others; /* places that are found there */
        List known;
        OciReadings readings;
        OciLeaders leaders;
        int watcher; /* of engines' files, by inotify; negative: there is none */
        sd_event_source *files_changed;
        bool has_scanned; /* for new containers, in the running refresh */
        bool is_renamed; /* a container was forgotten that may have another name, and was not scanned for yet */
        Refusal failure; /* of the running refresh */
};

static void forget(Oci *o, OciKnown *k)
{
        if (k->container->table)
                container_table_forget(o->table, k->container);
        list_remove(&o->known, &k->node);
        oci_known_free(k, &o->readings, o->watcher);
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

static int check_unique(const Oci *o, const Container *c, Refusal *reterr)
{
        if (container_table_by_id(o->table, c->id))
                return refuse(reterr, REFUSAL_CONFLICT, EEXIST, "another container has the ID %s", c->id);
        if (container_table_by_name(o->table, c->kind, c->name))
                return refuse(reterr, REFUSAL_CONFLICT, EEXIST, "another %s container has this name",
                              c->kind);
        return 0;
}

/* The state file may be another one by now, and containers can be given another name. */
static bool is_as_known(Oci *o, int place_fd, OciKnown *k)
{
        if (!oci_known_runs(k, place_fd))
                return false;
        k->is_behind = k->is_behind || (k->has_engine && o->provider.is_blind);
        return !k->is_behind || oci_known_read(k, &o->readings);
}

/* A container that is looked at may have any name. */
static void update_behind(Oci *o)
{
        o->provider.is_behind = o->is_renamed || LIST_FIND(OciKnown, k, &o->known, node, k->is_behind) ||
                                oci_readings_are_running(&o->readings, false) ||
                                oci_leaders_are_waited_for(&o->leaders);
}

static int add_container(Oci *o, const OciPlace *place, int dir_fd, const char *id, OciState *state,
                         const struct stat *st, OciFound *found, OciKnown **ret, Refusal *reterr)
{
        _cleanup_(container_unrefp) Container *c = NULL;
        _cleanup_(leader_unrefp) Leader *leader = NULL;
        const OciConfig *config = &found->config;
        bool is_engines = place->is_dockers || found->is_podmans;
        int r;

        r = oci_leader_open(&o->leaders, place, id, state, dir_fd, &leader, reterr);
        if (r >= 0)
                r = container_new(
                        &(ContainerFacts){
                                .id = is_engines ? id : NULL,
                                .name = config->name,
                                .kind = found->is_podmans && !place->is_dockers ? PODMAN_KIND : place->kind,
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
                r = oci_known_new(place, id, state, st, found, c, ret);
        if (r < 0)
                return r;
        list_append(&o->known, &(*ret)->node);
        (void) do_without(o, found->watch_error, id);
        return provider_add(&o->provider, c);
}

/* A container whose files do not answer may have any name. */
static int read_files(Oci *o, const OciPlace *place, const char *id, const OciState *state, OciFound **ret,
                      Refusal *reterr)
{
        int r;

        r = oci_reading_get(&o->readings,
                            &(OciQuery){.place = place, .id = id, .state = state, .watcher = o->watcher},
                            ret, reterr);
        if (r < 0 && reterr->kind == REFUSAL_UNAVAILABLE)
                refuse(&o->failure, REFUSAL_UNAVAILABLE, EIO, "container %.12s: %s", id,
                       reterr->message ?: "");
        return r;
}

static void look_at(Oci *o, const OciPlace *place, int place_fd, const char *id)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        _cleanup_oci_state_ OciState state = {0};
        _cleanup_close_ int dir_fd = -EBADF;
        _cleanup_free_ char *name = NULL;
        OciFound *found = NULL;
        struct stat st = {0};
        OciKnown *k = NULL;
        int r;

        r = root_directory_open_at(place_fd, id, &dir_fd, &refusal);
        /* It has just been removed. */
        if (r == -ENOENT)
                return;
        if (r >= 0)
                r = oci_read_state(place, dir_fd, id, &st, &state, &refusal);
        if (r >= 0)
                r = read_files(o, place, id, &state, &found, &refusal);
        if (r >= 0) {
                name = strdup(found->config.name);
                r = add_container(o, place, dir_fd, id, &state, &st, found, &k, &refusal);
        }
        /* Its first process is looked at. */
        if (r != -EINPROGRESS && r != -EAGAIN)
                oci_reading_drop(&o->readings, place, id);
        if (r >= 0 && !is_as_known(o, place_fd, k)) {
                forget(o, k);
                r = refuse(&refusal, REFUSAL_NOT_RUNNING, EAGAIN, "the container is changing");
        }
        if (r < 0 && r != -EINPROGRESS)
                provider_reject(&o->provider, name ?: id, r, &refusal);
}

/* Those that are not what they were go first: what they were called may be another one's name by now. */
static void forget_changed(Oci *o, const OciPlace *place, int place_fd)
{
        LIST_FOREACH (OciKnown, k, &o->known, node) {
                if (k->place != place || (place_fd >= 0 && is_as_known(o, place_fd, k)))
                        continue;
                forget(o, k);
                o->is_renamed = true;
        }
}

static OciKnown *find_known(const Oci *o, const OciPlace *place, const char *id)
{
        return LIST_FIND(OciKnown, k, &o->known, node, k->place == place && strcmp(k->id, id) == 0);
}

static int look_for_others(Oci *o, const OciPlace *place, int place_fd)
{
        DIR *d = fdopendir(fcntl(place_fd, F_DUPFD_CLOEXEC, 3));

        if (!d)
                return -errno;
        for (struct dirent *e = readdir(d); e; e = readdir(d))
                if (oci_name_is_valid(e->d_name) && (e->d_type == DT_DIR || e->d_type == DT_UNKNOWN) &&
                    !find_known(o, place, e->d_name))
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

static void scan(Oci *o, Refusal *failure)
{
        o->is_renamed = false;
        for (size_t i = 0; i < o->places.n; i++) {
                const char *directory = o->places.list[i].directory;
                _cleanup_close_ int fd = -EBADF;
                int r;

                if (open_place(directory, &fd, failure) < 0)
                        continue;
                r = look_for_others(o, &o->places.list[i], fd);
                if (r < 0)
                        refuse(failure, REFUSAL_UNAVAILABLE, -r, "failed to read %s: %s", directory,
                               strerrordesc_np(-r));
        }
        oci_readings_sweep(&o->readings);
}

static void look_at_known(Oci *o, Refusal *failure)
{
        find_places(o, failure);
        for (size_t i = 0; i < o->places.n; i++) {
                _cleanup_close_ int fd = -EBADF;

                (void) open_place(o->places.list[i].directory, &fd, failure);
                forget_changed(o, &o->places.list[i], fd);
        }
}

/* Names that have changed hands are read first. */
static void refresh_continue(void *userdata)
{
        Oci *o = userdata;
        bool is_running = o->provider.is_running;

        if (is_running && !o->has_scanned && !oci_readings_are_waited_for(&o->readings, true)) {
                o->has_scanned = true;
                scan(o, &o->failure);
                oci_readings_wait(&o->readings);
        }
        update_behind(o);
        if (is_running && o->has_scanned && !oci_readings_are_waited_for(&o->readings, false) &&
            !oci_leaders_are_waited_for(&o->leaders))
                provider_refreshed(&o->provider, &o->failure);
}

static void on_looked(void *userdata, const OciPlace *place, const char *id, bool was_slow)
{
        _cleanup_refusal_ Refusal failure = REFUSAL_INIT;
        _cleanup_close_ int fd = -EBADF;
        Oci *o = userdata;

        if (root_directory_open(place->directory, &fd, &failure) >= 0)
                look_at(o, place, fd, id);
        /* A request may wait for another round. */
        if (was_slow)
                provider_changed(&o->provider);
}

static void on_read(void *userdata, const OciPlace *place, const char *id, bool was_slow)
{
        Oci *o = userdata;
        OciKnown *k = find_known(o, place, id);

        if (!k) {
                on_looked(o, place, id, was_slow);
                return;
        }
        if (!oci_known_read(k, &o->readings)) {
                forget(o, k);
                o->is_renamed = true;
                provider_changed(&o->provider);
        }
}

static void oci_refresh(Provider *p)
{
        Oci *o = (Oci *) p;

        refusal_done(&o->failure);
        o->failure = REFUSAL_INIT;
        o->has_scanned = false;
        look_at_known(o, &o->failure);
        oci_readings_wait(&o->readings);
        refresh_continue(o);
}

/* Does not wait for the next round, which other providers may delay. */
static void look_at_once(Oci *o)
{
        _cleanup_refusal_ Refusal failure = REFUSAL_INIT;

        look_at_known(o, &failure);
        if (!LIST_FIND(OciKnown, k, &o->known, node, k->is_behind && !k->container->is_unsure))
                scan(o, &failure);
        provider_changed(&o->provider);
        refresh_continue(o); /* it may have waited for a container that has gone */
}

/* Whether it is one of a known container. Until the files are read, its name is not believed (provider.h). */
static bool on_file(Oci *o, const struct inotify_event *event)
{
        bool is_lost = event->mask & IN_Q_OVERFLOW, is_ended = event->mask & IN_IGNORED;
        bool is_known = false, is_own = false;

        if (!is_lost && !is_ended && (event->len == 0 || !oci_file_is_of_interest(event->name)))
                return false;
        LIST_FOREACH (OciKnown, k, &o->known, node) {
                if (!is_lost && k->watch != event->wd && k->storage_watch != event->wd)
                        continue;
                is_known = true;
                is_own = is_own || k->watch == event->wd;
                oci_reading_outdate(&o->readings, k->place, k->id);
                if (is_ended && k->watch == event->wd)
                        k->watch = OCI_NO_WATCH;
                k->is_behind = k->has_engine;
        }
        if (!is_own && !is_ended)
                oci_readings_outdate(&o->readings, is_lost ? OCI_NO_WATCH : event->wd);
        if (!is_known && !is_ended && !is_lost && !oci_readings_are_running(&o->readings, true))
                (void) inotify_rm_watch(o->watcher, event->wd);
        return is_known;
}

static int on_files(sd_event_source *s, int fd, uint32_t events, void *userdata)
{
        _Alignas(struct inotify_event) char buffer[EVENTS_SIZE];
        ssize_t n = read(fd, buffer, sizeof(buffer));
        bool is_known = false;

        for (ssize_t at = 0; at < n;) {
                const struct inotify_event *event = (const void *) (buffer + at);

                is_known = on_file(userdata, event) || is_known;
                at += (ssize_t) (sizeof(*event) + event->len);
        }
        if (is_known)
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

/* Without a watch, containers are found at the next request. */
static void watch_place(Oci *o, OciWatch *w, const char *directory)
{
        int r;

        *w = (OciWatch){.event = o->event, .directory = directory, .on_change = on_change, .userdata = o};
        r = do_without(o, oci_watch_begin(w), directory);
        if (r < 0)
                log_errno(LOG_WARNING, r, "Failed to watch %s", directory);
}

/* As a change in the places is, looked at before anything that is asked for after it. */
static int watch_files(Oci *o)
{
        int r;

        o->watcher = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
        if (o->watcher < 0)
                return -errno;
        r = sd_event_add_io(o->event, &o->files_changed, o->watcher, EPOLLIN, on_files, o);
        return r < 0 ? r : sd_event_source_set_priority(o->files_changed, SD_EVENT_PRIORITY_IMPORTANT);
}

static Provider *oci_free(Provider *p)
{
        Oci *o = (Oci *) p;

        if (!o)
                return NULL;
        for (size_t i = 0; i < o->places.n; i++)
                sd_event_source_disable_unref(o->watches[i].source);
        sd_event_source_disable_unref(o->others.source);
        LIST_FOREACH (OciKnown, k, &o->known, node) {
                list_remove(&o->known, &k->node);
                oci_known_free(k, &o->readings, o->watcher);
        }
        oci_leaders_done(&o->leaders);
        oci_readings_done(&o->readings);
        sd_event_source_disable_unref(o->files_changed);
        fd_close(o->watcher);
        refusal_done(&o->failure);
        oci_places_done(&o->places);
        free(o);
        return NULL;
}

static int oci_new(Providers *all, Provider **ret)
{
        Oci *o = calloc(1, sizeof(*o));
        int r;

        if (!o)
                return -ENOMEM;
        o->table = all->table;
        o->event = all->event;
        o->leaders = (OciLeaders){.on_looked = on_looked, .on_settled = refresh_continue, .userdata = o};
        o->readings = (OciReadings){.on_read = on_read, .on_settled = refresh_continue, .userdata = o};
        r = do_without(o, watch_files(o), "files of engines");
        if (r < 0) {
                oci_free(&o->provider);
                return r;
        }
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
