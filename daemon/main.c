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
#include "config.h"
#include "core/manager.h"
#include "core/selinux-access.h"

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

static int listen_on_passed_sockets(HttpServer *server)
{
        int n, r;

        n = sd_listen_fds(true);
        if (n < 0)
                return log_error_errno(n, "Cannot take the sockets from systemd");
        if (n == 0) {
                log_error("No socket was passed: execd is started by execd.socket");
                return -ENOTCONN;
        }
        for (int fd = SD_LISTEN_FDS_START; fd < SD_LISTEN_FDS_START + n; fd++) {
                if (sd_is_socket(fd, AF_UNIX, SOCK_STREAM, 1) <= 0) {
                        log_warning("A passed file descriptor is not a listening Unix socket, it is closed");
                        fd_close(fd);
                        continue;
                }
                r = http_server_listen(server, fd);
                if (r < 0)
                        return log_error_errno(r, "Cannot listen");
        }
        return 0;
}

static int block_signals(sd_event *event)
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
                int r = sd_event_add_signal(event, NULL, numbers[i], NULL, NULL); /* NULL: leaves the loop */

                if (r < 0)
                        return r;
        }
        return 0;
}

static int run(void)
{
        _cleanup_(manager_freep) Manager *m = NULL;
        _cleanup_(http_server_freep) HttpServer *server = NULL;
        int r;

        r = selinux_access_open();
        if (r < 0)
                return log_error_errno(r, "Cannot ask SELinux");
        r = manager_new(&config, &m);
        if (r < 0)
                return log_error_errno(r, "Cannot set up");
        r = block_signals(m->event);
        if (r < 0)
                return log_error_errno(r, "Cannot set up signals");
        r = dbus_publish(m);
        if (r < 0)
                return log_error_errno(r, "Cannot set up D-Bus");
        r = http_server_new(m, &server);
        if (r < 0)
                return log_error_errno(r, "Cannot set up HTTP");
        r = listen_on_passed_sockets(server);
        if (r < 0)
                return r;

        (void) sd_notify(false, "READY=1");
        r = sd_event_loop(m->event);
        (void) sd_notify(false, "STOPPING=1");
        dbus_calls_drop();
        if (r < 0)
                log_error_errno(r, "The event loop has failed");
        if (state_file_save(m) < 0)
                log_warning("What ended execs have to say is lost");
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
