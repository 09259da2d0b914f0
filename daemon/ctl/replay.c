/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Plays back recordings: of an exec, which execd hands over, or a file. */

#include <ctype.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <termios.h>

#include "base/buf.h"
#include "base/time.h"
#include "ctl/bus.h"
#include "ctl/screen-filter.h"
#include "ctl/terminal.h"
#include "wire/cast.h"
#include "wire/plain-text.h"

#define READ_SIZE (64 * 1024)

/* Resets what a recording may have changed: colors, and an invisible cursor. */
#define TERMINAL_RESET "\033[0m\033[?25h"

typedef struct Player {
        const Options *options;
        const char *name; /* as the user gave it */
        int in;           /* owned */
        Buf lines;
        bool at_end;
        unsigned line; /* number of the line read last */
        CastInfo info;
        int signal_fd; /* owned */
        int keys_fd;   /* our terminal, where there is one; else negative */
        bool on_terminal;
        PlainText plain;     /* of output to a file or a pipe */
        ScreenFilter screen; /* of output to a terminal */
        uint64_t idle_limit_usec;
        uint64_t last_usec; /* time of the event before, in the recording */
        uint64_t due;       /* when the next one is due but for its pause, CLOCK_MONOTONIC */
        bool paused;
        bool quit;    /* was typed */
        int left_by;  /* the signal that ended us */
        char *marker; /* owned: the label, when a marker was the last event */
} Player;

static void player_done(Player *p)
{
        terminal_restore();
        fd_close(p->in);
        fd_close(p->signal_fd);
        buf_done(&p->lines);
        free(p->marker);
}

static bool player_leaves(const Player *p)
{
        return p->quit || p->left_by;
}

/* The file. */

/* The next line without its newline, valid until the next call: 1, or 0 at the end. */
static int next_line(Player *p, const char **ret, size_t *ret_size, size_t *taken)
{
        size_t looked_at = 0;

        if (*taken > 0)
                buf_consume(&p->lines, *taken);
        *taken = 0;
        for (;;) {
                size_t have = buf_length(&p->lines);
                const char *head = have > 0 ? buf_head(&p->lines) : NULL, *newline;
                ssize_t n;
                char *room;

                newline = have > looked_at ? memchr(head + looked_at, '\n', have - looked_at) : NULL;
                if (newline || (p->at_end && have > 0)) {
                        *ret = head;
                        *ret_size = newline ? (size_t) (newline - head) : have;
                        *taken = *ret_size + (newline ? 1 : 0);
                        p->line++;
                        return 1;
                }
                if (p->at_end)
                        return 0;
                if (have > CAST_LINE_MAX)
                        return -E2BIG;
                looked_at = have;
                room = buf_reserve(&p->lines, READ_SIZE);
                if (!room)
                        return -ENOMEM;
                n = read(p->in, room, READ_SIZE);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                p->at_end = n == 0;
                buf_commit(&p->lines, (size_t) n);
        }
}

static int refused(const Player *p, const Refusal *refusal)
{
        return fail("Failed to play \"%s\": line %u: %s", p->name, p->line,
                    refusal->message ?: "not an asciicast event");
}

static int read_header(Player *p, size_t *taken)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        const char *line;
        size_t size;
        int r;

        r = next_line(p, &line, &size, taken);
        if (r < 0)
                return fail_errno(r, "Failed to read the recording");
        if (r == 0)
                return fail("The recording is empty.");
        if (cast_read_header(line, size, &p->info, &refusal) < 0)
                return refused(p, &refusal);
        return 0;
}

/* Waits, and the keys typed meanwhile. */

static int prepare_terminal(Player *p)
{
        sigset_t set;
        int r;

        p->on_terminal = isatty(STDOUT_FILENO);
        r = p->on_terminal ? terminal_await(STDOUT_FILENO) : 0;
        if (r < 0)
                return fail_errno(r, "Failed to use the terminal: execctl is in the background");
        sigemptyset(&set);
        sigaddset(&set, SIGINT);
        sigaddset(&set, SIGTERM);
        sigaddset(&set, SIGHUP);
        sigaddset(&set, SIGQUIT);
        sigaddset(&set, SIGCONT);
        if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
                return fail_errno(errno, "Failed to block signals");
        p->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
        if (p->signal_fd < 0)
                return fail_errno(errno, "Failed to receive signals");
        if (!p->on_terminal)
                return 0;
        p->keys_fd = isatty(STDIN_FILENO) ? STDIN_FILENO : -EBADF;
        /* It shows what another terminal has shown, so it must not change it; ^C is still ^C. */
        r = terminal_raw(p->keys_fd >= 0 ? p->keys_fd : STDOUT_FILENO, true);
        return r < 0 ? fail_errno(r, "Failed to set up the terminal") : 0;
}

static void on_signal(Player *p)
{
        struct signalfd_siginfo info;

        if (read(p->signal_fd, &info, sizeof(info)) != sizeof(info))
                return;
        if (info.ssi_signo != SIGCONT)
                p->left_by = (int) info.ssi_signo;
        else if (p->on_terminal)
                (void) terminal_raw(p->keys_fd >= 0 ? p->keys_fd : STDOUT_FILENO, true);
}

/* A blank stops and goes on, q leaves; the rest is thrown away, as are answers of the terminal. */
static void on_keys(Player *p)
{
        char keys[64];
        ssize_t n = read(p->keys_fd, keys, sizeof(keys));

        if (n <= 0) {
                p->keys_fd = -EBADF;
                p->paused = false;
                return;
        }
        if (n != 1)
                return;
        if (keys[0] == ' ')
                p->paused = !p->paused;
        else if (keys[0] == 'q')
                p->quit = true;
}

/* One wait until then, or until an earlier event. */
static void wait_once(Player *p, uint64_t until)
{
        struct pollfd fds[] = {{.fd = p->signal_fd, .events = POLLIN}, {.fd = p->keys_fd, .events = POLLIN}};
        uint64_t before = now_usec(CLOCK_MONOTONIC), left = until > before ? until - before : 0;
        struct timespec timeout = {.tv_sec = (time_t) (left / USEC_PER_SEC),
                                   .tv_nsec = (long) (left % USEC_PER_SEC * 1000)};

        if (ppoll(fds, ELEMENTSOF(fds), p->paused ? NULL : &timeout, NULL) < 0)
                return;
        if (p->paused)
                p->due += now_usec(CLOCK_MONOTONIC) - before;
        if (fds[0].revents)
                on_signal(p);
        if (p->keys_fd >= 0 && fds[1].revents)
                on_keys(p);
}

/* Until the event is due. */
static void wait_for_event(Player *p, uint64_t usec)
{
        uint64_t pause = usec > p->last_usec ? usec - p->last_usec : 0;

        p->last_usec = MAX(p->last_usec, usec);
        pause = p->options->no_wait ? 0 : MIN(pause, p->idle_limit_usec);
        p->due += pause * 1000 / p->options->speed;
        do
                wait_once(p, p->due);
        while (!player_leaves(p) && (p->paused || p->due > now_usec(CLOCK_MONOTONIC)));
}

/* Showing. */

static int write_all(const char *data, size_t size)
{
        while (size > 0) {
                ssize_t n = write(STDOUT_FILENO, data, size);

                if (n < 0 && errno == EAGAIN) {
                        struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};

                        (void) poll(&out, 1, -1);
                        continue;
                }
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                data += n;
                size -= (size_t) n;
        }
        return 0;
}

static int show(Player *p, const CastEvent *e)
{
        _cleanup_buf_ Buf text = BUF_INIT;

        if (p->options->raw)
                return write_all(e->data, e->size);
        if (p->on_terminal)
                screen_filter_put(&p->screen, &text, e->data, e->size);
        else
                plain_text_put(&p->plain, &text, e->data, e->size);
        if (buf_error(&text) < 0)
                return -ENOMEM;
        return buf_length(&text) > 0 ? write_all(buf_head(&text), buf_length(&text)) : 0;
}

/* One event: 0 to go on, else an exit status. */
static int play_event(Player *p, const CastEvent *e)
{
        int r;

        p->marker = mfree(p->marker);
        if (e->code == 'm')
                p->marker = strdup(e->data);
        if (e->code != 'o')
                return 0;
        wait_for_event(p, e->usec);
        if (player_leaves(p))
                return 0;
        r = show(p, e);
        if (r == -EPIPE)
                return 128 + SIGPIPE;
        return r < 0 ? fail_errno(r, "Failed to write output") : 0;
}

static bool is_blank(const char *line, size_t size)
{
        while (size > 0 && isspace((unsigned char) line[size - 1]))
                size--;
        return size == 0;
}

static int play(Player *p, size_t taken)
{
        p->due = now_usec(CLOCK_MONOTONIC);
        while (!player_leaves(p)) {
                _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
                CastEvent e = {0};
                const char *line;
                size_t size;
                int r;

                r = next_line(p, &line, &size, &taken);
                if (r < 0)
                        return fail_errno(r, "Failed to read the recording");
                if (r == 0)
                        return 0;
                if (is_blank(line, size))
                        continue;
                if (cast_read_event(line, size, &e, &refusal) < 0) {
                        /* Of a recording that is still being written the last line may not be whole. */
                        if (p->at_end && taken == size)
                                return 0;
                        return refused(p, &refusal);
                }
                r = play_event(p, &e);
                cast_event_done(&e);
                if (r != 0)
                        return r;
        }
        return p->left_by ? 128 + p->left_by : 0;
}

/* Where the recording comes from. */

static int fetch(Ctl *c, const char *prefix, int *ret)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(exec_name_done) ExecName e = {0};
        int fd, r;

        r = exec_find(c, prefix, &e);
        if (r == 0)
                r = bus_ask(c, "GetRecording", e.id, &reply);
        if (r != 0)
                return r;
        if (sd_bus_message_read(reply, "h", &fd) < 0)
                return fail("Invalid reply from execd");
        *ret = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        return *ret < 0 ? fail_errno(errno, "Failed to duplicate the recording's file descriptor") : 0;
}

/* An argument that cannot be an ID is a file. */
static bool is_file_name(const char *word)
{
        size_t length = strlen(word);

        return length > EXEC_ID_LENGTH || word[strspn(word, "0123456789abcdef")] != 0;
}

static int open_source(Ctl *c, const char *word, int *ret)
{
        if (strcmp(word, "-") == 0) {
                *ret = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
                return *ret < 0 ? fail_errno(errno, "Failed to read from stdin") : 0;
        }
        if (!is_file_name(word))
                return fetch(c, word, ret);
        *ret = open(word, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        return *ret < 0 ? fail_errno(errno, "Failed to open \"%s\"", word) : 0;
}

int verb_replay(Ctl *c, int argc, char **argv)
{
        _cleanup_(player_done) Player p = {
                .options = &c->options,
                .name = argv[0],
                .in = -EBADF,
                .signal_fd = -EBADF,
                .keys_fd = -EBADF,
        };
        size_t taken = 0;
        int r;

        if (c->options.host)
                return remote_run(c, "replay", isatty(STDOUT_FILENO), argc, argv);
        r = open_source(c, argv[0], &p.in);
        if (r != 0)
                return r;
        agent_close(c);
        r = read_header(&p, &taken);
        if (r == 0)
                r = prepare_terminal(&p);
        if (r != 0)
                return r;
        p.idle_limit_usec = MIN(c->options.idle_limit_usec, p.info.idle_limit_usec);
        r = play(&p, taken);
        if (p.on_terminal) {
                (void) write_all(TERMINAL_RESET, strlen(TERMINAL_RESET));
                /* The answers of the terminal to the recording are not input of the user. */
                if (p.keys_fd >= 0)
                        (void) tcflush(p.keys_fd, TCIFLUSH);
        }
        terminal_restore();
        if (r == 0 && p.marker && !p.quit) {
                _cleanup_free_ char *clean = text_clean(p.marker);

                fprintf(stderr, "execctl: The recording ends here: %s\n", clean ?: "");
        }
        return r;
}
