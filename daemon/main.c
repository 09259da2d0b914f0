/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * execd: sorts the sockets that systemd passed, makes the manager and its faces to the world, and runs until
 * told to stop or until there has been nothing to do for a while.
 */

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>

#include "api/dbus-object.h"
#include "api/http-server.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/strv.h"
#include "config.h"
#include "core/handover.h"
#include "core/selinux-access.h"

/* That systemd may pass to listen on. */
#define SOCKETS_MAX 16

static ManagerConfig config = {
        .idle_usec = IDLE_DEFAULT_USEC,
        .spawner_socket = SPAWNER_SOCKET_PATH,
        .state_path = STATE_PATH,
};

static void usage(FILE *out)
{
        fprintf(out, "Usage: execd [OPTION]…\n\n"
                     "Runs commands in running containers. Started by systemd for execd.socket.\n\n"
                     "  --idle-timeout=SECONDS   leave after this long without work (default 30)\n"
                     "  --spawner-socket=PATH    where execd-spawner listens\n"
                     "  --debug                  log more\n"
                     "  --version                print the version\n"
                     "  --help                   print this\n");
}

static int parse_seconds(const char *text, uint64_t *ret)
{
        char *end;
        unsigned long v = strtoul(text, &end, 10);

        if (!*text || *end || *text == '-' || v == 0 || v > 86400) {
                fprintf(stderr, "--idle-timeout: \"%s\" is not a number of seconds from 1 to 86400\n", text);
                return -EINVAL;
        }
        *ret = v * USEC_PER_SEC;
        return 0;
}

/* 1: go on. 0: done, successfully. */
static int parse_arguments(int argc, char **argv)
{
        static const struct option options[] = {
                {"idle-timeout", required_argument, NULL, 'i'},
                {"spawner-socket", required_argument, NULL, 's'},
                {"debug", no_argument, NULL, 'd'},
                {"version", no_argument, NULL, 'v'},
                {"help", no_argument, NULL, 'h'},
                {0},
        };
        int c;

        while ((c = getopt_long(argc, argv, "h", options, NULL)) >= 0)
                switch (c) {
                case 'i':
                        if (parse_seconds(optarg, &config.idle_usec) < 0)
                                return -EINVAL;
                        break;
                case 's':
                        config.spawner_socket = optarg;
                        break;
                case 'd':
                        log_set_max_level(LOG_DEBUG);
                        break;
                case 'v':
                        printf("execd %s\n", EXECD_VERSION);
                        return 0;
                case 'h':
                        usage(stdout);
                        return 0;
                default:
                        usage(stderr);
                        return -EINVAL;
                }
        if (optind < argc) {
                usage(stderr);
                return -EINVAL;
        }
        return 1;
}

/* What systemd passed: sockets to listen on, and what was left with it of execs that run. */
typedef struct Passed {
        int sockets[SOCKETS_MAX]; /* taken by the server */
        size_t n_sockets;
        Handover handover;
} Passed;

static int sort_passed_fds(Passed *p)
{
        _cleanup_strv_ char **names = NULL;
        int n = sd_listen_fds_with_names(true, &names);

        if (n < 0)
                return log_error_errno(n, "Cannot take the sockets from systemd");
        for (int i = 0; i < n; i++) {
                int fd = SD_LISTEN_FDS_START + i;

                if (handover_add(&p->handover, names[i], fd))
                        continue;
                if (p->n_sockets < SOCKETS_MAX && sd_is_socket(fd, AF_UNIX, SOCK_STREAM, 1) > 0)
                        p->sockets[p->n_sockets++] = fd;
                else {
                        log_warning("A passed file descriptor is not a listening Unix socket, it is closed");
                        fd_close(fd);
                }
        }
        if (p->n_sockets == 0) {
                log_error("No socket was passed: execd is started by execd.socket");
                return -ENOTCONN;
        }
        return 0;
}

static int listen_on_sockets(HttpServer *server, const Passed *p)
{
        for (size_t i = 0; i < p->n_sockets; i++) {
                int r = http_server_listen(server, p->sockets[i]);

                if (r < 0)
                        return log_error_errno(r, "Cannot listen");
        }
        return 0;
}

/* What is remembered of execs, and those that still run. */
static void load_execs(Manager *m, Handover *h)
{
        int r = state_file_load(m, h);

        if (r < 0)
                log_errno(LOG_WARNING, r, "Cannot read what was remembered of earlier execs");
        handover_done(h);
}

static void save_execs(Manager *m)
{
        handover_store(m);
        if (state_file_save(m) < 0)
                log_warning("What was remembered of execs is lost");
}

static int on_stop_signal(sd_event_source *source, const struct signalfd_siginfo *si, void *userdata)
{
        manager_leave(userdata);
        return 0;
}

static int block_signals(Manager *m)
{
        static const int numbers[] = {SIGTERM, SIGINT};
        sigset_t set;

        (void) signal(SIGPIPE, SIG_IGN);
        sigemptyset(&set);
        for (size_t i = 0; i < ELEMENTSOF(numbers); i++)
                sigaddset(&set, numbers[i]);
        if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
                return -errno;
        for (size_t i = 0; i < ELEMENTSOF(numbers); i++) {
                int r = sd_event_add_signal(m->event, NULL, numbers[i], on_stop_signal, m);

                if (r < 0)
                        return r;
        }
        return 0;
}

static int run(void)
{
        _cleanup_(manager_freep) Manager *m = NULL;
        _cleanup_(http_server_freep) HttpServer *server = NULL;
        Passed passed = {0};
        int r;

        r = sort_passed_fds(&passed);
        if (r < 0)
                return r;
        r = selinux_access_open();
        if (r < 0)
                return log_error_errno(r, "Cannot ask SELinux");
        r = manager_new(&config, &m);
        if (r < 0)
                return log_error_errno(r, "Cannot set up");
        r = block_signals(m);
        if (r < 0)
                return log_error_errno(r, "Cannot set up signals");
        load_execs(m, &passed.handover);
        r = dbus_publish(m);
        if (r < 0)
                return log_error_errno(r, "Cannot set up D-Bus");
        r = http_server_new(m, &server);
        if (r < 0)
                return log_error_errno(r, "Cannot set up HTTP");
        r = listen_on_sockets(server, &passed);
        if (r < 0)
                return r;

        (void) sd_notify(false, "READY=1");
        r = sd_event_loop(m->event);
        (void) sd_notify(false, "STOPPING=1");
        dbus_calls_drop();
        if (r < 0)
                log_error_errno(r, "The event loop has failed");
        save_execs(m);
        return r;
}

int main(int argc, char **argv)
{
        int r;

        r = parse_arguments(argc, argv);
        if (r <= 0)
                return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
        r = run();
        selinux_access_close();
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
