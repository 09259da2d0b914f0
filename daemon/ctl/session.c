/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "ctl/session.h"

#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>

#include "base/time.h"
#include "ctl/terminal.h"

/* The command has ended, but other processes hold its pipes. The data in the pipes is copied, however long
 * that takes. Then they are read until no data has arrived for the first time, but no longer than for the
 * second one. */
#define SILENCE_MS   500
#define DRAIN_MAX_MS 2000

/*
 * On a terminal, the end of the input is a character that only one read sees, and that is lost if a program
 * changes the mode of the terminal. But the input of execctl has ended for good: it repeats the character
 * after each of these seconds, up to this number of times.
 */
#define END_AGAIN_MS  1000
#define END_AGAIN_MAX 60

Session *session_new(Ctl *c)
{
        Session *s = calloc(1, sizeof(Session));

        if (!s)
                return NULL;
        s->ctl = c;
        s->stream = s->signal_fd = -EBADF;
        for (size_t i = 0; i < ELEMENTSOF(s->pumps); i++) {
                s->pumps[i].in = -EBADF;
                s->sinks[i].fd = -EBADF;
        }
        return s;
}

Session *session_free(Session *s)
{
        if (!s)
                return NULL;
        terminal_restore();
        s->wait_slot = sd_bus_slot_unref(s->wait_slot);
        for (size_t i = 0; i < ELEMENTSOF(s->sinks); i++) {
                pump_close(&s->pumps[i]);
                sink_done(&s->sinks[i]);
        }
        fd_close(s->signal_fd);
        return mfree(s);
}

int session_begin(Session *s)
{
        sigset_t set;
        int r;

        /* While SIGTERM ends this process: once it is blocked, nothing ends a process that is stopped again
         * each time it goes on. */
        r = s->tty ? terminal_await(STDIN_FILENO) : 0;
        if (r < 0)
                return fail_errno(r, "Failed to use the terminal: execctl is in the background");
        sigemptyset(&set);
        sigaddset(&set, SIGINT);
        sigaddset(&set, SIGTERM);
        sigaddset(&set, SIGHUP);
        sigaddset(&set, SIGQUIT);
        if (s->tty) {
                sigaddset(&set, SIGWINCH);
                sigaddset(&set, SIGCONT);
        }
        if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
                return fail_errno(errno, "Failed to block signals");
        terminal_catch_stops();
        s->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
        return s->signal_fd < 0 ? fail_errno(errno, "Failed to receive signals") : 0;
}

void session_use_stream(Session *s)
{
        s->sinks[0] = (Sink){.fd = s->stream, .is_socket = true};
        sink_open(&s->sinks[1], STDOUT_FILENO);
        sink_open(&s->sinks[2], STDERR_FILENO);
        s->pumps[1].in = s->stream;
        s->pumps[1].framed = !s->tty;
        s->pumps[1].out[0] = &s->sinks[1];
        s->pumps[1].out[1] = &s->sinks[2];
        if (!s->take_input)
                return;
        s->pumps[0].in = STDIN_FILENO;
        s->pumps[0].out[0] = &s->sinks[0];
        if (s->end_input)
                s->pumps[0].end = s->tty ? PUMP_END_CTRL_D : PUMP_END_SHUTDOWN;
}

/* Waiting, beside all else. */

/* The data in the pipes was written before the end, and is copied in any case. */
static void set_known(Session *s, int exit_status)
{
        s->known = true;
        s->exit_status = exit_status;
        for (size_t i = 1; i < ELEMENTSOF(s->pumps); i++)
                s->pumps[i].owed = pump_available(&s->pumps[i]);
}

static int wait_on_reply(sd_bus_message *m, void *userdata, sd_bus_error *unused)
{
        Session *s = userdata;
        const sd_bus_error *error = sd_bus_message_get_error(m);
        int status;

        s->wait_slot = sd_bus_slot_unref(s->wait_slot);
        if (error && bus_ask_again(&s->again, error)) {
                s->ask_at = now_usec(CLOCK_MONOTONIC) + AGAIN_MSEC * USEC_PER_MSEC;
                return 0;
        }
        if (error)
                status = bus_fail_question(s->path, error, 0);
        else if (exec_read_end(s->ctl, m, &status) < 0)
                status = fail("Invalid reply from execd");
        set_known(s, status);
        return 0;
}

static int wait_send(Session *s)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        s->ask_at = 0;
        r = bus_new_question(s->ctl, s->path, EXEC_INTERFACE, "Wait", &m);
        if (r != 0)
                return r;
        r = sd_bus_message_append(m, "t", UINT64_C(0));
        if (r >= 0)
                r = sd_bus_call_async(s->ctl->bus, &s->wait_slot, m, wait_on_reply, s, UINT64_MAX);
        if (r < 0)
                return fail_errno(r, "Failed to call execd");
        return 0;
}

static void ask_again(Session *s)
{
        int r;

        if (s->ask_at == 0 || now_usec(CLOCK_MONOTONIC) < s->ask_at)
                return;
        r = wait_send(s);
        if (r != 0)
                set_known(s, r);
}

/* Signals. */

/* The answer is ignored: the command may be gone by then. */
static void tell_exec(Session *s, const char *member, const char *types, int a, int b)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;

        if (bus_new_question(s->ctl, s->path, EXEC_INTERFACE, member, &m) == 0 &&
            sd_bus_message_append(m, types, a, b) >= 0 && sd_bus_message_set_expect_reply(m, false) >= 0)
                (void) sd_bus_send(s->ctl->bus, m, NULL);
}

static void resize(Session *s)
{
        uint16_t rows, columns;

        /* Of several clients the one that writes has the window that counts. */
        if (s->tty && s->take_input && terminal_size(&rows, &columns))
                tell_exec(s, "Resize", "qq", rows, columns);
}

static void on_signal(Session *s)
{
        struct signalfd_siginfo info;

        if (read(s->signal_fd, &info, sizeof(info)) != sizeof(info))
                return;
        switch (info.ssi_signo) {
        case SIGWINCH:
                resize(s);
                break;
        case SIGCONT:
                if (isatty(STDIN_FILENO))
                        (void) terminal_raw(STDIN_FILENO, !s->take_input);
                resize(s);
                break;
        default:
                /* Those of the keyboard come in the foreground only. */
                if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGHUP)
                        terminal_ignore_stops();
                if (s->forward_signals)
                        tell_exec(s, "Kill", "ib", (int) info.ssi_signo, 0);
                else
                        s->left_by = (int) info.ssi_signo;
        }
}

/* The loop. */

static int timeout_ms(const Session *s)
{
        uint64_t until, now = now_usec(CLOCK_MONOTONIC);

        if (sd_bus_get_timeout(s->ctl->bus, &until) < 0)
                until = UINT64_MAX;
        if (s->ask_at > 0)
                until = MIN(until, s->ask_at);
        if (until == UINT64_MAX)
                return -1;
        return until > now ? (int) MIN((until - now) / USEC_PER_MSEC + 1, UINT64_C(60000)) : 0;
}

static bool output_is_open(const Session *s)
{
        for (size_t i = 1; i < ELEMENTSOF(s->pumps); i++)
                if (s->pumps[i].in >= 0 && !s->pumps[i].done)
                        return true;
        return false;
}

static bool session_is_over(const Session *s)
{
        if (s->left_by)
                return true;
        return !output_is_open(s) && (s->stream >= 0 || s->known);
}

/* True while the end of the input may have to be said again. */
static bool may_say_end(const Session *s)
{
        return s->pumps[0].done && s->pumps[0].end == PUMP_END_CTRL_D && !s->sinks[0].broken &&
               s->ends_said < END_AGAIN_MAX;
}

/* The output from before the end of the command that is not copied yet. Other processes may have read from
 * the pipe. */
static bool is_owed(Session *s)
{
        bool owed = false;

        for (size_t i = 1; i < ELEMENTSOF(s->pumps); i++) {
                Pump *p = &s->pumps[i];

                if (p->owed > 0)
                        p->owed = MIN(p->owed, pump_available(p));
                owed = owed || p->owed > 0;
        }
        return owed;
}

/* How long to wait for the rest of the output: for ever, or until there was silence; 0 when that is enough.
 */
static int drain_timeout_ms(Session *s)
{
        uint64_t now = now_usec(CLOCK_MONOTONIC) / USEC_PER_MSEC;

        if (is_owed(s))
                return -1;
        s->drain_until = s->drain_until ?: now + DRAIN_MAX_MS;
        return s->drain_until > now ? (int) MIN(s->drain_until - now, (uint64_t) SILENCE_MS) : 0;
}

static size_t turn_wants(Session *s, struct pollfd *fds, size_t first[static 4])
{
        size_t n = 2;

        fds[0] = (struct pollfd){.fd = s->signal_fd, .events = POLLIN};
        fds[1] = (struct pollfd){.fd = sd_bus_get_fd(s->ctl->bus),
                                 .events = (short) sd_bus_get_events(s->ctl->bus)};
        for (size_t i = 0; i < ELEMENTSOF(s->pumps); i++) {
                first[i] = n;
                n += pump_wants(&s->pumps[i], fds + n);
        }
        first[ELEMENTSOF(s->pumps)] = n;
        return n;
}

/* The bus is only read when it has something for us: that is a system call for each message it has not. */
static int turn_bus(Session *s, bool ready)
{
        int r = ready ? 1 : 0;

        while (r > 0)
                r = sd_bus_process(s->ctl->bus, NULL);
        return r;
}

/* Signals that came meanwhile are heeded first: they may be the end. */
static void stop_if_wanted(Session *s)
{
        struct pollfd signals = {.fd = s->signal_fd, .events = POLLIN};

        if (terminal_wants_stop() && poll(&signals, 1, 0) == 0)
                terminal_stop();
}

/* One wait for any event; 0 when there is nothing more to wait for. */
static int turn(Session *s)
{
        struct pollfd fds[2 + 2 * ELEMENTSOF(s->pumps)];
        size_t first[ELEMENTSOF(s->pumps) + 1], n = turn_wants(s, fds, first);
        int own_timeout = timeout_ms(s), timeout = own_timeout, r;

        if (s->known) {
                timeout = drain_timeout_ms(s);
                if (timeout == 0)
                        return 0;
        } else if (may_say_end(s) && (timeout < 0 || timeout > END_AGAIN_MS))
                timeout = END_AGAIN_MS;
        r = poll(fds, (nfds_t) n, timeout);
        if (r < 0)
                return errno == EINTR ? 1 : -errno;
        if (r == 0 && may_say_end(s) && ++s->ends_said > 0)
                pump_finish(&s->pumps[0]);
        if (r == 0 && s->known)
                return 0;
        if (fds[0].revents)
                on_signal(s);
        for (size_t i = 0; i < ELEMENTSOF(s->pumps); i++)
                pump_turn(&s->pumps[i], fds + first[i], first[i + 1] - first[i]);
        session_release_stdin(s);
        stop_if_wanted(s);
        r = turn_bus(s, fds[1].revents || own_timeout == 0 || r == 0);
        if (r < 0)
                return r;
        ask_again(s);
        return 1;
}

/* The stream has ended, but the command need not have: the user may have typed the detach keys. */
static int stream_end(Session *s)
{
        bool is_running;
        int status, r;

        status = session_lost_output(s);
        if (status != 0)
                return status;
        r = exec_is_running(s->ctl, s->path, &is_running);
        if (r != 0)
                return r;
        if (s->sinks[1].broken)
                return 128 + SIGPIPE;
        if (is_running) {
                terminal_restore();
                if (!s->ctl->options.quiet)
                        fprintf(stderr, "The command continues. To attach again: execctl attach %.*s\n",
                                ID_SHOWN, s->path + strlen(s->path) - EXEC_ID_LENGTH);
                return 0;
        }
        r = exec_wait(s->ctl, s->path, &status);
        return r != 0 ? r : status;
}

int session_run(Session *s)
{
        int r;

        if (s->stream < 0) {
                r = wait_send(s);
                if (r != 0)
                        return r;
        }
        if (s->tty && isatty(STDIN_FILENO)) {
                r = terminal_raw(STDIN_FILENO, !s->take_input);
                if (r < 0)
                        return fail_errno(r, "Failed to set up the terminal");
        }
        resize(s);
        while (!session_is_over(s)) {
                r = turn(s);
                if (r < 0)
                        return fail_errno(r, "Lost the connection to the system bus");
                if (r == 0)
                        break;
        }
        terminal_restore();
        if (s->left_by)
                return 128 + s->left_by;
        if (s->stream >= 0)
                return stream_end(s);
        return session_pipes_status(s, s->exit_status);
}
