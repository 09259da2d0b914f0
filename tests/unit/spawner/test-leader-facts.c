/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A leader is compared with what it was when its container was found, and one that has left its user
 * namespace is recognized without that. */

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "spawner/leader-facts.h"
#include "unit/need.h"

static LeaderFacts make_facts(void)
{
        LeaderFacts f = {
                .namespaces = {.device = 4},
                .status = {.seccomp_mode = 2, .seccomp_filters = 3, .no_new_privs = true},
                .uid_map = (char *) "0 100000 65536\n",
                .gid_map = (char *) "0 100000 65536\n",
                .label = (char *) "system_u:system_r:container_t:s0:c1,c2",
                .apparmor = (char *) "docker-default",
        };

        for (NamespaceType t = 0; t < _NS_MAX; t++)
                f.namespaces.inode[t] = 100 + (uint64_t) t;
        return f;
}

static void need_refusal(const LeaderFacts *found, const LeaderFacts *now, const char *what)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;

        NEED_ROW(what, leader_facts_compare(found, now, &refusal) < 0);
        NEED_ROW(what, refusal.message && strstr(refusal.message, what));
}

static void test_compare(void)
{
        const LeaderFacts found = make_facts();
        LeaderFacts now;

        now = make_facts();
        NEED(leader_facts_compare(&found, &now, NULL) == 0);
        /* More confinement is not its concern. */
        now.status.seccomp_filters = 4;
        now.status.cap_bounding = 0;
        NEED(leader_facts_compare(&found, &now, NULL) == 0);

        for (NamespaceType t = 0; t < _NS_MAX; t++) {
                char what[64];

                now = make_facts();
                now.namespaces.inode[t] = 1;
                snprintf(what, sizeof(what), "left its %s namespace", namespace_title(t));
                need_refusal(&found, &now, what);
                /* Of several, the user namespace is named. */
                now.namespaces.inode[NS_USER] = 1;
                need_refusal(&found, &now, "left its user namespace");
        }

        now = make_facts();
        now.label = (char *) "system_u:system_r:container_t:s0:c1,c3";
        need_refusal(&found, &now, "security label");
        now.label = NULL;
        need_refusal(&found, &now, "security label");
        now = make_facts();
        now.apparmor = NULL;
        need_refusal(&found, &now, "security label");
        now = make_facts();
        now.uid_map = (char *) "0 0 65536\n";
        need_refusal(&found, &now, "ID mappings");
        now = make_facts();
        now.gid_map = (char *) "";
        need_refusal(&found, &now, "ID mappings");
        now = make_facts();
        now.status.no_new_privs = false;
        need_refusal(&found, &now, "no_new_privs");
        now = make_facts();
        now.status.seccomp_filters = 2;
        need_refusal(&found, &now, "seccomp filters");
        now.status.seccomp_mode = 0;
        need_refusal(&found, &now, "seccomp filters");
}

static int open_proc(pid_t pid)
{
        char path[32];
        int fd;

        snprintf(path, sizeof(path), "/proc/%d", pid);
        fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        NEED(fd >= 0);
        return fd;
}

/* 0 where the kernel does not let us make one. */
static pid_t fork_in_user_namespace(void)
{
        int ready[2];
        char byte;
        pid_t pid;

        NEED(pipe(ready) == 0);
        pid = fork();
        NEED(pid >= 0);
        if (pid == 0) {
                if (unshare(CLONE_NEWUSER) < 0 || write(ready[1], "x", 1) != 1)
                        _exit(1);
                for (;;)
                        pause();
        }
        close(ready[1]);
        if (read(ready[0], &byte, 1) != 1) {
                NEED(waitpid(pid, NULL, 0) == pid);
                pid = 0;
        }
        close(ready[0]);
        return pid;
}

static void test_origin(void)
{
        _cleanup_(leader_facts_done) LeaderFacts mine = {0}, theirs = {0};
        _cleanup_namespace_fds_ NamespaceFds fds = NAMESPACE_FDS_INIT, their_fds = NAMESPACE_FDS_INIT;
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        _cleanup_close_ int self = open_proc(getpid()), other = -EBADF;
        pid_t pid;

        NEED(leader_facts_read(self, &mine, &fds, &refusal) == 0);
        /* A test may itself run where the owner of its PID namespace cannot be seen. */
        if (leader_facts_check_origin(&mine, &fds, NULL) < 0)
                return;
        pid = fork_in_user_namespace();
        if (pid == 0)
                return;
        other = open_proc(pid);
        NEED(leader_facts_read(other, &theirs, &their_fds, &refusal) == 0);
        need_refusal(&mine, &theirs, "left its user namespace");
        NEED(leader_facts_check_origin(&theirs, &their_fds, &refusal) == -EPERM);
        NEED(strstr(refusal.message, "left its user namespace"));

        /* It lies within ours, and ours not within it. */
        NEED(user_namespace_is_within(their_fds.fds[NS_USER], mine.namespaces.inode[NS_USER]) == 1);
        NEED(user_namespace_is_within(fds.fds[NS_USER], theirs.namespaces.inode[NS_USER]) == 0);
        NEED(kill(pid, SIGKILL) == 0 && waitpid(pid, NULL, 0) == pid);
}

static int read_again(int proc_fd, const Namespaces *namespaces)
{
        _cleanup_(leader_facts_done) LeaderFacts f = {0};
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        int r = leader_facts_read_again(proc_fd, namespaces, &f, &refusal);

        NEED(r <= 0 || (f.status.uid == getuid() && !f.uid_map));
        return r;
}

/* A process that has left one of its namespaces is not taken for one that is in all of them. */
static void test_again(void)
{
        _cleanup_(leader_facts_done) LeaderFacts mine = {0}, copy = {0};
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        _cleanup_close_ int self = open_proc(getpid()), other = -EBADF;
        pid_t pid;

        NEED(leader_facts_read(self, &mine, NULL, &refusal) == 0);
        NEED(read_again(self, &mine.namespaces) == 1);
        for (NamespaceType t = 0; t < _NS_MAX; t++) {
                Namespaces others = mine.namespaces;

                others.inode[t] ^= 1;
                NEED(read_again(self, &others) == 0);
        }
        NEED(leader_facts_are_mapped(&mine));
        NEED(leader_facts_copy_mappings(&mine, &copy) == 0);
        NEED(strcmp(copy.uid_map, mine.uid_map) == 0 && strcmp(copy.gid_map, mine.gid_map) == 0);

        pid = fork_in_user_namespace();
        if (pid == 0)
                return;
        other = open_proc(pid);
        NEED(read_again(other, &mine.namespaces) == 0);
        leader_facts_done(&copy);
        NEED(leader_facts_read(other, &copy, NULL, &refusal) == 0);
        /* Another process may write its mappings later. */
        NEED(!leader_facts_are_mapped(&copy));
        NEED(kill(pid, SIGKILL) == 0 && waitpid(pid, NULL, 0) == pid);
}

int main(void)
{
        test_compare();
        test_again();
        test_origin();
        return 0;
}
