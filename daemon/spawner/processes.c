/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "spawner/processes.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/strv.h"
#include "base/time.h"
#include "spawner/cgroup.h"
#include "spawner/proc-parse.h"
#include "wire/spawner-protocol.h"

#define TEXT_MAX      (64 * 1024)
#define PROCESSES_MAX 4096
#define COMMAND_MAX   1024

static uint64_t ticks_to_usec(uint64_t ticks)
{
        uint64_t hz = (uint64_t) sysconf(_SC_CLK_TCK);

        return ticks / hz * USEC_PER_SEC + ticks % hz * USEC_PER_SEC / hz;
}

static bool is_in(int proc_fd, const Container *c)
{
        struct stat st;

        return fstatat(proc_fd, "ns/pid", &st, 0) >= 0 &&
               st.st_ino == c->leader->found.namespaces.inode[NS_PID];
}

/* The command line as one text, for people; what is not valid in a message is shown as '?'. */
static void read_command(int proc_fd, char ret[static COMMAND_MAX])
{
        _cleanup_close_ int fd = openat(proc_fd, "cmdline", O_RDONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? -1 : read(fd, ret, COMMAND_MAX - 1);

        if (n <= 0) {
                ret[0] = 0;
                return;
        }
        while (n > 0 && ret[n - 1] == 0)
                n--;
        for (ssize_t i = 0; i < n; i++)
                if (ret[i] == 0)
                        ret[i] = ' ';
                else if ((unsigned char) ret[i] < ' ' || (unsigned char) ret[i] >= 0x7f)
                        ret[i] = '?';
        ret[n] = 0;
}

static int append_one(int proc_fd, pid_t pid, uint64_t boot_usec, sd_bus_message *m)
{
        _cleanup_free_ char *stat_text = NULL, *status_text = NULL;
        char command[COMMAND_MAX];
        ProcStatus status;
        ProcStat stat;

        if (file_read_at(proc_fd, "stat", TEXT_MAX, &stat_text, NULL) < 0 ||
            file_read_at(proc_fd, "status", TEXT_MAX, &status_text, NULL) < 0 ||
            proc_stat_parse(stat_text, &stat) < 0 || proc_status_parse(status_text, &status) < 0)
                return 0; /* it has ended */
        read_command(proc_fd, command);
        for (char *p = stat.comm; *p; p++)
                if ((unsigned char) *p >= 0x7f)
                        *p = '?';
        return sd_bus_message_append(m, PROCESS_SIGNATURE, (uint32_t) pid, (uint32_t) stat.ppid, status.uid,
                                     ticks_to_usec(stat.utime + stat.stime),
                                     boot_usec + ticks_to_usec(stat.start_time), stat.tty,
                                     command[0] ? command : stat.comm, stat.comm, stat.vsize,
                                     stat.rss * (uint64_t) sysconf(_SC_PAGESIZE), stat.priority, stat.nice,
                                     stat.threads, (uint32_t) stat.pgrp, (uint32_t) stat.session,
                                     (uint32_t) stat.tty_pgrp, (uint8_t) stat.state, status.gid);
}

typedef struct Listing {
        sd_bus_message *message;
        uint64_t boot_usec;
        unsigned n;
} Listing;

static int append_member(pid_t pid, void *userdata)
{
        _cleanup_close_ int fd = -EBADF;
        Listing *l = userdata;
        char path[32];

        snprintf(path, sizeof(path), "/proc/%d", pid);
        fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0 || l->n++ >= PROCESSES_MAX)
                return 0;
        return append_one(fd, pid, l->boot_usec, l->message);
}

/* A service may be in the PID namespace of the host: its processes are those of its control group. */
static int append_service(const Container *c, uint64_t boot_usec, sd_bus_message *m)
{
        Listing l = {.message = m, .boot_usec = boot_usec};
        int r = cgroup_foreach_process(c->leader->unit_cgroup, append_member, &l);

        return r == -ENOENT ? 0 : r;
}

static int append_namespace(const Container *c, uint64_t boot_usec, sd_bus_message *m)
{
        unsigned n = 0;
        int r = 0;
        DIR *d;

        d = opendir("/proc");
        if (!d)
                return -errno;
        for (struct dirent *e = readdir(d); e && r >= 0 && n < PROCESSES_MAX; e = readdir(d)) {
                _cleanup_close_ int fd = -EBADF;
                int pid = atoi(e->d_name);

                if (pid <= 0)
                        continue;
                fd = openat(dirfd(d), e->d_name, O_PATH | O_DIRECTORY | O_CLOEXEC);
                if (fd < 0 || !is_in(fd, c))
                        continue;
                r = append_one(fd, pid, boot_usec, m);
                n++;
        }
        closedir(d);
        return r;
}

int processes_append(const Container *c, sd_bus_message *m)
{
        uint64_t boot_usec = now_usec(CLOCK_REALTIME) - now_usec(CLOCK_BOOTTIME);
        int r;

        r = sd_bus_message_open_container(m, 'a', PROCESS_SIGNATURE);
        if (r >= 0)
                r = container_is_service(c) ? append_service(c, boot_usec, m)
                                            : append_namespace(c, boot_usec, m);
        return r < 0 ? r : sd_bus_message_close_container(m);
}
