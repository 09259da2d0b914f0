/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The user and the rights of the command. All this happens after the namespaces were joined: joining a user
 * namespace gives a full bounding set back, and ids mean what the container's map says.
 */

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#include "base/fd.h"
#include "runner/runner.h"

#define CAP_BIT(cap) (UINT64_C(1) << (cap))

/* A file with users or groups of the container, a piece of which is in memory at a time. It is opened when the
 * first one is read. */
typedef struct ContainerFile {
        const char *path;
        int fd; /* negative before that, and without a file */
        bool is_opened;
        bool is_needed; /* for a name */
        size_t left;    /* of the bytes that it had when it was opened */
        Refusal *reterr;
} ContainerFile;

/* Whatever the container has at the path: a link to a kernel file, a pipe that nobody writes, a device, a file
 * of a thousand gigabytes. The monitor ends a read that takes too long. */
static int open_container_file(const char *path, size_t *ret_size)
{
        struct open_how how = {
                .flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
                .resolve = RESOLVE_NO_MAGICLINKS,
        };
        _cleanup_close_ int fd = (int) syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));
        struct statfs fs;
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0 || fstatfs(fd, &fs) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode) || fs.f_type == PROC_SUPER_MAGIC)
                return -EINVAL;
        if (st.st_size > USER_FILE_MAX)
                return -EFBIG;
        *ret_size = (size_t) st.st_size;
        return TAKE_FD(fd);
}

/* A file that is not there is one without entries. One that cannot be used ends there, as long as no name
 * has to be found: so root can still enter a container with a broken passwd. */
static int container_file_fail(const ContainerFile *f, int error)
{
        if (error == -ENOENT || error == -ENOTDIR || !f->is_needed)
                return 0;
        if (error == -EFBIG)
                return refuse(
                        f->reterr, REFUSAL_NOT_RUNNABLE, error,
                        "unable to find user: the container's %s has more than %d bytes, which is the limit",
                        f->path, USER_FILE_MAX);
        return refuse(f->reterr, REFUSAL_NOT_RUNNABLE, error,
                      "unable to find user: failed to use the container's %s: %s", f->path,
                      error == -EINVAL ? "not a regular file" : strerrordesc_np(-error));
}

static ssize_t container_file_read(void *userdata, char *ret, size_t size)
{
        ContainerFile *f = userdata;
        ssize_t n;

        if (!f->is_opened) {
                f->is_opened = true;
                f->fd = open_container_file(f->path, &f->left);
                if (f->fd < 0)
                        return container_file_fail(f, f->fd);
        }
        size = MIN(size, f->left);
        if (f->fd < 0 || size == 0)
                return 0;
        do
                n = read(f->fd, ret, size);
        while (n < 0 && errno == EINTR);
        f->left = n > 0 ? f->left - (size_t) n : 0;
        return n < 0 ? container_file_fail(f, -errno) : n;
}

static void container_file_done(ContainerFile *f)
{
        f->fd = fd_close(f->fd);
}

static int lookup(const char *user, char *const *groups, UserCredentials *ret, Refusal *reterr)
{
        _cleanup_(container_file_done) ContainerFile passwd = {"/etc/passwd", -EBADF, .reterr = reterr};
        _cleanup_(container_file_done) ContainerFile group = {"/etc/group", -EBADF, .reterr = reterr};
        _cleanup_(user_spec_done) UserSpec spec = USER_SPEC_INIT;
        int r = user_spec_parse(user, &spec, reterr);

        if (r < 0)
                return r;
        passwd.is_needed = group.is_needed = user_spec_has_names(&spec);
        return user_lookup(&spec, groups, &(UserFile){container_file_read, &passwd},
                           &(UserFile){container_file_read, &group}, ret, reterr);
}

int creds_lookup(const RunnerSpec *s, UserCredentials *ret, Refusal *reterr)
{
        char user[32];
        int r;

        if (s->as_leader) {
                /* By numbers, which need no entry: of a dynamic user there is none. */
                snprintf(user, sizeof(user), "%u:%u", s->leader_uid, s->leader_gid);
                return lookup(user, NULL, ret, reterr);
        }
        r = lookup(s->user, s->groups, ret, reterr);
        if (r >= 0 && s->is_root_refused && ret->uid == s->host_root_uid)
                return refuse(
                        reterr, REFUSAL_DENIED, EPERM,
                        "User: this is the host's root, which a command in a service may be only if it "
                        "is Privileged");
        return r;
}

/* Groups other than the leader's would mean other users inside. They cannot be dropped if the namespace
 * forbids setgroups(2). */
int creds_set_outside_groups(const RunnerSpec *s)
{
        bool same = s->as_leader && s->n_leader_groups > 0;

        return setgroups(same ? s->n_leader_groups : 0, same ? s->leader_groups : NULL) < 0 ? -errno : 0;
}

/* After joining a user namespace our ids are not mapped there, and our files would belong to no user. Become
 * its root, or the leader's user where it has no root. */
int creds_enter_user_namespace(const RunnerSpec *s, Refusal *reterr)
{
        uid_t uid = 0;
        gid_t gid = 0;

        if (!(s->namespaces & CLONE_NEWUSER))
                return 0;
        if (setresgid(gid, gid, gid) < 0) {
                gid = s->leader_gid;
                if (setresgid(gid, gid, gid) < 0)
                        return refuse(reterr, REFUSAL_INTERNAL, errno,
                                      "failed to change to the group in the container");
        }
        if (setresuid(uid, uid, uid) < 0) {
                uid = s->leader_uid;
                if (setresuid(uid, uid, uid) < 0)
                        return refuse(reterr, REFUSAL_INTERNAL, errno,
                                      "failed to change to the user in the container");
        }
        prctl(PR_SET_DUMPABLE, 0);
        return 0;
}

static int drop_bounding(uint64_t keep)
{
        for (int cap = 0; cap < 64; cap++) {
                int has = keep & CAP_BIT(cap) ? 0 : prctl(PR_CAPBSET_READ, cap, 0, 0, 0);

                if (has < 0)
                        break; /* beyond the last that this kernel has */
                if (has && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
                        return -errno;
        }
        return 0;
}

static int set_capabilities(uint64_t permitted, uint64_t inheritable)
{
        struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
        struct __user_cap_data_struct data[2], have[2];

        if (syscall(SYS_capget, &header, have) < 0)
                return -errno;
        for (int i = 0; i < 2; i++) {
                uint32_t p = (uint32_t) (permitted >> (32 * i)) & have[i].permitted;

                data[i] = (struct __user_cap_data_struct){
                        .effective = p,
                        .permitted = p,
                        .inheritable = (uint32_t) (inheritable >> (32 * i)) & p,
                };
        }
        return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

static int set_ambient(uint64_t ambient)
{
        (void) prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
        for (int cap = 0; cap < 64; cap++)
                if ((ambient & CAP_BIT(cap)) && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) < 0)
                        return -errno;
        return 0;
}

static int set_ids(const RunnerSpec *s, const UserCredentials *u, Refusal *reterr)
{
        uid_t real, effective, saved;

        if (!s->setgroups_denied && !s->as_leader && setgroups(u->n_groups, u->groups) < 0)
                return refuse_start(reterr, REFUSAL_NOT_RUNNABLE, errno, "setgroups: %s",
                                    strerrordesc_np(errno));
        if (setresgid(u->gid, u->gid, u->gid) < 0)
                return refuse_start(reterr, REFUSAL_NOT_RUNNABLE, errno,
                                    "gid %u does not exist in the container's user namespace", u->gid);
        if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
                return -errno;
        if (setresuid(u->uid, u->uid, u->uid) < 0)
                return refuse_start(reterr, REFUSAL_NOT_RUNNABLE, errno,
                                    "uid %u does not exist in the container's user namespace", u->uid);
        if (getresuid(&real, &effective, &saved) < 0 || real != u->uid || effective != u->uid ||
            saved != u->uid)
                return -EPERM;
        return 0;
}

/* A new one without a name: another process could have made a named one in advance. */
int creds_join_keyring(void)
{
        return syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0 && errno != ENOSYS ? -errno : 0;
}

int creds_become(const RunnerSpec *s, const UserCredentials *u, bool has_keyring, Refusal *reterr)
{
        uint64_t bounding = s->cap_bounding | (s->privileged ? s->cap_privileged : 0);
        uint64_t ambient = u->uid != 0 && u->uid == s->leader_uid ? s->cap_ambient & bounding : 0;
        uint64_t permitted = u->uid == 0 ? bounding : ambient;
        int r;

        r = drop_bounding(bounding);
        if (r < 0)
                return refuse(reterr, REFUSAL_INTERNAL, r, "failed to drop capabilities");
        r = set_ids(s, u, reterr);
        if (r < 0)
                return r;

        /* A filter may only be set with CAP_SYS_ADMIN or no_new_privs. execve(2) takes it away again, since
         * it is neither in the bounding set nor ambient where the leader does not have it. */
        if (s->n_filters > 0 && !s->no_new_privs)
                permitted |= CAP_BIT(CAP_SYS_ADMIN);
        r = set_capabilities(permitted, ambient);
        if (r >= 0)
                r = set_ambient(ambient);
        if (r < 0)
                return refuse(reterr, REFUSAL_INTERNAL, r, "failed to set capabilities");
        prctl(PR_SET_DUMPABLE, 0);

        umask((mode_t) s->umask);
        /* The kernel counts the keys of a user on the whole host: another container, or a user of the host
         * with the same number, may have left none. */
        r = creds_join_keyring();
        if (r >= 0 || (r == -EDQUOT && has_keyring))
                return 0;
        return refuse(reterr, REFUSAL_INTERNAL, r, "failed to create a session keyring: %s",
                      strerrordesc_np(-r));
}
