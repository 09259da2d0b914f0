/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "spawner/oci-podman.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/strv.h"
#include "spawner/oci-files.h"
#include "spawner/root-file.h"
#include "wire/bolt.h"
#include "wire/oci-details.h"
#include "wire/oci-state.h"

#define DATABASE_MAX (64 * 1024 * 1024)
#define BOLT_FILE    "bolt_state.db"
#define TRIES        4

static int bolt_transaction_now(int dir_fd, uint64_t *ret)
{
        _cleanup_close_ int fd = openat(dir_fd, BOLT_FILE, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        _cleanup_free_ char *data = malloc(BOLT_META_SIZE);
        ssize_t n;

        if (fd < 0)
                return -errno;
        if (!data)
                return -ENOMEM;
        n = pread(fd, data, BOLT_META_SIZE, 0);
        return n < 0 ? -errno : bolt_transaction(data, (size_t) n, ret);
}

/* Pages that a transaction can reach are not written again by the next one, so that the data read is of one
 * moment if the newest transaction is still the same afterwards. */
static int read_bolt(int dir_fd, const char *id, char ***details, Refusal *reterr)
{
        for (unsigned tries = 0; tries < TRIES; tries++) {
                _cleanup_free_ char *data = NULL;
                uint64_t before, after;
                const char *json;
                size_t size, n;
                int r, found;

                r = root_file_read(dir_fd, BOLT_FILE, DATABASE_MAX, &data, &size, NULL, reterr);
                if (r >= 0)
                        r = bolt_transaction(data, size, &before);
                if (r < 0)
                        return r;
                found = bolt_find(data, size, (const char *[]){"ctr", id, "config", NULL}, &json, &n);
                r = bolt_transaction_now(dir_fd, &after);
                if (r < 0)
                        return r;
                if (before == after)
                        return found < 0 ? found
                                         : oci_details_add(details, OCI_PODMAN_CONFIG, json, n, reterr);
        }
        return refuse(reterr, REFUSAL_NOT_RUNNING, EAGAIN, "Podman's database is changing");
}

static int open_database(const char *directory, int *ret_fd, Refusal *reterr)
{
        const char *end = strrchr(directory, '/');
        char path[PATH_MAX];
        int n;

        n = snprintf(path, sizeof(path), "%.*s/libpod", end ? (int) (end - directory) : 0, directory);
        if (n < 0 || (size_t) n >= sizeof(path))
                return -ENAMETOOLONG;
        return root_directory_open(path, ret_fd, reterr);
}

int oci_podman_read_config(const char *directory, const char *id, char ***details, Refusal *reterr)
{
        _cleanup_refusal_ Refusal why = REFUSAL_INIT;
        _cleanup_close_ int fd = -EBADF;
        int r;

        r = open_database(directory, &fd, &why);
        if (r >= 0)
                r = read_bolt(fd, id, details, &why);
        if (r == -EAGAIN || r == -ENOMEM) {
                *reterr = why;
                why = REFUSAL_INIT;
                return r;
        }
        if (r < 0 && r != -ENOENT)
                log_warning("Failed to read the database of Podman: %s", why.message ?: strerrordesc_np(-r));
        if (r < 0)
                return 0;
        /* Podman leaves out an empty list of labels. */
        return oci_details_find(*details, "Config.Labels") ? 0
                                                           : oci_details_set(details, "Config.Labels", "{}");
}

int oci_podman_read_health(const char *directory, struct stat *seen, char ***details, Refusal *reterr)
{
        _cleanup_close_ int fd = -EBADF;
        _cleanup_free_ char *text = NULL;
        struct stat now;
        size_t size;
        int r;

        if (!directory)
                return 0;
        r = root_directory_open(directory, &fd, reterr);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        if (fstatat(fd, OCI_PODMAN_HEALTH_FILE, &now, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT ? 0 : -errno;
        if (root_file_is_same(&now, seen))
                return 0;
        r = root_file_read(fd, OCI_PODMAN_HEALTH_FILE, OCI_STATE_MAX, &text, &size, seen, reterr);
        /* It is not replaced but written anew, and may be found half written; there is another look then. */
        if (r >= 0 && oci_details_add(details, OCI_PODMAN_HEALTH, text, size, NULL) == -ENOMEM)
                r = -ENOMEM;
        return r;
}
