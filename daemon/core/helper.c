/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/helper.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/time.h"

/* Where the child has its socket. */
#define CHILD_SOCKET (HELPER_FD - 1)

struct Helper {
        HelperPool *pool; /* weak */
        ListNode node;    /* among the leftovers */
        int socket;       /* owned */
        int pidfd;        /* owned */
        pid_t child;
        sd_event_source *ended;
        uid_t uid;
        bool lasts, counted;
};

HelperPool *helper_pool_new(sd_event *event)
{
        HelperPool *p = calloc(1, sizeof(HelperPool));

        if (p)
                *p = (HelperPool){
                        .event = event,
                        .budget = {.what = "requests that read from a disk",
                                   .max = HELPERS_MAX,
                                   .uid_max = HELPERS_PER_UID_MAX},
                };
        return p;
}

static void helper_drop(Helper *h)
{
        if (h->counted)
                budget_give(&h->pool->budget, h->uid, 1);
        sd_event_source_disable_unref(h->ended);
        fd_close(h->pidfd);
        fd_close(h->socket);
        free(h);
}

HelperPool *helper_pool_free(HelperPool *p)
{
        if (!p)
                return NULL;
        LIST_FOREACH (Helper, h, &p->leftovers, node)
                helper_drop(h);
        budget_done(&p->budget);
        return mfree(p);
}

static void run_child(const HelperJob *job, int socket, pid_t parent) __attribute__((noreturn));
static void run_child(const HelperJob *job, int socket, pid_t parent)
{
        /* Out of the way first. */
        socket = fcntl(socket, F_DUPFD, HELPER_FD + 1);
        if (job->fd > 0 && dup2(job->fd, HELPER_FD) < 0)
                _exit(1);
        if (socket < 0 || dup2(socket, CHILD_SOCKET) < 0 ||
            close_range(job->fd > 0 ? HELPER_FD + 1 : HELPER_FD, ~0U, 0) < 0)
                _exit(1);
        if (!job->lasts && (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent))
                _exit(1);
        job->run(CHILD_SOCKET, job->userdata);
        _exit(0);
}

static int helper_fork(Helper *h, const HelperJob *job)
{
        _cleanup_close_ int ours = -EBADF, theirs = -EBADF;
        pid_t parent = getpid();
        int ends[2];

        if (socketpair(AF_UNIX, job->type | SOCK_CLOEXEC, 0, ends) < 0)
                return -errno;
        ours = ends[0];
        theirs = ends[1];
        h->child = fork();
        if (h->child == 0)
                run_child(job, theirs, parent);
        if (h->child < 0)
                return -errno;
        h->pidfd = pidfd_open_pid(h->child);
        if (h->pidfd < 0) {
                int r = h->pidfd;

                (void) kill(h->child, SIGKILL);
                (void) waitpid(h->child, NULL, 0);
                return r;
        }
        h->socket = TAKE_FD(ours);
        return fd_set_nonblock(h->socket, true);
}

int helper_new(HelperPool *p, const HelperJob *job, Helper **ret, Refusal *reterr)
{
        Helper *h;
        int r;

        if (!job->lasts && !budget_take(&p->budget, job->uid, 1))
                return budget_refuse(&p->budget, job->uid, REFUSAL_BUSY, reterr);
        h = calloc(1, sizeof(Helper));
        if (!h) {
                if (!job->lasts)
                        budget_give(&p->budget, job->uid, 1);
                return -ENOMEM;
        }
        *h = (Helper){
                .pool = p,
                .socket = -EBADF,
                .pidfd = -EBADF,
                .uid = job->uid,
                .lasts = job->lasts,
                .counted = !job->lasts,
        };
        r = helper_fork(h, job);
        if (r < 0) {
                helper_drop(h);
                return log_error_errno(r, "Failed to start a helper process");
        }
        *ret = h;
        return 0;
}

static bool helper_reap(Helper *h)
{
        return waitpid(h->child, NULL, WNOHANG) != 0;
}

static int on_ended(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
        Helper *h = userdata;

        (void) helper_reap(h);
        list_remove(&h->pool->leftovers, &h->node);
        helper_drop(h);
        return 0;
}

Helper *helper_free(Helper *h)
{
        if (!h)
                return NULL;
        h->socket = fd_close(h->socket);
        if (!h->lasts)
                (void) pidfd_signal(h->pidfd, SIGKILL);
        /* Without the source it stays a zombie until execd ends. */
        if (helper_reap(h) || sd_event_add_io(h->pool->event, &h->ended, h->pidfd, EPOLLIN, on_ended, h) < 0)
                helper_drop(h);
        else
                list_append(&h->pool->leftovers, &h->node);
        return NULL;
}

int helper_socket(const Helper *h)
{
        return h->socket;
}

void helper_wait(Helper *h, uint64_t usec)
{
        struct pollfd p = {.fd = h->pidfd, .events = POLLIN};

        h->socket = fd_close(h->socket);
        (void) poll(&p, 1, (int) (usec / USEC_PER_MSEC));
}
