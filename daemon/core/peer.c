/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/peer.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-login.h>

#include "base/fd.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77 /* Linux 6.5; newer than the headers of Debian 12 */
#endif

static char *socket_label(int fd)
{
        char label[4096];
        socklen_t size = sizeof(label) - 1;

        if (getsockopt(fd, SOL_SOCKET, SO_PEERSEC, label, &size) < 0 || size == 0)
                return NULL;
        label[size] = 0;
        return strdup(label);
}

static uint32_t read_loginuid(pid_t pid)
{
        _cleanup_free_ char *text = NULL;
        uint32_t uid = UINT32_MAX;
        char path[64];

        snprintf(path, sizeof(path), "/proc/%d/loginuid", (int) pid);
        if (file_read_at(AT_FDCWD, path, 64, &text, NULL) < 0 || sscanf(text, "%" SCNu32, &uid) != 1)
                return UINT32_MAX;
        return uid;
}

/* True for a process in a pid namespace below ours: it has a pid there as well. */
static bool in_other_pid_namespace(int pidfd)
{
        _cleanup_free_ char *info = NULL;
        char path[64];
        const char *p;
        int here, below;

        snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
        if (file_read_at(AT_FDCWD, path, 4096, &info, NULL) < 0)
                return true;
        p = strstr(info, "\nNSpid:");
        return !p || sscanf(p, "\nNSpid:%d%d", &here, &below) != 1;
}

/* True for a process whose uids are not the host's. */
static bool in_other_user_namespace(pid_t pid)
{
        _cleanup_free_ char *map = NULL, *own = NULL;
        char path[64];

        snprintf(path, sizeof(path), "/proc/%d/uid_map", (int) pid);
        return file_read_at(AT_FDCWD, path, 65536, &map, NULL) < 0 ||
               file_read_at(AT_FDCWD, "/proc/self/uid_map", 65536, &own, NULL) < 0 || strcmp(map, own) != 0;
}

/*
 * A container that had the socket mounted into it speaks with uids of its own; root there is not root here.
 * The mount namespace is not compared: services of the host have private ones as well. A peer that has gone
 * since is taken for foreign. Without a pidfd (before Linux 6.5, or on the bus) the pid namespace cannot be
 * told.
 */
static bool peer_is_foreign(const Peer *p)
{
        _cleanup_free_ char *machine = NULL;
        bool foreign;

        foreign = in_other_user_namespace(p->pid) || sd_pid_get_machine_name(p->pid, &machine) >= 0;
        if (p->pidfd < 0)
                return foreign;
        return foreign || in_other_pid_namespace(p->pidfd) || pidfd_is_alive(p->pidfd) != 1;
}

static uint64_t read_start_time(pid_t pid)
{
        _cleanup_close_ int dir = -EBADF;
        uint64_t start_time = 0;
        char path[64];

        snprintf(path, sizeof(path), "/proc/%d", (int) pid);
        dir = open(path, O_DIRECTORY | O_PATH | O_CLOEXEC);
        return dir >= 0 && proc_start_time(dir, &start_time) >= 0 ? start_time : 0;
}

/* What is read by number counts only if the process is still the one that connected. */
void peer_add_details(Peer *p)
{
        p->loginuid = read_loginuid(p->pid);
        p->start_time = read_start_time(p->pid);
        p->foreign = peer_is_foreign(p);
        (void) sd_pid_get_unit(p->pid, &p->unit);
        if (p->pidfd >= 0 && pidfd_is_alive(p->pidfd) != 1) {
                p->loginuid = UINT32_MAX;
                p->unit = mfree(p->unit);
        }
}

static Peer *peer_new(void)
{
        Peer *p = calloc(1, sizeof(Peer));

        if (!p)
                return NULL;
        p->n_ref = 1;
        p->uid = (uid_t) -1;
        p->gid = (gid_t) -1;
        p->pidfd = -EBADF;
        p->loginuid = UINT32_MAX;
        return p;
}

Peer *peer_new_from_bus(const char *unique_name)
{
        _cleanup_(peer_unrefp) Peer *p = peer_new();

        if (!p)
                return NULL;
        p->bus_name = strdup(unique_name);
        return p->bus_name ? TAKE_PTR(p) : NULL;
}

int peer_new_from_socket(int fd, Peer **ret)
{
        _cleanup_(peer_unrefp) Peer *p = NULL;
        struct ucred credentials;
        socklen_t size = sizeof(credentials);
        int pidfd = -EBADF;

        p = peer_new();
        if (!p)
                return -ENOMEM;
        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) < 0)
                return -errno;
        p->uid = credentials.uid;
        p->gid = credentials.gid;
        p->pid = credentials.pid;

        size = sizeof(pidfd);
        if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &size) >= 0)
                p->pidfd = pidfd;
        p->label = socket_label(fd);

        peer_add_details(p);
        *ret = TAKE_PTR(p);
        return 0;
}

static bool copy_text(char **to, const char *from)
{
        *to = from ? strdup(from) : NULL;
        return !from || *to;
}

Peer *peer_remember(const Peer *p)
{
        _cleanup_(peer_unrefp) Peer *copy = malloc(sizeof(Peer));

        if (!copy)
                return NULL;
        *copy = *p;
        copy->n_ref = 1;
        copy->pidfd = -EBADF;
        copy->label = copy->unit = copy->bus_name = NULL;
        if (!copy_text(&copy->label, p->label) || !copy_text(&copy->unit, p->unit) ||
            !copy_text(&copy->bus_name, p->bus_name))
                return NULL;
        return TAKE_PTR(copy);
}

Peer *peer_ref(Peer *p)
{
        p->n_ref++;
        return p;
}

Peer *peer_unref(Peer *p)
{
        if (!p || --p->n_ref > 0)
                return NULL;
        fd_close(p->pidfd);
        free(p->label);
        free(p->unit);
        free(p->bus_name);
        return mfree(p);
}
