/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "spawner/process-table.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/process-state.h"
#include "spawner/cgroup.h"

#define TEXT_MAX (64 * 1024)

typedef struct Listing {
        ProcessTable *table;
        const Skipped *skipped;
        int fds[PROCESSES_MAX]; /* owned: /proc/PID */
} Listing;

/* The command line as one text, for people; bytes that are invalid in a message are shown as '?'. */
static void read_command(int proc_fd, char ret[static COMMAND_MAX])
{
        _cleanup_close_ int fd = openat(proc_fd, "cmdline", O_RDONLY | O_CLOEXEC);
        char text[COMMAND_MAX];
        ssize_t n = fd < 0 ? -1 : read(fd, text, COMMAND_MAX - 1);

        while (n > 0 && text[n - 1] == 0)
                n--;
        for (ssize_t i = 0; i < n; i++)
                if (text[i] == 0)
                        ret[i] = ' ';
                else
                        ret[i] = (unsigned char) text[i] < ' ' || (unsigned char) text[i] >= 0x7f ? '?'
                                                                                                  : text[i];
}

static bool is_skipped(const Listing *l, pid_t pid)
{
        for (size_t i = 0; i < l->skipped->n; i++)
                if (l->skipped->pids[i] == pid)
                        return true;
        return false;
}

/* All but the command line. Only of a process that may be the container's more is read than its status: the
 * kernel has one that is in execve(2) finish that first, which may take as long as a container likes. Takes the
 * directory. */
static int add(Listing *l, const Container *c, pid_t pid, int proc_fd)
{
        _cleanup_free_ char *stat_text = NULL, *status_text = NULL;
        _cleanup_close_ int fd = proc_fd;
        ProcStatus status;
        struct stat st;
        Process *p = &l->table->processes[l->table->n];

        if (l->table->n >= PROCESSES_MAX || is_skipped(l, pid))
                return 0;
        /* Each process is progress, also one of another container: a host may have many. */
        reader_advance(&l->table->memory);
        if (file_read_at(fd, "status", PROCESS_STATUS_MAX, &status_text, NULL) < 0 ||
            proc_status_parse(status_text, &status) < 0)
                return 0; /* it has ended */
        /* A process of the host; no container has the host's PID namespace. */
        if (c && status.n_pid_namespaces < 2)
                return 0;
        l->table->current = pid;
        if ((c && (fstatat(fd, "ns/pid", &st, 0) < 0 ||
                   st.st_ino != c->leader->found.namespaces.inode[NS_PID])) ||
            file_read_at(fd, "stat", TEXT_MAX, &stat_text, NULL) < 0 ||
            proc_stat_parse(stat_text, &p->stat) < 0)
                return 0;
        for (char *s = p->stat.comm; *s; s++)
                if ((unsigned char) *s >= 0x7f)
                        *s = '?';
        p->pid = pid;
        p->uid = status.uid;
        p->gid = status.gid;
        l->fds[l->table->n++] = TAKE_FD(fd);
        reader_advance(&l->table->memory);
        return 0;
}

static int add_member(pid_t pid, void *userdata)
{
        int fd = proc_open(pid);

        return fd < 0 ? 0 : add(userdata, NULL, pid, fd);
}

static int list_namespace(Listing *l, const Container *c)
{
        DIR *d = opendir("/proc");
        int r = 0;

        if (!d)
                return -errno;
        for (struct dirent *e = readdir(d); e && r >= 0 && l->table->n < PROCESSES_MAX; e = readdir(d)) {
                int pid = atoi(e->d_name), fd;

                if (pid <= 0)
                        continue;
                fd = openat(dirfd(d), e->d_name, O_PATH | O_DIRECTORY | O_CLOEXEC);
                if (fd >= 0)
                        r = add(l, c, pid, fd);
        }
        closedir(d);
        return r;
}

int process_table_read(ProcessTable *t, const Container *c, const Skipped *skipped, bool with_commands)
{
        static Listing l;
        int r;

        l.table = t;
        l.skipped = skipped;
        /* A service may be in the PID namespace of the host: its processes are the members of its control group. */
        r = container_is_service(c) ? cgroup_foreach_process(c->leader->unit_cgroup, add_member, &l)
                                    : list_namespace(&l, c);
        if (r < 0 && !(container_is_service(c) && r == -ENOENT))
                return r;
        t->is_complete = true;
        reader_advance(&t->memory);
        for (uint32_t i = 0; with_commands && i < t->n; i++) {
                read_command(l.fds[i], t->processes[i].command);
                reader_advance(&t->memory);
        }
        return 0;
}
