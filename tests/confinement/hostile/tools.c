/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/bpf.h>
#include <linux/keyctl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "hostile.h"

#define FDS_MAX    253   /* in one message */
#define GROUPS_MAX 65536 /* of a process */

/* Sends a file's bytes to a socket and prints what comes back. */
int http_client(const char *socket_path, const char *request_path)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        char buffer[65536];
        int fd = socket(AF_UNIX, SOCK_STREAM, 0), file = open(request_path, O_RDONLY);
        ssize_t n;

        snprintf(address.sun_path, sizeof(address.sun_path), "%s", socket_path);
        if (connect(fd, (struct sockaddr *) &address, sizeof(address)) < 0) {
                printf("connect: %s\n", strerrorname_np(errno));
                return 0;
        }
        n = read(file, buffer, sizeof(buffer));
        if (n < 0 || write(fd, buffer, (size_t) n) != n)
                return 3;
        while ((n = read(fd, buffer, sizeof(buffer))) > 0)
                fwrite(buffer, 1, (size_t) n, stdout);
        return 0;
}

/* Becomes a program whose session keyring holds a key. */
int key_holder(const char *description, char **argv)
{
        if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, "execd-test-session") < 0 ||
            syscall(SYS_add_key, "user", description, "secret", 6, KEY_SPEC_SESSION_KEYRING) < 0 ||
            syscall(SYS_add_key, "user", description, "secret", 6, KEY_SPEC_THREAD_KEYRING) < 0) {
                perror("keyctl");
                return 3;
        }
        execv(argv[0], argv);
        perror(argv[0]);
        return 3;
}

/* Makes as many keys as the user may have on this host, says why there are no more, and takes those as well that the
 * kernel collects later. */
int all_keys(uid_t uid)
{
        bool said = false;
        char name[32];

        if (setuid(uid) < 0)
                return 3;
        for (unsigned i = 0;; i++) {
                snprintf(name, sizeof(name), "%u", i);
                if (syscall(SYS_add_key, "user", name, "x", 1, KEY_SPEC_PROCESS_KEYRING) >= 0)
                        continue;
                if (!said)
                        puts(strerrorname_np(errno));
                fflush(stdout);
                said = true;
                usleep(1000); /* until it tries again */
        }
}

/* -1: the socket takes no more. */
static int send_fds(int socket_fd, int fd)
{
        char byte = 'x', control[CMSG_SPACE(FDS_MAX * sizeof(int))] = "";
        struct iovec iov = {&byte, 1};
        struct msghdr message = {
                .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
        struct cmsghdr *c = CMSG_FIRSTHDR(&message);

        *c = (struct cmsghdr){.cmsg_len = CMSG_LEN(FDS_MAX * sizeof(int)),
                              .cmsg_level = SOL_SOCKET,
                              .cmsg_type = SCM_RIGHTS};
        for (size_t i = 0; i < FDS_MAX; i++)
                memcpy(CMSG_DATA(c) + i * sizeof(int), &fd, sizeof(int));
        return sendmsg(socket_fd, &message, MSG_DONTWAIT) < 0 ? -1 : 0;
}

/* Has more than so many fds of the user in unread messages, if its own limit lets it. */
int in_flight(uid_t uid, rlim_t count)
{
        struct rlimit limit = {count, count};
        int pair[2], null = open("/dev/null", O_RDONLY | O_CLOEXEC);

        if (setrlimit(RLIMIT_NOFILE, &limit) < 0 || setuid(uid) < 0)
                return 3;
        for (rlim_t n = 0; n <= count && errno != ETOOMANYREFS;) {
                if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
                        return 3;
                while (n <= count && send_fds(pair[0], null) == 0)
                        n += FDS_MAX;
        }
        puts("full");
        fflush(stdout);
        return wait_for_end();
}

/* Prints the number of device programs in effect for a cgroup. */
int device_programs(const char *cgroup)
{
        unsigned ids[128] = {0};
        union bpf_attr attributes = {0};
        int fd = open(cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (fd < 0) {
                perror(cgroup);
                return 3;
        }
        attributes.query.target_fd = (unsigned) fd;
        attributes.query.attach_type = BPF_CGROUP_DEVICE;
        attributes.query.query_flags = BPF_F_QUERY_EFFECTIVE;
        attributes.query.prog_ids = (unsigned long long) (unsigned long) ids;
        attributes.query.prog_cnt = 128;
        if (syscall(SYS_bpf, BPF_PROG_QUERY, &attributes, sizeof(attributes)) < 0) {
                perror("BPF_PROG_QUERY");
                return 3;
        }
        printf("%u", attributes.query.prog_cnt);
        for (unsigned i = 0; i < attributes.query.prog_cnt; i++)
                printf(" %u", ids[i]);
        putchar('\n');
        return 0;
}

/* Mounts a FUSE file system whose only file or directory, the root itself, is opened but never answered for: whoever
 * opens `target` waits until it is killed. */
int fuse_hang(const char *target)
{
        int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
        char options[128];
        struct stat st;

        if (fd < 0 || stat(target, &st) < 0) {
                perror("/dev/fuse");
                return 3;
        }
        snprintf(options, sizeof(options), "fd=%d,rootmode=%o,user_id=0,group_id=0,allow_other", fd,
                 (st.st_mode & S_IFMT) | 0755);
        if (mount("hang", target, "fuse", MS_NOSUID | MS_NODEV, options) < 0) {
                perror("mount");
                return 3;
        }
        return wait_for_end();
}

/* Makes the list of groups, and with it what the kernel says of the process, as long as it can be. */
int many_groups(void)
{
        static gid_t groups[GROUPS_MAX];

        for (unsigned i = 0; i < GROUPS_MAX; i++)
                groups[i] = 4000000000U + i;
        if (setgroups(GROUPS_MAX, groups) < 0) {
                perror("setgroups");
                return 3;
        }
        return wait_for_end();
}
