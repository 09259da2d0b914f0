/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "spawner/cgroup-bpf.h"

#include <linux/bpf.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/fd.h"
#include "spawner/cgroup.h"

#define PROGRAMS_MAX 64

/* Since Linux 6.7. */
#define CGROUP_UNIX_CONNECT     49
#define CGROUP_UNIX_SENDMSG     50
#define CGROUP_UNIX_RECVMSG     51
#define CGROUP_UNIX_GETPEERNAME 52
#define CGROUP_UNIX_GETSOCKNAME 53

/* All kinds that the kernel has for control groups. systemd attaches some of them for a unit, with BPFProgram= among
 * others. */
static const struct {
        uint32_t type;
        bool needed; /* every kernel with cgroup BPF has it */
} kinds[] = {
        {BPF_CGROUP_DEVICE, true},
        {BPF_CGROUP_INET_INGRESS, true},
        {BPF_CGROUP_INET_EGRESS, true},
        {BPF_CGROUP_INET_SOCK_CREATE, false},
        {BPF_CGROUP_INET4_BIND, false},
        {BPF_CGROUP_INET6_BIND, false},
        {BPF_CGROUP_INET4_CONNECT, false},
        {BPF_CGROUP_INET6_CONNECT, false},
        {BPF_CGROUP_SYSCTL, false},
        {BPF_CGROUP_INET4_POST_BIND, false},
        {BPF_CGROUP_INET6_POST_BIND, false},
        {BPF_CGROUP_UDP4_SENDMSG, false},
        {BPF_CGROUP_UDP6_SENDMSG, false},
        {BPF_CGROUP_UDP4_RECVMSG, false},
        {BPF_CGROUP_UDP6_RECVMSG, false},
        {BPF_CGROUP_GETSOCKOPT, false},
        {BPF_CGROUP_SETSOCKOPT, false},
        {BPF_CGROUP_SOCK_OPS, false},
        {BPF_CGROUP_INET_SOCK_RELEASE, false},
        {BPF_CGROUP_INET4_GETPEERNAME, false},
        {BPF_CGROUP_INET6_GETPEERNAME, false},
        {BPF_CGROUP_INET4_GETSOCKNAME, false},
        {BPF_CGROUP_INET6_GETSOCKNAME, false},
        {CGROUP_UNIX_CONNECT, false},
        {CGROUP_UNIX_SENDMSG, false},
        {CGROUP_UNIX_RECVMSG, false},
        {CGROUP_UNIX_GETPEERNAME, false},
        {CGROUP_UNIX_GETSOCKNAME, false},
};

_Static_assert(ELEMENTSOF(kinds) <= 64, "device_policy_copy() has a bit for each");

typedef struct Programs {
        uint32_t ids[PROGRAMS_MAX];
        uint32_t n;
} Programs;

static int bpf(enum bpf_cmd command, union bpf_attr *attr)
{
        long r = syscall(SYS_bpf, command, attr, sizeof(*attr));

        return r < 0 ? -errno : (int) r;
}

static int query(int cgroup_fd, uint32_t type, uint32_t flags, Programs *ret)
{
        union bpf_attr attr;
        int r;

        memset(&attr, 0, sizeof(attr));
        attr.query.target_fd = (uint32_t) cgroup_fd;
        attr.query.attach_type = type;
        attr.query.query_flags = flags;
        attr.query.prog_ids = (uint64_t) (uintptr_t) ret->ids;
        attr.query.prog_cnt = PROGRAMS_MAX;
        r = bpf(BPF_PROG_QUERY, &attr);
        if (r < 0)
                return r;
        ret->n = attr.query.prog_cnt;
        return 0;
}

static int program_open(uint32_t id)
{
        union bpf_attr attr;

        memset(&attr, 0, sizeof(attr));
        attr.prog_id = id;
        return bpf(BPF_PROG_GET_FD_BY_ID, &attr);
}

/* BPF_PROG_ATTACH, or BPF_PROG_DETACH. */
static int change(int command, int cgroup_fd, uint32_t type, uint32_t id)
{
        _cleanup_close_ int program = program_open(id);
        union bpf_attr attr;

        if (program < 0)
                return program == -ENOENT && command == BPF_PROG_DETACH ? 0 : program;
        memset(&attr, 0, sizeof(attr));
        attr.target_fd = (uint32_t) cgroup_fd;
        attr.attach_bpf_fd = (uint32_t) program;
        attr.attach_type = type;
        if (command == BPF_PROG_ATTACH)
                attr.attach_flags = BPF_F_ALLOW_MULTI;
        return bpf(command, &attr);
}

static bool has_id(const Programs *p, uint32_t id)
{
        for (uint32_t i = 0; i < p->n; i++)
                if (p->ids[i] == id)
                        return true;
        return false;
}

/* First those that are missing, then away with those that the container no longer has: systemd makes its
 * programs anew now and then. */
static int copy_kind(int container, int parent, int slice, uint32_t type, bool needed, bool *is_bare)
{
        Programs theirs, shared, own;
        int r;

        r = query(container, type, BPF_F_QUERY_EFFECTIVE, &theirs);
        /* A kernel without this kind cannot have programs of it. */
        if (r == -EINVAL && !needed)
                return 0;
        if (r >= 0 && theirs.n == 0 && *is_bare)
                return 0;
        if (r >= 0)
                r = query(slice, type, 0, &own);
        *is_bare = r >= 0 && theirs.n == 0 && own.n == 0;
        if (*is_bare)
                return 0;
        if (r >= 0)
                r = query(parent, type, BPF_F_QUERY_EFFECTIVE, &shared);
        for (uint32_t i = 0; r >= 0 && i < theirs.n; i++)
                /* The programs of the parent are effective for the slice already. */
                if (!has_id(&shared, theirs.ids[i]) && !has_id(&own, theirs.ids[i]))
                        r = change(BPF_PROG_ATTACH, slice, type, theirs.ids[i]);
        for (uint32_t i = 0; r >= 0 && i < own.n; i++)
                if (!has_id(&theirs, own.ids[i]))
                        r = change(BPF_PROG_DETACH, slice, type, own.ids[i]);
        return r;
}

/* They are attached to hooks of the kernel that have no number here. */
static int check_security_programs(int container, int slice, Refusal *reterr)
{
        Programs theirs, shared;
        int r;

        r = query(container, BPF_LSM_CGROUP, BPF_F_QUERY_EFFECTIVE, &theirs);
        if (r == -EINVAL || (r >= 0 && theirs.n == 0))
                return 0;
        if (r >= 0)
                r = query(slice, BPF_LSM_CGROUP, BPF_F_QUERY_EFFECTIVE, &shared);
        for (uint32_t i = 0; r >= 0 && i < theirs.n; i++)
                if (!has_id(&shared, theirs.ids[i]))
                        return refuse(
                                reterr, REFUSAL_UNSUPPORTED, EOPNOTSUPP,
                                "the container's control group has BPF_LSM_CGROUP programs, which cannot be "
                                "applied to another command");
        return r;
}

int device_policy_copy(const char *container, const char *parent, const char *slice, uint64_t *bare,
                       Refusal *reterr)
{
        _cleanup_close_ int container_fd = cgroup_open(container), parent_fd = cgroup_open(parent),
                            slice_fd = cgroup_open(slice);
        int r = MIN(MIN(container_fd, parent_fd), slice_fd);

        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(kinds); i++) {
                bool is_bare = *bare & UINT64_C(1) << i;

                r = copy_kind(container_fd, parent_fd, slice_fd, kinds[i].type, kinds[i].needed, &is_bare);
                *bare = is_bare ? *bare | UINT64_C(1) << i : *bare & ~(UINT64_C(1) << i);
        }
        if (r >= 0)
                r = check_security_programs(container_fd, slice_fd, reterr);
        if (r < 0 && reterr->kind == REFUSAL_NONE)
                return refuse(reterr, REFUSAL_UNSUPPORTED, r,
                              "failed to apply the container's device policy: %s", strerrordesc_np(-r));
        return r;
}

/* The group of the old devices controller, or NULL. Points into the text. */
static const char *find_devices(const char *text, size_t *ret_length)
{
        for (const char *p = text; p && *p; p = strchr(p, '\n'), p = p ? p + 1 : NULL) {
                const char *names = strchr(p, ':'), *path, *end = strchrnul(p, '\n');

                if (!names || names > end)
                        continue;
                names++;
                path = memchr(names, ':', (size_t) (end - names));
                if (!path)
                        continue;
                for (const char *name = names; name < path;) {
                        size_t n = strcspn(name, ",:");

                        if (n == strlen("devices") && strncmp(name, "devices", n) == 0) {
                                *ret_length = (size_t) (end - path - 1);
                                return path + 1;
                        }
                        name += n + 1;
                }
        }
        return NULL;
}

int device_policy_check_v1(const char *container_cgroups, const char *own_cgroups, Refusal *reterr)
{
        size_t n_theirs = 0, n_own = 0;
        const char *theirs = find_devices(container_cgroups, &n_theirs),
                   *own = find_devices(own_cgroups, &n_own);

        if (!theirs && !own)
                return 0;
        if (theirs && own && n_theirs == n_own && memcmp(theirs, own, n_own) == 0)
                return 0;
        return refuse(
                reterr, REFUSAL_UNSUPPORTED, EOPNOTSUPP,
                "the container's device policy is in a cgroup hierarchy of version 1 and cannot be copied");
}
