/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Waits for programs in this pid namespace that are not of this container, keeps hold of their files by
 * /proc/PID/exe, and tries to open those for writing as soon as nothing executes them any longer. One that can
 * be written gets a byte changed that no loader looks at: the host's copy is then not what it was.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hostile.h"

#define HELD_MAX 64
#define TRIES    20000
#define PADDING  9 /* EI_PAD */

typedef struct Held {
        int fd;
        int tries;
        dev_t device;
        ino_t inode;
} Held;

static Held held[HELD_MAX];

/* A file that this container has a name for is its own. */
static int is_own(const char *link, const struct stat *st)
{
        struct stat here;
        char path[4096];
        ssize_t n = readlink(link, path, sizeof(path) - 1);

        if (n < 0)
                return 1;
        path[n] = 0;
        return stat(path, &here) == 0 && here.st_dev == st->st_dev && here.st_ino == st->st_ino;
}

static void hold(FILE *report, const char *pid)
{
        char link[300], target[512] = "";
        struct stat st;
        int fd;

        snprintf(link, sizeof(link), "/proc/%s/exe", pid);
        fd = open(link, O_PATH | O_CLOEXEC);
        if (fd < 0)
                return;
        if (fstat(fd, &st) < 0 || is_own(link, &st)) {
                close(fd);
                return;
        }
        if (readlink(link, target, sizeof(target) - 1) < 0)
                target[0] = 0;
        for (int i = 0; i < HELD_MAX; i++) {
                if (held[i].fd >= 0 && held[i].device == st.st_dev && held[i].inode == st.st_ino) {
                        close(fd);
                        return;
                }
        }
        for (int i = 0; i < HELD_MAX; i++) {
                if (held[i].fd >= 0)
                        continue;
                held[i] = (Held){.fd = fd, .device = st.st_dev, .inode = st.st_ino};
                fprintf(report, "held %s pid %s mode %o\n", target, pid, st.st_mode & 07777);
                return;
        }
        close(fd);
}

static void try_write(FILE *report, Held *h)
{
        char path[64];
        int fd;

        snprintf(path, sizeof(path), "/proc/self/fd/%d", h->fd);
        fd = open(path, O_WRONLY | O_CLOEXEC);
        if (fd >= 0) {
                fprintf(report, "WRITABLE written %zd\n", pwrite(fd, "!", 1, PADDING));
                close(fd);
        } else if (errno == ETXTBSY && h->tries++ < TRIES) {
                return;
        } else {
                fprintf(report, "refused %s\n", strerrorname_np(errno));
        }
        close(h->fd);
        h->fd = -1;
}

int exe_writer(const char *report_path)
{
        FILE *report = report_open(report_path);
        pid_t watcher = fork();

        if (watcher != 0)
                return wait_for_end();
        for (int i = 0; i < HELD_MAX; i++)
                held[i].fd = -1;
        fprintf(report, "ready\n");
        for (;;) {
                struct dirent *entry;
                DIR *dir = opendir("/proc");

                while (dir && (entry = readdir(dir)))
                        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9')
                                hold(report, entry->d_name);
                if (dir)
                        closedir(dir);
                for (int i = 0; i < HELD_MAX; i++)
                        if (held[i].fd >= 0)
                                try_write(report, &held[i]);
        }
}
