/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/state-file.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "core/exec-restore.h"
#include "core/exec-serialize.h"
#include "core/manager.h"

#define STATE_FILE      "execs.json"
#define STATE_FILE_TEMP "execs.json.new"
#define STATE_SIZE_MAX  (64 * 1024 * 1024)

/* Replaces the file at once. */
static int save(Manager *m, int dir)
{
        _cleanup_close_ int fd = -EBADF;
        _cleanup_buf_ Buf b = BUF_INIT;
        int r;

        LIST_FOREACH (const Exec, e, &m->execs, node) {
                _cleanup_free_ char *line = NULL;

                if (!exec_has_ended(e) || e->hidden)
                        continue;
                r = exec_serialize(e, &line);
                if (r < 0)
                        return r;
                buf_puts(&b, line);
                buf_puts(&b, "\n");
        }
        fd = openat(dir, STATE_FILE_TEMP, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return -errno;
        r = fd_write_all(fd, b.data ? buf_head(&b) : "", buf_length(&b));
        if (r < 0)
                return r;
        return renameat(dir, STATE_FILE_TEMP, dir, STATE_FILE) < 0 ? -errno : 0;
}

int state_file_save(Manager *m)
{
        _cleanup_close_ int dir = -EBADF;

        /* Saved execs that have not been read yet are kept as well. */
        if (m->read_saved)
                m->read_saved(m);
        dir = open(m->config.state_path, O_DIRECTORY | O_CLOEXEC);
        return dir < 0 ? -errno : save(m, dir);
}

static int load(Manager *m, int dir, FdStore *h)
{
        _cleanup_free_ char *text = NULL;
        char *line, *rest;
        int r;

        r = file_read_at(dir, STATE_FILE, STATE_SIZE_MAX, &text, NULL);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        for (rest = text; (line = strsep(&rest, "\n"));) {
                Exec *e = NULL;

                if (*line == 0)
                        continue;
                r = exec_restore_line(m, line, h, &e);
                if (r == -ENOMEM)
                        return r;
                /* Only the manager knows it yet. */
                if (r >= 0 && e && e->linked && exec_has_ended(e) &&
                    now_usec(CLOCK_MONOTONIC) > e->ended_monotonic + m->config.retention_usec) {
                        manager_unlink_exec(m, e);
                        exec_unref(e);
                }
        }
        return 0;
}

static int open_and_load(Manager *m, FdStore *h)
{
        _cleanup_close_ int dir = open(m->config.state_path, O_DIRECTORY | O_CLOEXEC);

        if (dir < 0)
                return errno == ENOENT ? 0 : -errno;
        return load(m, dir, h);
}

/* They are older than those that are there. They are nothing new to anybody. */
static void read_saved(Manager *m)
{
        void (*tell)(void *, Exec *, ManagerEvent) = m->on_exec_changed;
        List newer = m->execs;
        FdStore none = {0};
        int r;

        m->read_saved = NULL;
        m->execs = (List){0};
        m->on_exec_changed = NULL;
        r = open_and_load(m, &none);
        if (r < 0)
                log_errno(LOG_WARNING, r, "Failed to load saved execs");
        m->on_exec_changed = tell;
        list_join(&m->execs, &newer);
}

int state_file_load(Manager *m, FdStore *h)
{
        if (h->n_execs > 0)
                return open_and_load(m, h);
        m->read_saved = read_saved;
        return 0;
}
