/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The command goes on only when the joiner has closed its copy of the channel. The channel is full at
 * first, so that the joiner cannot get past telling it, and holds its copy for as long as the test wants.
 */

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runner/runner.h"
#include "unit/need.h"

static pid_t joiner_pid, command;

/* A reader that waits for our output would wait for theirs. */
static void end_children(void)
{
        if (joiner_pid > 0)
                kill(joiner_pid, SIGKILL);
        if (command > 0)
                kill(command, SIGKILL);
}

static void joiner(int went_on) __attribute__((noreturn));
static void joiner(int went_on)
{
        int pid = fork_command();

        if (pid == 0) {
                /* As the kernel does in execve(2). */
                close(CHANNEL_FD);
                NEED(write(went_on, "x", 1) == 1);
                for (;;)
                        pause();
        }
        _exit(pid < 0);
}

/* The state of a child of ours, and 0 when it is none. */
static char state_of(pid_t pid)
{
        char path[64], state = 0;
        int ppid = 0;
        FILE *f;

        snprintf(path, sizeof(path), "/proc/%d/stat", pid);
        f = fopen(path, "re");
        if (!f)
                return 0;
        if (fscanf(f, "%*d (%*[^)]) %c %d", &state, &ppid) != 2 || ppid != getpid())
                state = 0;
        fclose(f);
        return state;
}

static pid_t find_other_child(pid_t known)
{
        DIR *d = opendir("/proc");
        pid_t found = 0;

        NEED(d);
        for (struct dirent *e = readdir(d); e && found == 0; e = readdir(d)) {
                pid_t pid = atoi(e->d_name);

                if (pid > 0 && pid != known && state_of(pid) != 0)
                        found = pid;
        }
        closedir(d);
        return found;
}

static bool is_readable(int fd)
{
        struct pollfd p = {.fd = fd, .events = POLLIN};

        return poll(&p, 1, 0) > 0 && (p.revents & POLLIN);
}

static void fill(int fd)
{
        static const char zeros[4096];
        int flags = fcntl(fd, F_GETFL);

        NEED(fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0);
        while (write(fd, zeros, sizeof(zeros)) > 0)
                ;
        NEED(fcntl(fd, F_SETFL, flags) == 0);
}

/* Until the channel has ended. */
static void drain(int fd)
{
        char data[4096];

        while (read(fd, data, sizeof(data)) > 0)
                ;
}

int main(void)
{
        int channel[2], went_on[2];
        char byte;

        NEED(fcntl(CHANNEL_FD, F_GETFD) < 0 || close(CHANNEL_FD) == 0);
        NEED(pipe2(channel, O_CLOEXEC) == 0 && pipe2(went_on, O_CLOEXEC) == 0);
        if (channel[0] == CHANNEL_FD)
                NEED((channel[0] = fcntl(CHANNEL_FD, F_DUPFD_CLOEXEC, 20)) >= 0);
        NEED(channel[1] == CHANNEL_FD || dup3(channel[1], CHANNEL_FD, O_CLOEXEC) == CHANNEL_FD);
        if (channel[1] != CHANNEL_FD)
                NEED(close(channel[1]) == 0);
        fill(CHANNEL_FD);

        joiner_pid = fork();
        NEED(joiner_pid >= 0);
        if (joiner_pid == 0)
                joiner(went_on[1]);
        NEED(atexit(end_children) == 0 && close(CHANNEL_FD) == 0);

        /* Both wait: the joiner before the full channel, the command at the gate. */
        while (command == 0 || state_of(command) != 'S' || state_of(joiner_pid) != 'S')
                command = find_other_child(joiner_pid);
        NEED(!is_readable(went_on[0]));

        drain(channel[0]);
        NEED(read(went_on[0], &byte, 1) == 1);
        NEED(kill(command, SIGKILL) == 0 && waitpid(command, NULL, 0) == command);
        NEED(waitpid(joiner_pid, NULL, 0) == joiner_pid);
        joiner_pid = command = 0;
        return 0;
}
