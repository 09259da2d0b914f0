/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Talks to execd-spawner as execd does, without execd: for tests of the spawner and runner alone, and as
 * floor for benchmarks. Run as user execd (or as root where the spawner allows it).
 *
 *   spawner-client [--socket=PATH] list
 *   spawner-client [--socket=PATH] run CONTAINER [-t] [-p] [-n] [-u USER] [-w DIR] [-e K=V]… [-P NAME=TEXT]…
 * -- CMD… spawner-client [--socket=PATH] prepare CONTAINER [-u USER] spawner-client [--socket=PATH] bench
 * CONTAINER N [--parked] -- CMD…
 */

#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <systemd/sd-bus.h>

#include "base/fd.h"
#include "base/strv.h"
#include "base/ticket.h"
#include "base/time.h"
#include "wire/exec-id.h"
#include "wire/runner-spec.h"
#include "wire/spawner-protocol.h"

#define SOCKET_DEFAULT "/run/execd/spawner.sock"

typedef struct Options {
        const char *socket, *container, *user, *working_dir;
        char **env, **properties;
        bool tty, privileged, no_stdin, parked, mute;
        char **command;
} Options;

typedef struct Leader {
        char id[EXEC_ID_SIZE];
        uint32_t pid;
        uint64_t start;
} Leader;

typedef struct Running {
        int control, pidfd, streams[3];
        size_t n_streams;
} Running;

static int fail(int r, const char *what, const sd_bus_error *error)
{
        fprintf(stderr, "%s: %s: %s\n", what, error && error->name ? error->name : strerror(-r),
                error && error->message ? error->message : "");
        return r < 0 ? r : -EIO;
}

static int connect_spawner(const char *path, sd_bus **ret)
{
        _cleanup_free_ char *address = NULL;
        sd_bus *bus = NULL;
        int r;

        if (asprintf(&address, "unix:path=%s", path) < 0)
                return -ENOMEM;
        r = sd_bus_new(&bus);
        if (r >= 0)
                r = sd_bus_set_address(bus, address);
        if (r >= 0)
                r = sd_bus_negotiate_fds(bus, true);
        if (r >= 0)
                r = sd_bus_start(bus);
        if (r < 0)
                return fail(r, "connect", NULL);
        *ret = bus;
        return 0;
}

static void random_id(char ret[static EXEC_ID_SIZE])
{
        uint8_t bytes[32];

        if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
                abort();
        for (int i = 0; i < 32; i++)
                snprintf(ret + 2 * i, 3, "%02x", bytes[i]);
}

static int get_leader(sd_bus *bus, const char *container, Leader *ret)
{
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        sd_bus_message *reply = NULL;
        const char *id;
        int r;

        r = sd_bus_call_method(bus, NULL, SPAWNER_PATH, SPAWNER_INTERFACE, "GetContainer", &error, &reply,
                               "s", container);
        if (r < 0)
                return fail(r, "GetContainer", &error);
        r = sd_bus_message_enter_container(reply, 'r', CONTAINER_FIELDS);
        if (r >= 0)
                r = sd_bus_message_read(reply, "sssssssut", &id, NULL, NULL, NULL, NULL, NULL, NULL,
                                        &ret->pid, &ret->start);
        if (r >= 0)
                snprintf(ret->id, sizeof(ret->id), "%s", id);
        sd_bus_message_unref(reply);
        return r < 0 ? fail(r, "GetContainer", NULL) : 0;
}

/* exec_id, leader, description, properties, caller: the first arguments of Prepare and Start. */
static int append_head(sd_bus_message *m, const char *exec_id, const Leader *leader, const Options *o)
{
        int r;

        r = sd_bus_message_append(m, "s(sut)s", exec_id, leader->id, leader->pid, leader->start,
                                  "spawner-client");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "(ss)");
        for (char **p = o->properties; r >= 0 && p && *p; p++) {
                _cleanup_free_ char *name = strdup(*p);
                char *text = strchr(name, '=');

                if (!text)
                        return -EINVAL;
                *text++ = 0;
                r = sd_bus_message_append(m, "(ss)", name, text);
        }
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        return r < 0 ? r : sd_bus_message_append(m, "u", UINT32_MAX);
}

static int prepare(sd_bus *bus, const char *exec_id, const Leader *leader, const Options *o)
{
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        sd_bus_message *m = NULL;
        int r;

        r = sd_bus_message_new_method_call(bus, &m, NULL, SPAWNER_PATH, SPAWNER_INTERFACE, "Prepare");
        if (r >= 0)
                r = append_head(m, exec_id, leader, o);
        if (r >= 0)
                r = sd_bus_message_append(m, "st", o->user ?: "", o->parked ? 60 * USEC_PER_SEC : 0);
        if (r >= 0)
                r = sd_bus_call(bus, m, 0, &error, NULL);
        sd_bus_message_unref(m);
        return r < 0 ? fail(r, "Prepare", &error) : 0;
}

static int read_running(sd_bus_message *reply, Running *ret)
{
        int fd, r;

        r = sd_bus_message_read(reply, "hhu", &ret->control, &ret->pidfd, NULL);
        if (r >= 0)
                r = sd_bus_message_enter_container(reply, 'a', "h");
        if (r < 0)
                return r;
        ret->control = fcntl(ret->control, F_DUPFD_CLOEXEC, 3);
        ret->pidfd = fcntl(ret->pidfd, F_DUPFD_CLOEXEC, 3);
        ret->n_streams = 0;
        while ((r = sd_bus_message_read(reply, "h", &fd)) > 0)
                if (ret->n_streams < 3)
                        ret->streams[ret->n_streams++] = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        return r < 0 ? r : fd_send_message(ret->control, RUNNER_TAKEN, 1, NULL, 0);
}

static int start(sd_bus *bus, const char *exec_id, const Leader *leader, const Options *o, Running *ret)
{
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        sd_bus_message *m = NULL, *reply = NULL;
        _cleanup_close_ int ticket = ticket_new();
        uint64_t flags = (o->tty ? SPAWNER_TTY : 0) | (o->privileged ? SPAWNER_PRIVILEGED : 0) |
                         (o->no_stdin ? SPAWNER_NO_STDIN : 0);
        int r;

        r = sd_bus_message_new_method_call(bus, &m, NULL, SPAWNER_PATH, SPAWNER_INTERFACE, "Start");
        if (r >= 0)
                r = append_head(m, exec_id, leader, o);
        if (r >= 0)
                r = sd_bus_message_append_strv(m, o->command);
        if (r >= 0)
                r = sd_bus_message_append_strv(m, o->env);
        if (r >= 0)
                r = sd_bus_message_append(m, "ssttqquahh", o->user ?: "", o->working_dir ?: "", flags,
                                          UINT64_MAX, 0, 0, UINT32_MAX, 0, ticket);
        if (r >= 0)
                r = sd_bus_call(bus, m, 0, &error, &reply);
        if (r < 0)
                r = o->mute ? r : fail(r, "Start", &error);
        else
                r = read_running(reply, ret);
        sd_bus_message_unref(m);
        sd_bus_message_unref(reply);
        return r;
}

static void running_done(Running *x)
{
        fd_close(x->control);
        fd_close(x->pidfd);
        for (size_t i = 0; i < x->n_streams; i++)
                fd_close(x->streams[i]);
}

/* Copies once; false at the end. */
static bool copy(int from, int to)
{
        char buffer[65536];
        ssize_t n = read(from, buffer, sizeof(buffer));

        if (n < 0)
                return errno == EAGAIN || errno == EINTR;
        for (ssize_t at = 0; at < n;) {
                ssize_t m = write(to, buffer + at, (size_t) (n - at));

                if (m < 0 && errno != EINTR && errno != EAGAIN)
                        return false;
                at += m > 0 ? m : 0;
        }
        return n > 0;
}

/* Until both outputs have ended. */
static void pump(Running *x, const Options *o)
{
        int input = o->tty ? x->streams[0] : x->streams[0];
        struct pollfd p[3] = {
                {.fd = o->no_stdin ? -1 : STDIN_FILENO, .events = POLLIN},
                {.fd = o->tty ? x->streams[0] : x->streams[1], .events = POLLIN},
                {.fd = o->tty ? -1 : x->streams[2], .events = POLLIN},
        };

        (void) fd_set_nonblock(input, false);
        while (p[1].fd >= 0 || p[2].fd >= 0) {
                if (poll(p, 3, -1) < 0)
                        continue;
                if (p[0].revents && !copy(STDIN_FILENO, input)) {
                        p[0].fd = -1;
                        if (!o->tty)
                                x->streams[0] = fd_close(x->streams[0]);
                }
                if (p[1].revents && !copy(p[1].fd, STDOUT_FILENO))
                        p[1].fd = -1;
                if (p[2].revents && !copy(p[2].fd, STDERR_FILENO))
                        p[2].fd = -1;
        }
}

/* The exit code, or a negative errno. */
static int wait_end(const Running *x)
{
        RunnerReport report;
        ssize_t n;

        struct pollfd p = {.fd = x->control, .events = POLLIN};

        (void) poll(&p, 1, -1);
        n = fd_recv_message(x->control, &report, sizeof(report), NULL, 0, NULL);
        if (n <= 0)
                return n < 0 ? (int) n : -ECONNRESET;
        if (runner_report_check(&report, (size_t) n) < 0 || report.type != RUNNER_EXITED)
                return -EBADMSG;
        return WIFEXITED(report.wait_status) ? WEXITSTATUS(report.wait_status)
                                             : 128 + WTERMSIG(report.wait_status);
}

static int run(sd_bus *bus, const Options *o)
{
        Leader leader;
        Running x = {0};
        char id[EXEC_ID_SIZE];
        int r;

        r = get_leader(bus, o->container, &leader);
        if (r < 0)
                return r;
        random_id(id);
        r = start(bus, id, &leader, o, &x);
        if (r < 0)
                return r;
        pump(&x, o);
        r = wait_end(&x);
        running_done(&x);
        if (r < 0)
                fail(r, "end", NULL);
        return r;
}

static int compare(const void *a, const void *b)
{
        uint64_t x = *(const uint64_t *) a, y = *(const uint64_t *) b;

        return x < y ? -1 : x > y;
}

static void print_times(const char *what, uint64_t *times, size_t n)
{
        qsort(times, n, sizeof(*times), compare);
        printf("%s: median %llu us, p95 %llu us, p99 %llu us, min %llu us\n", what,
               (unsigned long long) times[n / 2], (unsigned long long) times[n * 95 / 100],
               (unsigned long long) times[n * 99 / 100], (unsigned long long) times[0]);
}

static int bench(sd_bus *bus, Options *o, size_t n)
{
        uint64_t *to_start = calloc(n, sizeof(uint64_t)), *to_end = calloc(n, sizeof(uint64_t));
        Leader leader;
        int r;

        if (!to_start || !to_end)
                return -ENOMEM;
        r = get_leader(bus, o->container, &leader);
        for (size_t i = 0; r >= 0 && i < n; i++) {
                uint64_t began;
                Running x = {0};
                char id[EXEC_ID_SIZE];

                random_id(id);
                if (o->parked) {
                        r = prepare(bus, id, &leader, o);
                        if (r < 0)
                                break;
                        usleep(20000); /* the scope is there when start is asked for */
                }
                began = now_usec(CLOCK_MONOTONIC);
                r = start(bus, id, &leader, o, &x);
                if (r < 0)
                        break;
                to_start[i] = now_usec(CLOCK_MONOTONIC) - began;
                r = wait_end(&x);
                to_end[i] = now_usec(CLOCK_MONOTONIC) - began;
                running_done(&x);
        }
        if (r >= 0) {
                print_times("started", to_start, n);
                print_times("ended", to_end, n);
        }
        free(to_start);
        free(to_end);
        return r;
}

static int list(sd_bus *bus)
{
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        sd_bus_message *reply = NULL;
        int r;

        r = sd_bus_call_method(bus, NULL, SPAWNER_PATH, SPAWNER_INTERFACE, "ListContainers", &error, &reply,
                               "b", 0);
        if (r < 0)
                return fail(r, "ListContainers", &error);
        r = sd_bus_message_enter_container(reply, 'a', CONTAINER_SIGNATURE);
        while (r >= 0 && (r = sd_bus_message_enter_container(reply, 'r', CONTAINER_FIELDS)) > 0) {
                const char *s[7];
                uint32_t leader, uid;

                r = sd_bus_message_read(reply, "sssssssutu", &s[0], &s[1], &s[2], &s[3], &s[4], &s[5], &s[6],
                                        &leader, NULL, &uid);
                if (r < 0)
                        break;
                printf("%.12s name=%s kind=%s state=%s image=%s unit=%s slice=%s leader=%u uid=%u\n", s[0],
                       s[1], s[2], s[3], s[4], s[5], s[6], leader, uid);
                r = sd_bus_message_skip(reply, "ttassssa{ss}b");
                if (r >= 0)
                        r = sd_bus_message_exit_container(reply);
        }
        sd_bus_message_unref(reply);
        return r < 0 ? fail(r, "ListContainers", NULL) : 0;
}

int main(int argc, char **argv)
{
        static const struct option known[] = {
                {"socket", required_argument, NULL, 's'}, {"parked", no_argument, NULL, 'K'}, {0}};
        Options o = {.socket = SOCKET_DEFAULT};
        const char *verb, *count = "200";
        sd_bus *bus = NULL;
        int c, r;

        while ((c = getopt_long(argc, argv, "+s:", known, NULL)) >= 0)
                if (c == 's')
                        o.socket = optarg;
                else
                        return 2;
        verb = optind < argc ? argv[optind++] : "";
        if (strcmp(verb, "list") != 0)
                o.container = optind < argc ? argv[optind++] : "";
        if (strcmp(verb, "bench") == 0 && optind < argc)
                count = argv[optind++];
        argc -= optind - 1;
        argv += optind - 1;
        optind = 1;
        while ((c = getopt_long(argc, argv, "+tpnu:w:e:P:", known, NULL)) >= 0)
                switch (c) {
                case 't':
                        o.tty = true;
                        break;
                case 'p':
                        o.privileged = true;
                        break;
                case 'n':
                        o.no_stdin = true;
                        break;
                case 'K':
                        o.parked = true;
                        break;
                case 'u':
                        o.user = optarg;
                        break;
                case 'w':
                        o.working_dir = optarg;
                        break;
                case 'e':
                        if (strv_append(&o.env, optarg) < 0)
                                return 2;
                        break;
                case 'P':
                        if (strv_append(&o.properties, optarg) < 0)
                                return 2;
                        break;
                default:
                        return 2;
                }
        o.command = argv + optind;

        r = connect_spawner(o.socket, &bus);
        if (r < 0)
                return 2;
        if (strcmp(verb, "list") == 0)
                r = list(bus);
        else if (strcmp(verb, "run") == 0)
                r = run(bus, &o);
        else if (strcmp(verb, "prepare") == 0) {
                Leader leader;
                char id[EXEC_ID_SIZE];

                random_id(id);
                r = get_leader(bus, o.container, &leader);
                if (r >= 0)
                        r = prepare(bus, id, &leader, &o);
        } else if (strcmp(verb, "bench") == 0) {
                o.no_stdin = true;
                r = bench(bus, &o, strtoul(count, NULL, 10) ?: 1);
        } else {
                fprintf(stderr, "unknown verb: %s\n", verb);
                r = 2;
        }
        sd_bus_flush_close_unref(bus);
        strv_free(o.env);
        strv_free(o.properties);
        return r < 0 ? 125 : r;
}
