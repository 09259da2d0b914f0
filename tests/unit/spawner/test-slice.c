/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The limits of a container on their way to the slice of its execs: with a directory for its control group,
 * and a systemd that is the test. */

#include "spawner/slice.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <systemd/sd-event.h>

#include "base/time.h"
#include "spawner/cgroup.h"
#include "spawner/scope-message.h"
#include "unit/bus-pair.h"
#include "unit/spawner/container-child.h"

#define ID    "aa11000000000000000000000000000000000000000000000000000000000000"
#define OWN   "/machine.slice/web.service"
#define SLICE "machine-execdaa1100000000.slice"
#define SUB   "machine-execdaa1100000000-1.slice"

typedef struct World {
        char dir[64]; /* of cgroups */
        sd_event *event;
        sd_bus *bus, *systemd;
        Container *container;
        pid_t pid;
        char calls[4096]; /* "SetUnitProperties NAME MemoryMax=1 \n", one a line */
        Limits settled;
        unsigned n_settled, n_stops, n_thaws;
        bool is_gone;
} World;

static World world;

/* The linker puts these in place of the kernel's. */
int __wrap_cgroup_open(const char *path);
int __wrap_cgroup_count_children(const char *path);
int __wrap_leader_cgroup(const Leader *l, char **ret);

int __wrap_cgroup_open(const char *path)
{
        char full[256];
        int fd;

        snprintf(full, sizeof(full), "%s/%s", world.dir, strrchr(path, '/') + 1);
        fd = open(full, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

int __wrap_cgroup_count_children(const char *path)
{
        int fd = __wrap_cgroup_open(path);
        struct stat st;

        if (fd < 0)
                return fd;
        NEED(fstat(fd, &st) == 0 && close(fd) == 0);
        return (int) st.st_nlink - 2;
}

int __wrap_leader_cgroup(const Leader *l, char **ret)
{
        *ret = strdup(OWN);
        return *ret ? 0 : -ENOMEM;
}

static void write_file(const char *cgroup, const char *file, const char *text)
{
        char path[256];
        FILE *f;

        snprintf(path, sizeof(path), "%s/%s/%s", world.dir, cgroup, file);
        f = fopen(path, "we");
        NEED(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

static void write_limit(const char *cgroup, const char *file, const char *text)
{
        char path[256];

        snprintf(path, sizeof(path), "%s/%s", world.dir, cgroup);
        NEED(mkdir(path, 0700) == 0 || errno == EEXIST);
        write_file(cgroup, "cgroup.controllers", "cpuset cpu memory pids\n");
        write_file(cgroup, file, text);
}

/* Those of an a(sv) that are numbers; the others are passed over. */
static void dump_properties(sd_bus_message *m, char *ret, size_t size)
{
        const char *name, *contents;
        size_t n = 0;
        uint64_t v;

        ret[0] = 0;
        NEED(sd_bus_message_enter_container(m, 'a', "(sv)") > 0);
        while (sd_bus_message_enter_container(m, 'r', "sv") > 0) {
                NEED(sd_bus_message_read(m, "s", &name) > 0);
                NEED(sd_bus_message_peek_type(m, NULL, &contents) > 0);
                if (strcmp(contents, "t") == 0) {
                        NEED(sd_bus_message_read(m, "v", "t", &v) > 0);
                        n += (size_t) snprintf(ret + n, size - n, "%s=%llu ", name, (unsigned long long) v);
                        NEED(n < size);
                } else
                        NEED(sd_bus_message_skip(m, "v") > 0);
                NEED(sd_bus_message_exit_container(m) >= 0);
        }
        NEED(sd_bus_message_exit_container(m) >= 0);
}

static int on_call(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        const char *unit;
        char found[2048];
        size_t n = strlen(world.calls);

        if (sd_bus_message_is_method_call(m, NULL, "StopUnit")) {
                world.n_stops++;
                NEED(sd_bus_reply_method_errorf(m, "org.freedesktop.DBus.Error.NoReply", "busy") >= 0);
                return 1;
        }
        if (sd_bus_message_is_method_call(m, NULL, "ThawUnit")) {
                world.n_thaws++;
                NEED(sd_bus_reply_method_return(m, NULL) >= 0);
                return 1;
        }
        if (!sd_bus_message_is_method_call(m, NULL, "SetUnitProperties"))
                return 0;
        NEED(sd_bus_message_read(m, "sb", &unit, NULL) > 0);
        dump_properties(m, found, sizeof(found));
        snprintf(world.calls + n, sizeof(world.calls) - n, "%s %s\n", unit, found);
        NEED(sd_bus_reply_method_return(m, NULL) >= 0);
        return 1;
}

static void world_open(void)
{
        int ends[2];

        strcpy(world.dir, "/tmp/test-slice-XXXXXX");
        NEED(mkdtemp(world.dir) && sd_event_new(&world.event) >= 0);
        bus_socket(ends);
        world.systemd = bus_serve(ends[0], world.event, on_call, NULL);
        world.bus = bus_connect(ends[1], world.event);
        world.container = make_container("machine", ID, "web", &world.pid);
        world.container->unit_cgroup = strdup(OWN);
        write_limit("web.service", "memory.max", "1048576\n");
        write_limit("web.service", "pids.max", "100\n");
        write_limit("web.service", "cpu.max", "50000 100000\n");
}

static void world_close(void)
{
        char command[128];

        end_child(world.pid);
        container_unref(world.container);
        sd_bus_flush_close_unref(world.bus);
        sd_bus_flush_close_unref(world.systemd);
        sd_event_unref(world.event);
        snprintf(command, sizeof(command), "rm -r %s", world.dir);
        NEED(system(command) == 0);
}

static void on_usable(void *userdata)
{
}

static void on_unused(void *userdata, Slice *s)
{
        world.is_gone = true;
}

static const SliceEvents events = {.on_usable = on_usable, .on_unused = on_unused};

static Slice *make_slice(void)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        Slice *s = slice_new(world.bus, SLICE, "aa1100000000", &events, NULL);
        Limits limits;

        NEED(s && container_limits_read(world.container, &limits, &refusal) == 0);
        slice_set_container(s, world.container);
        slice_set_limits(s, &limits);
        return s;
}

/* The call that makes the first scope makes the slice with the container's limits. */
static void test_copied(void)
{
        Slice *s = make_slice();
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        Runner runner = {.pid = world.pid, .pidfd = world.container->leader->pidfd};
        ScopeRequest q = {.exec_id = ID, .slice = s, .description = "x", .runner = &runner};
        const char *unit;
        char found[2048];

        NEED(scope_message_new(world.bus, false, "exec-1.scope", SLICE, &q, &m, &refusal) == 0);
        NEED(scope_message_finish(m, s) >= 0 && sd_bus_message_seal(m, 1, 0) >= 0);
        NEED(sd_bus_message_rewind(m, true) >= 0 && sd_bus_message_skip(m, "ss") >= 0);
        dump_properties(m, found, sizeof(found));
        NEED(strstr(found, "TasksMax=100 "));
        NEED(sd_bus_message_enter_container(m, 'a', "(sa(sv))") > 0);
        NEED(sd_bus_message_enter_container(m, 'r', "sa(sv)") > 0);
        NEED(sd_bus_message_read(m, "s", &unit) > 0 && same_text(unit, SLICE));
        dump_properties(m, found, sizeof(found));
        NEED(strstr(found, "MemoryMax=1048576 ") && strstr(found, "TasksMax=100 ") &&
             strstr(found, "CPUQuotaPerSecUSec=500000 "));
        slice_detach(s);
        slice_unref(s);
}

/* systemd may have made it without a limit: no command runs in it. */
static void test_verified(void)
{
        Slice *s = make_slice();
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;

        s->limits = s->wanted;
        write_limit(SLICE, "memory.max", "1048576\n");
        write_limit(SLICE, "pids.max", "max\n");
        write_limit(SLICE, "cpu.max", "50000 100000\n");
        NEED(slice_verify(s, "/machine.slice/" SLICE "/exec-1.scope", &refusal) < 0);
        NEED(refusal.kind == REFUSAL_UNSUPPORTED);
        refusal_done(&refusal);
        write_limit(SLICE, "pids.max", "100\n");
        NEED(slice_verify(s, "/machine.slice/" SLICE "/exec-1.scope", &refusal) == 0);
        /* Another slice is not looked at in its place. */
        NEED(slice_verify(s, "/machine.slice/web.service/exec-1.scope", &refusal) < 0);
        NEED(slice_verify(s, "/machine.slice/" SLICE "x/exec-1.scope", &refusal) < 0);
        slice_detach(s);
        slice_unref(s);
}

/* The engine has limited the container in a cgroup of its own below the unit's, as crun does. */
static void test_given_cgroup(void)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        Limits limits;

        world.container->given_cgroup = strdup(OWN "/container");
        write_limit("container", "memory.max", "524288\n");
        write_limit("container", "pids.max", "max\n");
        NEED(container_limits_read(world.container, &limits, &refusal) == 0);
        NEED(limits.values[LIMIT_MEMORY_MAX] == 524288 && limits.values[LIMIT_TASKS_MAX] == 100);
        write_limit("container", "memory.max", "many\n");
        NEED(container_limits_read(world.container, &limits, &refusal) < 0);
        free(world.container->given_cgroup);
        world.container->given_cgroup = NULL;
}

static void on_settled(void *userdata, const Limits *now)
{
        world.settled = *now;
        world.n_settled++;
}

static void until(const char *call)
{
        uint64_t end = now_usec(CLOCK_MONOTONIC) + 60 * USEC_PER_SEC;

        while (!strstr(world.calls, call) || world.n_settled == 0) {
                NEED(now_usec(CLOCK_MONOTONIC) < end);
                NEED(sd_event_run(world.event, 100 * USEC_PER_MSEC) >= 0);
        }
}

/* A limit that is set while commands run applies to them, too; so does its removal. */
static void test_followed(void)
{
        _cleanup_(limits_follower_freep) LimitsFollower *f = NULL;
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        Limits limits;

        NEED(container_limits_read(world.container, &limits, &refusal) == 0);
        NEED(limits_follower_new(world.bus, world.container, SLICE, "/machine.slice/" SLICE, &limits,
                                 on_settled, NULL, &f) == 0);
        NEED(!limits_follower_is_busy(f));
        write_limit("web.service", "memory.max", "524288\n");
        until(SLICE " MemoryMax=524288 ");
        NEED(world.settled.values[LIMIT_MEMORY_MAX] == 524288);
        NEED(strstr(world.calls, "TasksMax=100 "));
        world.n_settled = 0;
        write_limit("web.service", "pids.max", "max\n");
        until("TasksMax=18446744073709551615 ");
        NEED(world.settled.values[LIMIT_TASKS_MAX] == LIMIT_NONE);
        NEED(world.settled.values[LIMIT_MEMORY_MAX] == 524288);
}

/* Those of the slice itself may be lowered by an administrator, and not be raised. */
static void test_raised(void)
{
        _cleanup_(limits_follower_freep) LimitsFollower *f = NULL;
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        Limits limits;

        NEED(container_limits_read(world.container, &limits, &refusal) == 0);
        write_limit(SLICE, "memory.max", "524288\n");
        write_limit(SLICE, "cpu.max", "50000 100000\n");
        NEED(limits_follower_new(world.bus, world.container, SLICE, "/machine.slice/" SLICE, &limits,
                                 on_settled, NULL, &f) == 0);
        world.n_settled = 0;
        world.calls[0] = 0;
        write_limit(SLICE, "memory.max", "4096\n");
        for (int i = 0; i < 10; i++)
                NEED(sd_event_run(world.event, 20000) >= 0);
        NEED(world.n_settled == 0 && !world.calls[0]);
        write_limit(SLICE, "memory.max", "max\n");
        until(SLICE " MemoryMax=524288 ");
}

static void make_cgroup(const char *path)
{
        char full[256];

        snprintf(full, sizeof(full), "%s/%s", world.dir, path);
        NEED(mkdir(full, 0700) == 0 || errno == EEXIST);
}

static void make_scopes(const char *slice, unsigned n)
{
        char path[128];

        make_cgroup(slice);
        for (unsigned i = 0; i < n; i++) {
                snprintf(path, sizeof(path), "%s/exec-%u.scope", slice, i);
                make_cgroup(path);
        }
}

static void remove_scope(const char *slice, unsigned n)
{
        char path[256];

        snprintf(path, sizeof(path), "%s/%s/exec-%u.scope", world.dir, slice, n);
        NEED(rmdir(path) == 0);
}

/* Scopes that are being made count as well; and nothing is left of what did not come to be. */
static void test_spread(void)
{
        Slice *s = make_slice();
        SubSlice *subs[3 * SUB_SLICE_SCOPES];

        for (unsigned i = 0; i < ELEMENTSOF(subs); i++) {
                subs[i] = sub_slices_take(&s->subs);
                NEED((subs[i] ? subs[i]->number : 0) == i / SUB_SLICE_SCOPES);
        }
        NEED(same_text(subs[SUB_SLICE_SCOPES]->name, SUB));
        sub_slices_give(&s->subs, subs[0]);
        NEED(!(subs[0] = sub_slices_take(&s->subs)));
        for (unsigned i = 0; i < ELEMENTSOF(subs); i++)
                sub_slices_give(&s->subs, subs[i]);
        NEED(list_is_empty(&s->subs.list) && s->subs.n_listed == 0 && s->subs.n_making == 0);
        slice_detach(s);
        slice_unref(s);
}

/* One that systemd has yet to make takes no place of the scopes in the slice above, nor does one that is gone. */
static void test_listed_is_not_there(void)
{
        Slice *s = make_slice();
        SubSlice *subs[2];

        make_scopes(SLICE, SUB_SLICE_SCOPES);
        for (unsigned i = 0; i < ELEMENTSOF(subs); i++) {
                subs[i] = sub_slices_take(&s->subs);
                NEED(subs[i] && subs[i]->number == 1);
        }
        make_cgroup(SLICE "/" SUB);
        remove_scope(SLICE, 0);
        NEED(!sub_slices_take(&s->subs));
        sub_slices_give(&s->subs, NULL);
        for (unsigned i = 0; i < ELEMENTSOF(subs); i++)
                sub_slices_give(&s->subs, subs[i]);
        slice_detach(s);
        slice_unref(s);
}

/* Those that are there are known again, and their scopes are counted. */
static void test_spread_again(void)
{
        Slice *s = make_slice();
        SubSlice *sub;

        make_scopes(SLICE, SUB_SLICE_SCOPES);
        write_limit(SUB, "cgroup.events", "populated 1\nfrozen 0\n");
        make_cgroup(SLICE "/" SUB);
        make_scopes(SUB, SUB_SLICE_SCOPES);
        sub = sub_slices_take(&s->subs);
        NEED(sub && sub->number == 2 && s->subs.n_listed == 2);
        sub_slices_give(&s->subs, sub);
        NEED(s->subs.n_listed == 1);
        remove_scope(SUB, 0);
        NEED(sub_slices_find(&s->subs) == 0 && s->subs.n_listed == 1);
        NEED(sub_slices_find(&s->subs) == 0 && s->subs.n_listed == 1);
        sub = sub_slices_take(&s->subs);
        NEED(sub && sub->number == 1 && sub->is_sent);
        sub = sub_slices_take(&s->subs);
        NEED(sub && sub->number == 2 && !sub->is_sent);
        slice_detach(s);
        sub_slices_give(&s->subs, sub);
        sub_slices_give(&s->subs, LIST_ENTRY(s->subs.list.first, SubSlice, node));
        NEED(s->subs.n_listed == 0);
        slice_unref(s);
}

/* None is made in one that is being stopped, whose end is not the end of its namesake. */
static void test_none_in_one_that_goes(void)
{
        Slice *s = make_slice();
        SubSlice *sub, *other;

        make_scopes(SLICE, SUB_SLICE_SCOPES);
        make_cgroup(SUB);
        for (unsigned i = 1; i < SUB_SLICE_SCOPES; i++)
                remove_scope(SUB, i);
        sub = sub_slices_take(&s->subs);
        sub_slices_on_job(&s->subs, SUB, "done");
        NEED(sub && s->subs.n_listed == 1);
        sub->is_stopping = true;
        other = sub_slices_take(&s->subs);
        NEED(other && other != sub);
        sub_slices_forget(&s->subs);
        NEED(sub->is_stopping);
        sub_slices_give(&s->subs, sub);
        NEED(s->subs.n_listed == 2);
        sub_slices_on_job(&s->subs, SUB, "done");
        NEED(s->subs.n_listed == 1);
        slice_detach(s);
        sub_slices_give(&s->subs, other);
        slice_unref(s);
}

/* systemd does not answer: it is stopped again until it is gone. */
static void test_stopped_again(void)
{
        uint64_t end = now_usec(CLOCK_MONOTONIC) + 30 * USEC_PER_SEC;
        Slice *s = make_slice();
        char command[256];

        make_cgroup(SLICE);
        s->state = SLICE_READY;
        world.is_gone = false;
        slice_on_container_gone(s);
        while (world.n_stops < 2) {
                NEED(!world.is_gone && now_usec(CLOCK_MONOTONIC) < end);
                NEED(sd_event_run(world.event, 100 * USEC_PER_MSEC) >= 0);
        }
        snprintf(command, sizeof(command), "rm -r %s/%s", world.dir, SLICE);
        NEED(system(command) == 0);
        while (!world.is_gone) {
                NEED(now_usec(CLOCK_MONOTONIC) < end);
                NEED(sd_event_run(world.event, 100 * USEC_PER_MSEC) >= 0);
        }
        slice_detach(s);
        slice_unref(s);
}

static void until_counted(const unsigned *n, unsigned wanted)
{
        uint64_t end = now_usec(CLOCK_MONOTONIC) + 30 * USEC_PER_SEC;

        while (*n < wanted) {
                NEED(now_usec(CLOCK_MONOTONIC) < end);
                NEED(sd_event_run(world.event, 100 * USEC_PER_MSEC) >= 0);
        }
}

/* systemd 256 and later stop nothing that is frozen: it is thawed before. */
static void test_stopped_while_frozen(void)
{
        Slice *s = make_slice();
        char command[256];
        unsigned n_stops;

        make_cgroup(SLICE);
        s->state = SLICE_STOPPING;
        world.is_gone = false;
        n_stops = world.n_stops;
        slice_on_job(s, "frozen");
        until_counted(&world.n_thaws, 1);
        until_counted(&world.n_stops, n_stops + 1);
        NEED(!world.is_gone && s->state == SLICE_STOPPING);
        slice_on_job(s, "done");
        NEED(world.is_gone);
        slice_detach(s);
        slice_unref(s);
        snprintf(command, sizeof(command), "rm -r %s/%s", world.dir, SLICE);
        NEED(system(command) == 0);
}

int main(void)
{
        world_open();
        test_copied();
        test_spread();
        test_verified();
        test_given_cgroup();
        test_followed();
        test_raised();
        test_listed_is_not_there();
        test_spread_again();
        test_none_in_one_that_goes();
        test_stopped_again();
        test_stopped_while_frozen();
        world_close();
        return 0;
}
