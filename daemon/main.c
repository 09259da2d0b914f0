/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * execd: sorts the sockets that systemd passed, makes the manager and its faces to the world, and runs until
 * it is stopped or has been idle for a while.
 */

#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>

#include "api/dbus-service.h"
#include "api/http-fdstore.h"
#include "api/http-server.h"
#include "base/decimal.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/notify.h"
#include "base/strv.h"
#include "config.h"
#include "core/config.h"
#include "core/exec-restore.h"
#include "core/manager.h"
#include "core/selinux-access.h"
#include "core/state-file.h"
#include "core/status.h"
#include "wire/units.h"

/* The exit status for which execd.service is not restarted: EX_CONFIG of sysexits.h. */
#define EXIT_NO_SOCKET 78

/* The maximum number of listening sockets from systemd. */
#define SOCKETS_MAX 16

/* How long the exit waits for systemd, which has to take the descriptors of running execs, since these are lost
 * otherwise, and for the journal, which has to take waiting records. */
#define NOTIFY_USEC (10 * USEC_PER_SEC)
#define FLUSH_USEC  (2 * USEC_PER_SEC)

typedef enum Action {
        ACTION_RUN,
        ACTION_CHECK_CONFIG,
        ACTION_DUMP_CONFIG,
} Action;

/* The command line. It has precedence over the files. */
static struct {
        Action action;
        char **files;               /* NULL: the files of the system */
        char idle[UNITS_TEXT_SIZE]; /* "": not given */
        const char *spawner_socket;
        bool debug;
} options = {.spawner_socket = SPAWNER_SOCKET_PATH};

static void usage(void)
{
        printf("Usage: execd [OPTION]...\n"
               "       execd --check-config|--dump-config [FILE...]\n\n"
               "Runs commands in running containers. systemd starts it for execd.socket.\n\n"
               "  --idle-timeout=SECONDS   exit after being idle for this long\n"
               "  --spawner-socket=PATH    connect to execd-spawner on this socket\n"
               "  --debug                  log debug messages\n"
               "  --check-config           check the configuration, and exit\n"
               "  --dump-config            print the configuration with its sources, and exit\n"
               "  --version                print the version, and exit\n"
               "  --help                   print this help, and exit\n\n"
               "If no FILE is given, the configuration is execd.conf and execd.conf.d/*.conf in /etc/execd,\n"
               "/run/execd, /usr/local/lib/execd and /usr/lib/execd.\n");
}

static int parse_seconds(const char *text, char ret[static UNITS_TEXT_SIZE])
{
        uint64_t v;

        if (decimal_parse(text, 86400, &v) < 0 || v == 0) {
                fprintf(stderr, "--idle-timeout: \"%s\" is not a number of seconds from 1 to 86400\n", text);
                return -EINVAL;
        }
        units_format_span(ret, v * USEC_PER_SEC);
        return 0;
}

/* 1: go on. 0: done, successfully. */
static int parse_arguments(int argc, char **argv)
{
        static const struct option known[] = {
                {"idle-timeout", required_argument, NULL, 'i'},
                {"spawner-socket", required_argument, NULL, 's'},
                {"debug", no_argument, NULL, 'd'},
                {"check-config", no_argument, NULL, 'c'},
                {"dump-config", no_argument, NULL, 'D'},
                {"version", no_argument, NULL, 'v'},
                {"help", no_argument, NULL, 'h'},
                {0},
        };
        int c;

        while ((c = getopt_long(argc, argv, "h", known, NULL)) >= 0)
                switch (c) {
                case 'i':
                        if (parse_seconds(optarg, options.idle) < 0)
                                return -EINVAL;
                        break;
                case 's':
                        options.spawner_socket = optarg;
                        break;
                case 'd':
                        options.debug = true;
                        break;
                case 'c':
                        options.action = ACTION_CHECK_CONFIG;
                        break;
                case 'D':
                        options.action = ACTION_DUMP_CONFIG;
                        break;
                case 'v':
                        printf("execd %s\n", EXECD_VERSION);
                        return 0;
                case 'h':
                        usage();
                        return 0;
                default:
                        fprintf(stderr, "See \"execd --help\".\n");
                        return -EINVAL;
                }
        if (optind < argc && options.action == ACTION_RUN) {
                fprintf(stderr, "execd: unexpected argument '%s'\nSee \"execd --help\".\n", argv[optind]);
                return -EINVAL;
        }
        if (optind < argc)
                options.files = argv + optind;
        return 1;
}

static void tell_journal(const char *text)
{
        log_warning("%s", text);
}

static void tell_terminal(const char *text)
{
        fprintf(stderr, "%s\n", text);
}

static int load_config(const ManagerConfig *previous, void (*tell)(const char *text), Config *ret)
{
        const ConfigLoadOptions o = {
                .root = "",
                .files = options.files,
                .previous = previous,
                .tell = tell,
        };
        int r;

        r = config_load(&o, ret);
        if (r < 0)
                return r;
        ret->values.spawner_socket = options.spawner_socket;
        ret->values.state_path = STATE_PATH;
        if (options.idle[0])
                r = config_override(ret, "Daemon", "IdleTimeoutSec", options.idle);
        if (r >= 0 && options.debug)
                r = config_override(ret, "Daemon", "LogLevel", "debug");
        return r;
}

static int check_config(void)
{
        _cleanup_(config_done) Config config = {0};
        int r;

        r = load_config(NULL, tell_terminal, &config);
        if (r < 0)
                return log_error_errno(r, "Failed to load the configuration");
        return config.n_invalid > 0 ? -EINVAL : 0;
}

static int dump_config(void)
{
        _cleanup_(config_done) Config config = {0};
        _cleanup_buf_ Buf text = BUF_INIT;
        int r;

        r = load_config(NULL, tell_terminal, &config);
        if (r < 0)
                return log_error_errno(r, "Failed to load the configuration");
        config_dump(&config, &text);
        r = buf_error(&text);
        if (r < 0)
                return log_error_errno(r, "Failed to print the configuration");
        if (fwrite(buf_head(&text), 1, buf_length(&text), stdout) < buf_length(&text) || fflush(stdout) != 0)
                return log_error_errno(errno, "Failed to print the configuration");
        return 0;
}

/* Between the two messages systemd shows the unit as reloading. */
static int on_reload(sd_event_source *source, const struct signalfd_siginfo *si, void *userdata)
{
        _cleanup_(config_done) Config config = {0};
        Manager *m = userdata;
        int r;

        (void) notify_sendf("RELOADING=1\nMONOTONIC_USEC=%" PRIu64, now_usec(CLOCK_MONOTONIC));
        r = load_config(&m->config, tell_journal, &config);
        if (r < 0)
                log_error_errno(r, "Failed to reload the configuration, keeping the previous one");
        else {
                manager_reconfigure(m, &config.values);
                dbus_tell_reconfigured(m);
                log_info("Configuration reloaded");
        }
        (void) notify_send("READY=1");
        return 0;
}

/* The descriptors that systemd passed: sockets to listen on, and those that execd has stored for running
 * execs and waiting clients. */
typedef struct Passed {
        int sockets[SOCKETS_MAX]; /* taken by the server */
        size_t n_sockets;
        FdStore store;
} Passed;

static int sort_passed_fds(Passed *p)
{
        _cleanup_strv_ char **names = NULL;
        int n = sd_listen_fds_with_names(true, &names);

        if (n < 0)
                return log_error_errno(n, "Failed to receive sockets from systemd");
        for (int i = 0; i < n; i++) {
                int fd = SD_LISTEN_FDS_START + i;

                if (fdstore_add(&p->store, names[i], fd))
                        continue;
                if (p->n_sockets < SOCKETS_MAX && sd_is_socket(fd, AF_UNIX, SOCK_STREAM, 1) > 0)
                        p->sockets[p->n_sockets++] = fd;
                else {
                        log_warning("Closing passed file descriptor that is not a listening Unix socket");
                        fd_close(fd);
                        (void) notify_sendf("FDSTOREREMOVE=1\nFDNAME=%s", names[i]);
                }
        }
        if (p->n_sockets == 0) {
                log_error("Failed to find a listening socket: execd is started by execd.socket");
                return -ENOTCONN;
        }
        return 0;
}

static int listen_on_sockets(HttpServer *server, const Passed *p)
{
        for (size_t i = 0; i < p->n_sockets; i++) {
                int r = http_server_listen(server, p->sockets[i]);

                if (r < 0)
                        return log_error_errno(r, "Failed to listen on socket");
        }
        return 0;
}

/* Loads the ended execs and the running ones. */
static void load_execs(Manager *m, FdStore *h, StoredWaits *ret_waits)
{
        int r;

        fdstore_open(h, m->slots);
        r = state_file_load(m, h);
        if (r < 0)
                log_errno(LOG_WARNING, r, "Failed to load saved execs");
        exec_restore_stored(m, h);
        *ret_waits = h->waits;
        h->waits = (StoredWaits){0};
        fdstore_done(h);
        slot_pool_prepare(m->slots);
        recorder_recover(m->recorder);
}

static void save_state(Manager *m)
{
        manager_leave_execs(m);
        (void) recurrence_save(&m->recurrence, m->config.state_path);
        if (state_file_save(m) < 0)
                log_warning("Failed to save state, exec records will be lost");
}

/* Waits only for a moment: the journal has not accepted these records until now. */
static void flush_records(Manager *m)
{
        size_t n;

        denials_flush(m->denials);
        n = journal_queue_flush(m->journal, FLUSH_USEC);
        if (n > 0)
                log_error("Failed to write %u records to the journal, they are lost", (unsigned) n);
}

static int on_stop_signal(sd_event_source *source, const struct signalfd_siginfo *si, void *userdata)
{
        Manager *m = userdata;

        shutdown_begin(m->shutdown, !list_is_empty(&m->execs));
        return 0;
}

/* From the very beginning: a reload that comes early is done when there is something to reload. */
static void block_signals(void)
{
        sigset_t set;

        (void) signal(SIGPIPE, SIG_IGN);
        sigemptyset(&set);
        sigaddset(&set, SIGHUP);
        sigaddset(&set, SIGTERM);
        sigaddset(&set, SIGINT);
        (void) sigprocmask(SIG_BLOCK, &set, NULL);
}

static void on_notify_lost(const char *text, int error)
{
        log_errno(LOG_WARNING, error, "Failed to notify systemd of \"%.*s\"", (int) strcspn(text, "\n"),
                  text);
}

static int watch_signals(Manager *m)
{
        int r;

        r = sd_event_add_signal(m->event, NULL, SIGTERM, on_stop_signal, m);
        if (r >= 0)
                r = sd_event_add_signal(m->event, NULL, SIGINT, on_stop_signal, m);
        if (r >= 0)
                r = sd_event_add_signal(m->event, NULL, SIGHUP, on_reload, m);
        if (r >= 0)
                r = notify_start(m->event, on_notify_lost);
        return r;
}

static int run(Passed *p)
{
        _cleanup_(config_done) Config config = {0};
        _cleanup_(manager_freep) Manager *m = NULL;
        _cleanup_(http_server_freep) HttpServer *server = NULL;
        _cleanup_(dbus_service_freep) DbusService *bus = NULL;
        _cleanup_(status_freep) Status *status = NULL;
        _cleanup_(stored_waits_done) StoredWaits waits = {0};
        int r;

        r = selinux_access_open();
        if (r < 0)
                return log_error_errno(r, "Failed to initialize SELinux");
        r = load_config(NULL, tell_journal, &config);
        if (r < 0)
                return log_error_errno(r, "Failed to load the configuration");
        r = manager_new(&config.values, &m);
        if (r < 0)
                return log_error_errno(r, "Failed to create manager");
        selinux_access_record_to(m->journal);
        r = watch_signals(m);
        if (r < 0)
                return log_error_errno(r, "Failed to set up signals");
        load_execs(m, &p->store, &waits);
        r = dbus_service_new(m, &bus);
        if (r < 0)
                return log_error_errno(r, "Failed to set up D-Bus");
        r = http_server_new(m, &server);
        if (r < 0)
                return log_error_errno(r, "Failed to set up HTTP");
        http_fdstore_done(&waits, server);
        r = listen_on_sockets(server, p);
        if (r < 0)
                return r;

        r = status_new(m, &status);
        if (r < 0)
                return log_error_errno(r, "Failed to set up the status line");
        (void) notify_send("READY=1");
        r = sd_event_loop(m->event);
        (void) notify_send("STOPPING=1");
        bus = dbus_service_free(bus);
        if (r < 0)
                log_error_errno(r, "Failed to run event loop");
        save_state(m);
        http_fdstore_leave(server);
        flush_records(m);
        notify_finish(NOTIFY_USEC);
        return r;
}

static int run_daemon(void)
{
        Passed passed = {0};
        int r;

        block_signals();
        if (sort_passed_fds(&passed) < 0)
                return EXIT_NO_SOCKET;
        r = run(&passed);
        selinux_access_close();
        return r == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
        int r;

        r = parse_arguments(argc, argv);
        if (r <= 0)
                return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
        switch (options.action) {
        case ACTION_CHECK_CONFIG:
                r = check_config();
                break;
        case ACTION_DUMP_CONFIG:
                r = dump_config();
                break;
        default:
                return run_daemon();
        }
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
