/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "ctl/multi.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "base/buf.h"
#include "base/characters.h"
#include "ctl/bus.h"
#include "ctl/table.h"
#include "ctl/targets.h"

/* Side by side at most; the next one begins when one of them has ended. */
#define TOGETHER_MAX 64

/* A longer line is shown in several. */
#define LINE_SIZE_MAX (16 * 1024)

/* One of the two outputs of a process. */
typedef struct Output {
        int fd; /* owned; negative: at its end */
        size_t size;
        char line[LINE_SIZE_MAX];
} Output;

typedef struct Job {
        const Target *target;
        pid_t pid; /* of a child that has not been waited for; 0: none */
        Output out, err;
        bool started, ended;
        int status;
} Job;

typedef struct Multi {
        Ctl *ctl;
        Job *jobs;
        size_t n, width; /* of the names, in columns */
        bool together, escape_out, escape_err;
        int error; /* of writing output; 0: none */
        int signal_fd;
        sigset_t signals;
        int (*one)(Ctl *c, int argc, char **argv);
        int n_words;
        char **words;
} Multi;

/* Lines */

static const char *color_of(const Multi *m, const Job *j)
{
        static const char *const colors[] = {"\033[32m", "\033[33m", "\033[34m", "\033[35m", "\033[36m"};

        return m->ctl->colors ? colors[(size_t) (j - m->jobs) % ELEMENTSOF(colors)] : "";
}

/* A terminal would act on controls in a line of one container, which could thus rewrite lines of the others. */
static void print_line(const Multi *m, const Job *j, FILE *f, const char *line, size_t size)
{
        const char *name = j->target->name;
        _cleanup_buf_ Buf escaped = BUF_INIT;

        if (size > 0 && (f == stderr ? m->escape_err : m->escape_out)) {
                /* The end of a line as a terminal has it. */
                size -= line[size - 1] == '\r';
                characters_escape(&escaped, line, size);
                line = buf_error(&escaped) < 0 || !escaped.data ? "" : buf_head(&escaped);
                size = buf_error(&escaped) < 0 ? 0 : buf_length(&escaped);
        }

        if (f == stderr)
                fflush(stdout);
        fprintf(f, "%s%s:%s%*s ", color_of(m, j), name, m->ctl->colors ? COLOR_OFF : "",
                (int) (m->width - text_width(name)), "");
        fwrite(line, 1, size, f);
        fputc('\n', f);
}

static void output_close(Output *o)
{
        if (o->fd >= 0)
                o->fd = fd_close(o->fd);
}

/* Shows the lines that are whole, and with `rest` also the remaining bytes. */
static void show_lines(Multi *m, const Job *j, Output *o, FILE *f, bool rest)
{
        size_t start = 0;
        int error;

        errno = 0;
        for (;;) {
                char *line = o->line + start, *newline = memchr(line, '\n', o->size - start);

                if (!newline)
                        break;
                print_line(m, j, f, line, (size_t) (newline - line));
                start = (size_t) (newline - o->line) + 1;
        }
        memmove(o->line, o->line + start, o->size - start);
        o->size -= start;
        if ((rest && o->size > 0) || o->size == sizeof(o->line)) {
                print_line(m, j, f, o->line, o->size);
                o->size = 0;
        }
        error = f == stdout ? output_flush() : ferror(f) ? errno ?: EIO : 0;
        m->error = m->error ?: error;
}

static void output_read(Multi *m, const Job *j, Output *o, FILE *f)
{
        ssize_t n = read(o->fd, o->line + o->size, sizeof(o->line) - o->size);

        if (n < 0 && (errno == EINTR || errno == EAGAIN))
                return;
        o->size += (size_t) MAX(n, 0);
        show_lines(m, j, o, f, n <= 0);
        /* Without a reader of ours the command has none either. */
        if (n <= 0 || ferror(f))
                output_close(o);
}

/* Processes */

_Noreturn static void job_child(const Multi *m, const Job *j, const int pipes[static 2])
{
        char *argv[m->n_words + 2];
        int r;

        (void) sigprocmask(SIG_UNBLOCK, &m->signals, NULL);
        fd_close(m->signal_fd);
        /* The writer of a pipe gets SIGPIPE only if no process has the reading end. */
        for (size_t i = 0; i < m->n; i++) {
                output_close(&m->jobs[i].out);
                output_close(&m->jobs[i].err);
        }
        if (m->together) {
                int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

                if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(pipes[0], STDOUT_FILENO) < 0 ||
                    dup2(pipes[1], STDERR_FILENO) < 0)
                        _exit(EXIT_FAILURE);
                m->ctl->on_terminal = m->ctl->colors = false;
        }
        argv[0] = j->target->reference;
        for (int i = 0; i < m->n_words; i++)
                argv[i + 1] = m->words[i];
        argv[m->n_words + 1] = NULL;
        r = m->one(m->ctl, m->n_words + 1, argv);
        agent_close(m->ctl);
        fflush(stdout);
        fflush(stderr);
        sd_bus_flush_close_unref(m->ctl->bus);
        exit(r);
}

static int job_start(Multi *m, Job *j)
{
        int out[2] = {-EBADF, -EBADF}, err[2] = {-EBADF, -EBADF}, r = 0;

        if (m->together && (pipe2(out, O_CLOEXEC) < 0 || pipe2(err, O_CLOEXEC) < 0))
                r = -errno;
        if (!m->together && !m->ctl->options.quiet)
                fprintf(stderr, "%s%s %s %s%s\n", color_of(m, j), MARK_LINE, j->target->name, MARK_LINE,
                        m->ctl->colors ? COLOR_OFF : "");
        j->out.fd = out[0];
        j->err.fd = err[0];
        fflush(stdout);
        fflush(stderr);
        j->pid = r < 0 ? -1 : fork();
        if (j->pid == 0)
                job_child(m, j, (int[]){out[1], err[1]});
        if (j->pid < 0)
                r = r < 0 ? r : -errno;
        fd_close(out[1]);
        fd_close(err[1]);
        j->started = true;
        if (r >= 0)
                return 0;
        j->pid = 0;
        j->ended = true;
        output_close(&j->out);
        output_close(&j->err);
        return fail_errno(r, "Failed to start a process for %s", j->target->name);
}

static void reap(Multi *m)
{
        for (size_t i = 0; i < m->n; i++) {
                Job *j = &m->jobs[i];
                int status;

                if (j->pid <= 0 || waitpid(j->pid, &status, WNOHANG) != j->pid)
                        continue;
                j->pid = 0;
                j->ended = true;
                j->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        }
}

/* Forwards a signal that was sent to execctl alone. Keys on the terminal reach all processes by themselves.
 * */
static void on_signal(Multi *m)
{
        struct signalfd_siginfo info;

        while (read(m->signal_fd, &info, sizeof(info)) == sizeof(info)) {
                if (info.ssi_signo == SIGCHLD)
                        reap(m);
                else if (info.ssi_code <= 0)
                        for (size_t i = 0; i < m->n; i++)
                                if (m->jobs[i].pid > 0)
                                        (void) kill(m->jobs[i].pid, (int) info.ssi_signo);
        }
}

/* The loop */

/* Starts as many as may run; false when all have ended. */
static bool start_more(Multi *m)
{
        size_t active = 0, max = m->together ? TOGETHER_MAX : 1;

        for (const Job *j = m->jobs; j < m->jobs + m->n; j++)
                active += j->started && (!j->ended || j->out.fd >= 0 || j->err.fd >= 0);
        for (size_t i = 0; i < m->n && active < max; i++)
                if (!m->jobs[i].started) {
                        int r = job_start(m, &m->jobs[i]);

                        if (r != 0)
                                m->jobs[i].status = r;
                        else
                                active++;
                }
        return active > 0;
}

static int turn(Multi *m, struct pollfd *fds)
{
        size_t n = 1;

        fds[0] = (struct pollfd){.fd = m->signal_fd, .events = POLLIN};
        for (size_t i = 0; i < m->n; i++) {
                fds[n++] = (struct pollfd){.fd = m->jobs[i].out.fd, .events = POLLIN};
                fds[n++] = (struct pollfd){.fd = m->jobs[i].err.fd, .events = POLLIN};
        }
        if (poll(fds, (nfds_t) n, -1) < 0)
                return errno == EINTR ? 0 : -errno;
        for (size_t i = 0; i < m->n; i++) {
                Job *j = &m->jobs[i];

                if (fds[1 + 2 * i].revents)
                        output_read(m, j, &j->out, stdout);
                if (fds[2 + 2 * i].revents)
                        output_read(m, j, &j->err, stderr);
        }
        if (fds[0].revents)
                on_signal(m);
        return 0;
}

static int loop(Multi *m)
{
        _cleanup_free_ struct pollfd *fds = calloc(1 + 2 * m->n, sizeof(struct pollfd));
        int r = 0;

        if (!fds)
                return fail_memory();
        while (r >= 0 && start_more(m))
                r = turn(m, fds);
        return r < 0 ? fail_errno(r, "Failed to wait for the commands") : 0;
}

/* The end */

static int lost_output(const Multi *m)
{
        if (m->error == EPIPE)
                return 128 + SIGPIPE;
        return m->error != 0 ? fail_errno(m->error, "Failed to write output") : 0;
}

static int summarize(const Multi *m)
{
        size_t n_failed = 0;
        int worst = 0;

        for (size_t i = 0; i < m->n; i++) {
                n_failed += m->jobs[i].status != 0;
                worst = MAX(worst, m->jobs[i].status);
        }
        if (n_failed == 0 && m->error != 0)
                return lost_output(m);
        if (m->ctl->options.quiet)
                return worst;
        fflush(stdout);
        if (n_failed == 0) {
                fprintf(stderr, "Succeeded in %zu container%s.\n", m->n, m->n == 1 ? "" : "s");
                return 0;
        }
        fprintf(stderr, "Failed in %zu of %zu containers:", n_failed, m->n);
        for (size_t i = 0; i < m->n; i++)
                if (m->jobs[i].status != 0)
                        fprintf(stderr, " %s (exit status %d)%s", m->jobs[i].target->name, m->jobs[i].status,
                                --n_failed > 0 ? "," : ".");
        fprintf(stderr, "\n");
        return worst;
}

static int prepare(Multi *m, const Targets *t)
{
        sigemptyset(&m->signals);
        sigaddset(&m->signals, SIGCHLD);
        sigaddset(&m->signals, SIGINT);
        sigaddset(&m->signals, SIGTERM);
        sigaddset(&m->signals, SIGHUP);
        sigaddset(&m->signals, SIGQUIT);
        m->escape_out = ends_at_terminal(STDOUT_FILENO);
        m->escape_err = ends_at_terminal(STDERR_FILENO);
        m->n = t->n;
        m->jobs = calloc(t->n, sizeof(Job));
        if (!m->jobs)
                return fail_memory();
        for (size_t i = 0; i < t->n; i++) {
                m->jobs[i] = (Job){.target = &t->items[i], .out.fd = -EBADF, .err.fd = -EBADF};
                m->width = MAX(m->width, text_width(t->items[i].name));
        }
        if (sigprocmask(SIG_BLOCK, &m->signals, NULL) < 0)
                return fail_errno(errno, "Failed to block signals");
        m->signal_fd = signalfd(-1, &m->signals, SFD_CLOEXEC | SFD_NONBLOCK);
        return m->signal_fd < 0 ? fail_errno(errno, "Failed to receive signals") : 0;
}

int multi_run(Ctl *c, const char *containers, bool together, int (*one)(Ctl *c, int argc, char **argv),
              int n_words, char **words)
{
        Multi m = {.ctl = c,
                   .together = together,
                   .signal_fd = -EBADF,
                   .one = one,
                   .n_words = n_words,
                   .words = words};
        _cleanup_(targets_done) Targets targets = {0};
        int r;

        r = targets_read(c, containers, &targets);
        if (r != 0)
                return r;
        /* Each process has a connection and an agent of its own, and only one of them asks for a password
         * at a time. */
        agent_close(c);
        c->bus = sd_bus_flush_close_unref(c->bus);
        c->agent_tried = false;
        c->agent_lock = memfd_create("agent", MFD_CLOEXEC);
        r = prepare(&m, &targets);
        if (r == 0)
                r = loop(&m);
        if (r == 0)
                r = summarize(&m);
        fd_close(m.signal_fd);
        free(m.jobs);
        return r;
}
