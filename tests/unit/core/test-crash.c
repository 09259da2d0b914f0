/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* core/stream-map: a process that carries a stream is killed before and after each of its system calls, and
 * another one goes on. Nothing is lost or doubled in either direction. */

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "core/stream-internal.h"
#include "unit/need.h"
#include "unit/test.h"

#define CLIENTS_MAX 3

/* The objects that outlive the process that carries the stream. */
typedef struct World {
        int out[2], in[2], map, stage[2], sockets[CLIENTS_MAX][2];
        StreamClientOptions options[CLIENTS_MAX];
        size_t n_clients;
} World;

static int n_ended;

static void on_output_end(void *userdata)
{
        n_ended++;
}

static void on_client_gone(void *userdata)
{
        n_ended++;
}

static const StreamEvents events = {.on_output_end = on_output_end, .on_client_gone = on_client_gone};

static int copy_of(int fd)
{
        return fd < 0 ? -EBADF : fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

static Stream *stream_over(const World *w, sd_event *event)
{
        Stream *s = stream_new(event, &events, NULL);

        NEED(s && stream_set_output(s, FRAME_STDOUT, copy_of(w->out[0])) >= 0);
        NEED(stream_set_input(s, copy_of(w->in[1])) >= 0);
        return s;
}

/* The first process leaves the stream as it is when its command has just been started. */
static void begin(World *w, sd_event *event)
{
        Stream *s = stream_new(event, &events, NULL);

        for (size_t i = 0; i < w->n_clients; i++) {
                StreamClientOptions o = w->options[i];

                o.fd = copy_of(w->sockets[i][0]);
                NEED(stream_add_client(s, &o) >= 0);
        }
        NEED(stream_need_stage(s) >= 0);
        w->map = copy_of(stream_map_fd(s));
        w->stage[0] = copy_of(s->stage[0]);
        w->stage[1] = copy_of(s->stage[1]);
        stream_leave(s, true);
        stream_free(s);
}

static Stream *go_on(const World *w, sd_event *event)
{
        int clients[CLIENTS_MAX];
        Slot *slots[CLIENTS_MAX] = {0};
        StreamFound f = {
                .map = copy_of(w->map),
                .stage = {copy_of(w->stage[0]), copy_of(w->stage[1])},
                .clients = clients,
                .client_slots = slots,
                .n_clients = w->n_clients,
        };
        Stream *s = stream_over(w, event);

        for (size_t i = 0; i < w->n_clients; i++)
                clients[i] = copy_of(w->sockets[i][0]);
        NEED(stream_restore(s, &f) >= 0);
        stream_begin(s);
        return s;
}

/* In a process of its own, until it is killed or there is nothing to do. */
static void carry(const World *w)
{
        sd_event *event = NULL;

        NEED(sd_event_new(&event) >= 0);
        NEED(ptrace(PTRACE_TRACEME, 0, NULL, NULL) >= 0);
        (void) raise(SIGSTOP);
        (void) go_on(w, event);
        for (unsigned idle = 0; idle < 2;)
                idle = sd_event_run(event, 1000) > 0 ? 0 : idle + 1;
        _exit(0);
}

/* A process that has nothing to do ends long before; one that goes on would go on for ever. */
#define STOPS_MAX 20000

/* Kills it at its n-th stop at a system call, of which each has two. False when it had ended by itself
 * before. */
static bool carry_until(const World *w, unsigned n)
{
        pid_t pid = fork();
        int status;

        NEED(pid >= 0);
        if (pid == 0)
                carry(w);
        NEED(waitpid(pid, &status, 0) == pid);
        NEED(WIFSTOPPED(status));
        for (unsigned i = 0; i < n; i++) {
                NEED(ptrace(PTRACE_SYSCALL, pid, NULL, NULL) >= 0);
                NEED(waitpid(pid, &status, 0) == pid);
                if (WIFEXITED(status)) {
                        NEED(WEXITSTATUS(status) == 0);
                        return false;
                }
                NEED(WIFSTOPPED(status));
        }
        NEED(kill(pid, SIGKILL) >= 0);
        NEED(waitpid(pid, &status, 0) == pid);
        NEED(n < STOPS_MAX);
        return true;
}

static uint8_t pattern(size_t i)
{
        return (uint8_t) (i * 7 + i / 251 + i / 65521);
}

static size_t put_some(int fd, size_t done, size_t total, size_t piece)
{
        static uint8_t buf[1 << 20];
        size_t size = MIN(MIN(sizeof(buf), piece), total - done);
        ssize_t n;

        for (size_t i = 0; i < size; i++)
                buf[i] = pattern(done + i);
        n = size > 0 ? write(fd, buf, size) : 0;
        return n > 0 ? (size_t) n : 0;
}

typedef struct Got {
        uint8_t header[FRAME_HEADER_SIZE];
        size_t header_done, payload;
        uint32_t left;
        bool raw;
} Got;

static void got_bytes(Got *g, const uint8_t *data, size_t size)
{
        for (size_t i = 0; i < size; i++) {
                FrameType type;

                if (g->raw || g->left > 0) {
                        NEED(data[i] == pattern(g->payload));
                        g->payload++;
                        g->left -= !g->raw;
                        continue;
                }
                g->header[g->header_done++] = data[i];
                if (g->header_done < sizeof(g->header))
                        continue;
                g->header_done = 0;
                NEED(frame_header_read(g->header, &type, &g->left) >= 0 && type == FRAME_STDOUT &&
                     g->left > 0);
        }
}

static bool get_some(int fd, Got *g)
{
        static uint8_t buf[1 << 20];
        ssize_t n = read(fd, buf, sizeof(buf));

        if (n > 0)
                got_bytes(g, buf, (size_t) n);
        return n > 0;
}

static void world_new(World *w, const StreamClientOptions *options, size_t n_clients)
{
        sd_event *event = NULL;

        *w = (World){.n_clients = n_clients};
        NEED(pipe2(w->out, O_CLOEXEC | O_NONBLOCK) >= 0 && pipe2(w->in, O_CLOEXEC | O_NONBLOCK) >= 0);
        (void) fcntl(w->out[1], F_SETPIPE_SZ, 1024 * 1024);
        for (size_t i = 0; i < n_clients; i++) {
                w->options[i] = options[i];
                NEED(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, w->sockets[i]) >= 0);
        }
        NEED(sd_event_new(&event) >= 0);
        begin(w, event);
        sd_event_unref(event);
}

static void world_done(World *w)
{
        fd_close(w->out[0]);
        fd_close(w->out[1]);
        fd_close(w->in[0]);
        fd_close(w->in[1]);
        fd_close(w->map);
        fd_close(w->stage[0]);
        fd_close(w->stage[1]);
        for (size_t i = 0; i < w->n_clients; i++) {
                fd_close(w->sockets[i][0]);
                fd_close(w->sockets[i][1]);
        }
}

/* Bytes in each direction, a piece of them for each process, which is killed one stop later each
 * time, and from the first stop on again after the last one. */
static void check_crashes(const StreamClientOptions *options, size_t n_clients, size_t rounds, size_t piece,
                          unsigned last)
{
        Got got[CLIENTS_MAX] = {0}, received = {.raw = true};
        size_t written = 0, sent = 0, crashes = 0, input_piece = MIN(piece, (size_t) 3000);
        size_t total = rounds * piece, total_input = rounds * input_piece;
        World w;

        world_new(&w, options, n_clients);
        for (size_t i = 0; i < n_clients; i++)
                got[i].raw = options[i].raw;
        for (unsigned n = 1, idle = 0; idle < 2 * last; n = n < last ? n + 1 : 1) {
                size_t more = put_some(w.out[1], written, total, piece);
                size_t more_input = put_some(w.sockets[0][1], sent, total_input, input_piece);
                bool moved = more > 0 || more_input > 0;

                written += more;
                sent += more_input;
                /* At the end one is left alone, in case that something is still to come. */
                crashes += carry_until(&w, written < total || sent < total_input ? n : STOPS_MAX);
                for (size_t i = 0; i < n_clients; i++)
                        moved = get_some(w.sockets[i][1], &got[i]) || moved;
                moved = get_some(w.in[0], &received) || moved;
                idle = moved ? 0 : written < total || sent < total_input ? idle + 1 : 2 * last;
        }
        for (size_t i = 0; i < n_clients; i++)
                CHECK(got[i].payload == total && got[i].left == 0 && got[i].header_done == 0);
        CHECK(received.payload == total_input);
        CHECK(crashes > last);
        world_done(&w);
}

int main(void)
{
        static const StreamClientOptions framed = {
                .want_stdout = true, .want_stderr = true, .primary = true, .writer = true};
        static const StreamClientOptions raw = {
                .want_stdout = true, .raw = true, .primary = true, .writer = true};
        static const StreamClientOptions three[] = {
                {.want_stdout = true, .want_stderr = true, .primary = true, .writer = true},
                {.want_stdout = true},
                {.want_stdout = true, .raw = true},
        };

        (void) signal(SIGPIPE, SIG_IGN);
        check_crashes(&framed, 1, 75, 700, 60);
        check_crashes(&raw, 1, 75, 5000, 60);
        check_crashes(three, 3, 80, 5000, 75);
        check_crashes(&framed, 1, 75, 300000, 70);
        check_crashes(&raw, 1, 75, 300000, 70);
        return test_finish("crash");
}
