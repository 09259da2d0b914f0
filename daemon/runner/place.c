/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Where a command in a service begins, and what it finds in its environment: as the main process, whose root
 * directory may differ from the root of its mount namespace. The joiner looks up all of it, since the service
 * decides how long that takes, and the joiner may be ended at any time.
 *
 * A command in a container begins in the root of the mount namespace, which is the container's when its
 * engine has made it so. Anything may be registered as a machine: where its first process was only put into
 * another root directory, the namespace has the host's files.
 */

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/strv.h"
#include "runner/runner.h"
#include "wire/service-name.h"

static int open_directory(const RunnerSpec *s, const char *name)
{
        char path[64];
        int fd;

        snprintf(path, sizeof(path), "/proc/%u/%s", s->leader_pid, name);
        fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

/* The directories are in the mount namespace that is joined. */
static int check_mounts(const RunnerSpec *s, int mount_namespace)
{
        struct stat st, joined;
        char path[64];

        snprintf(path, sizeof(path), "/proc/%u/ns/mnt", s->leader_pid);
        if (stat(path, &st) < 0 ||
            (mount_namespace < 0 ? stat("/proc/self/ns/mnt", &joined) : fstat(mount_namespace, &joined)) < 0)
                return -errno;
        return st.st_ino == joined.st_ino && st.st_dev == joined.st_dev ? 0 : -EPERM;
}

/* After what the unit sets: a program may have written over its own, and then only that is left. */
static int take_environment(RunnerSpec *s, Refusal *reterr)
{
        _cleanup_strv_ char **found = NULL;
        _cleanup_free_ char *data = NULL;
        char path[64];
        size_t size;
        int r;

        snprintf(path, sizeof(path), "/proc/%u/environ", s->leader_pid);
        r = file_read_at(AT_FDCWD, path, SERVICE_ENV_MAX, &data, &size);
        if (r >= 0)
                r = service_environment_parse(data, size, &found);
        if (r == -EFBIG || r == -E2BIG)
                return refuse(reterr, REFUSAL_UNSUPPORTED, E2BIG,
                              "the environment of the main process is larger than %d bytes or %d variables",
                              SERVICE_ENV_MAX, SERVICE_ENV_ITEMS_MAX);
        STRV_FOREACH (variable, found)
                if (r >= 0)
                        r = strv_append(&s->env_container, *variable);
        return r;
}

int place_open(RunnerSpec *s, int leader, int mount_namespace, Place *ret, Refusal *reterr)
{
        int r = 0;

        *ret = PLACE_INIT;
        if (!s->service && !s->check_root)
                return 0;
        ret->root = open_directory(s, "root");
        ret->directory = s->service ? open_directory(s, "cwd") : -EBADF;
        r = s->service ? MIN(ret->root, ret->directory) : ret->root;
        if (r >= 0)
                r = check_mounts(s, mount_namespace);
        /* A command of another user does not get what the service has put into its own memory. */
        if (r >= 0 && s->as_leader && !s->privileged)
                r = take_environment(s, reterr);
        /* All of it was found by its number, and is the leader's if that one still lives. */
        if (pidfd_is_alive(leader) <= 0)
                return refuse(reterr, REFUSAL_NOT_RUNNING, ESRCH, "the %s is not running",
                              s->service ? "service" : "container");
        if (r < 0 && reterr->kind == REFUSAL_NONE)
                return refuse(reterr, REFUSAL_INTERNAL, r,
                              "failed to open the root directory of the main process: %s",
                              strerrordesc_np(-r));
        return r;
}

/* Identifies the mount, and not only the directory: the same directory can be mounted twice. Before Linux
 * 5.8, the mount is unknown. */
static int check_root(int root, Refusal *reterr)
{
        const unsigned what = STATX_INO | STATX_MNT_ID;
        struct statx theirs, ours;

        if (statx(root, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, what, &theirs) < 0 ||
            statx(AT_FDCWD, "/", AT_STATX_DONT_SYNC, what, &ours) < 0)
                return -errno;
        if (theirs.stx_ino == ours.stx_ino && theirs.stx_dev_major == ours.stx_dev_major &&
            theirs.stx_dev_minor == ours.stx_dev_minor &&
            (!(ours.stx_mask & STATX_MNT_ID) || theirs.stx_mnt_id == ours.stx_mnt_id))
                return 0;
        return refuse(reterr, REFUSAL_UNSUPPORTED, EPERM,
                      "the container's first process is not in the root directory of its mount namespace");
}

int place_enter(const RunnerSpec *s, Place *p, Refusal *reterr)
{
        int r = 0;

        if (s->check_root)
                r = check_root(p->root, reterr);
        else if (s->service &&
                 (fchdir(p->root) < 0 || chroot(".") < 0 || (fchdir(p->directory) < 0 && chdir("/") < 0)))
                r = -errno;
        p->root = fd_close(p->root);
        p->directory = fd_close(p->directory);
        return r;
}
