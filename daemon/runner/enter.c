/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The joiner (see runner.h): one straight line of steps, whose order is what keeps the container from
 * reaching anything of the host. Labels and limits are set with the host's mounts, then all fds but the
 * needed ones are closed, then all namespaces are joined, and only then is any path of the container looked
 * at. The namespaces are those that the spawner opened and compared, wherever the leader is by now.
 */

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "base/fd.h"
#include "runner/runner.h"

/* The meaning of the fds in the order: after the namespaces comes stdio. */
enum {
        ORDER_SPEC,
        ORDER_LEADER,
        ORDER_NAMESPACES,
};

/* Only needed until the namespaces are joined. */
#define ORDER_FD      (TTY_SOCKET_FD + 1) /* and the next ones */
#define LEADER_FD     (ORDER_FD + ORDER_LEADER)
#define NAMESPACES_FD (ORDER_FD + ORDER_NAMESPACES)

static int read_spec(int fd, RunnerSpec *ret)
{
        _cleanup_free_ char *data = NULL;
        size_t size;
        int r;

        r = memfd_read(fd, RUNNER_SPEC_MAX, &data, &size);
        if (r < 0)
                return r;
        r = runner_spec_read(data, size, ret);
        if (r < 0)
                return r;
        TAKE_PTR(data);
        return 0;
}

/* Before the order: nothing is open but stdio, the control socket, the channel and the socket of the terminal. The
 * fds of the order then get the numbers that follow. */
static int settle_own_fds(int channel, int tty_socket)
{
        channel = fcntl(channel, F_DUPFD_CLOEXEC, ORDER_FD);
        tty_socket = fcntl(tty_socket, F_DUPFD_CLOEXEC, ORDER_FD);
        if (channel < 0 || tty_socket < 0 || dup3(channel, CHANNEL_FD, O_CLOEXEC) < 0 ||
            dup3(tty_socket, TTY_SOCKET_FD, O_CLOEXEC) < 0 || close_range(ORDER_FD, ~0U, 0) < 0)
                return -errno;
        return 0;
}

/* Closes the descriptors that have been read, and the control socket of the monitor. */
static int settle_fds(const int *fds, size_t n_fds)
{
        for (size_t i = 0; i < n_fds; i++)
                if (fds[i] != ORDER_FD + (int) i)
                        return -EBADF;
        return close(RUNNER_CONTROL_FD) < 0 || close(fds[ORDER_SPEC]) < 0 ? -errno : 0;
}

/* One after the other, each checked by the kernel to be of the kind that is expected. Nothing of the
 * container is looked at in between. */
static int join_each(const RunnerSpec *s, size_t n, Place *place, Refusal *reterr)
{
        size_t at = 0;

        for (size_t i = 0; i < RUNNER_N_NAMESPACES; i++) {
                /* With the mounts, and while our root still is the host's: a directory need not be open to
                 * the root of another user namespace. */
                if (runner_namespaces[i] == CLONE_NEWUSER) {
                        int r = place_enter(s, place, reterr);

                        if (r < 0)
                                return r;
                }
                if (!(s->namespaces & runner_namespaces[i]))
                        continue;
                if (at >= n)
                        return -EBADMSG;
                if (setns(NAMESPACES_FD + (int) at++, (int) runner_namespaces[i]) < 0)
                        return -errno;
        }
        return at == n ? 0 : -EBADMSG;
}

/* The fd of the mount namespace, or a negative number where it is ours. */
static int fd_of_mounts(const RunnerSpec *s)
{
        int at = NAMESPACES_FD;

        if (!(s->namespaces & CLONE_NEWNS))
                return -EBADF;
        for (size_t i = 0; i < RUNNER_N_NAMESPACES && runner_namespaces[i] != CLONE_NEWNS; i++)
                at += (s->namespaces & runner_namespaces[i]) != 0;
        return at;
}

static int join_namespaces(RunnerSpec *s, size_t n, bool with_stdio, Refusal *reterr)
{
        Place place;
        int r;

        step_begin(STEP_JOIN);
        if (pidfd_is_alive(LEADER_FD) <= 0)
                return refuse(reterr, REFUSAL_NOT_RUNNING, ESRCH, "the container is not running");
        r = place_open(s, LEADER_FD, fd_of_mounts(s), &place, reterr);
        if (r >= 0)
                r = creds_set_outside_groups(s);
        if (r < 0)
                return r;
        r = join_each(s, n, &place, reterr);
        if (r < 0 && reterr->kind != REFUSAL_NONE)
                return r;
        if (r < 0)
                return refuse(reterr, REFUSAL_INTERNAL, r, "failed to join the container's namespaces: %s",
                              strerrordesc_np(-r));
        prctl(PR_SET_DUMPABLE, 0);

        for (int i = 0; with_stdio && i < 3; i++)
                if (dup2(NAMESPACES_FD + (int) n + i, i) < 0)
                        return -errno;
        if (close_range(ORDER_FD, ~0U, 0) < 0)
                return -errno;
        return 0;
}

/* Before it becomes the user: the kernel counts the fds that the processes of a user have in messages on the whole
 * host, and compares with the limit of open files of the container. */
static int send_tty(Entry *e)
{
        int r = 0;

        if (e->tty_master >= 0)
                r = fd_send_message(TTY_SOCKET_FD, "t", 1, &e->tty_master, 1);
        e->tty_master = fd_close(e->tty_master);
        close(TTY_SOCKET_FD);
        return r;
}

/* The command is the monitor's child, so that the joiner can leave at once. */
static int start_command(const Entry *e, Refusal *reterr)
{
        int pid = fork_command();

        if (pid == 0) {
                step_begin(STEP_EXECUTE);
                command_run(e);
        }
        if (pid > 0)
                return 0;
        /* The error of the kernel if the PID namespace has lost its PID 1. */
        if (pid == -ENOMEM)
                return refuse(reterr, REFUSAL_NOT_RUNNING, ENOMEM, "the container is not running");
        return refuse_act(reterr, "fork", pid);
}

static int enter(const RunnerOrder *order, size_t n_fds, Entry *e, Refusal *reterr)
{
        RunnerSpec *s = &e->spec;
        RunnerMode mode = order->mode;
        bool with_stdio = n_fds > ORDER_NAMESPACES + order->n_namespaces;
        bool is_in_service = s->service && s->working_dir, has_keyring = false;
        int r;

        if (mode == RUNNER_MODE_EXEC && (!s->argv || !s->argv[0] || s->tty == with_stdio))
                return -EBADMSG;

        r = confine_outside(s, reterr);
        if (r < 0)
                return r;
        if (mode == RUNNER_MODE_EXEC) {
                audit_command(s);
                has_keyring = creds_join_keyring() >= 0;
        }
        r = join_namespaces(s, order->n_namespaces, with_stdio, reterr);
        if (r < 0)
                return r;

        /* The container's mounts from here on. */
        r = creds_enter_user_namespace(s, reterr);
        if (r < 0)
                return r;
        step_begin(STEP_USER);
        r = creds_lookup(s, &e->user, reterr);
        if (r < 0 || mode == RUNNER_MODE_CHECK)
                return r;
        step_begin(STEP_TERMINAL);
        r = s->tty ? stdio_open_tty(s, &e->user, &e->tty_master, reterr)
                   : stdio_settle_pipes(s, &e->user, reterr);
        if (r >= 0)
                r = send_tty(e);
        if (r < 0)
                return r;
        r = command_build_env(e, reterr);
        if (r < 0)
                return r;
        step_begin(STEP_DIRECTORY);
        /* As an engine does, also where its user may not enter it. The directories of a service can be the
         * host's: there the user enters what was asked for, as in systemd. */
        if (!is_in_service)
                r = command_enter_directory(s, reterr);
        if (r >= 0)
                r = creds_become(s, &e->user, has_keyring, reterr);
        if (r >= 0 && is_in_service)
                r = command_enter_directory(s, reterr);
        if (r < 0)
                return r;
        step_begin(STEP_PROGRAM);
        return command_find(e, reterr);
}

/* Waits for the order: 1. The spawner went away instead: 0. Anything else is not an order, or another program
 * has started us (a container can choose the interpreter of its scripts). */
static int receive_order(RunnerOrder *ret, int *ret_fds, size_t max_fds, size_t *ret_n_fds)
{
        ssize_t n = fd_recv_message(RUNNER_CONTROL_FD, ret, sizeof(*ret), ret_fds, max_fds, ret_n_fds);

        if (n <= 0)
                return (int) n;
        return n == sizeof(*ret) && ret->version == RUNNER_SPEC_VERSION &&
                               (ret->mode == RUNNER_MODE_EXEC || ret->mode == RUNNER_MODE_CHECK) &&
                               ret->n_namespaces <= RUNNER_N_NAMESPACES &&
                               (*ret_n_fds == 2 + ret->n_namespaces || *ret_n_fds == 5 + ret->n_namespaces)
                       ? 1
                       : -EBADMSG;
}

/* The monitor counts the time from here on, and does not end for a signal either. */
static void tell_ordered(RunnerMode mode)
{
        ChannelMessage m = {.type = CHANNEL_ORDERED, .kind = mode};
        sigset_t all;

        sigfillset(&all);
        sigprocmask(SIG_SETMASK, &all, NULL);
        channel_send(&m);
}

void enter_run(pid_t monitor, int channel, int tty_socket)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        static Entry e = {.tty_master = -EBADF};
        int fds[RUNNER_ORDER_FDS_MAX], r, r_spec;
        size_t n_fds = 0;
        RunnerOrder order;
        ChannelMessage m;

        /* A command has its monitor. */
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != monitor || settle_own_fds(channel, tty_socket) < 0)
                _exit(1);
        r = receive_order(&order, fds, ELEMENTSOF(fds), &n_fds);
        if (r <= 0)
                _exit(r < 0);
        tell_ordered(order.mode);

        r_spec = read_spec(fds[ORDER_SPEC], &e.spec);
        r = settle_fds(fds, n_fds);
        if (r < 0)
                _exit(1);
        r = r_spec < 0 ? r_spec : enter(&order, n_fds, &e, &refusal);
        if (r >= 0 && order.mode == RUNNER_MODE_EXEC)
                r = start_command(&e, &refusal);

        if (r < 0)
                channel_fail(&refusal, r);
        else if (order.mode == RUNNER_MODE_CHECK) {
                m = (ChannelMessage){.type = CHANNEL_CHECKED};
                channel_send(&m);
        }
        _exit(r < 0);
}
