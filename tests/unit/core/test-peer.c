/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* core/peer: who is at the other end, and what of that a record keeps. */

#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "core/peer.h"
#include "core/user-name.h"
#include "unit/need.h"
#include "unit/test.h"

static void test_self(void)
{
        _cleanup_(peer_unrefp) Peer *p = NULL, *copy = NULL;
        int ends[2];

        NEED(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
        NEED(peer_new_from_socket(ends[0], &p) >= 0);
        CHECK(p->uid == getuid() && p->gid == getgid() && p->pid == getpid());
        CHECK(p->pidfd < 0 || pidfd_is_alive(p->pidfd) == 1);
        copy = peer_remember(p);
        NEED(copy);
        CHECK(copy->uid == p->uid && copy->pid == p->pid && copy->pidfd < 0 && copy->n_ref == 1);
        CHECK(copy->loginuid == p->loginuid);
        fd_close(ends[0]);
        fd_close(ends[1]);
}

/* A process that has connected and exited is not the one that has its pid now. */
static void test_gone(void)
{
        _cleanup_(peer_unrefp) Peer *p = NULL;
        char comm[PEER_COMM_SIZE];
        int ends[2], listener;
        pid_t pid;

        listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        NEED(listener >= 0);
        {
                struct sockaddr address = {.sa_family = AF_UNIX};
                struct sockaddr_storage bound;
                socklen_t size = sizeof(bound);

                NEED(bind(listener, &address, sizeof(sa_family_t)) == 0 && listen(listener, 1) == 0);
                NEED(getsockname(listener, (struct sockaddr *) &bound, &size) == 0);
                pid = fork();
                NEED(pid >= 0);
                if (pid == 0) {
                        ends[0] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
                        _exit(connect(ends[0], (struct sockaddr *) &bound, size) == 0 ? 0 : 1);
                }
        }
        ends[1] = accept(listener, NULL, NULL);
        NEED(ends[1] >= 0 && waitpid(pid, NULL, 0) == pid);
        NEED(peer_new_from_socket(ends[1], &p) >= 0);
        CHECK(p->pid == pid && p->foreign && p->loginuid == UINT32_MAX && !p->unit);
        CHECK(p->pidfd < 0 || pidfd_is_alive(p->pidfd) != 1);
        CHECK(peer_comm(p, comm) < 0);
        fd_close(ends[1]);
        fd_close(listener);
}

/* Callers in containers have one share together, and not root's. */
static void test_share(void)
{
        Peer host = {.uid = 0}, inside = {.uid = 0, .foreign = "it is in a container"}, user = {.uid = 1000};

        CHECK(peer_share(&host) == 0 && peer_share(&user) == 1000);
        CHECK(peer_share(&inside) == (uid_t) -1);
}

static void test_from_bus(void)
{
        _cleanup_(peer_unrefp) Peer *p = peer_new_from_bus(":1.7"), *copy = NULL;

        NEED(p);
        /* No user, before the bus has identified the caller. */
        CHECK(p->uid == (uid_t) -1 && p->pidfd < 0 && p->loginuid == UINT32_MAX);
        copy = peer_remember(p);
        NEED(copy);
        CHECK_TEXT("bus name", copy->bus_name, ":1.7");
        CHECK(copy->bus_name != p->bus_name);
}

static void test_user_name(void)
{
        CHECK_TEXT("root", user_name(0), "root");
        CHECK_TEXT("root, from the cache", user_name(0), "root");
        CHECK_TEXT("nobody has this uid", user_name(4000000000), NULL);
        for (uid_t uid = 3000000000; uid < 3000000100; uid++)
                CHECK(user_name(uid) == NULL);
        CHECK_TEXT("root, looked up anew", user_name(0), "root");
}

int main(void)
{
        test_self();
        test_gone();
        test_share();
        test_from_bus();
        test_user_name();
        return test_finish("peer");
}
