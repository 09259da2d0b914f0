/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/fdstore.h"

#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "core/exec-serialize.h"
#include "wire/service-name.h"

StoredFds *fdstore_find(FdStore *h, const char *id)
{
        for (size_t i = 0; i < h->n_execs; i++)
                if (strcmp(h->execs[i].id, id) == 0)
                        return &h->execs[i];
        return NULL;
}

static StoredFds *fdstore_get(FdStore *h, const char *id)
{
        StoredFds *f = fdstore_find(h, id), *more;

        if (f)
                return f;
        more = reallocarray(h->execs, h->n_execs + 1, sizeof(StoredFds));
        if (!more)
                return NULL;
        h->execs = more;
        f = &h->execs[h->n_execs++];
        *f = (StoredFds){0};
        strcpy(f->id, id);
        for (size_t i = 0; i < ELEMENTSOF(f->fds); i++)
                f->fds[i] = -EBADF;
        return f;
}

/* If two messages have the same fds, the later one counts: the earlier one was about to be removed. */
static bool makes_way(StoredFds *f, const KeepFound *found, KeepRole first)
{
        if (!f->slots[first])
                return true;
        if (found->sequence < f->sequences[first])
                return false;
        f->slots[first] = slot_release(f->slots[first]);
        if (first == KEEP_CONTROL) {
                for (KeepRole role = KEEP_CONTROL; role <= KEEP_RECORD; role++)
                        f->fds[role] = fd_close(f->fds[role]);
                f->fds[KEEP_LEADER] = fd_close(f->fds[KEEP_LEADER]);
        }
        return true;
}

void stored_waits_done(StoredWaits *w)
{
        for (size_t i = 0; i < w->n; i++)
                fd_close(w->items[i].fd);
        free(w->items);
        *w = (StoredWaits){0};
}

/* Its slot is free again: the client gets another one when it has asked again. */
static void take_wait(StoredWaits *waits, KeepFound *found)
{
        StoredWait *more = reallocarray(waits->items, waits->n + 1, sizeof(StoredWait));
        StoredWait *w;

        if (!more)
                return;
        waits->items = more;
        w = &waits->items[waits->n++];
        *w = (StoredWait){.fd = TAKE_FD(found->fds[0].fd), .close = found->fds[0].role == KEEP_WAIT_CLOSED};
        strcpy(w->exec_id, found->id);
}

static Slot *take_found(FdStore *h, KeepFound *found, Slot *slot)
{
        StoredFds *f = found->n_fds > 0 ? fdstore_get(h, found->id) : NULL;
        KeepRole first = found->fds[0].role;

        if (!f || !makes_way(f, found, first))
                return slot;
        for (size_t i = 0; i < found->n_fds; i++) {
                KeepRole role = found->fds[i].role;

                fd_close(f->fds[role]);
                f->fds[role] = TAKE_FD(found->fds[i].fd);
        }
        if (found->record) {
                free(f->record);
                f->record = TAKE_PTR(found->record);
        }
        f->sequences[first] = found->sequence;
        f->slots[first] = slot;
        return NULL;
}

bool fdstore_add(FdStore *h, const char *name, int fd)
{
        int *more;

        if (strcmp(name, SLOT_FD_NAME) != 0)
                return false;
        more = reallocarray(h->slot_fds, h->n_slot_fds + 1, sizeof(int));
        if (!more)
                return false;
        h->slot_fds = more;
        h->slot_fds[h->n_slot_fds++] = fd;
        return true;
}

static void open_slot(FdStore *h, SlotPool *pool, int fd)
{
        Slot *slot = slot_pool_adopt(pool, fd);
        KeepFound found;

        if (!slot)
                return;
        /* One message is in each. */
        if (slot_rewind(slot) >= 0 && keep_read(slot, &found) >= 0) {
                if (found.n_fds == 1 &&
                    (found.fds[0].role == KEEP_WAIT || found.fds[0].role == KEEP_WAIT_CLOSED))
                        take_wait(&h->waits, &found);
                else
                        slot = take_found(h, &found, slot);
                keep_found_done(&found);
        }
        slot_release(slot);
}

void fdstore_open(FdStore *h, SlotPool *pool)
{
        for (size_t i = 0; i < h->n_slot_fds; i++)
                open_slot(h, pool, h->slot_fds[i]);
        h->slot_fds = mfree(h->slot_fds);
        h->n_slot_fds = 0;
}

void fdstore_done(FdStore *h)
{
        for (size_t i = 0; i < h->n_execs; i++) {
                StoredFds *f = &h->execs[i];

                for (size_t k = 0; k < ELEMENTSOF(f->fds); k++) {
                        f->fds[k] = fd_close(f->fds[k]);
                        f->slots[k] = slot_release(f->slots[k]);
                }
                free(f->record);
        }
        h->execs = mfree(h->execs);
        h->n_execs = 0;
        stored_waits_done(&h->waits);
}

bool fdstore_take_stream(StoredFds *f, Stream *s)
{
        StreamFound found = {
                .map = TAKE_FD(f->fds[KEEP_MAP]),
                .stage = {TAKE_FD(f->fds[KEEP_STAGE_READ]), TAKE_FD(f->fds[KEEP_STAGE_WRITE])},
                .clients = f->fds + KEEP_CLIENTS,
                .stdin_slot = TAKE_PTR(f->slots[KEEP_STDIN]),
                .stage_slot = TAKE_PTR(f->slots[KEEP_STAGE_READ]),
                .client_slots = f->slots + KEEP_CLIENTS,
                .n_clients = KEEP_CLIENTS_MAX,
        };
        bool had_map = found.map >= 0;
        int r = stream_restore(s, &found);

        fd_close(found.map);
        fd_close(found.stage[0]);
        fd_close(found.stage[1]);
        slot_release(found.stage_slot);
        if (r < 0 && had_map)
                log_errno(LOG_WARNING, r, "Failed to restore the clients of exec %.12s", f->id);
        return r >= 0;
}

static Slot *keep_exec(Exec *e, bool with_terminal)
{
        _cleanup_free_ char *record = NULL;
        Stream *s = e->stream;
        bool with_output = s && (with_terminal || !e->request->tty);
        const KeepFd fds[] = {
                {KEEP_CONTROL, e->control_fd},
                {KEEP_PIDFD, e->pidfd},
                {KEEP_STDOUT, with_output ? stream_output_fd(s, FRAME_STDOUT) : -EBADF},
                {KEEP_STDERR, with_output ? stream_output_fd(s, FRAME_STDERR) : -EBADF},
                {KEEP_MAP, s ? stream_map_fd(s) : -EBADF},
                {KEEP_LEADER,
                 strcmp(e->container->kind ?: "", SERVICE_KIND) == 0 ? e->container->leader_pidfd : -EBADF},
        };

        return exec_serialize(e, &record) < 0 ? NULL
                                              : keep_put(e->env->slots, e->id, fds, ELEMENTSOF(fds), record);
}

void fdstore_keep(Exec *e)
{
        e->slot = keep_exec(e, true);
        if (!e->slot)
                log_debug("Failed to store exec %.12s with systemd, a crash would lose it", e->id);
        else if (e->stream)
                stream_keep(e->stream, e->env->slots, e->id);
}

void fdstore_forget(Exec *e)
{
        e->slot = slot_release(e->slot);
}

void fdstore_forget_terminal(Exec *e)
{
        Slot *old = e->slot;

        if (!old || !e->request->tty)
                return;
        e->slot = keep_exec(e, false);
        slot_release(old);
}
