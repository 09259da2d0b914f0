/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * execd leaves when idle, but an ended exec can be looked at for some minutes after that: on the way out
 * those are written to a file in /run, a JSON record a line, and read back on the way in; with them those
 * that still run, if execd is stopped in the midst of its work (core/handover). The file is our own, yet a
 * line that does not parse is skipped and not trusted further.
 */

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "core/exec-record.h"
#include "core/manager.h"

#define STATE_FILE      "execs.json"
#define KEPT_FILE       "running.json" /* there only when execd died */
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

/* Replaces the file at once. */
static int save(Manager *m, int dir, const char *name, bool kept_only)
{
        _cleanup_close_ int fd = -EBADF;
        _cleanup_buf_ Buf b = BUF_INIT;
        int r;

        LIST_FOREACH_SAFE (n, &m->execs) {
                const Exec *e = LIST_ENTRY(n, Exec, node);
                _cleanup_free_ char *line = NULL;

                if (kept_only ? !e->kept || !exec_is_running(e)
                              : (!exec_has_ended(e) && !e->stored) || e->hidden)
                        continue;
                r = exec_record_line(e, &line);
                if (r < 0)
                        return r;
                buf_puts(&b, line);
                buf_puts(&b, "\n");
        }
        fd = openat(dir, STATE_FILE_TEMP, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return -errno;
        r = write_all(fd, b.data ? buf_head(&b) : "", buf_length(&b));
        if (r < 0)
                return r;
        return renameat(dir, STATE_FILE_TEMP, dir, name) < 0 ? -errno : 0;
}

int state_file_save_kept(Manager *m)
{
        _cleanup_close_ int dir = open(m->config.state_path, O_DIRECTORY | O_CLOEXEC);

        return dir < 0 ? -errno : save(m, dir, KEPT_FILE, true);
}

int state_file_save(Manager *m)
{
        _cleanup_close_ int dir = open(m->config.state_path, O_DIRECTORY | O_CLOEXEC);
        int r;

        if (dir < 0)
                return -errno;
        r = save(m, dir, STATE_FILE, false);
        if (r >= 0)
                (void) unlinkat(dir, KEPT_FILE, 0);
        return r;
}

static int load(Manager *m, int dir, const char *name, Handover *h)
{
        _cleanup_free_ char *text = NULL;
        char *line, *rest;
        int r;

        r = file_read_at(dir, name, STATE_SIZE_MAX, &text, NULL);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        for (rest = text; (line = strsep(&rest, "\n"));) {
                Exec *e;

                if (*line && exec_restore_line(m, line, h, &e) == -ENOMEM)
                        return -ENOMEM;
        }
        return 0;
}

int state_file_load(Manager *m, Handover *h)
{
        _cleanup_close_ int dir = open(m->config.state_path, O_DIRECTORY | O_CLOEXEC);
        int r, k;

        if (dir < 0)
                return errno == ENOENT ? 0 : -errno;
        r = load(m, dir, STATE_FILE, h);
        k = load(m, dir, KEPT_FILE, h);
        (void) unlinkat(dir, KEPT_FILE, 0);
        return r < 0 ? r : k;
}
