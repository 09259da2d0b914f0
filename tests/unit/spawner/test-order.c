/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* spawner/order: a runner gets exactly the descriptors that it expects, in the right order, or none. */

#include "spawner/order.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "unit/need.h"
#include "unit/test.h"

#define N_FILES 16

/* Distinct files: of the leader, of stdio, and of each type of namespace. */
static int files[N_FILES];

enum {
        LEADER = 0,
        STDIO = 1,
        NAMESPACES = 4,
};

typedef struct World {
        int control, runner;
        NamespaceFds namespaces; /* weak */
        RunnerSpec spec;
        int fds[FD_PASS_MAX]; /* owned: those that the runner got */
        size_t n_fds;
        RunnerOrder order;
} World;

static bool is_same(int a, int b)
{
        struct stat x, y;

        return fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static void begin(World *w)
{
        int ends[2];

        NEED(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
        *w = (World){.control = ends[0], .runner = ends[1]};
        for (NamespaceType t = 0; t < _NS_MAX; t++)
                w->namespaces.fds[t] = files[NAMESPACES + t];
}

static void end(World *w)
{
        for (size_t i = 0; i < w->n_fds; i++)
                close(w->fds[i]);
        close(w->control);
        fd_close(w->runner);
}

static int send_order(World *w, bool has_stdio, Refusal *reterr)
{
        return order_send(w->control,
                          &(Order){
                                  .mode = RUNNER_MODE_EXEC,
                                  .spec = &w->spec,
                                  .leader = files[LEADER],
                                  .namespaces = &w->namespaces,
                                  .stdio = has_stdio ? &files[STDIO] : NULL,
                          },
                          reterr);
}

static ssize_t receive(World *w)
{
        return fd_recv_message(w->runner, &w->order, sizeof(w->order), w->fds, FD_PASS_MAX, &w->n_fds);
}

static void test_descriptors(void)
{
        static const struct {
                const char *name;
                uint64_t namespaces; /* bits of the types */
                bool has_stdio;
        } rows[] = {
                {"nothing", 0, false},
                {"stdio", 0, true},
                {"two", 1U << NS_USER | 1U << NS_MNT, true},
                {"all", (1U << _NS_MAX) - 1, true},
                {"all but stdio", (1U << _NS_MAX) - 1, false},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_free_ char *bytes = NULL;
                RunnerSpec spec = {0};
                size_t n = 2, size;
                World w;

                begin(&w);
                for (NamespaceType t = 0; t < _NS_MAX; t++)
                        if (rows[i].namespaces & (1U << t))
                                w.spec.namespaces |= namespace_flag(t);
                NEED_ROW(rows[i].name, send_order(&w, rows[i].has_stdio, NULL) == 0);
                NEED_ROW(rows[i].name, receive(&w) == sizeof(w.order));
                CHECK_ROW(rows[i].name,
                          w.order.version == RUNNER_SPEC_VERSION && w.order.mode == RUNNER_MODE_EXEC);
                NEED_ROW(rows[i].name, w.n_fds == n + w.order.n_namespaces + (rows[i].has_stdio ? 3 : 0));
                CHECK_ROW(rows[i].name, is_same(w.fds[1], files[LEADER]));
                /* In the order of joining. */
                for (size_t k = 0; k < RUNNER_N_NAMESPACES; k++)
                        for (NamespaceType t = 0; t < _NS_MAX; t++)
                                if (namespace_flag(t) == runner_namespaces[k] &&
                                    (rows[i].namespaces & (1U << t)))
                                        CHECK_ROW(rows[i].name, is_same(w.fds[n++], files[NAMESPACES + t]));
                CHECK_ROW(rows[i].name, n == 2 + w.order.n_namespaces);
                for (int k = 0; rows[i].has_stdio && k < 3; k++)
                        CHECK_ROW(rows[i].name, is_same(w.fds[n + k], files[STDIO + k]));

                NEED_ROW(rows[i].name, memfd_read(w.fds[0], RUNNER_SPEC_MAX, &bytes, &size) == 0);
                NEED_ROW(rows[i].name, runner_spec_read(TAKE_PTR(bytes), size, &spec) == 0);
                CHECK_ROW(rows[i].name, spec.namespaces == w.spec.namespaces);
                runner_spec_done(&spec);
                end(&w);
        }
}

/* A runner that misses a namespace would stay in the namespace of the spawner. */
static void test_missing(void)
{
        World w;

        begin(&w);
        w.spec.namespaces = namespace_flag(NS_PID) | namespace_flag(NS_USER);
        w.namespaces.fds[NS_PID] = -EBADF;
        CHECK(send_order(&w, true, NULL) == -EBADF);
        CHECK(receive(&w) == -EAGAIN);
        end(&w);
}

static void test_ended(void)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        World w;

        begin(&w);
        w.runner = fd_close(w.runner);
        CHECK(send_order(&w, true, &refusal) == -EIO && refusal.kind == REFUSAL_UNAVAILABLE);
        CHECK_TEXT("ended", refusal.message, "the runner of this exec has ended");
        end(&w);
}

int main(void)
{
        for (size_t i = 0; i < N_FILES; i++)
                files[i] = memfd_create("file", MFD_CLOEXEC);
        NEED(files[N_FILES - 1] >= 0);
        test_descriptors();
        test_missing();
        test_ended();
        for (size_t i = 0; i < N_FILES; i++)
                close(files[i]);
        return test_finish("order");
}
