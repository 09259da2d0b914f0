/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "spawner/order.h"

#include "base/fd.h"

static int fd_of_flag(const NamespaceFds *f, uint64_t flag)
{
        for (NamespaceType t = 0; t < _NS_MAX; t++)
                if (namespace_flag(t) == flag)
                        return f->fds[t];
        return -EBADF;
}

static int write_spec(const RunnerSpec *spec)
{
        _cleanup_buf_ Buf bytes = BUF_INIT;
        int r;

        r = runner_spec_write(spec, &bytes);
        return r < 0 ? r : memfd_sealed("execd-spec", buf_head(&bytes), buf_length(&bytes));
}

int order_send(int control, const Order *o, Refusal *reterr)
{
        RunnerOrder order = {.version = RUNNER_SPEC_VERSION, .mode = o->mode};
        _cleanup_close_ int memfd = write_spec(o->spec);
        int fds[RUNNER_ORDER_FDS_MAX];
        size_t n = 0;
        int r;

        if (memfd < 0)
                return memfd;
        fds[n++] = memfd;
        fds[n++] = o->leader;
        for (size_t i = 0; i < RUNNER_N_NAMESPACES; i++) {
                if (!(o->spec->namespaces & runner_namespaces[i]))
                        continue;
                fds[n] = fd_of_flag(o->namespaces, runner_namespaces[i]);
                if (fds[n++] < 0)
                        return -EBADF;
                order.n_namespaces++;
        }
        for (int i = 0; o->stdio && i < 3; i++)
                fds[n++] = o->stdio[i];
        r = fd_send_message(control, &order, sizeof(order), fds, n);
        if (r == -EPIPE || r == -ECONNRESET)
                return refuse(reterr, REFUSAL_UNAVAILABLE, EIO, "the runner of this exec has ended");
        return r;
}
