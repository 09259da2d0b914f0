/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* execd-spawner: the only privileged part of execd. It is started by its socket and answers execd alone. */

#include <getopt.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "base/decimal.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/time.h"
#include "config.h"
#include "spawner/spawner-bus.h"
#include "spawner/spawner.h"

#define PEER_USER        "execd"
#define IDLE_SEC_DEFAULT 30

/* The exit status for which execd-spawner.service is not restarted: EX_CONFIG of sysexits.h. */
#define EXIT_NO_SOCKET 78

static int parse_seconds(const char *text, uint64_t *ret_usec)
{
        uint64_t v;

        if (strcmp(text, "infinity") == 0) {
                *ret_usec = UINT64_MAX;
                return 0;
        }
        if (decimal_parse(text, UINT32_MAX, &v) < 0)
                return -EINVAL;
        *ret_usec = v * USEC_PER_SEC;
        return 0;
}

static void usage(void)
{
        printf("Usage: execd-spawner [OPTION]...\n\n"
               "Starts commands in containers for execd. systemd starts it for execd-spawner.socket.\n\n"
               "  --idle-timeout=SECONDS   exit after this long without connections, or infinity (default 30)\n"
               "  --runner=PATH            start this program\n"
               "  --no-services            do not use services of the host\n"
               "  --allow-root             serve root if there is no user execd; for tests\n"
               "  --debug                  log debug messages\n"
               "  --version                print the version, and exit\n"
               "  --help                   print this help, and exit\n");
}

static int parse_options(int argc, char **argv, SpawnerOptions *options)
{
        static const struct option known[] = {
                {"idle-timeout", required_argument, NULL, 'i'},
                {"runner", required_argument, NULL, 'r'},
                {"no-services", no_argument, NULL, 'n'},
                {"allow-root", no_argument, NULL, 'a'},
                {"debug", no_argument, NULL, 'd'},
                {"version", no_argument, NULL, 'v'},
                {"help", no_argument, NULL, 'h'},
                {0},
        };
        const char *idle = getenv("EXECD_IDLE_SEC");
        int c;

        if (idle && parse_seconds(idle, &options->idle_usec) < 0)
                log_warning("EXECD_IDLE_SEC is not a number of seconds: %s", idle);
        while ((c = getopt_long(argc, argv, "", known, NULL)) >= 0)
                switch (c) {
                case 'i':
                        if (parse_seconds(optarg, &options->idle_usec) < 0) {
                                fprintf(stderr,
                                        "--idle-timeout: \"%s\" is not a number of seconds, or infinity\n",
                                        optarg);
                                return -EINVAL;
                        }
                        break;
                case 'r':
                        options->runner = optarg;
                        break;
                case 'n':
                        options->no_services = true;
                        break;
                case 'a':
                        options->allow_root = true;
                        break;
                case 'd':
                        log_set_max_level(LOG_DEBUG);
                        break;
                case 'v':
                        puts("execd-spawner " EXECD_VERSION);
                        exit(EXIT_SUCCESS);
                case 'h':
                        usage();
                        exit(EXIT_SUCCESS);
                default:
                        fprintf(stderr, "See \"execd-spawner --help\".\n");
                        return -EINVAL;
                }
        if (optind < argc) {
                fprintf(stderr, "execd-spawner: unexpected argument '%s'\nSee \"execd-spawner --help\".\n",
                        argv[optind]);
                return -EINVAL;
        }
        return 0;
}

static int find_peer(SpawnerOptions *options)
{
        struct passwd *user;

        errno = 0;
        user = getpwnam(PEER_USER);
        if (user)
                options->peer_uid = user->pw_uid;
        else if (options->allow_root)
                options->peer_uid = 0;
        else
                return log_error_errno(errno ?: ENOENT, "Failed to find user " PEER_USER);
        return 0;
}

/* Returns the listening socket, or a negative error. Closes other descriptors, which earlier versions stored. */
static int take_listener(void)
{
        int n = sd_listen_fds(true), listener = -EBADF;

        for (int i = 0; i < n; i++) {
                int fd = SD_LISTEN_FDS_START + i;

                if (sd_is_socket_unix(fd, SOCK_STREAM, 1, NULL, 0) > 0 && listener < 0)
                        listener = fd;
                else
                        fd_close(fd);
        }
        return listener;
}

int main(int argc, char **argv)
{
        _cleanup_(spawner_freep) Spawner *spawner = NULL;
        SpawnerOptions options = {.runner = RUNNER_PATH,
                                  .idle_usec = IDLE_SEC_DEFAULT * USEC_PER_SEC,
                                  .methods = spawner_methods};
        int listener, r;

        if (parse_options(argc, argv, &options) < 0)
                return EXIT_FAILURE;
        if (find_peer(&options) < 0)
                return EXIT_FAILURE;
        r = namespaces_init();
        if (r < 0) {
                log_error_errno(r, "Failed to read the host's namespaces");
                return EXIT_FAILURE;
        }
        listener = take_listener();
        if (listener < 0) {
                log_error("Failed to find the listening socket: execd-spawner is started by "
                          "execd-spawner.socket");
                return EXIT_NO_SOCKET;
        }
        r = spawner_new(&options, listener, &spawner);
        if (r >= 0)
                r = spawner_run(spawner);
        if (r < 0)
                log_error_errno(r, "Failed to run event loop");
        return r == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
