/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "probe.h"

/* An attempt answers 0 or an errno. It runs in a child, so it may leave itself in any state, but it must not
 * change what others see for longer than it runs. */
typedef int (*Attempt)(long argument);

static int result_of(long n)
{
        return n < 0 ? errno : 0;
}

/* Makes a name of our own in a place where every user may write. */
static const char *own_path(const char *what)
{
        static char path[128];

        snprintf(path, sizeof(path), "/tmp/probe-%s-%d", what, (int) getpid());
        return path;
}

static int try_mkdir(long argument)
{
        const char *path = own_path("dir");
        int error = result_of(argument ? syscall(SYS_mkdirat, AT_FDCWD, path, 0700)
                                       : syscall(SYS_mkdir, path, 0700));

        rmdir(path);
        return error;
}

/* A device node of our own making, and its use. Argument: type, major, minor. */
#define NODE(type, major, minor) ((long) (type) << 32 | (long) (major) << 16 | (minor))

/* /tmp is often mounted without devices; /dev never is, but is root's. */
static const char *node_path(void)
{
        static char path[128];

        if (access("/dev", W_OK) < 0)
                return own_path("node");
        snprintf(path, sizeof(path), "/dev/probe-node-%d", (int) getpid());
        return path;
}

static int try_node(long argument)
{
        const char *path = node_path();
        int error, fd;

        if (mknod(path, (mode_t) (argument >> 32) | 0600,
                  makedev(argument >> 16 & 0xffff, argument & 0xffff)) < 0)
                return errno;
        fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        /* Told apart from a failed mknod. */
        error = fd < 0 ? 1000 + errno : 0;
        unlink(path);
        return error;
}

static int try_mknod_only(long argument)
{
        const char *path = own_path("node");
        int error = result_of(mknod(path, (mode_t) (argument >> 32) | 0600,
                                    makedev(argument >> 16 & 0xffff, argument & 0xffff)));

        unlink(path);
        return error;
}

static int try_open(long argument)
{
        return result_of(open((const char *) argument, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
}

static int try_open_write(long argument)
{
        return result_of(open((const char *) argument, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
}

static int try_traceme(long argument)
{
        (void) argument;
        return result_of(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
}

static int try_trace_child(long argument)
{
        pid_t child = fork();
        int error;

        (void) argument;
        if (child < 0)
                return errno;
        if (child == 0) {
                pause();
                _exit(0);
        }
        error = result_of(ptrace(PTRACE_SEIZE, child, NULL, NULL));
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        return error;
}

static int try_trace_init(long argument)
{
        (void) argument;
        return result_of(ptrace(PTRACE_SEIZE, 1, NULL, NULL));
}

static int try_setuid(long argument)
{
        return result_of(setresuid((uid_t) argument, (uid_t) argument, (uid_t) argument));
}

static int try_setgid(long argument)
{
        return result_of(setresgid((gid_t) argument, (gid_t) argument, (gid_t) argument));
}

static int try_setgroups(long argument)
{
        gid_t group = (gid_t) argument;

        return result_of(setgroups(1, &group));
}

static int try_unshare(long argument)
{
        return result_of(unshare((int) argument));
}

static int try_mount(long argument)
{
        (void) argument;
        /* In a mount namespace of its own, if one may be had; without one it would stay. */
        if (unshare(CLONE_NEWNS) < 0)
                return errno;
        if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
                return errno;
        return result_of(mount("probe", "/tmp", "tmpfs", 0, NULL));
}

static int try_chroot(long argument)
{
        (void) argument;
        return result_of(chroot("/tmp"));
}

static int try_sethostname(long argument)
{
        struct utsname name;

        (void) argument;
        uname(&name);
        return result_of(sethostname(name.nodename, strlen(name.nodename)));
}

static int try_tty_ioctl(long argument)
{
        int fd = (int) (argument & 0xff), request = (int) (argument >> 8);
        char byte = '#';

        if (fd == 0xff)
                fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
        if (fd < 0)
                return errno;
        /* TIOCLINUX: 6 asks for the shift state and changes nothing. */
        if (request == TIOCLINUX)
                byte = 6;
        return result_of(ioctl(fd, (unsigned long) request, &byte));
}

static int try_nice(long argument)
{
        (void) argument;
        return result_of(setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) - 5));
}

static int try_realtime(long argument)
{
        struct sched_param p = {.sched_priority = 1};

        (void) argument;
        return result_of(sched_setscheduler(0, SCHED_FIFO, &p));
}

static int try_raise_limit(long argument)
{
        struct rlimit limit;

        if (getrlimit((int) argument, &limit) < 0)
                return errno;
        if (limit.rlim_max == RLIM_INFINITY)
                return ERANGE;
        limit.rlim_max++;
        return result_of(setrlimit((int) argument, &limit));
}

static int try_oom_score(long argument)
{
        int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
        char text[16];

        if (fd < 0)
                return errno;
        return result_of(write(fd, text, (size_t) snprintf(text, sizeof(text), "%ld", argument)));
}

static int try_socket(long argument)
{
        return result_of(
                socket((int) (argument >> 16), (int) (argument >> 8 & 0xff), (int) (argument & 0xff)));
}

/* Calls that want a capability before they look at their arguments, all of which are nonsense. */
static int try_syscall(long argument)
{
        return result_of(syscall(argument, -1L, 0L, 0L, 0L, 0L, 0L));
}

static int try_perf(long argument)
{
        uint32_t attributes[32] = {1 /* software */, sizeof(attributes)};

        (void) argument;
        return result_of(syscall(SYS_perf_event_open, attributes, -1, 0, -1, 0));
}

static int try_ioperm(long argument)
{
        (void) argument;
        return result_of(ioperm(0x80, 1, 1));
}

static int try_signal(long argument)
{
        return result_of(kill((pid_t) argument, 0));
}

static int try_file_capability(long argument)
{
        /* Version 2, CAP_NET_RAW permitted. */
        static const uint32_t value[5] = {0x02000000, 1 << 13, 0, 0, 0};
        const char *path = own_path("file");
        int error, fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0700);

        (void) argument;
        if (fd < 0)
                return errno;
        error = result_of(fsetxattr(fd, "security.capability", value, sizeof(value), 0));
        unlink(path);
        return error;
}

static int try_chown(long argument)
{
        const char *path = own_path("owned");
        int error, fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0700);

        if (fd < 0)
                return errno;
        error = result_of(fchown(fd, (uid_t) argument, (gid_t) argument));
        unlink(path);
        return error;
}

static int try_key(long argument)
{
        (void) argument;
        return result_of(syscall(SYS_add_key, "user", "probe", "x", 1, KEY_SPEC_THREAD_KEYRING));
}

static int run_attempt(Attempt attempt, long argument)
{
        int pipes[2], error = 0;
        pid_t child;

        if (pipe2(pipes, O_CLOEXEC) < 0)
                return errno;
        child = fork();
        if (child < 0)
                return errno;
        if (child == 0) {
                error = attempt(argument);
                _exit(write(pipes[1], &error, sizeof(error)) == sizeof(error) ? 0 : 1);
        }
        close(pipes[1]);
        /* A traced child stops at once, with its answer given or not; SIGKILL ends it in either case. */
        if (read(pipes[0], &error, sizeof(error)) != sizeof(error))
                error = -1;
        close(pipes[0]);
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        return error;
}

#define TTY(request, fd)               ((long) (request) << 8 | (fd))
#define SOCKET(family, type, protocol) ((long) (family) << 16 | (long) (type) << 8 | (protocol))

static const struct {
        const char *name;
        Attempt attempt;
        long argument;
} attempts[] = {
        {"mkdir", try_mkdir, 0},
        {"mkdirat", try_mkdir, 1},
        {"node.disk_8_0", try_node, NODE(S_IFBLK, 8, 0)},
        {"node.disk_254_0", try_node, NODE(S_IFBLK, 254, 0)},
        {"node.mem", try_node, NODE(S_IFCHR, 1, 1)},
        {"node.kmsg", try_node, NODE(S_IFCHR, 1, 11)},
        {"node.port", try_node, NODE(S_IFCHR, 1, 4)},
        {"node.null", try_node, NODE(S_IFCHR, 1, 3)},
        {"node.fuse", try_node, NODE(S_IFCHR, 10, 229)},
        {"node.console", try_node, NODE(S_IFCHR, 5, 1)},
        {"node.loop", try_node, NODE(S_IFBLK, 7, 0)},
        {"mknod.fifo", try_mknod_only, NODE(S_IFIFO, 0, 0)},
        {"mknod.whiteout", try_mknod_only, NODE(S_IFCHR, 0, 0)},
        {"open.kmsg", try_open, (long) "/dev/kmsg"},
        {"open.mem", try_open, (long) "/dev/mem"},
        {"open.null", try_open, (long) "/dev/null"},
        {"open.urandom", try_open, (long) "/dev/urandom"},
        {"open.init_environ", try_open, (long) "/proc/1/environ"},
        {"open.init_root", try_open, (long) "/proc/1/root/"},
        {"open.init_mem", try_open, (long) "/proc/1/mem"},
        {"open.shadow", try_open, (long) "/etc/shadow"},
        {"write.sysrq", try_open_write, (long) "/proc/sysrq-trigger"},
        {"write.core_pattern", try_open_write, (long) "/proc/sys/kernel/core_pattern"},
        {"write.cgroup_procs", try_open_write, (long) "/sys/fs/cgroup/cgroup.procs"},
        {"write.etc", try_open_write, (long) "/etc/passwd"},
        {"traceme", try_traceme, 0},
        {"trace_child", try_trace_child, 0},
        {"trace_init", try_trace_init, 0},
        {"setuid.0", try_setuid, 0},
        {"setuid.4242", try_setuid, 4242},
        {"setgid.0", try_setgid, 0},
        {"setgid.4242", try_setgid, 4242},
        {"setgroups.0", try_setgroups, 0},
        {"unshare.user", try_unshare, CLONE_NEWUSER},
        {"unshare.mnt", try_unshare, CLONE_NEWNS},
        {"unshare.net", try_unshare, CLONE_NEWNET},
        {"unshare.pid", try_unshare, CLONE_NEWPID},
        {"unshare.cgroup", try_unshare, CLONE_NEWCGROUP},
        {"unshare.time", try_unshare, 0x80},
        {"mount", try_mount, 0},
        {"chroot", try_chroot, 0},
        {"sethostname", try_sethostname, 0},
        {"tiocsti.0", try_tty_ioctl, TTY(TIOCSTI, 0)},
        {"tiocsti.1", try_tty_ioctl, TTY(TIOCSTI, 1)},
        {"tiocsti.2", try_tty_ioctl, TTY(TIOCSTI, 2)},
        {"tiocsti.tty", try_tty_ioctl, TTY(TIOCSTI, 0xff)},
        {"tioclinux.0", try_tty_ioctl, TTY(TIOCLINUX, 0)},
        {"tioclinux.1", try_tty_ioctl, TTY(TIOCLINUX, 1)},
        {"tioclinux.2", try_tty_ioctl, TTY(TIOCLINUX, 2)},
        {"nice", try_nice, 0},
        {"realtime", try_realtime, 0},
        {"raise.nofile", try_raise_limit, RLIMIT_NOFILE},
        {"raise.core", try_raise_limit, RLIMIT_CORE},
        {"raise.memlock", try_raise_limit, RLIMIT_MEMLOCK},
        {"oom_score.-1", try_oom_score, -1},
        {"oom_score.-1000", try_oom_score, -1000},
        {"socket.packet", try_socket, SOCKET(AF_PACKET, SOCK_RAW, 0)},
        {"socket.raw", try_socket, SOCKET(AF_INET, SOCK_RAW, 1)},
        {"socket.netlink", try_socket, SOCKET(AF_NETLINK, SOCK_RAW, 0)},
        {"socket.alg", try_socket, SOCKET(AF_ALG, SOCK_SEQPACKET, 0)},
        {"socket.vsock", try_socket, SOCKET(AF_VSOCK, SOCK_STREAM, 0)},
        {"syscall.bpf", try_syscall, SYS_bpf},
        {"syscall.reboot", try_syscall, SYS_reboot},
        {"syscall.init_module", try_syscall, SYS_init_module},
        {"syscall.kexec_load", try_syscall, SYS_kexec_load},
        {"syscall.swapoff", try_syscall, SYS_swapoff},
        {"syscall.quotactl", try_syscall, SYS_quotactl},
        {"syscall.open_by_handle", try_syscall, SYS_open_by_handle_at},
        {"syscall.io_uring", try_syscall, SYS_io_uring_setup},
        {"syscall.userfaultfd", try_syscall, SYS_userfaultfd},
        {"syscall.syslog", try_syscall, SYS_syslog},
        {"syscall.kcmp", try_syscall, SYS_kcmp},
        {"syscall.process_vm_readv", try_syscall, SYS_process_vm_readv},
        {"syscall.pivot_root", try_syscall, SYS_pivot_root},
        {"syscall.fsopen", try_syscall, SYS_fsopen},
        {"syscall.setns", try_syscall, SYS_setns},
        {"perf", try_perf, 0},
        {"ioperm", try_ioperm, 0},
        {"signal_init", try_signal, 1},
        {"file_capability", try_file_capability, 0},
        {"chown.0", try_chown, 0},
        {"chown.4242", try_chown, 4242},
        {"add_key", try_key, 0},
};

void report_attempts(void)
{
        for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++) {
                int error = run_attempt(attempts[i].attempt, attempts[i].argument);
                char key[64];

                snprintf(key, sizeof(key), "try.%s", attempts[i].name);
                if (error < 0)
                        emit(key, "killed");
                else if (error >= 1000)
                        emit(key, "open: %s", errno_name(error - 1000));
                else
                        emit(key, "%s", error == 0 ? "ok" : errno_name(error));
        }
}
