/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The monitor (see runner.h). Its input is the order, from the spawner, and the channel, which the container
 * may write to once the command can be seen inside. Messages on it are checked, and the worst that one can
 * say is that its own start has failed.
 */

#include <fcntl.h>
#include <link.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "base/process-state.h"
#include "base/time.h"
#include "runner/lean-wait.h"
#include "runner/patience.h"
#include "runner/pressure.h"
#include "runner/runner.h"

/* For a command that ends within this time, giving memory back is not worth it. */
#define SHORT_MSEC 500

typedef struct Monitor {
        int channel;           /* pipe: joiner and command write to it */
        int tty_socket;        /* the joiner sends the pty master over it */
        pid_t joiner, command; /* children, or 0 */
        int pidfd;             /* of the command, or negative */
        int tty;               /* pty master, or negative */
        bool is_ordered;       /* the order has come */
        Patience patience;     /* with the descriptors that it asks for */
        bool is_check;         /* no command is to be run */
        bool failed, checked;
        bool is_end_told; /* the end of the command */
        RunnerReport report;
} Monitor;

static void report_send(RunnerReport *report, const int *fds, size_t n_fds)
{
        report->version = RUNNER_REPORT_VERSION;
        report->time_usec = now_usec(CLOCK_REALTIME);
        (void) fd_send_message(RUNNER_CONTROL_FD, report, sizeof(*report), fds, n_fds);
}

/* The first failure counts. */
static void monitor_fail(Monitor *k, RefusalKind kind, int error, const char *text)
{
        if (k->failed)
                return;
        k->failed = true;
        k->report.kind = kind;
        k->report.error = error;
        snprintf(k->report.text, sizeof(k->report.text), "%s", text);
}

/* Stopping the scope must end the command, not the report of its end. A runner without an order has nothing to
 * report, and ends. */
static void monitor_take_order(Monitor *k)
{
        sigset_t all;

        sigfillset(&all);
        sigprocmask(SIG_SETMASK, &all, NULL);
        k->is_ordered = true;
        patience_begin(&k->patience, now_usec(CLOCK_MONOTONIC));
}

/* A child of ours, whether or not it has ended: no other process is accepted. */
static bool is_child(pid_t pid)
{
        siginfo_t info;

        return pid > 0 && waitid(P_PID, (id_t) pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

static void monitor_take_message(Monitor *k, ChannelMessage *m)
{
        m->text[sizeof(m->text) - 1] = 0;
        switch (m->type) {
        case CHANNEL_ORDERED:
                if (k->command == 0 && !k->failed) {
                        monitor_take_order(k);
                        k->is_check = m->kind == RUNNER_MODE_CHECK;
                }
                break;
        case CHANNEL_FORKED:
                if (k->command == 0 && m->pid != k->joiner && is_child(m->pid)) {
                        k->command = m->pid;
                        k->pidfd = pidfd_open_pid(m->pid);
                        if (k->pidfd < 0)
                                monitor_fail(k, REFUSAL_INTERNAL, -k->pidfd,
                                             "failed to open a pidfd of the command");
                }
                break;
        case CHANNEL_FAILED:
                monitor_fail(k,
                             m->kind == REFUSAL_NONE || m->kind >= _REFUSAL_MAX ? REFUSAL_INTERNAL : m->kind,
                             m->error, m->text);
                break;
        case CHANNEL_CHECKED:
                k->checked = true;
                break;
        }
}

/* Nothing but the joiner has ever had the other end. */
static void monitor_take_tty(Monitor *k)
{
        size_t n_fds = 0;
        char byte;

        if (fd_recv_message(k->tty_socket, &byte, 1, &k->tty, 1, &n_fds) < 0 || n_fds == 0)
                k->tty = -EBADF;
        k->tty_socket = fd_close(k->tty_socket);
}

/* By the name of the child, which no container can change before the command is executed. */
static void monitor_time_out(Monitor *k, PatienceEnd end)
{
        static const char *const causes[] = {
                [PATIENCE_NO_ANSWER] = "something in the container does not answer",
                [PATIENCE_NO_PROCESSOR] =
                        "its CPU limit, or the load of the host, leaves too little processor time",
                [PATIENCE_NO_MEMORY] = "its memory limit, or a lack of memory on the host, keeps it waiting",
        };
        const char *step = step_of(k->command > 0 ? k->command : k->joiner);
        char text[160];

        snprintf(text, sizeof(text), "timed out while %s: %s", step ?: "entering the container",
                 causes[end]);
        monitor_fail(k, REFUSAL_NOT_RUNNABLE, ETIMEDOUT, text);
}

/* Before the order, no request waits. A check is in the control group of the spawner, where another check may be the
 * one that waits for memory. */
static PatienceEnd monitor_look(Monitor *k)
{
        uint64_t now = now_usec(CLOCK_MONOTONIC);

        if (!k->is_ordered || !patience_is_due(&k->patience, now))
                return PATIENCE_LEFT;
        return patience_look(&k->patience, now,
                             process_is_ready_to_run(k->joiner) || process_is_ready_to_run(k->command),
                             k->is_check ? 0 : pressure_of_own_memory());
}

/* Reads the channel to its end, which is when the command was executed or all that could fail has ended. */
static void monitor_watch_setup(Monitor *k)
{
        for (;;) {
                struct pollfd p = {.fd = k->channel, .events = POLLIN};
                PatienceEnd end = monitor_look(k);
                ChannelMessage m;
                ssize_t n;

                if (end != PATIENCE_LEFT) {
                        monitor_time_out(k, end);
                        return;
                }
                if (poll(&p, 1, k->is_ordered ? (int) (PATIENCE_LOOK_USEC / USEC_PER_MSEC) : -1) <= 0)
                        continue;

                n = read(k->channel, &m, sizeof(m));
                if (n == 0)
                        return;
                if (n == sizeof(m))
                        monitor_take_message(k, &m);
                else if (n > 0 || errno != EINTR) {
                        /* Not a message of ours, so that nothing that follows can be understood. */
                        monitor_fail(k, REFUSAL_INTERNAL, n < 0 ? errno : EBADMSG,
                                     "the runner's channel broke");
                        return;
                }
        }
}

static int reap(pid_t *pid, struct rusage *ret_usage)
{
        int status = 0;

        if (*pid > 0)
                while (wait4(*pid, &status, 0, ret_usage) < 0 && errno == EINTR)
                        ;
        *pid = 0;
        return status;
}

/* The monitor does not wait for them: one that hangs in a file system of the container cannot be ended. PID 1
 * reaps them after us, and the spawner ends all other processes in the scope. */
static void monitor_end_children(const Monitor *k)
{
        if (k->joiner > 0)
                kill(k->joiner, SIGKILL);
        if (k->command > 0)
                kill(k->command, SIGKILL);
}

/* From here on the monitor waits, and writes to its control socket and perhaps to the journal. */
static void drop_privileges(void)
{
        struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
        struct __user_cap_data_struct none[2] = {0};

        (void) syscall(SYS_capset, &header, none);
}

static uint32_t saturate(uint64_t v)
{
        return v > UINT32_MAX ? UINT32_MAX : (uint32_t) v;
}

static uint64_t timeval_usec(const struct timeval *t)
{
        return (uint64_t) t->tv_sec * USEC_PER_SEC + (uint64_t) t->tv_usec;
}

static void monitor_report_end(Monitor *k, int wait_status, const struct rusage *usage)
{
        k->report.wait_status = wait_status;
        k->report.type = RUNNER_EXITED;
        k->report.cpu_usec = saturate(timeval_usec(&usage->ru_utime) + timeval_usec(&usage->ru_stime));
        k->report.max_rss_kib = saturate((uint64_t) usage->ru_maxrss);
        report_send(&k->report, NULL, 0);
        k->is_end_told = true;
}

/* As waitpid(2) has it. */
static int wait_status_of(const siginfo_t *info)
{
        if (info->si_code == CLD_EXITED)
                return (info->si_status & 0xff) << 8;
        return info->si_status | (info->si_code == CLD_DUMPED ? 0x80 : 0);
}

/* The end of a command that is over already is in the socket when execd takes it over. The command stays there
 * to be looked at. The C library's waitid(3) does not return the usage. */
static void monitor_report_early_end(Monitor *k)
{
        struct rusage usage = {0};
        siginfo_t info = {0};

        if (syscall(SYS_waitid, P_PID, k->command, &info, WEXITED | WNOHANG | WNOWAIT, &usage) >= 0 &&
            info.si_pid > 0)
                monitor_report_end(k, wait_status_of(&info), &usage);
}

/* The spawner looks at the command before anything else may happen to it, and execd takes it over after
 * that: until then an ended command stays there to be looked at. The byte of execd, or 0 if the control
 * socket has been closed. */
static char wait_until_taken(Monitor *k)
{
        struct pollfd p[] = {{.fd = RUNNER_CONTROL_FD, .events = POLLIN},
                             {.fd = k->pidfd, .events = POLLIN}};
        char byte;

        if (poll(p, ELEMENTSOF(p), -1) > 0 && !p[0].revents)
                monitor_report_early_end(k);
        return fd_recv_message(RUNNER_CONTROL_FD, &byte, 1, NULL, 0, NULL) > 0 ? byte : 0;
}

/* The address at which the kernel has loaded this program, as the linker names it. */
extern const ElfW(Ehdr) __ehdr_start __attribute__((visibility("hidden")));

/* The monitor may stay for days. It gives back the pages that it has read of its program, and reads those that
 * it needs at the end again. Nothing is lost, since these pages are in the file. */
static void give_back_text(void)
{
        const ElfW(Phdr) *program =
                (const ElfW(Phdr) *) ((const char *) &__ehdr_start + __ehdr_start.e_phoff);
        size_t page = (size_t) getpagesize();
        uintptr_t base = (uintptr_t) &__ehdr_start;

        /* The file begins with its header, at address 0 of a position-independent program: all other
         * addresses count from there. Relocated data is in a writable segment, and stays. */
        for (size_t i = 0; i < __ehdr_start.e_phnum; i++) {
                uintptr_t start = base + (program[i].p_vaddr & ~(page - 1));

                if (program[i].p_type == PT_LOAD && !(program[i].p_flags & PF_W))
                        (void) madvise((void *) start,
                                       base + program[i].p_vaddr + program[i].p_memsz - start,
                                       MADV_DONTNEED);
        }
}

static bool ends_within(int pidfd, int msec)
{
        struct pollfd p = {.fd = pidfd, .events = POLLIN};

        return poll(&p, 1, msec) != 0;
}

static void monitor_run_command(Monitor *k)
{
        int fds[2] = {k->pidfd, -EBADF}, status;
        struct rusage usage = {0};
        char taken;
        bool log;

        monitor_take_tty(k);
        fds[1] = k->tty;

        k->report.type = RUNNER_STARTED;
        k->report.pid = k->command;
        report_send(&k->report, fds, k->tty >= 0 ? 2 : 1);
        k->tty = fd_close(k->tty);
        /* Without the byte, the spawner has not compared it with its container, or execd does not know that it runs. */
        taken = wait_until_taken(k);
        if (taken == 0) {
                monitor_end_children(k);
                return;
        }
        drop_privileges();
        log = taken == RUNNER_TAKEN_LOG[0];
        if (log)
                output_log_run(k->pidfd);
        else if (!k->is_end_told && !ends_within(k->pidfd, SHORT_MSEC)) {
                k->pidfd = fd_close(k->pidfd);
                lean_wait(&k->report, k->command);
                give_back_text();
        }
        k->pidfd = fd_close(k->pidfd);

        status = reap(&k->command, &usage);
        if (!k->is_end_told)
                monitor_report_end(k, status, &usage);
        if (log)
                output_log_finish();
}

static void monitor_finish(Monitor *k)
{
        bool entered = k->checked || k->command > 0;

        if (!k->failed && !entered)
                monitor_fail(k, REFUSAL_INTERNAL, ECHILD, "the runner ended while entering the container");
        if (k->failed) {
                monitor_end_children(k);
                k->report.type = RUNNER_FAILED;
                report_send(&k->report, NULL, 0);
                /* The spawner counts runners that hang in a check, since no scope does. */
                if (k->is_check)
                        reap(&k->joiner, NULL);
                return;
        }

        reap(&k->joiner, NULL);
        if (k->command > 0) {
                monitor_run_command(k);
                return;
        }
        k->report.type = RUNNER_CHECKED;
        report_send(&k->report, NULL, 0);
}

/* Parks until the spawner sends something: 1. It went away instead: 0. The order is the joiner's to receive. */
static int wait_for_message(bool *ret_is_order)
{
        RunnerOrder order;
        ssize_t n;

        do
                n = recv(RUNNER_CONTROL_FD, &order, sizeof(order), MSG_PEEK);
        while (n < 0 && errno == EINTR);
        if (n <= 0)
                return n < 0 ? -errno : 0;
        *ret_is_order = n != sizeof(RUNNER_PREPARE) - 1;
        if (!*ret_is_order && recv(RUNNER_CONTROL_FD, &order, sizeof(order), 0) < 0)
                return -errno;
        return 1;
}

/* Fails where no task, no memory or no descriptor is left; `act` is what failed. */
static int monitor_fork_joiner(Monitor *k, const char **ret_act)
{
        _cleanup_close_ int channel = -EBADF, tty = -EBADF;
        int ends[2], sockets[2];
        pid_t self = getpid();

        setsid();
        *ret_act = "create pipe";
        if (pipe2(ends, O_CLOEXEC) < 0)
                return -errno;
        k->channel = ends[0];
        channel = ends[1];
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sockets) < 0)
                return -errno;
        k->tty_socket = sockets[0];
        tty = sockets[1];

        *ret_act = "fork";
        k->joiner = fork();
        if (k->joiner == 0)
                enter_run(self, channel, tty);
        return k->joiner < 0 ? -errno : 0;
}

/* Before the order. Steps that are not possible yet follow after it. */
static bool monitor_prepare(Monitor *k)
{
        const char *act;

        if (monitor_fork_joiner(k, &act) >= 0)
                return true;
        k->joiner = 0;
        k->channel = fd_close(k->channel);
        k->tty_socket = fd_close(k->tty_socket);
        return false;
}

/* No joiner can report it. */
static int monitor_without_joiner(Monitor *k, const char *act, int error)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;

        k->joiner = 0;
        refuse_act(&refusal, act, error);
        monitor_fail(k, REFUSAL_NOT_RUNNABLE, -error, refusal.message ?: act);
        monitor_finish(k);
        return 1;
}

int main(void)
{
        static Monitor k = {.channel = -EBADF, .tty_socket = -EBADF, .pidfd = -EBADF, .tty = -EBADF};
        bool is_order = false, is_prepared = false;
        const char *act;
        int r;

        prctl(PR_SET_DUMPABLE, 0);
        do {
                r = wait_for_message(&is_order);
                if (r <= 0)
                        return r < 0;
                if (!is_order)
                        is_prepared = monitor_prepare(&k);
        } while (!is_order && !is_prepared);

        if (!is_prepared) {
                monitor_take_order(&k);
                r = monitor_fork_joiner(&k, &act);
                if (r < 0)
                        return monitor_without_joiner(&k, act, r);
        }
        monitor_watch_setup(&k);
        fd_close(k.channel);
        /* Otherwise the spawner went away, or what it sent was no order. */
        if (k.is_ordered)
                monitor_finish(&k);
        return 0;
}
