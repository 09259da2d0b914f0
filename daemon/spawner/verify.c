/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The runner does as it was told, but from the first seccomp filter on the container decides what a system
 * call returns, so that it could be lied to. Here the kernel is asked from outside. The command already
 * runs, and may by now have given up more than it was given (a namespace of its own, another filter): that
 * is no mismatch. One that has ended is kept by its runner until it was looked at; all but its namespaces
 * can still be seen.
 */

#include "spawner/verify.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "spawner/leader.h"
#include "spawner/proc-parse.h"

#define TEXT_MAX (64 * 1024)

static int mismatch(Refusal *reterr, const char *what)
{
        return refuse(reterr, REFUSAL_INTERNAL, EPERM,
                      "the command did not get the container's %s, and was ended", what);
}

static int check_namespaces(int proc_fd, const RunnerSpec *spec, Refusal *reterr)
{
        const Namespaces *own = namespaces_own();
        Namespaces now;
        int r;

        r = namespaces_read(proc_fd, &now);
        if (r < 0)
                return r;
        for (NamespaceType t = 0; t < _NS_MAX; t++)
                if ((spec->namespaces & namespace_flag(t)) && now.inode[t] == own->inode[t])
                        return mismatch(reterr, namespace_name(t));
        return 0;
}

static int check_status(const ProcStatus *s, const RunnerSpec *spec, Refusal *reterr)
{
        uint64_t allowed = spec->cap_bounding | (spec->privileged ? spec->cap_privileged : 0);

        if ((s->cap_bounding | s->cap_permitted) & ~allowed)
                return mismatch(reterr, "capabilities");
        if (spec->no_new_privs && !s->no_new_privs)
                return mismatch(reterr, "no_new_privs");
        if (spec->n_filters > 0 && (s->seccomp_mode != 2 || s->seccomp_filters < spec->n_filters))
                return mismatch(reterr, "seccomp filters");
        return 0;
}

static int check_labels(int proc_fd, const RunnerSpec *spec, Refusal *reterr)
{
        int r;

        if (spec->label) {
                _cleanup_free_ char *text = NULL, *label = NULL;

                r = file_read_at(proc_fd, "attr/current", TEXT_MAX, &text, NULL);
                if (r >= 0)
                        r = proc_label_parse(text, &label);
                if (r < 0)
                        return r;
                if (strcmp(label, spec->label) != 0)
                        return mismatch(reterr, "security label");
        }
        if (spec->apparmor) {
                _cleanup_free_ char *text = NULL, *profile = NULL;

                r = file_read_at(proc_fd, spec->label ? "attr/apparmor/current" : "attr/current", TEXT_MAX,
                                 &text, NULL);
                if (r >= 0)
                        r = proc_apparmor_parse(text, &profile);
                if (r < 0)
                        return r;
                if (!profile || strcmp(profile, spec->apparmor) != 0)
                        return mismatch(reterr, "AppArmor profile");
        }
        return 0;
}

static bool has_ended(int proc_fd)
{
        _cleanup_free_ char *text = NULL;
        ProcStat stat;

        return file_read_at(proc_fd, "stat", TEXT_MAX, &text, NULL) < 0 ||
               proc_stat_parse(text, &stat) < 0 || stat.exiting;
}

static int check_all(int proc_fd, const RunnerSpec *spec, Refusal *reterr)
{
        _cleanup_free_ char *text = NULL;
        ProcStatus status;
        int r;

        r = file_read_at(proc_fd, "status", TEXT_MAX, &text, NULL);
        if (r >= 0)
                r = proc_status_parse(text, &status);
        if (r >= 0)
                r = check_status(&status, spec, reterr);
        if (r >= 0)
                r = check_labels(proc_fd, spec, reterr);
        if (r < 0)
                return r;
        r = check_namespaces(proc_fd, spec, reterr);
        return r < 0 && reterr->kind == REFUSAL_NONE && has_ended(proc_fd) ? 0 : r;
}

int verify_command(pid_t pid, int pidfd, const RunnerSpec *spec, Refusal *reterr)
{
        _cleanup_close_ int proc_fd = -EBADF;
        char path[32];
        pid_t same = 0;
        int r;

        snprintf(path, sizeof(path), "/proc/%d", pid);
        proc_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        r = proc_fd < 0 ? -errno : check_all(proc_fd, spec, reterr);
        /* The number was the command's if it still is. Where it is not, the runner was killed and the
         * command reaped by somebody else: nothing is left. */
        if (pidfd_get_pid(pidfd, &same) == -ESRCH) {
                refusal_done(reterr);
                return 0;
        }
        if (same != pid)
                return refuse(reterr, REFUSAL_INTERNAL, EBADMSG, "the runner told of another process");
        if (r < 0 && reterr->kind == REFUSAL_NONE)
                return refuse(reterr, REFUSAL_INTERNAL, r, "cannot check the command, and ended it: %s",
                              strerrordesc_np(-r));
        return r;
}
