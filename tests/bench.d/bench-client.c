/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The measuring client: speaks to execd and to dockerd alike over raw sockets, so that what is measured is
 * the server.
 *
 *   bench-client SOCKET CONTAINER latency N [MSEC]   N lines: milliseconds of create → start → end →
 * inspect, each so long after the one before bench-client SOCKET CONTAINER rate THREADS N     one line:
 * execs per second, failures bench-client SOCKET CONTAINER stdout MIB         one line: MB/s bench-client
 * SOCKET CONTAINER stdin MIB          one line: MB/s bench-client SOCKET CONTAINER echo N             N
 * lines: microseconds of one key through a tty and back bench-client SOCKET CONTAINER hold N attaches N
 * times, prints "held", leaves at the end of its stdin
 */

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define BUFFER (1024 * 1024)

static const char *socket_path, *container;

static void die(const char *what)
{
        fprintf(stderr, "bench-client: %s: %s\n", what, strerror(errno));
        exit(1);
}

static double now_sec(void)
{
        struct timespec ts;

        clock_gettime(CLOCK_MONOTONIC, &ts);
        return (double) ts.tv_sec + (double) ts.tv_nsec / 1e9;
}

static int connect_server(void)
{
        struct sockaddr_un a = {.sun_family = AF_UNIX};
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        snprintf(a.sun_path, sizeof(a.sun_path), "%s", socket_path);
        while (fd >= 0 && connect(fd, (struct sockaddr *) &a, sizeof(a)) < 0) {
                if (errno != EAGAIN)
                        die("connect");
                usleep(1000); /* the backlog is full, and poll(2) does not tell when it is not */
        }
        return fd;
}

static bool send_all(int fd, const void *data, size_t size)
{
        const char *p = data;

        while (size > 0) {
                ssize_t n = send(fd, p, size, MSG_NOSIGNAL);

                if (n <= 0)
                        return false;
                p += n;
                size -= (size_t) n;
        }
        return true;
}

/* A response: status, and the body in buf (NUL-terminated). Bytes after a head without a length stay
 * in buf. */
static int read_response(int fd, char *buf, size_t size)
{
        size_t n = 0, length = 0;
        char *end, *field;
        int status = 0;

        for (;;) {
                ssize_t k = recv(fd, buf + n, size - 1 - n, 0);

                if (k <= 0)
                        return -1;
                n += (size_t) k;
                buf[n] = 0;
                end = strstr(buf, "\r\n\r\n");
                if (end)
                        break;
        }
        if (sscanf(buf, "HTTP/1.%*d %d", &status) != 1)
                return -1;
        field = strcasestr(buf, "\r\nContent-Length:");
        if (field && field < end)
                length = strtoul(field + 17, NULL, 10);
        end += 4;
        n -= (size_t) (end - buf);
        memmove(buf, end, n + 1);
        while (n < length) {
                ssize_t k = recv(fd, buf + n, length - n, 0);

                if (k <= 0)
                        return -1;
                n += (size_t) k;
        }
        buf[n] = 0;
        return status;
}

static int call(int fd, const char *method, const char *path, const char *body, bool upgrade, char *buf,
                size_t size)
{
        char request[4096];
        int n = snprintf(request, sizeof(request),
                         "%s /v1.41%s HTTP/1.1\r\nHost: bench\r\nUser-Agent: Docker-Client/bench\r\n%s"
                         "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                         method, path, upgrade ? "Connection: Upgrade\r\nUpgrade: tcp\r\n" : "",
                         strlen(body), body);

        return send_all(fd, request, (size_t) n) ? read_response(fd, buf, size) : -1;
}

static bool create(int fd, const char *fields, char id[static 65])
{
        char path[512], buf[8192], *p;

        snprintf(path, sizeof(path), "/containers/%s/exec", container);
        if (call(fd, "POST", path, fields, false, buf, sizeof(buf)) != 201)
                return false;
        p = strstr(buf, "\"Id\":\"");
        if (!p)
                return false;
        memcpy(id, p + 6, 64);
        id[64] = 0;
        return true;
}

/* A connection that has become the exec's stream. Bytes that came with the head are lost: none are asked for
 * there. */
static int start(const char *id, bool tty)
{
        int fd = connect_server();
        char path[128], buf[65536];

        snprintf(path, sizeof(path), "/exec/%s/start", id);
        if (call(fd, "POST", path,
                 tty ? "{\"Detach\":false,\"Tty\":true}" : "{\"Detach\":false,\"Tty\":false}", true, buf,
                 sizeof(buf)) != 101) {
                close(fd);
                return -1;
        }
        return fd;
}

static uint64_t read_to_end(int fd)
{
        static _Thread_local char buf[BUFFER];
        uint64_t total = 0;
        ssize_t n;

        while ((n = recv(fd, buf, sizeof(buf), 0)) > 0)
                total += (uint64_t) n;
        return total;
}

static bool run_true(int fd)
{
        char id[65], path[128], buf[8192];
        int stream;

        if (!create(fd, "{\"Cmd\":[\"/bin/true\"],\"AttachStdout\":true,\"AttachStderr\":true}", id))
                return false;
        stream = start(id, false);
        if (stream < 0)
                return false;
        read_to_end(stream);
        close(stream);
        snprintf(path, sizeof(path), "/exec/%s/json", id);
        return call(fd, "GET", path, "", false, buf, sizeof(buf)) == 200 && strstr(buf, "\"ExitCode\":0");
}

static void latency(int n, int pause_msec)
{
        int fd = connect_server();

        for (int i = 0; i < n; i++) {
                double began;

                usleep((useconds_t) pause_msec * 1000); /* the pause whose effect is measured */
                began = now_sec();
                if (!run_true(fd)) {
                        printf("failed\n");
                        close(fd);
                        fd = connect_server();
                } else
                        printf("%.3f\n", (now_sec() - began) * 1e3);
        }
}

static atomic_int left, failures;

static void *rate_thread(void *unused)
{
        int fd = connect_server();

        (void) unused;
        while (atomic_fetch_sub(&left, 1) > 0)
                if (!run_true(fd)) {
                        atomic_fetch_add(&failures, 1);
                        close(fd);
                        fd = connect_server();
                }
        close(fd);
        return NULL;
}

static void rate(int threads, int n)
{
        pthread_t t[256];
        double began = now_sec();

        left = n;
        for (int i = 0; i < threads && i < 256; i++)
                if (pthread_create(&t[i], NULL, rate_thread, NULL) != 0)
                        die("pthread_create");
        for (int i = 0; i < threads && i < 256; i++)
                pthread_join(t[i], NULL);
        printf("%.1f %d\n", n / (now_sec() - began), failures);
}

static int run_stream(const char *fields, bool tty)
{
        int fd = connect_server(), stream;
        char id[65];

        if (!create(fd, fields, id))
                die("create");
        stream = start(id, tty);
        if (stream < 0)
                die("start");
        close(fd);
        return stream;
}

static void measure_stdout(int mib)
{
        char fields[256];
        double began;
        uint64_t total;
        int fd;

        snprintf(fields, sizeof(fields),
                 "{\"Cmd\":[\"dd\",\"if=/dev/zero\",\"bs=1M\",\"count=%d\"],\"AttachStdout\":true}", mib);
        fd = run_stream(fields, false);
        began = now_sec();
        total = read_to_end(fd);
        if (total < (uint64_t) mib << 20)
                die("bytes are missing");
        printf("%.1f\n", (double) ((uint64_t) mib << 20) / 1e6 / (now_sec() - began));
}

static void measure_stdin(int mib)
{
        static char zeros[BUFFER];
        int fd = run_stream("{\"Cmd\":[\"sh\",\"-c\",\"cat >/dev/null; echo "
                            "taken\"],\"AttachStdin\":true,\"AttachStdout\":true}",
                            false);
        char answer[256] = "";
        double began = now_sec();
        size_t n = 0;
        ssize_t k;

        for (int i = 0; i < mib; i++)
                if (!send_all(fd, zeros, sizeof(zeros)))
                        die("send");
        shutdown(fd, SHUT_WR);
        while (n < sizeof(answer) - 1 && (k = recv(fd, answer + n, sizeof(answer) - 1 - n, 0)) > 0)
                n += (size_t) k;
        if (n < 14 || memcmp(answer + 8, "taken\n", 6) != 0)
                die("bytes are missing");
        printf("%.1f\n", (double) ((uint64_t) mib << 20) / 1e6 / (now_sec() - began));
}

static void measure_echo(int n)
{
        int fd = run_stream(
                "{\"Cmd\":[\"sh\",\"-c\",\"stty raw -echo; echo ready; cat\"],\"AttachStdin\":true,"
                "\"AttachStdout\":true,\"Tty\":true}",
                true);
        char buf[256];
        size_t got = 0;

        while (got < sizeof(buf) - 1 && !memmem(buf, got, "ready", 5)) {
                ssize_t k = recv(fd, buf + got, sizeof(buf) - got, 0);

                if (k <= 0)
                        die("echo");
                got += (size_t) k;
        }
        usleep(200000); /* a terminal writes more than its "ready" */
        (void) recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
        for (int i = 0; i < n; i++) {
                double began = now_sec();

                if (!send_all(fd, "x", 1) || recv(fd, buf, 1, 0) != 1)
                        die("echo");
                printf("%.1f\n", (now_sec() - began) * 1e6);
        }
}

static void hold(int n)
{
        char c;

        for (int i = 0; i < n; i++)
                (void) run_stream("{\"Cmd\":[\"cat\"],\"AttachStdin\":true,\"AttachStdout\":true,"
                                  "\"AttachStderr\":true}",
                                  false);
        sleep(1); /* the next measurement begins when all is quiet */
        printf("held\n");
        fflush(stdout);
        while (read(STDIN_FILENO, &c, 1) > 0)
                ;
}

int main(int argc, char **argv)
{
        const char *what = argc > 4 ? argv[3] : "";
        int n = argc > 4 ? atoi(argv[4]) : 0;

        if (argc < 5 || n < 1) {
                fprintf(stderr,
                        "usage: bench-client SOCKET CONTAINER latency|rate|stdout|stdin|echo|hold N…\n");
                return 2;
        }
        socket_path = argv[1];
        container = argv[2];
        if (strcmp(what, "latency") == 0)
                latency(n, argc > 5 ? atoi(argv[5]) : 0);
        else if (strcmp(what, "rate") == 0 && argc > 5)
                rate(n, atoi(argv[5]));
        else if (strcmp(what, "stdout") == 0)
                measure_stdout(n);
        else if (strcmp(what, "stdin") == 0)
                measure_stdin(n);
        else if (strcmp(what, "echo") == 0)
                measure_echo(n);
        else if (strcmp(what, "hold") == 0)
                hold(n);
        else
                return 2;
        return 0;
}
