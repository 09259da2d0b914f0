/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* spawner/oci-look and oci-files: scouts read directories like those of an engine, and report the errors in them.
 * Needs root. */

#include "spawner/oci-look.h"

#include <fcntl.h>
#include <sys/inotify.h>

#include "base/strv.h"
#include "unit/need.h"
#include "unit/test.h"
#include "wire/oci-details.h"

#define ID      "acc7d5d41f24c5ccf4e7d3f2d148af05df731c3def7721935f27a1851148c27d"
#define OTHER   "bcc7d5d41f24c5ccf4e7d3f2d148af05df731c3def7721935f27a1851148c27d"
#define CREATED "\"2026-11-24T16:36:42Z\""
#define USER    12345

#define DOCKER(id, name)                                                                     \
        "{\"ID\":\"" id "\",\"Name\":\"/" name "\",\"Created\":" CREATED ",\"Path\":\"sh\"," \
        "\"Config\":{\"Image\":\"bb\",\"Env\":[\"A=b\"],\"User\":\"bin\"}}"
#define STORAGE(id, name) \
        "[{\"id\":\"" id "\",\"names\":[\"" name "\"],\"image\":\"f00\",\"created\":" CREATED "}]"
#define BUNDLE(annotation)                                                                            \
        "{\"process\":{\"cwd\":\"/srv\",\"user\":{\"uid\":7,\"gid\":8},\"env\":[\"HOME=/\",\"A=b\"]," \
        "\"args\":[\"sh\"]},\"annotations\":{" annotation "}}"
#define OF_PODMAN "\"io.container.manager\":\"libpod\""

typedef struct World {
        sd_event *event;
        int watcher;
        bool is_done;
        int error;
        OciFound found; /* owned, as is the next one */
        Refusal refusal;
} World;

static char top[] = "/tmp/execd-oci-look-XXXXXX";
static char place_path[64], docker_path[64], bundle_path[192];

static const char *at(const char *name)
{
        static char paths[4][256];
        static unsigned next;
        char *path = paths[next++ % 4];

        snprintf(path, sizeof(paths[0]), "%s/%s", top, name);
        return path;
}

static void make_directory(const char *name)
{
        NEED_ROW(name, mkdir(at(name), 0755) == 0);
}

/* Replaces a file as engines do; NULL removes it. */
static void put(const char *name, const char *text)
{
        int fd;

        if (!text) {
                (void) unlink(at(name));
                return;
        }
        fd = open(at("new"), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        NEED_ROW(name, fd >= 0 && write(fd, text, strlen(text)) == (ssize_t) strlen(text));
        close(fd);
        NEED_ROW(name, rename(at("new"), at(name)) == 0);
}

static void on_found(void *userdata, int error, OciFound *found, Refusal *refusal)
{
        World *w = userdata;

        w->is_done = true;
        w->error = error;
        w->found = *found;
        w->refusal = *refusal;
        *refusal = REFUSAL_INIT;
}

static void on_slow(void *userdata)
{
}

static void forget(World *w)
{
        oci_found_done(&w->found);
        refusal_done(&w->refusal);
        w->is_done = false;
        w->error = 0;
}

static void look(World *w, const OciPlace *place, const char *id, const OciState *state, const OciSeen *seen)
{
        OciLook l = {.on_found = on_found, .on_slow = on_slow, .userdata = w};
        const OciQuery q = {.place = place, .id = id, .state = state, .seen = seen, .watcher = w->watcher};

        forget(w);
        NEED(oci_look_start(&l, &q, &w->refusal) == 0);
        while (!w->is_done)
                NEED(sd_event_run(w->event, UINT64_MAX) >= 0);
        CHECK(l.disk->n_looks == 0);
}

static const OciPlace docker = {.directory = place_path, .kind = "runc", .is_dockers = true},
                      runc = {.directory = place_path, .kind = "runc"};
static const OciState docker_state = {.docker = docker_path}, bundle_state = {.bundle = bundle_path};

static bool is_told(const World *w, int watch)
{
        char buffer[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
        ssize_t n = read(w->watcher, buffer, sizeof(buffer));

        return n > 0 && ((const struct inotify_event *) buffer)->wd == watch;
}

static void test_docker(World *w)
{
        const OciConfig *c = &w->found.config;
        OciSeen seen;
        int watch;

        put("containers/" ID "/hostconfig.json", "{\"GroupAdd\":[\"audio\"]}");
        put("containers/" ID "/config.v2.json", DOCKER(ID, "web"));
        look(w, &docker, ID, &docker_state, NULL);
        NEED(w->error == 0);
        CHECK(same_text(c->id, ID) && same_text(c->name, "web") && same_text(c->image, "bb"));
        CHECK(same_text(c->user, "bin") && strv_length(c->environment) == 1 && strv_length(c->groups) == 1);
        CHECK_TEXT("detail", oci_details_find(c->details, "Path"), "\"sh\"");
        CHECK(w->found.watch >= 0 && w->found.storage_watch == OCI_NO_WATCH && !w->found.is_podmans);
        watch = w->found.watch;
        seen = w->found.seen;

        /* Nothing has changed since. */
        look(w, &docker, ID, &docker_state, &seen);
        CHECK(w->error == 0 && !c->name && !c->details && w->found.watch == OCI_NO_WATCH);

        put("containers/" ID "/config.v2.json", DOCKER(ID, "new"));
        CHECK(is_told(w, watch));
        look(w, &docker, ID, &docker_state, &seen);
        CHECK(w->error == 0 && same_text(c->name, "new") && c->details);
        seen = w->found.seen;
        look(w, &docker, ID, &docker_state, &seen);
        CHECK(w->error == 0 && !c->name);
}

static void test_bad_docker(World *w)
{
        static const char config[] = "containers/" ID "/config.v2.json";
        static const struct {
                const char *name, *id, *config, *host;
                uid_t owner;
                mode_t mode;
                int error;
                const char *text;
        } rows[] = {
                {"no place", OTHER, DOCKER(ID, "a"), "{}", 0, 0600, -ENOENT, NULL},
                {"no ID of Docker's", "web", DOCKER(ID, "a"), "{}", 0, 0600, -EBADMSG,
                 "not a Docker container ID"},
                {"no configuration", ID, NULL, "{}", 0, 0, -ENOENT,
                 "Docker's config.v2.json: No such file or directory"},
                {"no host configuration", ID, DOCKER(ID, "a"), NULL, 0, 0600, -ENOENT,
                 "Docker's hostconfig.json: No such file or directory"},
                {"a user's", ID, DOCKER(ID, "a"), "{}", USER, 0600, -EPERM, "Docker's config.v2.json: "},
                {"a group's", ID, DOCKER(ID, "a"), "{}", 0, 0620, -EPERM, "Docker's config.v2.json: "},
                {"another's", ID, DOCKER(OTHER, "a"), "{}", 0, 0600, -EBADMSG,
                 "Docker's config.v2.json: belongs to another container"},
                {"no name", ID, "{\"ID\":\"" ID "\"}", "{}", 0, 0600, -EBADMSG, "Docker's config.v2.json: "},
                {"half of it", ID, "{\"ID\":\"" ID, "{}", 0, 0600, -EBADMSG, "Docker's config.v2.json: "},
                {"wrong groups", ID, DOCKER(ID, "a"), "{\"GroupAdd\":[7]}", 0, 0600, -EBADMSG,
                 "Docker's hostconfig.json: "},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                put(config, rows[i].config);
                put("containers/" ID "/hostconfig.json", rows[i].host);
                if (rows[i].config)
                        NEED(chown(at(config), rows[i].owner, 0) == 0 &&
                             chmod(at(config), rows[i].mode) == 0);
                look(w, &docker, rows[i].id, &docker_state, NULL);
                CHECK_ROW(rows[i].name, w->error == rows[i].error && !w->found.config.name);
                CHECK_ROW(rows[i].name,
                          !rows[i].text || (w->refusal.message && strstr(w->refusal.message, rows[i].text)));
                CHECK_ROW(rows[i].name, w->error != -EPERM || w->refusal.kind == REFUSAL_DENIED);
        }
}

static void test_podman(World *w)
{
        const OciConfig *c = &w->found.config;

        put("overlay-containers/" ID "/userdata/config.json", BUNDLE(OF_PODMAN));
        put("overlay-containers/containers.json", STORAGE(ID, "web"));
        look(w, &runc, ID, &bundle_state, NULL);
        NEED(w->error == 0);
        CHECK(w->found.is_podmans && w->found.storage_watch >= 0 && w->found.watch == OCI_NO_WATCH);
        CHECK(same_text(c->name, "web") && same_text(c->image, "f00") && same_text(c->working_dir, "/srv"));
        /* The engine sets HOME for each exec. */
        CHECK(strv_length(c->environment) == 1 && same_text(c->environment[0], "A=b"));
        CHECK_TEXT("detail", oci_details_find(c->details, "Config.Cmd"), "[\"sh\"]");

        /* The names change after the scout has read them. */
        put("overlay-containers/containers.json", STORAGE(OTHER, "web"));
        put("overlay-containers/volatile-containers.json", STORAGE(ID, "temporary"));
        look(w, &runc, ID, &bundle_state, NULL);
        CHECK(w->error == 0 && same_text(c->name, "temporary"));
        put("overlay-containers/volatile-containers.json", NULL);
        look(w, &runc, ID, &bundle_state, NULL);
        CHECK(w->error == -ENOENT && same_text(w->refusal.message, "it is not in Podman's storage"));

        put("overlay-containers/containers.json", "{}");
        look(w, &runc, ID, &bundle_state, NULL);
        CHECK(w->error == -EBADMSG && w->refusal.message &&
              strncmp(w->refusal.message, "containers.json: ", 17) == 0);
}

static void test_no_engine(World *w)
{
        put("overlay-containers/" ID "/userdata/config.json", BUNDLE(""));
        look(w, &runc, ID, &bundle_state, NULL);
        CHECK(w->error == 0 && !w->found.is_podmans && w->found.storage_watch == OCI_NO_WATCH);
        CHECK(same_text(w->found.config.name, ID) && same_text(w->found.config.image, bundle_path));
        put("overlay-containers/" ID "/userdata/config.json", NULL);
        look(w, &runc, ID, &bundle_state, NULL);
        CHECK(w->error == -ENOENT);
        CHECK_TEXT("no bundle", w->refusal.message, "the bundle's config.json: No such file or directory");
}

static void test_cancel(World *w)
{
        OciLook l = {.on_found = on_found, .on_slow = on_slow, .userdata = w};
        const OciQuery q = {.place = &docker, .id = ID, .state = &docker_state, .watcher = w->watcher};

        forget(w);
        NEED(oci_look_start(&l, &q, &w->refusal) == 0 && l.disk->n_looks == 1);
        oci_look_cancel(&l);
        oci_look_cancel(&l);
        CHECK(l.disk->n_looks == 0);
        while (l.disk->n_at_work > 0)
                NEED(sd_event_run(w->event, UINT64_MAX) >= 0);
        CHECK(!w->is_done);
}

int main(void)
{
        World w = {.watcher = inotify_init1(IN_CLOEXEC)};
        char command[64];

        if (geteuid() != 0)
                return 77;
        umask(0);
        NEED(w.watcher >= 0 && mkdtemp(top) && chmod(top, 0755) == 0);
        snprintf(place_path, sizeof(place_path), "%s/place", top);
        snprintf(docker_path, sizeof(docker_path), "%s/containers", top);
        snprintf(bundle_path, sizeof(bundle_path), "%s/overlay-containers/" ID "/userdata", top);
        make_directory("place");
        make_directory("place/" ID);
        make_directory("place/web");
        make_directory("containers");
        make_directory("containers/" ID);
        make_directory("containers/web");
        make_directory("overlay-containers");
        make_directory("overlay-containers/" ID);
        make_directory("overlay-containers/" ID "/userdata");
        NEED(sd_event_new(&w.event) >= 0 && scouts_init(w.event) >= 0);
        test_docker(&w);
        test_bad_docker(&w);
        test_podman(&w);
        test_no_engine(&w);
        test_cancel(&w);
        forget(&w);
        scouts_done();
        sd_event_unref(w.event);
        close(w.watcher);
        snprintf(command, sizeof(command), "rm -rf %s", top);
        NEED(system(command) == 0);
        return test_finish("oci-look");
}
