/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/peer.h"

#include <assert.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-login.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/origin.h"

/* Of the control groups of a process. A path may have 4096 bytes, and each hierarchy of version 1 has a line. */
#define CGROUP_MAX (256 * 1024)

static char *socket_label(int fd)
{
        char label[4096];
        socklen_t size = sizeof(label) - 1;

        if (getsockopt(fd, SOL_SOCKET, SO_PEERSEC, label, &size) < 0 || size == 0)
                return NULL;
        label[size] = 0;
        return strdup(label);
}

static uint32_t read_loginuid(int proc_fd)
{
        _cleanup_free_ char *text = NULL;
        uint32_t uid = UINT32_MAX;

        if (file_read_at(proc_fd, "loginuid", 64, &text, NULL) < 0 || sscanf(text, "%" SCNu32, &uid) != 1)
                return UINT32_MAX;
        return uid;
}

/* A program can give itself any name, and the record of it is shown on terminals. */
static void read_program(int proc_fd, char ret[static PEER_COMM_SIZE])
{
        _cleanup_free_ char *text = NULL;

        if (file_read_at(proc_fd, "comm", 64, &text, NULL) < 0)
                return;
        snprintf(ret, PEER_COMM_SIZE, "%.*s", (int) strcspn(text, "\n"), text);
        for (char *p = ret; *p; p++)
                if (*p < 0x20 || *p > 0x7e)
                        *p = '?';
}

/* The last answer of libsystemd, which depends on nothing but this text of /proc/PID/cgroup. */
typedef struct KnownUnit {
        char *text, *unit;
} KnownUnit;

static void remember_unit(KnownUnit *k, char *text, const char *unit)
{
        free(k->text);
        free(k->unit);
        k->unit = unit ? strdup(unit) : NULL;
        k->text = unit && !k->unit ? mfree(text) : text;
}

/* The unit that the process is in. libsystemd opens two files for that, and reads them line by line. */
static char *read_unit(int proc_fd, pid_t pid)
{
        static KnownUnit known;
        _cleanup_free_ char *text = NULL, *again = NULL, *unit = NULL;
        int r;

        if (file_read_at(proc_fd, "cgroup", CGROUP_MAX, &text, NULL) < 0)
                return NULL;
        if (known.text && strcmp(text, known.text) == 0)
                return known.unit ? strdup(known.unit) : NULL;
        r = sd_pid_get_unit(pid, &unit);
        /* Another process has had the number, or this one was moved, unless the text is the same afterwards. */
        if ((r >= 0 || r == -ENODATA) && file_read_at(proc_fd, "cgroup", CGROUP_MAX, &again, NULL) >= 0 &&
            strcmp(text, again) == 0)
                remember_unit(&known, TAKE_PTR(text), unit);
        return TAKE_PTR(unit);
}

/* machined links each unit that is a machine's, which is all that sd_pid_get_machine_name(3) looks at once
 * it has read again what unit a process is in. */
static bool is_machine(const char *unit)
{
        _cleanup_free_ char *path = NULL;
        char target[2];

        if (!unit || asprintf(&path, "/run/systemd/machines/unit:%s", unit) < 0) {
                path = NULL;
                return false;
        }
        return readlink(path, target, sizeof(target)) > 0;
}

/* Takes the pidfd. Facts that are read by number count only if the process still exists afterwards. */
static void peer_add_origin(Peer *p, Origin *o)
{
        p->foreign = o->foreign;
        if (o->proc_fd >= 0) {
                p->loginuid = read_loginuid(o->proc_fd);
                read_program(o->proc_fd, p->program);
                p->unit = read_unit(o->proc_fd, p->pid);
                /* All sessions are units with such names, and libsystemd reads everything again. */
                if (p->unit && strncmp(p->unit, "session-", strlen("session-")) == 0)
                        (void) sd_pid_get_session(p->pid, &p->session);
        }
        if (!p->foreign && is_machine(p->unit))
                p->foreign = "it belongs to a machine of systemd-machined";
        if (!origin_is_alive(o)) {
                p->foreign = p->foreign ?: "it has exited";
                p->loginuid = UINT32_MAX;
                p->unit = mfree(p->unit);
                p->session = mfree(p->session);
                p->program[0] = 0;
        }
        p->pidfd = TAKE_FD(o->pidfd);
        origin_done(o);
}

void peer_add_details(Peer *p)
{
        Origin o = origin_of_process(p->pid, TAKE_FD(p->pidfd));

        peer_add_origin(p, &o);
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

Peer *peer_new_remembered(uid_t uid, pid_t pid, uint32_t loginuid)
{
        Peer *p = peer_new();

        if (p) {
                p->uid = uid;
                p->pid = pid;
                p->loginuid = loginuid;
        }
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
        Origin o;

        p = peer_new();
        if (!p)
                return -ENOMEM;
        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) < 0)
                return -errno;
        p->uid = credentials.uid;
        p->gid = credentials.gid;
        p->pid = credentials.pid;

        p->label = socket_label(fd);
        o = origin_of_socket(fd, p->pid);
        peer_add_origin(p, &o);
        *ret = TAKE_PTR(p);
        return 0;
}

static bool copy_text(char **to, const char *from)
{
        *to = from ? strdup(from) : NULL;
        return !from || *to;
}

int peer_comm(const Peer *p, char ret[static PEER_COMM_SIZE])
{
        char path[64];
        _cleanup_close_ int fd = -EBADF;
        ssize_t n;

        (void) snprintf(path, sizeof(path), "/proc/%d/comm", (int) p->pid);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        n = read(fd, ret, PEER_COMM_SIZE - 1);
        if (n <= 0)
                return n < 0 ? -errno : -ENODATA;
        ret[n] = '\0';
        ret[strcspn(ret, "\n")] = '\0';
        return p->pidfd >= 0 && pidfd_is_alive(p->pidfd) == 1 ? 0 : -ESRCH;
}

Peer *peer_remember(const Peer *p)
{
        _cleanup_(peer_unrefp) Peer *copy = malloc(sizeof(Peer));

        if (!copy)
                return NULL;
        *copy = *p;
        copy->n_ref = 1;
        copy->pidfd = -EBADF;
        copy->label = copy->unit = copy->session = copy->bus_name = NULL;
        if (!copy_text(&copy->label, p->label) || !copy_text(&copy->unit, p->unit) ||
            !copy_text(&copy->session, p->session) || !copy_text(&copy->bus_name, p->bus_name))
                return NULL;
        return TAKE_PTR(copy);
}

Peer *peer_remember_alive(const Peer *p)
{
        Peer *copy = peer_remember(p);

        if (copy && p->pidfd >= 0)
                copy->pidfd = fcntl(p->pidfd, F_DUPFD_CLOEXEC, 3);
        return copy;
}

Peer *peer_ref(Peer *p)
{
        p->n_ref++;
        return p;
}

Peer *peer_unref(Peer *p)
{
        assert(!p || p->n_ref > 0);
        if (!p || --p->n_ref > 0)
                return NULL;
        fd_close(p->pidfd);
        free(p->label);
        free(p->unit);
        free(p->session);
        free(p->bus_name);
        return mfree(p);
}
