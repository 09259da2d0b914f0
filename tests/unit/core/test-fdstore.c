/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* core/fdstore: of several slots of one exec the latest counts, in whatever order systemd has them; the others
 * are closed, and so are slots that are not taken. */

#include <fcntl.h>

#include "core/exec-internal.h"
#include "core/exec-output.h"
#include "core/exec-start.h"
#include "core/keep.h"
#include "unit/core/world.h"

#define ID    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define OTHER "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"

/* A pipe: whether its write end is open anywhere shows at the other one. */
typedef struct Probe {
        int ends[2];
} Probe;

static Probe probe(void)
{
        Probe p;

        NEED(pipe2(p.ends, O_CLOEXEC | O_NONBLOCK) == 0);
        return p;
}

static bool is_held(const Probe *p)
{
        char byte;

        return read(p->ends[0], &byte, 1) < 0 && errno == EAGAIN;
}

static void put(SlotPool *pool, const char *id, const KeepFd *fds, size_t n, const char *record)
{
        Slot *s = keep_put(pool, id, fds, n, record);

        NEED(s);
        slot_leave(s);
}

static void store_open(World *w, FdStore *h, bool reversed)
{
        world_take_stored(w, h);
        for (size_t i = 0; reversed && i < h->n_slot_fds / 2; i++) {
                int fd = h->slot_fds[i];

                h->slot_fds[i] = h->slot_fds[h->n_slot_fds - 1 - i];
                h->slot_fds[h->n_slot_fds - 1 - i] = fd;
        }
        fdstore_open(h, w->manager.slots);
}

/* A record was replaced, and execd died before the old one was removed: one that has no terminal, because the
 * command's is to be hung up. */
static void test_later_one(bool reversed)
{
        World *w = world_new();
        SlotPool *pool = w->manager.slots;
        Probe old = probe(), terminal = probe(), new = probe(), client = probe();
        FdStore h;
        StoredFds *f;

        put(pool, ID, (KeepFd[]){{KEEP_CONTROL, old.ends[1]}, {KEEP_STDOUT, terminal.ends[1]}}, 2, "old");
        put(pool, ID, &(KeepFd){KEEP_CLIENTS + 3, client.ends[1]}, 1, NULL);
        put(pool, ID, &(KeepFd){KEEP_CONTROL, new.ends[1]}, 1, "new");
        put(pool, OTHER, &(KeepFd){KEEP_STDIN, old.ends[1]}, 1, NULL);
        old.ends[1] = fd_close(old.ends[1]);
        terminal.ends[1] = fd_close(terminal.ends[1]);
        new.ends[1] = fd_close(new.ends[1]);
        client.ends[1] = fd_close(client.ends[1]);
        store_open(w, &h, reversed);

        CHECK(h.n_execs == 2 && fdstore_find(&h, OTHER) && !fdstore_find(&h, OTHER)->record);
        f = fdstore_find(&h, ID);
        NEED(f);
        CHECK_TEXT("record", f->record, "new");
        CHECK(f->fds[KEEP_CONTROL] >= 0 && f->fds[KEEP_CLIENTS + 3] >= 0);
        CHECK(f->fds[KEEP_STDOUT] < 0 && !is_held(&terminal));
        CHECK(f->slots[KEEP_CONTROL] && f->slots[KEEP_CLIENTS + 3] && !f->slots[KEEP_STDOUT]);
        CHECK(is_held(&new) && is_held(&client) && is_held(&old));
        fdstore_done(&h);
        CHECK(!is_held(&new) && !is_held(&client) && !is_held(&old));
        fd_close(old.ends[0]);
        fd_close(terminal.ends[0]);
        fd_close(new.ends[0]);
        fd_close(client.ends[0]);
        world_free(w);
}

/* Slots in which there is nothing, or nothing of ours, are used again. */
static void test_free_ones(void)
{
        World *w = world_new();
        Probe p = probe();
        FdStore h;
        Slot *s = slot_take(w->manager.slots);

        NEED(s && slot_put(s, "garbage", 7, &p.ends[1], 1) >= 0);
        slot_leave(s);
        p.ends[1] = fd_close(p.ends[1]);
        CHECK(is_held(&p));
        store_open(w, &h, false);
        CHECK(h.n_execs == 0 && !is_held(&p) && h.n_slot_fds == 0);
        fdstore_done(&h);
        s = slot_take(w->manager.slots);
        CHECK(s != NULL);
        slot_release(s);
        fd_close(p.ends[0]);
        world_free(w);
}

static bool has_role(Slot *s, KeepRole role)
{
        bool has = false;
        KeepFound f;

        NEED(s && slot_rewind(s) >= 0 && keep_read(s, &f) >= 0);
        for (size_t i = 0; i < f.n_fds; i++)
                has = has || f.fds[i].role == role;
        keep_found_done(&f);
        return has;
}

/* A terminal hangs up when the last descriptor of it is closed, and the slot has one. */
static void test_terminal(void)
{
        static const ConsoleSize no_size;
        World *w = world_new();
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        ExecRequest *q = world_request("sh", NULL);
        Command c;
        Exec *e = NULL;

        q->tty = true;
        NEED(exec_new(&w->manager.exec_env, w->container, w->root, q, NULL, &e) >= 0);
        manager_count_exec(&w->manager, e);
        manager_link_exec(&w->manager, e);
        exec_unref(e);
        NEED(exec_stream(e) && exec_start(e, w->root, &no_size, false, &refusal) >= 0);
        WORLD_UNTIL(w, world_was_called(w, "Start"));
        world_answer_start(w, e, &c);
        WORLD_UNTIL(w, e->state == EXEC_RUNNING);
        CHECK(has_role(e->slot, KEEP_CONTROL) && has_role(e->slot, KEEP_STDOUT));
        fdstore_forget_terminal(e);
        CHECK(has_role(e->slot, KEEP_CONTROL) && !has_role(e->slot, KEEP_STDOUT));
        fdstore_forget(e);
        CHECK(!e->slot);
        fdstore_forget_terminal(e);
        CHECK(!e->slot);
        command_report(&c, 0);
        command_done(&c);
        WORLD_UNTIL(w, e->state == EXEC_EXITED);
        world_free(w);
}

int main(void)
{
        test_later_one(false);
        test_later_one(true);
        test_free_ones();
        test_terminal();
        return test_finish("fdstore");
}
