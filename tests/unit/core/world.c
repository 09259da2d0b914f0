/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "unit/core/world.h"

#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <pty.h>
#include <stdarg.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/fd.h"
#include "base/notify.h"
#include "base/ticket.h"
#include "core/exec-output.h"
#include "unit/bus-pair.h"
#include "wire/runner-spec.h"
#include "wire/spawner-protocol.h"

/* Descriptors in one message to systemd. */
#define STORED_MAX       64

#define POLKIT_INTERFACE "org.freedesktop.PolicyKit1.Authority"

static struct sockaddr_un address_of(const World *w, const char *name)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};

        NEED(snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", w->dir, name) > 0);
        return address;
}

/* The spawner. */

static void note_call(World *w, sd_bus_message *m)
{
        size_t used = strlen(w->calls);
        const char *member = sd_bus_message_get_member(m), *text = "";
        char line[160];
        uint64_t park = 0;
        int a = 0, b = 0;

        if (sd_bus_message_has_signature(m, "s") || strcmp(member, "Prepare") == 0 ||
            strcmp(member, "Start") == 0 || strcmp(member, "Kill") == 0)
                NEED(sd_bus_message_read(m, "s", &text) > 0);
        snprintf(line, sizeof(line), "%s %.12s", member, text);
        if (strcmp(member, "Prepare") == 0) {
                NEED(sd_bus_message_skip(m, "(sut)sa(ss)us") > 0 && sd_bus_message_read(m, "t", &park) > 0);
                snprintf(line, sizeof(line), "Prepare %.12s%s", text, park > 0 ? " park" : "");
        } else if (strcmp(member, "Kill") == 0) {
                NEED(sd_bus_message_skip(m, "h") > 0 && sd_bus_message_read(m, "ib", &a, &b) > 0);
                snprintf(line, sizeof(line), "Kill %.12s %d%s", text, a, b ? " all" : "");
        }
        snprintf(w->calls + used, sizeof(w->calls) - used, "%s\n", line);
}

static int on_call(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        World *w = userdata;

        if (!sd_bus_message_is_method_call(m, SPAWNER_INTERFACE, NULL))
                return 0;
        note_call(w, m);
        sd_bus_message_unref(w->pending);
        w->pending = sd_bus_message_ref(m);
        return 1;
}

static int on_connection(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
        World *w = userdata;
        int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

        NEED(peer >= 0 && w->n_connections < ELEMENTSOF(w->earlier));
        w->earlier[w->n_connections++] = TAKE_PTR(w->spawner);
        w->spawner = bus_serve(peer, w->event, on_call, w);
        return 0;
}

static void listen_as_spawner(World *w)
{
        struct sockaddr_un address = address_of(w, "spawner");

        w->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        NEED(w->listener >= 0 && bind(w->listener, (struct sockaddr *) &address, sizeof(address)) == 0 &&
             listen(w->listener, 8) == 0);
        NEED(sd_event_add_io(w->event, &w->accept_source, w->listener, EPOLLIN, on_connection, w) >= 0);
}

bool world_was_called(const World *w, const char *text)
{
        return world_count_calls(w, text) > 0;
}

unsigned world_count_calls(const World *w, const char *text)
{
        unsigned n = 0;

        for (const char *line = w->calls; *line; line = strchr(line, '\n') + 1)
                n += strncmp(line, text, strlen(text)) == 0;
        return n;
}

void world_answer(World *w)
{
        NEED(w->pending && sd_bus_reply_method_return(w->pending, NULL) >= 0);
        w->pending = sd_bus_message_unref(w->pending);
}

static void close_bus(sd_bus *bus)
{
        if (!bus)
                return;
        sd_bus_detach_event(bus);
        sd_bus_close_unref(bus);
}

void world_lose_spawner(World *w)
{
        w->pending = sd_bus_message_unref(w->pending);
        close_bus(TAKE_PTR(w->spawner));
}

void world_retire_spawner(World *w)
{
        NEED(sd_bus_emit_signal(w->spawner, SPAWNER_PATH, SPAWNER_INTERFACE, "Leaving", NULL) >= 0);
}

void world_use_ticket(World *w)
{
        char before[64];
        const char *all;
        int ticket;

        NEED(sd_bus_message_rewind(w->pending, true) >= 0);
        all = sd_bus_message_get_signature(w->pending, true);
        NEED(strlen(all) < sizeof(before));
        strcpy(before, all);
        before[strlen(all) - 1] = 0;
        NEED(sd_bus_message_skip(w->pending, before) >= 0);
        NEED(sd_bus_message_read(w->pending, "h", &ticket) > 0 && ticket_use(ticket) == 0);
}

void world_answer_error(World *w, const char *kind, const char *text)
{
        char name[64];

        snprintf(name, sizeof(name), REFUSAL_ERROR_PREFIX "%s", kind);
        NEED(w->pending && sd_bus_reply_method_errorf(w->pending, name, "%s", text) >= 0);
        w->pending = sd_bus_message_unref(w->pending);
}

void world_answer_container(World *w, const ContainerInfo *c)
{
        sd_bus_message *m = NULL;

        NEED(w->pending && sd_bus_message_new_method_return(w->pending, &m) >= 0);
        NEED(sd_bus_message_append(m, CONTAINER_SIGNATURE "h", c->id, c->name, c->kind, c->state, c->image,
                                   c->unit, c->slice, c->leader, c->leader_start, c->leader_uid,
                                   c->created_usec, c->started_usec, 0, "", c->user, c->working_dir, 0,
                                   c->confined, c->leader_pidfd) >= 0);
        NEED(sd_bus_send(NULL, m, NULL) >= 0);
        sd_bus_message_unref(m);
        w->pending = sd_bus_message_unref(w->pending);
}

/* The bus. */

static int on_bus_call(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        World *w = userdata;

        if (sd_bus_message_is_method_call(m, POLKIT_INTERFACE, "CheckAuthorization")) {
                sd_bus_message_unref(w->question);
                w->question = sd_bus_message_ref(m);
                w->n_questions++;
                return 1;
        }
        w->n_cancelled += sd_bus_message_is_method_call(m, POLKIT_INTERFACE, "CancelCheckAuthorization") > 0;
        return 0;
}

void world_open_bus(World *w)
{
        Manager *m = &w->manager;
        int ends[2];

        bus_socket(ends);
        w->bus = bus_serve(ends[0], w->event, on_bus_call, w);
        m->bus = bus_connect(ends[1], w->event);
        m->polkit = polkit_new(m->bus, &m->authz_budget);
        m->callers = caller_watches_new(m->bus);
        m->exec_env.callers = m->callers;
        NEED(m->polkit && m->callers);
}

void world_judge(World *w, bool authorized, bool challenge)
{
        NEED(w->question &&
             sd_bus_reply_method_return(w->question, "(bba{ss})", authorized, challenge, 0) >= 0);
        w->question = sd_bus_message_unref(w->question);
}

/* The command. */

static void make_streams(const Exec *e, Command *ret, int theirs[3], size_t *ret_n)
{
        int ends[2];

        if (e->request->tty) {
                NEED(openpty(&theirs[0], &ret->out, NULL, NULL, NULL) == 0);
                *ret_n = 1;
                return;
        }
        NEED(pipe2(ends, O_CLOEXEC) == 0);
        ret->in = ends[0];
        theirs[0] = ends[1];
        NEED(pipe2(ends, O_CLOEXEC) == 0);
        theirs[1] = ends[0];
        ret->out = ends[1];
        NEED(pipe2(ends, O_CLOEXEC) == 0);
        theirs[2] = ends[0];
        ret->err = ends[1];
        *ret_n = 3;
}

void world_answer_start(World *w, const Exec *e, Command *ret)
{
        int theirs[3], control[2];
        sd_bus_message *m = NULL;
        size_t n;

        *ret = (Command){-EBADF, -EBADF, -EBADF, -EBADF};
        NEED(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control) == 0);
        ret->control = control[0];
        make_streams(e, ret, theirs, &n);
        NEED(w->pending && sd_bus_message_new_method_return(w->pending, &m) >= 0);
        NEED(sd_bus_message_append(m, "hhu", control[1], control[1], 4711) >= 0);
        NEED(sd_bus_message_open_container(m, 'a', "h") >= 0);
        for (size_t i = 0; i < n; i++) {
                NEED(sd_bus_message_append(m, "h", theirs[i]) >= 0);
                fd_close(theirs[i]);
        }
        NEED(sd_bus_message_close_container(m) >= 0 && sd_bus_send(NULL, m, NULL) >= 0);
        sd_bus_message_unref(m);
        w->pending = sd_bus_message_unref(w->pending);
        fd_close(control[1]);
}

void command_report(Command *c, int wait_status)
{
        RunnerReport report = {
                .version = RUNNER_REPORT_VERSION, .type = RUNNER_EXITED, .wait_status = wait_status};

        NEED(send(c->control, &report, sizeof(report), MSG_NOSIGNAL) == sizeof(report));
}

void command_close_output(Command *c)
{
        c->out = fd_close(c->out);
        c->err = fd_close(c->err);
}

void command_done(Command *c)
{
        c->control = fd_close(c->control);
        c->in = fd_close(c->in);
        command_close_output(c);
}

/* The journal. */

const char *world_record(World *w)
{
        static char text[256 * 1024];
        ssize_t n = recv(w->journal, text, sizeof(text) - 1, MSG_DONTWAIT);

        text[MAX(n, (ssize_t) 0)] = 0;
        return text;
}

bool world_find_record(World *w, const char *text)
{
        for (const char *record; *(record = world_record(w));)
                if (strstr(record, text))
                        return true;
        return false;
}

void world_stop_journal(World *w)
{
        struct sockaddr_un address = address_of(w, "journal");
        int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        NEED(fd >= 0 && connect(fd, (struct sockaddr *) &address, sizeof(address)) == 0);
        while (send(fd, "FILLER=1\n", 9, 0) == 9)
                ;
        NEED(errno == EAGAIN);
        fd_close(fd);
}

void world_open_journal(World *w)
{
        while (strstr(world_record(w), "FILLER"))
                ;
}

/* systemd. */

static void listen_as_systemd(World *w)
{
        struct sockaddr_un address = address_of(w, "notify");

        w->notify = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        NEED(w->notify >= 0 && bind(w->notify, (struct sockaddr *) &address, sizeof(address)) == 0);
        NEED(setenv("NOTIFY_SOCKET", address.sun_path, true) == 0 && notify_start(w->event, NULL) >= 0);
}

void world_take_stored(World *w, FdStore *ret)
{
        char text[256];
        union {
                struct cmsghdr header;
                char space[CMSG_SPACE(sizeof(int) * STORED_MAX)];
        } control;
        struct iovec iov = {.iov_base = text, .iov_len = sizeof(text)};
        struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};

        *ret = (FdStore){0};
        while (message.msg_control = &control, message.msg_controllen = sizeof(control),
               recvmsg(w->notify, &message, MSG_CMSG_CLOEXEC) > 0) {
                struct cmsghdr *c = CMSG_FIRSTHDR(&message);

                for (size_t i = 0; c && i < (c->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++) {
                        int fd;

                        memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
                        NEED(fdstore_add(ret, SLOT_FD_NAME, fd));
                }
        }
}

/* Clients. */

int world_attach(Exec *e, bool primary)
{
        StreamClientOptions o = {.want_stdout = true, .want_stderr = true, .raw = true, .primary = primary};
        Stream *s = exec_stream(e);
        int ends[2];

        NEED(s && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
        o.fd = ends[0];
        NEED(stream_add_client(s, &o) >= 0);
        return ends[1];
}

const char *client_read(int fd, bool *ret_end)
{
        static char text[64 * 1024];
        size_t size = 0;
        ssize_t n;

        while ((n = recv(fd, text + size, sizeof(text) - 1 - size, MSG_DONTWAIT)) > 0)
                size += (size_t) n;
        text[size] = 0;
        *ret_end = n == 0;
        return text;
}

/* The rest. */

ExecRequest *world_request(const char *first, ...)
{
        ExecRequest *q = calloc(1, sizeof(ExecRequest));
        va_list more;

        NEED(q);
        q->attach_stdin = q->attach_stdout = q->attach_stderr = true;
        va_start(more, first);
        for (const char *word = first; word; word = va_arg(more, const char *))
                NEED(strv_append(&q->argv, word) >= 0);
        va_end(more);
        return q;
}

ContainerInfo *world_container(const World *w, const char *name, uint64_t leader_start)
{
        ContainerInfo *c = calloc(1, sizeof(ContainerInfo));
        char id[EXEC_ID_SIZE];

        NEED(c);
        for (size_t i = 0; i < sizeof(id) - 1; i++)
                id[i] = "0123456789abcdef"[(unsigned char) name[i % strlen(name)] % 16];
        id[sizeof(id) - 1] = 0;
        *c = (ContainerInfo){
                .n_ref = 1,
                .id = strdup(id),
                .name = strdup(name),
                .kind = strdup("machine"),
                .state = strdup("running"),
                .image = strdup(""),
                .unit = strdup("machine.service"),
                .slice = strdup("machine.slice"),
                .user = strdup(""),
                .working_dir = strdup(""),
                .label = strdup(""),
                .confined = true,
                .leader = 4242,
                .leader_start = leader_start,
                .leader_pidfd = -EBADF,
        };
        return c;
}

void world_settle(World *w)
{
        while (sd_event_run(w->event, 0) > 0)
                ;
}

static bool is_settled(void *userdata)
{
        return manager_execs_are_settled(userdata);
}

static void make_manager(World *w)
{
        static const SpawnerLinkEvents link_events;
        static char spawner_path[128], recordings_path[128], journal_path[128];
        Manager *m = &w->manager;

        snprintf(spawner_path, sizeof(spawner_path), "%s/spawner", w->dir);
        snprintf(journal_path, sizeof(journal_path), "%s/journal", w->dir);
        snprintf(recordings_path, sizeof(recordings_path), "%s/recordings", w->dir);
        m->event = w->event;
        m->config = manager_config_default;
        m->config.spawner_socket = spawner_path;
        m->config.state_path = w->dir;
        m->config.allowed_properties = UINT64_MAX;
        m->execs_budget = (Budget){
                .what = "execs", .key = "ExecsMax", .uid_key = "ExecsPerUserMax", .max = 100, .uid_max = 80};
        m->outputs_budget = (Budget){
                .what = "bytes of output", .max = OUTPUT_MEMORY_MAX, .uid_max = OUTPUT_MEMORY_UID_MAX};
        m->parked_budget = (Budget){.what = "ready runners", .max = PARKED_MAX, .uid_max = PARKED_MAX};
        m->authz_budget = (Budget){.what = "authorizations", .max = AUTHZ_MAX, .uid_max = AUTHZ_PER_UID_MAX};
        m->memory_budget = (Budget){.what = "bytes", .max = MEMORY_MAX, .uid_max = MEMORY_PER_UID_MAX};
        m->events = event_log_new();
        m->slots = slot_pool_new();
        m->spawner = spawner_link_new(w->event, spawner_path, &link_events, m);
        m->helpers = helper_pool_new(w->event);
        m->recorder = recorder_new(w->event, m->helpers, &(RecordingStoreOptions){.path = recordings_path},
                                   w->dir);
        m->journal = journal_queue_new(w->event, journal_path);
        m->denials = denials_new(w->event, m->journal);
        m->spares = spare_runners_new(w->event, m->spawner, &m->config);
        m->shutdown = shutdown_new(w->event, NULL, is_settled, m);
        NEED(m->events && m->slots && m->spawner && m->helpers && m->recorder && m->journal && m->denials &&
             m->spares && m->shutdown);
        NEED(manager_execs_init(m) >= 0);
}

World *world_new(void)
{
        World *w = calloc(1, sizeof(World));
        struct sockaddr_un address;

        NEED(w);
        strcpy(w->dir, "/tmp/execd-test-XXXXXX");
        NEED(mkdtemp(w->dir) && sd_event_new(&w->event) >= 0);
        address = address_of(w, "journal");
        w->journal = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        NEED(w->journal >= 0 && bind(w->journal, (struct sockaddr *) &address, sizeof(address)) == 0);
        listen_as_systemd(w);
        listen_as_spawner(w);
        make_manager(w);
        w->container = world_container(w, "web", 7);
        w->root = calloc(1, sizeof(Peer));
        NEED(w->root);
        *w->root = (Peer){.n_ref = 1, .pidfd = -EBADF, .pid = 1, .loginuid = UINT32_MAX};
        return w;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
        return remove(path);
}

World *world_free(World *w)
{
        Manager *m;

        if (!w)
                return NULL;
        m = &w->manager;
        manager_execs_done(m);
        spare_runners_free(m->spares);
        recorder_free(m->recorder);
        shutdown_free(m->shutdown);
        spawner_link_free(m->spawner);
        denials_free(m->denials);
        journal_queue_free(m->journal);
        event_log_free(m->events);
        slot_pool_free(m->slots);
        helper_pool_free(m->helpers);
        budget_done(&m->execs_budget);
        budget_done(&m->memory_budget);
        budget_done(&m->authz_budget);
        budget_done(&m->outputs_budget);
        budget_done(&m->parked_budget);
        journal_reader_done(&m->journal_reader);
        containers_seen_done(&m->seen);
        sd_bus_message_unref(w->pending);
        sd_bus_message_unref(w->question);
        if (w->bus) {
                polkit_free(m->polkit);
                caller_watches_free(m->callers);
                close_bus(m->bus);
                close_bus(w->bus);
        }
        close_bus(w->spawner);
        for (unsigned i = 0; i < w->n_connections; i++)
                close_bus(w->earlier[i]);
        sd_event_source_disable_unref(w->accept_source);
        fd_close(w->notify);
        fd_close(w->listener);
        fd_close(w->journal);
        container_info_unref(w->container);
        peer_unref(w->root);
        notify_finish(0);
        sd_event_unref(w->event);
        (void) nftw(w->dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
        return mfree(w);
}
