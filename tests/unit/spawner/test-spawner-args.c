/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* spawner/spawner-args: arguments are bounded and checked as they are read, and refer to one run of a known container. */

#include "spawner/spawner-args.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/strv.h"
#include "base/ticket.h"
#include "unit/bus-pair.h"
#include "unit/spawner/container-child.h"
#include "unit/test.h"
#include "wire/spawner-protocol.h"

#define EXEC_ID  "ee00000000000000000000000000000000000000000000000000000000000000"
#define ID       "aa00000000000000000000000000000000000000000000000000000000000000"
#define UNKNOWN  "bb00000000000000000000000000000000000000000000000000000000000000"
#define PEER_UID 990
#define MIB      (1024 * 1024)

typedef struct World {
        sd_bus *bus;
        Spawner spawner;
        Connection connection;
        Container *container;
        pid_t pid;
        unsigned n_wanted; /* calls of service_want() */
} World;

static World w;

bool __wrap_service_want(Providers *all, const char *reference);
bool __wrap_service_want(Providers *all, const char *reference)
{
        w.n_wanted++;
        return true;
}

static sd_bus_message *new_message(void)
{
        sd_bus_message *m = NULL;

        NEED(sd_bus_message_new_signal(w.bus, &m, "/a", "a.b", "C") >= 0);
        return m;
}

static void seal(sd_bus_message *m)
{
        NEED(sd_bus_message_seal(m, 1, 0) >= 0 && sd_bus_message_rewind(m, true) >= 0);
}

static char *text_of(size_t n)
{
        char *text = malloc(n + 1);

        NEED(text);
        memset(text, 'a', n);
        text[n] = 0;
        return text;
}

typedef enum TicketKind {
        TICKET_NEW,
        TICKET_USED,
        TICKET_NONE, /* another file */
} TicketKind;

typedef struct StartRow {
        const char *name;
        size_t n_argv, argv_size, n_env,
                env_size; /* bytes of the first item with its NUL; the others are empty */
        const char *user;
        size_t dir_length;
        uint64_t flags;
        unsigned n_stdio;
        TicketKind ticket;
        RefusalKind kind; /* REFUSAL_NONE: it is accepted */
        const char *text;
} StartRow;

static void append_list(sd_bus_message *m, size_t n, size_t first_size)
{
        _cleanup_free_ char *first = text_of(MAX(first_size, (size_t) 1) - 1);

        NEED(sd_bus_message_open_container(m, 'a', "s") >= 0);
        for (size_t i = 0; i < n; i++)
                NEED(sd_bus_message_append_basic(m, 's', i == 0 ? first : "") >= 0);
        NEED(sd_bus_message_close_container(m) >= 0);
}

static sd_bus_message *make_start(const StartRow *row)
{
        _cleanup_free_ char *dir = text_of(row->dir_length);
        _cleanup_close_ int ticket = row->ticket == TICKET_NONE ? dup(2) : ticket_new();
        sd_bus_message *m = new_message();

        NEED(ticket >= 0 && (row->ticket != TICKET_USED || ticket_use(ticket) == 0));
        append_list(m, row->n_argv, row->argv_size);
        append_list(m, row->n_env, row->env_size);
        NEED(sd_bus_message_append(m, "ssttqqu", row->user ?: "", dir, row->flags, UINT64_C(0x2a), 24, 80,
                                   1000) >= 0);
        NEED(sd_bus_message_open_container(m, 'a', "h") >= 0);
        for (unsigned i = 0; i < row->n_stdio; i++)
                NEED(sd_bus_message_append(m, "h", 2) >= 0);
        NEED(sd_bus_message_close_container(m) >= 0 && sd_bus_message_append(m, "h", ticket) >= 0);
        seal(m);
        return m;
}

static void check_start(const StartRow *row)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = make_start(row);
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        LaunchStart q = {.ticket = -EBADF};
        int fds[3], r;

        r = args_read_start(m, &q, fds, &refusal);
        CHECK_ROW(row->name, (r >= 0) == (row->kind == REFUSAL_NONE) && refusal.kind == row->kind);
        CHECK_ROW(row->name, !row->text || (refusal.message && strstr(refusal.message, row->text)));
        if (r >= 0) {
                CHECK_ROW(row->name, strv_length(q.argv) == row->n_argv && strv_length(q.env) == row->n_env);
                CHECK_ROW(row->name, q.rows == 24 && q.columns == 80 && q.login_uid == 1000);
                CHECK_ROW(row->name, q.cap_privileged == 0x2a && ticket_is_used(q.ticket) == 0);
                CHECK_ROW(row->name, q.tty == (row->flags & SPAWNER_TTY) &&
                                             q.privileged == !!(row->flags & SPAWNER_PRIVILEGED));
                CHECK_ROW(row->name, (q.stdio != NULL) == (row->n_stdio == 3));
        }
        strv_free(q.argv);
        strv_free(q.env);
}

static void test_start(void)
{
        static const StartRow rows[] = {
                {"least", 1, 3, 0, 0, "", 0, 0, 0, TICKET_NEW, REFUSAL_NONE, NULL},
                {"all", 3, 3, 3, 3, "1000:7", 100, SPAWNER_FLAGS_ALL & ~SPAWNER_TTY, 3, TICKET_NEW,
                 REFUSAL_NONE, NULL},
                {"with a tty", 1, 3, 0, 0, "", 0, SPAWNER_TTY, 0, TICKET_NEW, REFUSAL_NONE, NULL},
                {"an empty name", 1, 1, 0, 0, "", 0, 0, 0, TICKET_NEW, REFUSAL_NONE, NULL},
                {"no argv", 0, 0, 1, 3, "", 0, 0, 0, TICKET_NEW, REFUSAL_BAD_REQUEST, "argv"},
                {"most bytes", 1, 2 * MIB, 1, 2 * MIB, "", 0, 0, 0, TICKET_NEW, REFUSAL_NONE, NULL},
                {"a byte too many", 1, 2 * MIB, 1, 2 * MIB + 1, "", 0, 0, 0, TICKET_NEW, REFUSAL_TOO_LARGE,
                 "arguments and environment"},
                {"an item too many", MIB / 2, 1, 1, 1, "", 0, 0, 0, TICKET_NEW, REFUSAL_TOO_LARGE,
                 "arguments and environment"},
                {"longest directory", 1, 3, 0, 0, "", 4095, 0, 0, TICKET_NEW, REFUSAL_NONE, NULL},
                {"longer directory", 1, 3, 0, 0, "", 4096, 0, 0, TICKET_NEW, REFUSAL_BAD_REQUEST,
                 "working_dir"},
                {"unknown flag", 1, 3, 0, 0, "", 0, SPAWNER_FLAGS_ALL + 1, 0, TICKET_NEW,
                 REFUSAL_BAD_REQUEST, "flags"},
                {"no user", 1, 3, 0, 0, "a\nb", 0, 0, 0, TICKET_NEW, REFUSAL_BAD_REQUEST, "User"},
                {"two of stdio", 1, 3, 0, 0, "", 0, 0, 2, TICKET_NEW, REFUSAL_BAD_REQUEST, "stdio"},
                {"four of stdio", 1, 3, 0, 0, "", 0, 0, 4, TICKET_NEW, REFUSAL_BAD_REQUEST, "stdio"},
                {"stdio and a tty", 1, 3, 0, 0, "", 0, SPAWNER_TTY, 3, TICKET_NEW, REFUSAL_BAD_REQUEST,
                 "stdio"},
                {"no ticket", 1, 3, 0, 0, "", 0, 0, 0, TICKET_NONE, REFUSAL_BAD_REQUEST, "ticket"},
                {"a used ticket", 1, 3, 0, 0, "", 0, 0, 0, TICKET_USED, REFUSAL_CONFLICT, "started before"},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                check_start(&rows[i]);
}

typedef struct LaunchRow {
        const char *name;
        const char *exec_id, *id;
        int pid_offset, start_offset;
        bool fresh, is_paused, is_service, is_dead; /* the container */
        uid_t uid;                                  /* of its first process */
        size_t description_length, n_properties;
        const char *property; /* NULL: a valid one */
        int error;
        RefusalKind kind;
        const char *text;
        unsigned n_wanted;
} LaunchRow;

static sd_bus_message *make_launch(const LaunchRow *row)
{
        _cleanup_free_ char *description = text_of(row->description_length);
        sd_bus_message *m = new_message();

        NEED(sd_bus_message_append(m, "s(sut)s", row->exec_id ?: EXEC_ID, row->id ?: ID,
                                   (uint32_t) (w.pid + row->pid_offset),
                                   (uint64_t) (1000 + row->start_offset), description) >= 0);
        NEED(sd_bus_message_open_container(m, 'a', "(ss)") >= 0);
        for (size_t i = 0; i < row->n_properties; i++)
                NEED(sd_bus_message_append(m, "(ss)", row->property ?: "TasksMax", "100") >= 0);
        NEED(sd_bus_message_close_container(m) >= 0 && sd_bus_message_append(m, "u", 1234) >= 0);
        seal(m);
        return m;
}

static int events_file(void)
{
        static const char text[] = "populated 1\nfrozen 1\n";
        int fd = memfd_create("events", MFD_CLOEXEC);

        NEED(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t) strlen(text));
        return fd;
}

static void set_up(const LaunchRow *row)
{
        Leader *l;

        w.container = make_container("machine", ID, "web", &w.pid);
        l = w.container->leader;
        l->start_time = 1000;
        l->unit_cgroup = row->is_service ? strdup("/a.service") : NULL;
        w.container->leader_uid = row->uid;
        w.container->events_fd = row->is_paused ? events_file() : -EBADF;
        NEED(container_table_add(&w.spawner.containers, w.container, false) == 0);
        if (row->is_dead)
                end_child(w.pid);
        w.n_wanted = 0;
}

static void tear_down(const LaunchRow *row)
{
        container_table_clear(&w.spawner.containers);
        w.container = container_unref(w.container);
        if (!row->is_dead)
                end_child(w.pid);
}

static void check_launch(const LaunchRow *row)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        _cleanup_(launch_arguments_done) LaunchArguments a = {0};
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        int r;

        set_up(row);
        m = make_launch(row);
        r = args_read_launch(&w.connection, m, row->fresh, &a, &refusal);
        CHECK_ROW(row->name, (r < 0 ? r : 0) == row->error && refusal.kind == row->kind);
        CHECK_ROW(row->name, !row->text || (refusal.message && strstr(refusal.message, row->text)));
        CHECK_ROW(row->name, w.n_wanted == row->n_wanted);
        if (r >= 0) {
                CHECK_ROW(row->name, a.container == w.container && a.caller == 1234);
                CHECK_ROW(row->name, strv_length(a.properties) == 2 * row->n_properties);
                CHECK_TEXT(row->name, a.exec_id, EXEC_ID);
        }
        tear_down(row);
}

static void test_launch(void)
{
        static const LaunchRow rows[] = {
                {.name = "least"},
                {.name = "most", .description_length = 4096, .n_properties = 32},
                {.name = "no ID of an exec",
                 .exec_id = "ee",
                 .error = -EINVAL,
                 .kind = REFUSAL_BAD_REQUEST,
                 .text = "exec_id"},
                {.name = "no ID of a container",
                 .id = "web",
                 .error = -EINVAL,
                 .kind = REFUSAL_BAD_REQUEST,
                 .text = "container id"},
                /* The providers may not have found it yet. */
                {.name = "unknown", .id = UNKNOWN, .error = -ESTALE, .n_wanted = 1},
                {.name = "still unknown",
                 .id = UNKNOWN,
                 .fresh = true,
                 .error = -ESRCH,
                 .kind = REFUSAL_NOT_RUNNING},
                {.name = "another process", .pid_offset = 1, .error = -ESRCH, .kind = REFUSAL_NOT_RUNNING},
                {.name = "another run", .start_offset = 1, .error = -ESRCH, .kind = REFUSAL_NOT_RUNNING},
                {.name = "ended", .is_dead = true, .error = -ESRCH, .kind = REFUSAL_NOT_RUNNING},
                {.name = "paused",
                 .is_paused = true,
                 .error = -EBUSY,
                 .kind = REFUSAL_CONFLICT,
                 .text = "paused"},
                {.name = "a service", .is_service = true, .uid = 33},
                {.name = "execd's user",
                 .is_service = true,
                 .uid = PEER_UID,
                 .error = -EPERM,
                 .kind = REFUSAL_DENIED},
                {.name = "a container with its number", .uid = PEER_UID},
                {.name = "longer description",
                 .description_length = 4097,
                 .error = -EINVAL,
                 .kind = REFUSAL_BAD_REQUEST,
                 .text = "description"},
                {.name = "more properties",
                 .n_properties = 33,
                 .error = -EINVAL,
                 .kind = REFUSAL_BAD_REQUEST,
                 .text = "properties"},
                {.name = "unknown property",
                 .n_properties = 1,
                 .property = "ExecStart",
                 .error = -EINVAL,
                 .kind = REFUSAL_BAD_REQUEST,
                 .text = "ExecStart"},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                check_launch(&rows[i]);
}

/* If root may connect, no service is refused for its user. */
static void test_root_peer(void)
{
        w.spawner.options.peer_uid = 0;
        check_launch(&(LaunchRow){.name = "root's service, root as peer", .is_service = true, .uid = 0});
        w.spawner.options.peer_uid = PEER_UID;
}

int main(void)
{
        int ends[2];

        bus_socket(ends);
        NEED(sd_bus_new(&w.bus) >= 0 && sd_bus_set_fd(w.bus, ends[0], ends[0]) >= 0 &&
             sd_bus_negotiate_fds(w.bus, true) >= 0 && sd_bus_start(w.bus) >= 0);
        w.spawner.options.peer_uid = PEER_UID;
        w.connection.spawner = &w.spawner;
        test_start();
        test_launch();
        test_root_peer();
        sd_bus_close_unref(w.bus);
        close(ends[1]);
        return test_finish("spawner-args");
}
