/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "spawner/oci-files.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/strv.h"
#include "spawner/oci-podman.h"
#include "spawner/root-file.h"
#include "wire/exec-id.h"
#include "wire/oci-details.h"

#define DOCKER_CONFIG "config.v2.json"
#define DOCKER_HOST   "hostconfig.json"

/* In a temporary one, containers are that a reboot may forget. */
static const char *const storage_files[2] = {"containers.json", "volatile-containers.json"};

bool oci_file_is_of_interest(const char *file)
{
        return strcmp(file, DOCKER_CONFIG) == 0 || strcmp(file, storage_files[0]) == 0 ||
               strcmp(file, storage_files[1]) == 0 || strcmp(file, OCI_PODMAN_HEALTH_FILE) == 0;
}

static bool is_engines_id(const char *id)
{
        return exec_id_is_valid(id);
}

/* Says which file it is that something is wrong with. */
static int name_file(const char *file, int r, Refusal *reterr)
{
        _cleanup_refusal_ Refusal why = REFUSAL_INIT;

        if (r >= 0 || !reterr || r == -ENOMEM)
                return r;
        why = *reterr;
        *reterr = REFUSAL_INIT;
        return refuse(reterr, why.kind == REFUSAL_NONE ? REFUSAL_INTERNAL : why.kind, -r, "%s: %s", file,
                      why.message ?: strerrordesc_np(-r));
}

int oci_read_state(const OciPlace *place, int dir_fd, const char *id, struct stat *st, OciState *ret,
                   Refusal *reterr)
{
        const char *file = place->is_cruns ? "status" : "state.json";
        _cleanup_oci_state_ OciState state = {0};
        _cleanup_free_ char *text = NULL;
        struct stat now;
        size_t size;
        int r;

        if (fstatat(dir_fd, file, &now, AT_SYMLINK_NOFOLLOW) >= 0 && root_file_is_same(&now, st))
                return 1;
        r = root_file_read(dir_fd, file, OCI_STATE_MAX, &text, &size, &now, reterr);
        if (r == -ENOENT)
                return refuse(reterr, REFUSAL_NOT_RUNNING, EAGAIN, "the container is starting");
        if (r >= 0)
                r = place->is_cruns ? oci_crun_status_parse(text, size, &state, reterr)
                                    : oci_runc_state_parse(text, size, &state, reterr);
        if (r >= 0 && state.id && strcmp(state.id, id) != 0)
                r = refuse(reterr, REFUSAL_INTERNAL, EBADMSG, "belongs to another container");
        if (r < 0)
                return name_file(file, r, reterr);
        *st = now;
        *ret = state;
        state = (OciState){0};
        return 0;
}

int oci_docker_directory(const OciState *state, const char *id, char **ret)
{
        return asprintf(ret, "%s/%s", state->docker ?: OCI_DOCKER_CONTAINERS, id) < 0 ? -ENOMEM : 0;
}

static int read_docker_config(int fd, const char *id, OciSeen *seen, OciConfig *c, Refusal *reterr)
{
        _cleanup_free_ char *text = NULL;
        size_t size;
        int r;

        r = root_file_read(fd, DOCKER_CONFIG, OCI_STATE_MAX, &text, &size, &seen->config, reterr);
        if (r >= 0)
                r = oci_docker_config_parse(text, size, c, reterr);
        if (r >= 0 && strcmp(c->id, id) != 0)
                r = refuse(reterr, REFUSAL_INTERNAL, EBADMSG, "belongs to another container");
        if (r >= 0)
                r = oci_details_add(&c->details, OCI_DOCKER_CONFIG, text, size, reterr);
        return name_file("Docker's " DOCKER_CONFIG, r, reterr);
}

/* Docker writes it before the other one. */
static int read_docker_host(int fd, OciConfig *c, Refusal *reterr)
{
        _cleanup_free_ char *text = NULL;
        size_t size;
        int r;

        r = root_file_read(fd, DOCKER_HOST, OCI_STATE_MAX, &text, &size, NULL, reterr);
        if (r >= 0)
                r = oci_docker_groups_parse(text, size, &c->groups, reterr);
        if (r >= 0)
                r = oci_details_add(&c->details, OCI_DOCKER_HOST, text, size, reterr);
        return name_file("Docker's " DOCKER_HOST, r, reterr);
}

static int open_docker(const char *id, const OciState *state, int *ret_fd, Refusal *reterr)
{
        _cleanup_free_ char *path = NULL;
        int r;

        r = oci_docker_directory(state, id, &path);
        if (r >= 0)
                r = root_directory_open(path, ret_fd, reterr);
        return name_file("Docker's directory", r, reterr);
}

static int read_docker(const char *id, const OciState *state, OciSeen *seen, OciConfig *ret, Refusal *reterr)
{
        _cleanup_oci_config_ OciConfig config = {0};
        _cleanup_close_ int fd = -EBADF;
        int r;

        r = open_docker(id, state, &fd, reterr);
        if (r >= 0)
                r = read_docker_config(fd, id, seen, &config, reterr);
        if (r >= 0)
                r = read_docker_host(fd, &config, reterr);
        if (r < 0)
                return r;
        *ret = config;
        config = (OciConfig){0};
        return 0;
}

void oci_names_done(OciNames *n)
{
        for (size_t i = 0; i < ELEMENTSOF(n->storage); i++)
                oci_storage_done(&n->storage[i]);
        free(n->directory);
        *n = (OciNames){0};
}

static int refresh_names(OciNames *n, int dir_fd, size_t i, Refusal *reterr)
{
        _cleanup_free_ char *text = NULL;
        struct stat st;
        size_t size;
        int r;

        if (fstatat(dir_fd, storage_files[i], &st, AT_SYMLINK_NOFOLLOW) < 0) {
                oci_storage_done(&n->storage[i]);
                n->st[i] = (struct stat){0};
                return errno == ENOENT ? 0 : -errno;
        }
        if (root_file_is_same(&st, &n->st[i]))
                return 0;
        oci_storage_done(&n->storage[i]);
        n->st[i] = (struct stat){0};
        r = root_file_read(dir_fd, storage_files[i], OCI_STORAGE_MAX, &text, &size, &st, reterr);
        if (r >= 0)
                r = oci_storage_parse(text, size, &n->storage[i], reterr);
        if (r < 0)
                return name_file(storage_files[i], r, reterr);
        n->st[i] = st;
        return 0;
}

/* The bundle of a container of Podman's is …/overlay-containers/ID/userdata, and the storage's list lies
 * where the containers do. */
static int find_in_storage(const char *bundle, const char *id, OciNames *names, const OciConfig **ret,
                           Refusal *reterr)
{
        char expected[2 + OCI_NAME_MAX + sizeof("/userdata")];
        _cleanup_close_ int fd = -EBADF;
        size_t n = strlen(bundle), tail;
        _cleanup_free_ char *directory = NULL;
        int r;

        tail = (size_t) snprintf(expected, sizeof(expected), "/%s/userdata", id);
        if (n <= tail || strcmp(bundle + n - tail, expected) != 0)
                return refuse(reterr, REFUSAL_INTERNAL, EBADMSG, "failed to find Podman's storage from %s",
                              bundle);
        directory = memdup_text(bundle, n - tail);
        if (!directory)
                return -ENOMEM;
        r = root_directory_open(directory, &fd, reterr);
        if (r < 0)
                return name_file(directory, r, reterr);
        if (!names->directory || strcmp(names->directory, directory) != 0) {
                oci_names_done(names);
                names->directory = TAKE_PTR(directory);
        }
        for (size_t i = 0; i < ELEMENTSOF(storage_files); i++) {
                const OciConfig *c;

                r = refresh_names(names, fd, i, reterr);
                if (r < 0)
                        return r;
                c = oci_storage_find(&names->storage[i], id);
                if (c) {
                        *ret = c;
                        return 0;
                }
        }
        return refuse(reterr, REFUSAL_INTERNAL, ENOENT, "it is not in Podman's storage");
}

static int read_bundle(const OciPlace *place, int dir_fd, const char *bundle, OciConfig *ret,
                       Refusal *reterr)
{
        _cleanup_close_ int bundle_fd = -EBADF;
        _cleanup_free_ char *text = NULL;
        size_t size;
        int r = 0;

        /* crun has a copy of its own. */
        if (!place->is_cruns)
                r = root_directory_open(bundle, &bundle_fd, reterr);
        if (r >= 0)
                r = root_file_read(place->is_cruns ? dir_fd : bundle_fd, "config.json", OCI_STATE_MAX, &text,
                                   &size, NULL, reterr);
        if (r >= 0)
                r = oci_bundle_config_parse(text, size, ret, reterr);
        if (r >= 0)
                r = oci_details_add(&ret->details, OCI_BUNDLE, text, size, reterr);
        return r < 0 ? name_file("the bundle's config.json", r, reterr) : 0;
}

/* Podman sets HOME for the container's process, and again for each exec. */
static void drop_home(char **environment)
{
        char **to = environment;

        STRV_FOREACH (from, environment) {
                if (strncmp(*from, "HOME=", strlen("HOME=")) == 0)
                        free(*from);
                else
                        *to++ = *from;
        }
        *to = NULL;
}

static int read_podman(const OciState *state, const char *id, OciNames *names, OciSeen *seen, OciConfig *c,
                       Refusal *reterr)
{
        const OciConfig *stored = NULL;
        int r;

        if (!is_engines_id(id))
                return refuse(reterr, REFUSAL_INTERNAL, EBADMSG, "not a Podman container ID");
        r = find_in_storage(state->bundle, id, names, &stored, reterr);
        if (r < 0)
                return r;
        drop_home(c->environment);
        c->created_usec = stored->created_usec;
        c->name = strdup(stored->name);
        c->image = strdup(stored->image);
        if (!c->name || !c->image)
                return -ENOMEM;
        r = oci_podman_read_config(names->directory, id, &c->details, reterr);
        return r < 0 ? r : oci_podman_read_health(state->run_directory, &seen->health, &c->details, reterr);
}

int oci_read_config(const OciPlace *place, int dir_fd, const char *id, OciState *state, OciNames *names,
                    OciSeen *seen, OciConfig *ret, Refusal *reterr)
{
        _cleanup_oci_config_ OciConfig c = {0};
        int r;

        if (place->is_dockers) {
                if (!is_engines_id(id))
                        return refuse(reterr, REFUSAL_INTERNAL, EBADMSG, "not a Docker container ID");
                return read_docker(id, state, seen, ret, reterr);
        }
        r = read_bundle(place, dir_fd, state->bundle, &c, reterr);
        if (r < 0)
                return r;
        state->is_podmans = state->is_podmans || c.is_podmans;
        state->run_directory = TAKE_PTR(c.run_directory);
        if (state->is_podmans)
                r = read_podman(state, id, names, seen, &c, reterr);
        else {
                c.name = strdup(id);
                c.image = strdup(state->bundle);
                r = c.name && c.image ? 0 : -ENOMEM;
        }
        if (r < 0)
                return r;
        *ret = c;
        c = (OciConfig){0};
        return 0;
}

static int read_docker_again(const char *id, const OciState *state, OciSeen *seen, char ***details,
                             char **ret_name, Refusal *reterr)
{
        _cleanup_oci_config_ OciConfig c = {0};
        _cleanup_close_ int fd = -EBADF;
        struct stat now;
        int r;

        r = open_docker(id, state, &fd, reterr);
        if (r < 0)
                return r;
        if (fstatat(fd, DOCKER_CONFIG, &now, AT_SYMLINK_NOFOLLOW) >= 0 &&
            root_file_is_same(&now, &seen->config))
                return 0;
        r = read_docker_config(fd, id, seen, &c, reterr);
        if (r >= 0)
                r = read_docker_host(fd, &c, reterr);
        if (r < 0)
                return r;
        strv_free(*details);
        *details = TAKE_PTR(c.details);
        *ret_name = TAKE_PTR(c.name);
        return 0;
}

int oci_read_again(const OciPlace *place, const char *id, const OciState *state, OciNames *names,
                   OciSeen *seen, char ***details, char **ret_name, Refusal *reterr)
{
        const OciConfig *stored = NULL;
        int r;

        *ret_name = NULL;
        if (place->is_dockers)
                return read_docker_again(id, state, seen, details, ret_name, reterr);
        if (!state->is_podmans)
                return 0;
        r = find_in_storage(state->bundle, id, names, &stored, reterr);
        if (r >= 0)
                r = oci_podman_read_health(state->run_directory, &seen->health, details, reterr);
        if (r < 0)
                return r;
        *ret_name = strdup(stored->name);
        return *ret_name ? 0 : -ENOMEM;
}
