/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "spawner/container.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/hash.h"
#include "base/strv.h"
#include "spawner/cgroup-watch.h"
#include "spawner/proc-parse.h"
#include "wire/spawner-protocol.h"

#define BOOT_ID_PATH  "/proc/sys/kernel/random/boot_id"
#define DEFAULT_SLICE "machine.slice"

void container_make_id(const char *boot_id, const char *kind, const char *name, pid_t pid,
                       uint64_t start_time, char ret[static CONTAINER_ID_SIZE])
{
        uint64_t h = HASH_START;
        char numbers[64];

        snprintf(numbers, sizeof(numbers), "%d %" PRIu64, pid, start_time);
        for (int lane = 0; lane < 4; lane++) {
                /* Terminators are mixed in as well, so that no two inputs run together. */
                h = hash_mix(h + (uint64_t) lane, boot_id, strlen(boot_id) + 1);
                h = hash_mix(h, kind, strlen(kind) + 1);
                h = hash_mix(h, name, strlen(name) + 1);
                h = hash_mix(h, numbers, strlen(numbers) + 1);
                snprintf(ret + 16 * lane, 17, "%016" PRIx64, h);
        }
}

static int fill_from_leader(Container *c)
{
        int r;

        r = leader_cgroup(c->leader, &c->cgroup);
        if (r >= 0)
                r = cgroup_path_slice(c->cgroup, &c->slice);
        else if (r == -ENODATA) {
                c->slice = strdup(DEFAULT_SLICE);
                r = c->slice ? 0 : -ENOMEM;
        }
        if (r >= 0 && c->cgroup) {
                _cleanup_free_ char *slice = NULL;

                r = cgroup_path_split(c->cgroup, &slice, &c->unit_cgroup);
        }
        if (r >= 0 && !c->unit && c->cgroup) {
                r = cgroup_path_unit(c->cgroup, &c->unit);
                r = r == -ENODATA ? 0 : r;
        }
        if (r >= 0)
                r = leader_comm(c->leader, &c->command);
        if (r >= 0)
                r = leader_uid(c->leader, &c->leader_uid);
        return r;
}

static int open_events(Container *c)
{
        const char *cgroup = container_control_cgroup(c);
        int fd = cgroup ? cgroup_events_open(cgroup) : -ENOENT;

        c->events_fd = fd;
        return fd == -ENOENT || fd == -EOPNOTSUPP ? 0 : MIN(fd, 0);
}

int container_new(const ContainerFacts *facts, Leader *leader, Container **ret)
{
        _cleanup_(container_unrefp) Container *c = calloc(1, sizeof(*c));
        _cleanup_free_ char *boot_id = NULL;
        int r;

        if (!c)
                return -ENOMEM;
        c->n_ref = 1;
        c->events_fd = -EBADF;
        c->kind = facts->kind;
        c->leader = leader_ref(leader);
        c->created_usec = facts->created_usec;
        c->started_usec = facts->started_usec ?: facts->created_usec;
        c->name = strdup(facts->name);
        c->image = strdup(facts->image ?: "");
        c->user = strdup(facts->user ?: "");
        c->working_dir = strdup(facts->working_dir ?: "");
        c->environment = strv_copy(facts->environment);
        c->groups = strv_copy(facts->groups);
        c->details = strv_copy(facts->details);
        c->aliases = strv_copy(facts->aliases);
        c->is_activating = facts->is_activating;
        c->denies_exec_memory = facts->denies_exec_memory;
        c->is_other_user = facts->is_other_user;
        if (facts->unit && *facts->unit)
                c->unit = strdup(facts->unit);
        if (facts->cgroup)
                c->given_cgroup = strdup(facts->cgroup);
        if (!c->name || !c->image || !c->user || !c->working_dir || !c->environment || !c->groups ||
            !c->details || !c->aliases || (facts->unit && *facts->unit && !c->unit) ||
            (facts->cgroup && !c->given_cgroup))
                return -ENOMEM;

        r = fill_from_leader(c);
        if (r >= 0)
                r = open_events(c);
        if (r >= 0)
                r = file_read_at(AT_FDCWD, BOOT_ID_PATH, 64, &boot_id, NULL);
        if (r < 0)
                return r;
        container_make_id(boot_id, c->kind, c->name, leader->pid, leader->start_time, c->id);
        if (facts->id) {
                if (!exec_id_is_valid(facts->id))
                        return -EINVAL;
                strcpy(c->id, facts->id);
        }
        if (!leader_is_alive(leader))
                return -ESRCH;
        *ret = TAKE_PTR(c);
        return 0;
}

Container *container_ref(Container *c)
{
        if (c)
                c->n_ref++;
        return c;
}

Container *container_unref(Container *c)
{
        if (!c || --c->n_ref > 0)
                return NULL;
        free(c->name);
        free(c->image);
        free(c->user);
        free(c->working_dir);
        free(c->unit);
        free(c->slice);
        free(c->cgroup);
        free(c->unit_cgroup);
        free(c->given_cgroup);
        strv_free(c->command);
        strv_free(c->environment);
        strv_free(c->groups);
        strv_free(c->details);
        strv_free(c->aliases);
        fd_close(c->events_fd);
        leader_unref(c->leader);
        free(c);
        return NULL;
}

bool container_is_alive(const Container *c)
{
        return leader_is_alive(c->leader);
}

bool container_is_service(const Container *c)
{
        return leader_is_service(c->leader);
}

bool container_is_users(const Container *c)
{
        return c->leader->found.maker != 0;
}

bool container_has_name(const Container *c, const char *name)
{
        STRV_FOREACH (alias, c->aliases)
                if (strcmp(*alias, name) == 0)
                        return true;
        return strcmp(c->name, name) == 0;
}

bool container_is_confined(const Container *c)
{
        const LeaderFacts *f = &c->leader->found;

        return f->status.uid != 0 || f->status.seccomp_mode != 0 || f->status.no_new_privs ||
               f->namespaces.inode[NS_USER] != namespaces_host()->inode[NS_USER] ||
               f->namespaces.inode[NS_MNT] != namespaces_host()->inode[NS_MNT] ||
               f->status.cap_bounding != namespaces_host_bounding();
}

bool container_is_paused(const Container *c)
{
        CgroupEvents now;

        return c->events_fd >= 0 && cgroup_events_read(c->events_fd, &now) >= 0 && now.is_frozen;
}

int container_check_unpaused(const Container *c, Refusal *reterr)
{
        if (container_is_paused(c))
                return refuse(reterr, REFUSAL_CONFLICT, EBUSY,
                              "Container %s is paused, unpause the container before exec", c->id);
        return 0;
}

const char *container_control_cgroup(const Container *c)
{
        return c->given_cgroup ?: c->unit_cgroup;
}

/* Until it is known, or when it cannot be read, the name of the program: in brackets, as ps(1) shows it. */
static int append_command(const Container *c, sd_bus_message *m)
{
        const char *name = c->command && c->command[0] ? c->command[0] : "";
        char shown[64];

        if (container_is_service(c))
                return sd_bus_message_append_strv(m, c->command);
        if (c->leader->is_memory_known)
                return sd_bus_message_append_strv(m, c->leader->command);
        snprintf(shown, sizeof(shown), "[%s]", name);
        return sd_bus_message_append(m, "as", 1, shown);
}

int container_append(const Container *c, sd_bus_message *m)
{
        const char *label = c->leader->found.label;
        int r;

        r = sd_bus_message_open_container(m, 'r', CONTAINER_FIELDS);
        if (r >= 0)
                r = sd_bus_message_append(m, "sssssssututt", c->id, c->name, c->kind,
                                          container_is_paused(c) ? "paused" : "running", c->image,
                                          c->unit ?: "", c->slice, (uint32_t) c->leader->pid,
                                          c->leader->start_time, (uint32_t) c->leader_uid, c->created_usec,
                                          c->started_usec);
        if (r >= 0)
                r = append_command(c, m);
        if (r >= 0)
                r = sd_bus_message_append(m, "sss", label ?: "", c->user, c->working_dir);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "{ss}");
        for (char **d = c->details; r >= 0 && d && d[0]; d += 2)
                r = sd_bus_message_append(m, "{ss}", d[0], d[1]);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        if (r >= 0)
                r = sd_bus_message_append(m, "b", container_is_confined(c));
        return r < 0 ? r : sd_bus_message_close_container(m);
}
