/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * execd leaves when idle, but an ended exec can be looked at for some minutes after that: on the way out
 * those are written to a file in /run, a JSON record a line, and read back on the way in. The file is our
 * own, yet a line that does not parse is skipped and not trusted further.
 */

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "core/manager.h"
#include "wire/exec-json.h"

#define STATE_FILE      "execs.json"
#define STATE_FILE_TEMP "execs.json.new"
#define STATE_SIZE_MAX  (64 * 1024 * 1024)

static int write_all(int fd, const char *data, size_t size)
{
        while (size > 0) {
                ssize_t n = write(fd, data, size);

                if (n < 0) {
                        if (errno == EINTR)
                                continue;
                        return -errno;
                }
                data += n;
                size -= (size_t) n;
        }
        return 0;
}

static int record_from_exec(const Exec *e, Buf *b)
{
        _cleanup_free_ char *line = NULL;
        ExecRecord r = {
                .id = (char *) e->id,
                .container_id = e->container->id,
                .container_name = e->container->name,
                .container_kind = e->container->kind,
                .failure = e->failure,
                .request = e->request,
                .failed = e->state == EXEC_FAILED,
                .exit_code = e->exit_code,
                .wait_status = e->wait_status,
                .timed_out = e->timed_out,
                .pid = e->pid,
                .caller_uid = e->creator->uid,
                .created_usec = e->created_usec,
                .started_usec = e->started_usec,
                .finished_usec = e->finished_usec,
        };
        int k;

        k = exec_record_write(&r, &line);
        if (k < 0)
                return k;
        buf_puts(b, line);
        buf_puts(b, "\n");
        return buf_error(b);
}

int state_file_save(Manager *m)
{
        _cleanup_close_ int dir = open(m->config.state_path, O_DIRECTORY | O_CLOEXEC), fd = -EBADF;
        _cleanup_buf_ Buf b = BUF_INIT;
        int r;

        if (dir < 0)
                return -errno;
        LIST_FOREACH_SAFE (n, &m->execs) {
                const Exec *e = LIST_ENTRY(n, Exec, node);

                if (!exec_has_ended(e) || e->hidden)
                        continue;
                r = record_from_exec(e, &b);
                if (r < 0)
                        return r;
        }
        fd = openat(dir, STATE_FILE_TEMP, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return -errno;
        r = write_all(fd, b.data ? buf_head(&b) : "", buf_length(&b));
        if (r < 0)
                return r;
        return renameat(dir, STATE_FILE_TEMP, dir, STATE_FILE) < 0 ? -errno : 0;
}

static int exec_restore(Manager *m, ExecRecord *r)
{
        _cleanup_(exec_unrefp) Exec *e = calloc(1, sizeof(Exec));
        uint64_t wall = now_usec(CLOCK_REALTIME),
                 age = wall > r->finished_usec ? wall - r->finished_usec : 0;

        if (!e)
                return -ENOMEM;
        e->n_ref = 1;
        e->manager = m;
        e->control_fd = e->pidfd = -EBADF;
        e->stdio[0] = e->stdio[1] = e->stdio[2] = -EBADF;
        e->container = calloc(1, sizeof(Container));
        e->creator = calloc(1, sizeof(Peer));
        e->request = TAKE_PTR(r->request);
        if (!e->container || !e->creator)
                return -ENOMEM;
        *e->container = (Container){.n_ref = 1, .leader_pidfd = -EBADF};
        e->container->id = TAKE_PTR(r->container_id);
        e->container->name = TAKE_PTR(r->container_name);
        e->container->kind = TAKE_PTR(r->container_kind);
        *e->creator = (Peer){.n_ref = 1, .uid = r->caller_uid, .pidfd = -EBADF, .loginuid = UINT32_MAX};
        strcpy(e->id, r->id); /* of exactly 64 characters: exec_record_read() has checked */
        snprintf(e->unit, sizeof(e->unit), "exec-%s.scope", e->id);
        e->state = r->failed ? EXEC_FAILED : EXEC_EXITED;
        e->failure = TAKE_PTR(r->failure);
        e->exit_code = r->exit_code;
        e->wait_status = r->wait_status;
        e->timed_out = r->timed_out;
        e->pid = r->pid;
        e->created_usec = r->created_usec;
        e->started_usec = r->started_usec;
        e->finished_usec = r->finished_usec;
        e->restored = true;
        e->ended_monotonic = now_usec(CLOCK_MONOTONIC);
        e->ended_monotonic -= MIN(age, e->ended_monotonic);
        manager_link_exec(m, e);
        return 0;
}

int state_file_load(Manager *m)
{
        _cleanup_close_ int dir = open(m->config.state_path, O_DIRECTORY | O_CLOEXEC);
        _cleanup_free_ char *text = NULL;
        char *line, *rest;
        int r;

        if (dir < 0)
                return errno == ENOENT ? 0 : -errno;
        r = file_read_at(dir, STATE_FILE, STATE_SIZE_MAX, &text, NULL);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        for (rest = text; (line = strsep(&rest, "\n"));) {
                ExecRecord record = {0};

                if (!*line || exec_record_read(line, &record) < 0)
                        continue;
                r = exec_restore(m, &record);
                exec_record_done(&record);
                if (r < 0)
                        return r;
        }
        return 0;
}
