/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* core/spawner-call: the content of each call, and errors of the spawner. */

#include "core/spawner-call.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "unit/core/world.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

typedef struct Reply {
        sd_bus_slot *slot;
        unsigned n;
        int r;
        Refusal refusal;
} Reply;

static int on_reply(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        Reply *a = userdata;

        a->n++;
        a->r = spawner_reply_refusal(m, &a->refusal);
        a->slot = sd_bus_slot_unref(a->slot);
        return 0;
}

/* The newest call, and that it has exactly these arguments. */
static sd_bus_message *received(World *w, const char *member, const char *signature)
{
        w->pending = sd_bus_message_unref(w->pending);
        WORLD_UNTIL(w, w->pending);
        CHECK_TEXT(member, sd_bus_message_get_member(w->pending), member);
        CHECK_TEXT(member, sd_bus_message_get_signature(w->pending, true), signature);
        NEED(sd_bus_message_rewind(w->pending, true) >= 0);
        return w->pending;
}

static void finish(World *w, Reply *a)
{
        world_answer(w);
        WORLD_UNTIL(w, a->n > 0);
        CHECK(a->n == 1 && a->r == 0 && a->refusal.kind == REFUSAL_NONE);
        *a = (Reply){0};
}

static void test_short_calls(World *w)
{
        SpawnerLink *l = w->manager.spawner;
        const char *text;
        Reply a = {0};
        int all, number;

        NEED(spawner_list_containers(l, true, on_reply, &a, &a.slot, NULL) >= 0);
        NEED(sd_bus_message_read(received(w, "ListContainers", "b"), "b", &all) > 0);
        CHECK(all == 1);
        finish(w, &a);
        NEED(spawner_list_rejected(l, on_reply, &a, &a.slot, NULL) >= 0);
        (void) received(w, "ListRejected", "");
        finish(w, &a);
        NEED(spawner_get_container(l, "web", on_reply, &a, &a.slot, NULL) >= 0);
        NEED(sd_bus_message_read(received(w, "GetContainer", "s"), "s", &text) > 0);
        CHECK_TEXT("container", text, "web");
        finish(w, &a);
        NEED(spawner_list_processes(l, ID, on_reply, &a, &a.slot, NULL) >= 0);
        (void) received(w, "ListProcesses", "s");
        finish(w, &a);
        NEED(spawner_get_usage(l, ID, on_reply, &a, &a.slot, NULL) >= 0);
        (void) received(w, "GetUsage", "s");
        finish(w, &a);
        NEED(spawner_end_exec(l, ID, on_reply, &a, &a.slot, NULL) >= 0);
        (void) received(w, "EndExec", "s");
        finish(w, &a);
        NEED(spawner_kill(l, ID, w->listener, SIGHUP, true, on_reply, &a, &a.slot, NULL) >= 0);
        NEED(sd_bus_message_skip(received(w, "Kill", "shib"), "sh") > 0 &&
             sd_bus_message_read(w->pending, "ib", &number, &all) > 0);
        CHECK(number == SIGHUP && all == 1);
        finish(w, &a);
        spawner_drop(l, ID);
        NEED(sd_bus_message_read(received(w, "Drop", "s"), "s", &text) > 0);
        CHECK_TEXT("exec", text, ID);
        spawner_record_decision(l, "avc:  denied");
        (void) received(w, "RecordDecision", "s");
}

/* The first arguments of Prepare and Start. */
static void check_exec(World *w, const char *row, const char *properties[2])
{
        const char *id, *container, *description;
        uint64_t leader_start;
        uint32_t leader, caller;

        NEED(sd_bus_message_read(w->pending, "s(sut)s", &id, &container, &leader, &leader_start,
                                 &description) > 0);
        CHECK_TEXT(row, id, ID);
        CHECK_TEXT(row, container, w->container->id);
        CHECK_ROW(row, leader == 4242 && leader_start == 7);
        CHECK_TEXT(row, description, "what it is");
        NEED(sd_bus_message_enter_container(w->pending, 'a', "(ss)") > 0);
        if (properties) {
                const char *name, *text;

                NEED(sd_bus_message_read(w->pending, "(ss)", &name, &text) > 0);
                CHECK_TEXT(row, name, properties[0]);
                CHECK_TEXT(row, text, properties[1]);
        }
        CHECK_ROW(row, sd_bus_message_at_end(w->pending, false) > 0);
        NEED(sd_bus_message_exit_container(w->pending) > 0);
        NEED(sd_bus_message_read(w->pending, "u", &caller) > 0);
        CHECK_ROW(row, caller == 1000);
}

static SpawnerExec exec_of(const World *w, const ExecRequest *q)
{
        return (SpawnerExec){.id = ID,
                             .container = w->container,
                             .description = "what it is",
                             .request = q,
                             .caller = 1000};
}

static void test_prepare(World *w)
{
        ExecRequest *q = world_request("true", NULL);
        SpawnerExec e = exec_of(w, q);
        const char *properties[2] = {"MemoryMax", "1G"}, *user;
        Reply a = {0};
        uint64_t park;

        NEED(spawner_prepare(w->manager.spawner, &e, 0, on_reply, &a, &a.slot, NULL) >= 0);
        (void) received(w, "Prepare", "s(sut)sa(ss)ust");
        check_exec(w, "no user", NULL);
        NEED(sd_bus_message_read(w->pending, "st", &user, &park) > 0);
        CHECK(!*user && park == 0);
        finish(w, &a);

        q->user = strdup("nobody:root");
        q->properties = calloc(1, sizeof(*q->properties));
        NEED(q->user && q->properties);
        q->properties[0].name = strdup(properties[0]);
        q->properties[0].text = strdup(properties[1]);
        q->n_properties = 1;
        NEED(spawner_prepare(w->manager.spawner, &e, 60, on_reply, &a, &a.slot, NULL) >= 0);
        (void) received(w, "Prepare", "s(sut)sa(ss)ust");
        check_exec(w, "a user", properties);
        NEED(sd_bus_message_read(w->pending, "st", &user, &park) > 0);
        CHECK_TEXT("user", user, "nobody:root");
        CHECK(park == 60);
        finish(w, &a);
        exec_request_free(q);
}

static const struct {
        const char *name;
        bool tty, privileged, no_stdin, log, one_output;
        bool with_fds;
        ConsoleSize size;
        uint64_t flags;
} starts[] = {
        {"pipes", .flags = 0},
        {"a terminal", .tty = true, .flags = SPAWNER_TTY},
        {"a terminal of a size", .tty = true, .size = {.set = true, .rows = 24, .columns = 80},
         .flags = SPAWNER_TTY},
        {"a size that is not set", .size = {.rows = 24, .columns = 80}},
        {"privileged", .privileged = true, .flags = SPAWNER_PRIVILEGED},
        {"no stdin", .no_stdin = true, .flags = SPAWNER_NO_STDIN},
        {"to the journal", .log = true, .flags = SPAWNER_LOG},
        {"one output", .one_output = true, .flags = SPAWNER_ONE_OUTPUT},
        {"descriptors", .with_fds = true},
        {"all", true, true, true, true, true, true, .flags = SPAWNER_FLAGS_ALL},
};

static ino_t inode(int fd)
{
        struct stat st;

        NEED(fstat(fd, &st) == 0);
        return st.st_ino;
}

/* Those of the command in their order, and the ticket after them. */
static void check_descriptors(World *w, const char *row, const int *stdio)
{
        int fd, n = 0;

        NEED(sd_bus_message_enter_container(w->pending, 'a', "h") > 0);
        for (; sd_bus_message_read(w->pending, "h", &fd) > 0; n++)
                CHECK_ROW(row, stdio && n < 3 && inode(fd) == inode(stdio[n]));
        CHECK_ROW(row, n == (stdio ? 3 : 0));
        NEED(sd_bus_message_exit_container(w->pending) > 0 && sd_bus_message_read(w->pending, "h", &fd) > 0);
        CHECK_ROW(row, !stdio || (inode(fd) != inode(stdio[0]) && inode(fd) != inode(stdio[2])));
}

static void test_start(World *w)
{
        int one[2], other[2], stdio[3];

        NEED(pipe2(one, O_CLOEXEC) == 0 && pipe2(other, O_CLOEXEC) == 0);
        memcpy(stdio, (int[]){one[0], other[1], w->listener}, sizeof(stdio));
        for (size_t i = 0; i < ELEMENTSOF(starts); i++) {
                const char *row = starts[i].name, *user, *dir;
                _cleanup_strv_ char **argv = NULL, **env = NULL;
                ExecRequest *q = world_request("printf", "a b", "", NULL);
                SpawnerExec e = exec_of(w, q);
                uint64_t flags, capabilities;
                uint16_t rows, columns;
                uint32_t login_uid;
                Reply a = {0};

                NEED(strv_append(&q->env, "A=1") >= 0 && (q->working_dir = strdup("/srv")));
                q->tty = starts[i].tty;
                q->privileged = starts[i].privileged;
                q->attach_stdin = !starts[i].no_stdin;
                e.log = starts[i].log;
                e.one_output = starts[i].one_output;
                e.cap_privileged = UINT64_C(1) << 40;
                NEED(spawner_start(w->manager.spawner, &e, &starts[i].size, 1001,
                                   starts[i].with_fds ? stdio : NULL, on_reply, &a, &a.slot, NULL) >= 0);
                (void) received(w, "Start", "s(sut)sa(ss)uasasssttqquahh");
                check_exec(w, row, NULL);
                NEED(sd_bus_message_read_strv(w->pending, &argv) > 0 &&
                     sd_bus_message_read_strv(w->pending, &env) > 0);
                CHECK_ROW(row, strv_length(argv) == 3 && strcmp(argv[1], "a b") == 0 && !*argv[2]);
                CHECK_ROW(row, strv_length(env) == 1 && strcmp(env[0], "A=1") == 0);
                NEED(sd_bus_message_read(w->pending, "ssttqqu", &user, &dir, &flags, &capabilities, &rows,
                                         &columns, &login_uid) > 0);
                CHECK_TEXT(row, user, "");
                CHECK_TEXT(row, dir, "/srv");
                CHECK_ROW(row, flags == starts[i].flags && capabilities == UINT64_C(1) << 40);
                CHECK_ROW(row, rows == (starts[i].size.set ? 24 : 0) &&
                                       columns == (starts[i].size.set ? 80 : 0) && login_uid == 1001);
                check_descriptors(w, row, starts[i].with_fds ? stdio : NULL);
                finish(w, &a);
                exec_request_free(q);
        }
        for (size_t i = 0; i < 2; i++) {
                fd_close(one[i]);
                fd_close(other[i]);
        }
}

static void test_errors(World *w)
{
        static const struct {
                const char *name, *text;
                RefusalKind kind;
                const char *message;
        } rows[] = {
                {REFUSAL_ERROR_PREFIX "NoSuchContainer", "none", REFUSAL_NO_CONTAINER, "none"},
                {REFUSAL_ERROR_PREFIX "Busy", "later", REFUSAL_BUSY, "later"},
                {REFUSAL_ERROR_PREFIX "CommandNotRunnable", "x", REFUSAL_NOT_RUNNABLE, "x"},
                {REFUSAL_ERROR_PREFIX "Internal", "", REFUSAL_INTERNAL, REFUSAL_ERROR_PREFIX "Internal"},
                /* No error is a success, whatever its name. */
                {REFUSAL_ERROR_PREFIX "None", "x", REFUSAL_INTERNAL, "x"},
                {REFUSAL_ERROR_PREFIX "Unheard", "x", REFUSAL_INTERNAL, "x"},
                {REFUSAL_ERROR_PREFIX "busy", "x", REFUSAL_INTERNAL, "x"},
                {"org.execd1.Errors.Busy", "x", REFUSAL_UNAVAILABLE, "x"},
                {SD_BUS_ERROR_UNKNOWN_METHOD, "x", REFUSAL_UNAVAILABLE, "x"},
                {SD_BUS_ERROR_ACCESS_DENIED, "x", REFUSAL_UNAVAILABLE, "x"},
                {SD_BUS_ERROR_NO_REPLY, "Connection timed out", REFUSAL_UNAVAILABLE,
                 "execd-spawner did not answer: see systemctl status execd-spawner.service"},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                Reply a = {0};

                NEED(spawner_get_container(w->manager.spawner, "web", on_reply, &a, &a.slot, NULL) >= 0);
                NEED(sd_bus_reply_method_errorf(received(w, "GetContainer", "s"), rows[i].name, "%s",
                                                rows[i].text) >= 0);
                WORLD_UNTIL(w, a.n > 0);
                CHECK_ROW(rows[i].name, a.n == 1 && a.r < 0 && a.refusal.kind == rows[i].kind);
                CHECK_TEXT(rows[i].name, a.refusal.message, rows[i].message);
                refusal_done(&a.refusal);
        }
}

int main(void)
{
        World *w = world_new();

        test_short_calls(w);
        test_prepare(w);
        test_start(w);
        test_errors(w);
        world_free(w);
        return test_finish("spawner-call");
}
