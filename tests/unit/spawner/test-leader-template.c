/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* spawner/leader-template: an exec gets what the leader has now, limited to what it had when its container was found. */

#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "spawner/leader-picture.h"
#include "spawner/seccomp-filters.h"
#include "unit/child.h"
#include "unit/test.h"

#define SYS_PTRACE (UINT64_C(1) << 19)
#define SYS_ADMIN  (UINT64_C(1) << 21)
#define LABEL      "system_u:system_r:container_t:s0:c1,c2"

/* The test provides the filters. */
static int filters_error;

int __wrap_filters_need(Leader *l, uint32_t n, Refusal *reterr);
int __wrap_filters_need(Leader *l, uint32_t n, Refusal *reterr)
{
        return filters_error;
}

static LeaderFilters filters = {.n = 2, .items = {{.n_instructions = 1}, {.n_instructions = 2}}};

static LeaderFacts make_facts(void)
{
        LeaderFacts f = {
                .namespaces = {.device = 4},
                .status = {.uid = 100000,
                           .gid = 100001,
                           .umask = 0027,
                           .cap_permitted = 0x0f,
                           .cap_effective = 0x07,
                           .cap_bounding = 0xff,
                           .cap_ambient = 0x01},
                .uid_map = strdup("0 100000 65536\n"),
                .gid_map = strdup("0 100000 65536\n"),
                .label = strdup(LABEL),
        };

        for (NamespaceType t = 0; t < _NS_MAX; t++)
                f.namespaces.inode[t] = 100 + (uint64_t) t;
        return f;
}

typedef struct World {
        pid_t pid;
        Leader leader;
        LeaderPicture picture;
        RunnerSpec spec;
        NamespaceSet *namespaces;
        Refusal refusal;
} World;

static void end_process(World *w)
{
        end_child(w->pid);
        w->pid = 0;
}

static void begin(World *w)
{
        NamespaceFds none = NAMESPACE_FDS_INIT;
        char path[32];

        *w = (World){.pid = start_child()};
        snprintf(path, sizeof(path), "/proc/%d", w->pid);
        w->leader = (Leader){.n_ref = 1,
                             .pid = w->pid,
                             .pidfd = pidfd_open_pid(w->pid),
                             .proc_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC),
                             .found = make_facts(),
                             .picture = &w->picture};
        NEED(w->leader.pidfd >= 0 && w->leader.proc_fd >= 0);
        w->picture.facts = make_facts();
        w->picture.namespaces = namespace_set_new(&none);
        NEED(w->picture.namespaces);
        filters_error = 0;
}

static int fill(World *w)
{
        int r;

        runner_spec_done(&w->spec);
        w->spec = (RunnerSpec){0};
        refusal_done(&w->refusal);
        r = leader_fill_spec(&w->leader, &w->spec, &w->namespaces, &w->refusal);
        CHECK((r >= 0) == (w->namespaces != NULL));
        return r;
}

static void end(World *w)
{
        if (w->pid > 0)
                end_process(w);
        runner_spec_done(&w->spec);
        refusal_done(&w->refusal);
        refusal_done(&w->picture.refusal);
        namespace_set_unref(w->namespaces);
        namespace_set_unref(w->picture.namespaces);
        leader_close_namespaces(&w->leader);
        leader_facts_done(&w->picture.facts);
        leader_facts_done(&w->leader.found);
        free(w->leader.unit_cgroup);
        close(w->leader.pidfd);
        close(w->leader.proc_fd);
}

static void test_whole(void)
{
        World w;

        begin(&w);
        NEED(fill(&w) == 0);
        CHECK(w.spec.leader_uid == 0 && w.spec.leader_gid == 1 && w.spec.umask == 0027);
        CHECK(w.spec.cap_bounding == 0xff && w.spec.cap_permitted == 0x0f && w.spec.cap_effective == 0x07);
        CHECK(w.spec.cap_ambient == 0x01 && w.spec.rlimits_set && !w.spec.service);
        CHECK_TEXT("label", w.spec.label, LABEL);
        /* The next exec of this container joins the same namespaces. */
        CHECK(w.leader.namespaces == w.namespaces && w.namespaces->n_ref == 2 && !w.picture.namespaces);
        end(&w);
}

static void gain_all(LeaderFacts *f)
{
        f->status.cap_bounding = f->status.cap_permitted = f->status.cap_effective = UINT64_MAX;
        f->status.cap_ambient = UINT64_MAX;
}

static void lose_all(LeaderFacts *f)
{
        f->status.cap_bounding = f->status.cap_permitted = f->status.cap_effective = 0;
        f->status.cap_ambient = 0;
}

static void test_capabilities(void)
{
        World w;

        begin(&w);
        gain_all(&w.picture.facts);
        NEED(fill(&w) == 0);
        CHECK(w.spec.cap_bounding == 0xff && w.spec.cap_permitted == 0xff && w.spec.cap_effective == 0xff);
        CHECK(w.spec.cap_ambient == 0x01);
        end(&w);
        begin(&w);
        lose_all(&w.picture.facts);
        NEED(fill(&w) == 0);
        CHECK((w.spec.cap_bounding | w.spec.cap_permitted | w.spec.cap_effective | w.spec.cap_ambient) == 0);
        end(&w);
}

static void set_text(char **text, const char *value)
{
        free(*text);
        *text = value ? strdup(value) : NULL;
}

static void leave_mount(World *w)
{
        w->picture.facts.namespaces.inode[NS_MNT]++;
}

static void leave_user(World *w)
{
        w->picture.facts.namespaces.inode[NS_USER]++;
}

static void change_label(World *w)
{
        set_text(&w->picture.facts.label, "unconfined");
}

static void change_map(World *w)
{
        set_text(&w->picture.facts.uid_map, "0 0 65536\n");
}

static void break_map(World *w)
{
        set_text(&w->leader.found.uid_map, "0 0");
        set_text(&w->picture.facts.uid_map, "0 0");
}

static void lose_filter(World *w)
{
        w->leader.found.status.seccomp_mode = w->picture.facts.status.seccomp_mode = 2;
        w->leader.found.status.seccomp_filters = 2;
        w->picture.facts.status.seccomp_filters = 1;
        w->leader.filters = &filters;
}

static void be_strict(World *w)
{
        w->picture.facts.status.seccomp_mode = 1;
}

static void hide_count(World *w)
{
        w->picture.facts.status.seccomp_mode = 2;
        w->picture.facts.status.seccomp_filters = UINT32_MAX;
}

static void have_filters(World *w)
{
        w->picture.facts.status.seccomp_mode = 2;
        w->picture.facts.status.seccomp_filters = 2;
        w->leader.filters = &filters;
}

static void read_filters(World *w)
{
        have_filters(w);
        filters_error = -EINPROGRESS;
}

/* The container may trace processes, and so could take over one that sets filters. */
static void trace(World *w)
{
        have_filters(w);
        w->leader.found.status.cap_bounding = w->picture.facts.status.cap_bounding = SYS_PTRACE;
        w->picture.facts.namespaces.inode[NS_USER] = namespaces_own()->inode[NS_USER];
        w->leader.found.namespaces.inode[NS_USER] = namespaces_own()->inode[NS_USER];
        set_text(&w->leader.found.label, NULL);
        set_text(&w->picture.facts.label, NULL);
}

static void trace_as_admin(World *w)
{
        trace(w);
        w->leader.found.status.cap_bounding |= SYS_ADMIN;
        w->picture.facts.status.cap_bounding |= SYS_ADMIN;
}

static void trace_with_no_new_privs(World *w)
{
        trace(w);
        w->picture.facts.status.no_new_privs = true;
}

static void trace_with_label(World *w)
{
        trace(w);
        set_text(&w->leader.found.label, LABEL);
        set_text(&w->picture.facts.label, LABEL);
}

static void trace_from_below(World *w)
{
        trace(w);
        w->picture.facts.namespaces.inode[NS_USER] += 1;
        w->leader.found.namespaces.inode[NS_USER] += 1;
}

static void fail(World *w)
{
        w->picture.error = -EIO;
}

static void fail_for_reason(World *w)
{
        w->picture.error = refuse(&w->picture.refusal, REFUSAL_UNAVAILABLE, EBUSY, "try again later");
}

static void have_no_picture(World *w)
{
        w->leader.picture = NULL;
}

static void lose_thread(World *w)
{
        w->picture.error = -ESRCH;
}

static void die(World *w)
{
        end_process(w);
}

static void die_unread(World *w)
{
        fail_for_reason(w);
        end_process(w);
}

static void test_changes(void)
{
        static const struct {
                const char *name;
                void (*change)(World *w);
                int error;
                RefusalKind kind;
        } rows[] = {
                {"another mount namespace", leave_mount, -EPERM, REFUSAL_UNSUPPORTED},
                {"another user namespace", leave_user, -EPERM, REFUSAL_UNSUPPORTED},
                {"another label", change_label, -EPERM, REFUSAL_UNSUPPORTED},
                {"other mappings", change_map, -EPERM, REFUSAL_UNSUPPORTED},
                {"mappings that are none", break_map, -EBADMSG, REFUSAL_NONE},
                {"fewer filters", lose_filter, -EPERM, REFUSAL_INTERNAL},
                {"strict seccomp", be_strict, -EOPNOTSUPP, REFUSAL_UNSUPPORTED},
                {"filters without a number", hide_count, -EOPNOTSUPP, REFUSAL_UNSUPPORTED},
                {"filters", have_filters, 0, REFUSAL_NONE},
                {"filters that are read", read_filters, -EINPROGRESS, REFUSAL_NONE},
                {"filters, and may trace", trace, -EOPNOTSUPP, REFUSAL_UNSUPPORTED},
                {"the same as administrator", trace_as_admin, 0, REFUSAL_NONE},
                {"the same with no_new_privs", trace_with_no_new_privs, 0, REFUSAL_NONE},
                {"the same with a label", trace_with_label, 0, REFUSAL_NONE},
                {"the same in a user namespace", trace_from_below, 0, REFUSAL_NONE},
                {"not read", fail, -EIO, REFUSAL_NONE},
                {"not read for a reason", fail_for_reason, -EBUSY, REFUSAL_UNAVAILABLE},
                {"not looked at", have_no_picture, -EINVAL, REFUSAL_NONE},
                {"its first thread has exited", lose_thread, -EOPNOTSUPP, REFUSAL_UNSUPPORTED},
                {"dead", die, -ESRCH, REFUSAL_NOT_RUNNING},
                {"dead, and not read", die_unread, -ESRCH, REFUSAL_NOT_RUNNING},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                World w;
                int r;

                begin(&w);
                rows[i].change(&w);
                r = fill(&w);
                CHECK_ROW(rows[i].name, r == rows[i].error && w.refusal.kind == rows[i].kind);
                CHECK_ROW(rows[i].name, r < 0 || w.spec.n_filters == 2);
                end(&w);
        }
}

static void test_schedule(void)
{
        static const struct {
                const char *name;
                int policy, priority, expected, expected_priority;
        } rows[] = {
                {"other", SCHED_OTHER, 0, SCHED_OTHER, 0},
                {"fifo", SCHED_FIFO, 7, SCHED_FIFO, 7},
                {"idle", SCHED_IDLE, 7, SCHED_IDLE, 0},
                {"deadline", 6, 7, SCHED_OTHER, 0}, /* the leader's own */
                {"unknown", 77, 7, SCHED_OTHER, 0},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                World w;

                begin(&w);
                w.picture.stat.policy = rows[i].policy;
                w.picture.stat.rt_priority = rows[i].priority;
                w.picture.stat.nice = 5;
                w.picture.facts.status.umask = 0;
                NEED(fill(&w) == 0);
                CHECK_ROW(rows[i].name, w.spec.sched_policy == rows[i].expected && w.spec.nice == 5);
                CHECK_ROW(rows[i].name, w.spec.sched_priority == rows[i].expected_priority);
                /* An init system has no umask. */
                CHECK_ROW(rows[i].name, w.spec.umask == 0022);
                end(&w);
        }
}

int main(void)
{
        test_whole();
        test_capabilities();
        test_changes();
        test_schedule();
        return test_finish("leader-template");
}
