/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "spawner/leader-facts.h"

#include <fcntl.h>
#include <selinux/selinux.h>
#include <string.h>

#include "base/fd.h"
#include "base/process-state.h"

#define MAPPINGS_MAX (64 * 1024)
#define TEXT_MAX     (16 * 1024)
#define LOOKS_MAX    5

void leader_facts_done(LeaderFacts *f)
{
        free(f->uid_map);
        free(f->gid_map);
        free(f->groups);
        free(f->label);
        free(f->apparmor);
        *f = (LeaderFacts){0};
}

int process_read_label(int proc_fd, char **ret)
{
        _cleanup_free_ char *text = NULL;
        int r;

        *ret = NULL;
        if (is_selinux_enabled() <= 0)
                return 0;
        r = file_read_at(proc_fd, "attr/current", TEXT_MAX, &text, NULL);
        return r < 0 ? r : proc_label_parse(text, ret);
}

static bool apparmor_is_enabled(void)
{
        static int enabled = -1; /* decided when the kernel starts */
        _cleanup_free_ char *text = NULL;

        if (enabled < 0)
                enabled = file_read_at(AT_FDCWD, "/sys/module/apparmor/parameters/enabled", 16, &text,
                                       NULL) >= 0 &&
                          text[0] == 'Y';
        return enabled;
}

int process_read_apparmor(int proc_fd, char **ret)
{
        _cleanup_free_ char *text = NULL;
        int r;

        *ret = NULL;
        if (!apparmor_is_enabled())
                return 0;
        r = file_read_at(proc_fd, "attr/apparmor/current", TEXT_MAX, &text, NULL);
        if (r == -ENOENT) {
                /* With SELinux, this one is SELinux's. */
                if (is_selinux_enabled() > 0)
                        return -EBADMSG;
                r = file_read_at(proc_fd, "attr/current", TEXT_MAX, &text, NULL);
        }
        return r < 0 ? r : proc_apparmor_parse(text, ret);
}

static int read_status(int proc_fd, LeaderFacts *ret)
{
        _cleanup_free_ char *text = NULL;
        int r;

        r = file_read_at(proc_fd, "status", PROCESS_STATUS_MAX, &text, NULL);
        if (r >= 0)
                r = proc_status_parse(text, &ret->status);
        return r < 0 ? r : proc_status_groups(text, &ret->groups, &ret->n_groups);
}

static int read_mappings(int proc_fd, LeaderFacts *ret)
{
        _cleanup_free_ char *setgroups = NULL;
        int r;

        r = file_read_at(proc_fd, "uid_map", MAPPINGS_MAX, &ret->uid_map, NULL);
        if (r >= 0)
                r = file_read_at(proc_fd, "gid_map", MAPPINGS_MAX, &ret->gid_map, NULL);
        if (r >= 0)
                r = file_read_at(proc_fd, "setgroups", TEXT_MAX, &setgroups, NULL);
        if (r >= 0)
                ret->setgroups_denied = strncmp(setgroups, "deny", 4) == 0;
        return r;
}

static int read_labels(int proc_fd, LeaderFacts *ret, Refusal *reterr)
{
        int r;

        r = process_read_label(proc_fd, &ret->label);
        if (r >= 0)
                r = process_read_apparmor(proc_fd, &ret->apparmor);
        /* It has ended, for which the caller has a better message. */
        if (r >= 0 || r == -ESRCH || r == -ENOENT)
                return r;
        return refuse(reterr, REFUSAL_UNSUPPORTED, r, "failed to read the container's security label");
}

/* 1, or 0 when the process has changed its namespaces meanwhile. */
static int look(int proc_fd, LeaderFacts *ret, NamespaceFds *ret_fds, Refusal *reterr)
{
        uint64_t again[_NS_MAX];
        int r;

        r = namespaces_open(proc_fd, ret_fds, &ret->namespaces);
        if (r >= 0)
                r = user_namespace_maker(ret_fds->fds[NS_USER], &ret->maker);
        if (r >= 0)
                r = read_status(proc_fd, ret);
        if (r >= 0)
                r = read_mappings(proc_fd, ret);
        if (r >= 0)
                r = read_labels(proc_fd, ret, reterr);
        if (r >= 0)
                r = namespaces_read_numbers(proc_fd, again);
        return r < 0 ? r : memcmp(again, ret->namespaces.inode, sizeof(again)) == 0;
}

int leader_facts_read(int proc_fd, LeaderFacts *ret, NamespaceFds *ret_fds, Refusal *reterr)
{
        for (int i = 0; i < LOOKS_MAX; i++) {
                _cleanup_(leader_facts_done) LeaderFacts f = {0};
                _cleanup_namespace_fds_ NamespaceFds fds = NAMESPACE_FDS_INIT;
                int r;

                r = look(proc_fd, &f, &fds, reterr);
                if (r < 0)
                        return r;
                if (r == 0)
                        continue;
                *ret = f;
                f = (LeaderFacts){0};
                if (ret_fds) {
                        *ret_fds = fds;
                        fds = NAMESPACE_FDS_INIT;
                }
                return 0;
        }
        return refuse(reterr, REFUSAL_UNSUPPORTED, EAGAIN,
                      "the container's first process keeps changing its namespaces");
}

int leader_facts_read_again(int proc_fd, const Namespaces *namespaces, LeaderFacts *ret, Refusal *reterr)
{
        _cleanup_(leader_facts_done) LeaderFacts f = {.namespaces = *namespaces};
        uint64_t user, after[_NS_MAX];
        int r;

        /* The status depends on no other namespace. */
        r = namespace_read_number(proc_fd, NS_USER, &user);
        if (r >= 0)
                r = read_status(proc_fd, &f);
        if (r >= 0)
                r = read_labels(proc_fd, &f, reterr);
        if (r >= 0)
                r = namespaces_read_numbers(proc_fd, after);
        if (r < 0)
                return r;
        if (user != namespaces->inode[NS_USER] || memcmp(after, namespaces->inode, sizeof(after)) != 0)
                return 0;
        *ret = f;
        f = (LeaderFacts){0};
        return 1;
}

bool leader_facts_are_mapped(const LeaderFacts *f)
{
        return f->uid_map && *f->uid_map && f->gid_map && *f->gid_map;
}

int leader_facts_copy_mappings(const LeaderFacts *f, LeaderFacts *ret)
{
        ret->uid_map = strdup(f->uid_map);
        ret->gid_map = strdup(f->gid_map);
        ret->setgroups_denied = f->setgroups_denied;
        return ret->uid_map && ret->gid_map ? 0 : -ENOMEM;
}

/* A process cannot leave its PID namespace, and cannot enter a user namespace above its own. So a leader
 * that is where its container was made is in the user namespace that owns its PID namespace, or above it
 * where the PID namespace is shared with a container that has more confinement. */
int leader_facts_check_origin(const LeaderFacts *f, const NamespaceFds *fds, Refusal *reterr)
{
        _cleanup_close_ int owner = namespace_owner(fds->fds[NS_PID]);
        int r = owner < 0 ? owner : user_namespace_is_within(owner, f->namespaces.inode[NS_USER]);

        if (r > 0)
                return 0;
        if (r < 0 && r != -EPERM)
                return r;
        return refuse(reterr, REFUSAL_UNSUPPORTED, EPERM,
                      "the container's first process has left its user namespace: it is not in the one that "
                      "its PID namespace belongs to");
}

int leader_facts_check_service(const LeaderFacts *f, const NamespaceFds *fds, Refusal *reterr)
{
        int r;

        if (f->status.ids_differ)
                return refuse(reterr, REFUSAL_UNSUPPORTED, EPERM,
                              "the main process has the IDs of more than one user");
        if (f->namespaces.inode[NS_USER] == namespaces_own()->inode[NS_USER])
                return 0;
        r = user_namespace_is_by_root(fds->fds[NS_USER]);
        if (r != 0)
                return MIN(r, 0);
        return refuse(
                reterr, REFUSAL_UNSUPPORTED, EPERM,
                "the main process has left its user namespace: it is in one that systemd has not made");
}

static int compare_namespaces(const Namespaces *found, const Namespaces *now, Refusal *reterr)
{
        /* The user namespace first: a process that leaves it can leave the others as well. */
        if (now->inode[NS_USER] != found->inode[NS_USER])
                return refuse(reterr, REFUSAL_UNSUPPORTED, EPERM,
                              "the container's first process has left its user namespace");
        for (NamespaceType t = 0; t < _NS_MAX; t++)
                if (now->inode[t] != found->inode[t])
                        return refuse(reterr, REFUSAL_UNSUPPORTED, EPERM,
                                      "the container's first process has left its %s namespace",
                                      namespace_title(t));
        return now->device == found->device ? 0 : -EBADMSG;
}

static bool same_text(const char *a, const char *b)
{
        return a && b ? strcmp(a, b) == 0 : a == b;
}

int leader_facts_compare(const LeaderFacts *found, const LeaderFacts *now, Refusal *reterr)
{
        int r = compare_namespaces(&found->namespaces, &now->namespaces, reterr);

        if (r < 0)
                return r;
        if (!same_text(found->label, now->label) || !same_text(found->apparmor, now->apparmor))
                return refuse(reterr, REFUSAL_UNSUPPORTED, EPERM,
                              "the container's first process has changed its security label");
        if (found->status.no_new_privs && !now->status.no_new_privs)
                return refuse(reterr, REFUSAL_INTERNAL, EPERM, "the container has lost no_new_privs");
        if (found->status.seccomp_mode == 2 &&
            (now->status.seccomp_mode != 2 || now->status.seccomp_filters < found->status.seccomp_filters))
                return refuse(reterr, REFUSAL_INTERNAL, EPERM, "the container has lost seccomp filters");
        /* The mappings of a user namespace are written only once. */
        if (!same_text(found->uid_map, now->uid_map) || !same_text(found->gid_map, now->gid_map))
                return refuse(reterr, REFUSAL_UNSUPPORTED, EPERM,
                              "the ID mappings of the container's user namespace have changed");
        return 0;
}

int leader_facts_compare_user(const LeaderFacts *found, const LeaderFacts *now, Refusal *reterr)
{
        if (now->status.ids_differ || now->status.uid != found->status.uid ||
            now->status.gid != found->status.gid || now->n_groups != found->n_groups ||
            (now->n_groups > 0 &&
             memcmp(now->groups, found->groups, now->n_groups * sizeof(*now->groups)) != 0))
                return refuse(reterr, REFUSAL_UNSUPPORTED, EPERM,
                              "the main process has become another user");
        return 0;
}

int leader_facts_uid_map(const LeaderFacts *f, IdMapping ret[static PROC_MAPPINGS_MAX])
{
        return proc_id_map_parse(f->uid_map, ret, PROC_MAPPINGS_MAX);
}

int leader_facts_gid_map(const LeaderFacts *f, IdMapping ret[static PROC_MAPPINGS_MAX])
{
        return proc_id_map_parse(f->gid_map, ret, PROC_MAPPINGS_MAX);
}
