/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The payload of a machine, as a container's own init would run it. A request is a file
 * DIRECTORY/NAME.request with one word per line: uid, gid, supplementary groups separated by commas, "tty"
 * or "pipes", working directory, then argv; its output comes in NAME.out, and NAME.done holds the exit
 * status when all is written. With "-" as uid, the command is as the payload is: same ids, umask, directory.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "probe.h"

#define WORDS_MAX 64

typedef struct Request {
        uid_t uid;
        gid_t gid, groups[64];
        size_t n_groups;
        int tty, same;
        char *directory, *argv[WORDS_MAX + 1];
        char text[16384];
} Request;

static int parse(Request *r, const char *path)
{
        char *words[WORDS_MAX] = {0}, *save = NULL;
        size_t n = 0;

        if (read_whole(path, r->text, sizeof(r->text)) <= 0)
                return -1;
        for (char *word = strtok_r(r->text, "\n", &save); word && n < WORDS_MAX;
             word = strtok_r(NULL, "\n", &save))
                words[n++] = word;
        if (n < 6)
                return -1;
        r->same = strcmp(words[0], "-") == 0;
        r->uid = (uid_t) strtoul(words[0], NULL, 10);
        r->gid = (gid_t) strtoul(words[1], NULL, 10);
        save = NULL;
        for (char *group = strtok_r(words[2], ",", &save); group && r->n_groups < 64;
             group = strtok_r(NULL, ",", &save))
                r->groups[r->n_groups++] = (gid_t) strtoul(group, NULL, 10);
        r->tty = strcmp(words[3], "tty") == 0;
        r->directory = words[4];
        for (size_t i = 5; i < n; i++)
                r->argv[i - 5] = words[i];
        return 0;
}

/* The streams are made as execd makes them, so that they can be compared: null device and pipes, or one pty
 * that belongs to the user and the group tty. */
static void make_streams(const Request *r, int *ret_reader, int child_fds[3])
{
        int out[2];

        if (!r->tty) {
                if (pipe2(out, O_CLOEXEC) < 0)
                        _exit(4);
                child_fds[0] = open("/dev/null", O_RDWR | O_CLOEXEC);
                child_fds[1] = out[1];
                child_fds[2] = out[1];
                *ret_reader = out[0];
                return;
        }
        *ret_reader = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
        if (*ret_reader < 0 || ioctl(*ret_reader, TIOCSPTLCK, &(int){0}) < 0)
                _exit(4);
        child_fds[0] = ioctl(*ret_reader, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
        if (child_fds[0] < 0 || fchown(child_fds[0], r->uid, 5) < 0 || fchmod(child_fds[0], 0620) < 0)
                _exit(4);
        child_fds[1] = child_fds[2] = child_fds[0];
}

static void become_command(const Request *r, const int fds[3])
{
        static char *const environment[] = {
                (char *) "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", NULL};
        sigset_t none;

        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        signal(SIGPIPE, SIG_DFL);
        setsid();
        for (int i = 0; i < 3; i++)
                if (dup3(fds[i], 100 + i, 0) < 0)
                        _exit(4);
        for (int i = 0; i < 3; i++)
                if (dup2(100 + i, i) < 0)
                        _exit(4);
        syscall(SYS_close_range, 3, ~0U, 0);
        if (r->tty && ioctl(0, TIOCSCTTY, 0) < 0)
                _exit(4);
        if (!r->same)
                umask(0022);
        if (!r->same && chdir(r->directory) < 0)
                _exit(4);
        if (!r->same && (setgroups(r->n_groups, r->groups) < 0 || setresgid(r->gid, r->gid, r->gid) < 0 ||
                         setresuid(r->uid, r->uid, r->uid) < 0))
                _exit(4);
        execve(r->argv[0], r->argv, environment);
        _exit(127);
}

static void write_file(const char *path, const char *bytes, size_t size)
{
        char temporary[4200];
        int fd;

        snprintf(temporary, sizeof(temporary), "%s.new", path);
        fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
        if (fd < 0 || write(fd, bytes, size) != (ssize_t) size)
                _exit(5);
        close(fd);
        rename(temporary, path);
}

static void answer(const char *path)
{
        static char output[1 << 20];
        Request r = {0};
        char name[4096], status_text[32];
        size_t have = 0;
        int reader, fds[3], status = 0;
        pid_t child;

        if (parse(&r, path) < 0)
                return;
        make_streams(&r, &reader, fds);
        child = fork();
        if (child == 0)
                become_command(&r, fds);
        for (int i = 0; i < 3; i++)
                close(fds[i]);
        /* Of a pty whose other end is gone, a read fails with EIO: that is the end. */
        while (have < sizeof(output)) {
                ssize_t n = read(reader, output + have, sizeof(output) - have);

                if (n <= 0)
                        break;
                have += (size_t) n;
        }
        close(reader);
        waitpid(child, &status, 0);
        snprintf(name, sizeof(name), "%.*s.out", (int) (strlen(path) - strlen(".request")), path);
        write_file(name, output, have);
        snprintf(name, sizeof(name), "%.*s.done", (int) (strlen(path) - strlen(".request")), path);
        write_file(name, status_text, (size_t) snprintf(status_text, sizeof(status_text), "%d\n", status));
}

static volatile sig_atomic_t ended;

static void on_term(int signal_number)
{
        (void) signal_number;
        ended = 1;
}

int serve(const char *directory)
{
        struct sigaction action = {.sa_handler = on_term};

        sigaction(SIGTERM, &action, NULL);
        while (!ended) {
                struct dirent *entry;
                DIR *dir = opendir(directory);

                while (dir && (entry = readdir(dir))) {
                        const char *dot = strrchr(entry->d_name, '.');
                        char path[4096];

                        if (!dot || strcmp(dot, ".request") != 0)
                                continue;
                        snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);
                        answer(path);
                        unlink(path);
                }
                if (dir)
                        closedir(dir);
                while (waitpid(-1, NULL, WNOHANG) > 0)
                        ;
                usleep(20000); /* until it looks again */
        }
        return 0;
}
