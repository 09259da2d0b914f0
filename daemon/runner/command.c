/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The command: its environment, its directory, its program, which is found as Docker does, and finally
 * execve(2).
 */

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>

#include "base/strv.h"
#include "runner/runner.h"
#include "wire/env.h"

static int set_variable(char ***env, const char *name, const char *value)
{
        _cleanup_free_ char *assignment = NULL;

        if (asprintf(&assignment, "%s=%s", name, value) < 0) {
                assignment = NULL;
                return -ENOMEM;
        }
        return env_set(env, assignment);
}

int command_build_env(Entry *e, Refusal *reterr)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        struct utsname uts;
        const char *home;
        int r;

        if (uname(&uts) < 0)
                return -errno;
        r = set_variable(&e->env, "PATH", ENV_DEFAULT_PATH);
        if (r >= 0)
                r = set_variable(&e->env, "HOSTNAME", uts.nodename);
        if (r >= 0 && e->spec.tty)
                r = set_variable(&e->env, "TERM", "xterm");
        if (r >= 0)
                r = env_merge(&e->env, e->spec.env_container, &refusal);
        if (r >= 0)
                r = env_merge(&e->env, e->spec.env_request, &refusal);
        if (r < 0)
                return refusal.message ? refuse_start(reterr, refusal.kind, r, "%s", refusal.message) : r;

        home = env_get(e->env, "HOME");
        return home && *home ? 0 : set_variable(&e->env, "HOME", e->user.home);
}

/* In the container's /proc this process is not there, since only its children are in the pid namespace. A
 * process that were would begin in the root directory. */
static const char *without_self(const char *directory)
{
        static const char *const links[] = {"/proc/self/cwd", "/proc/self/root", "/proc/thread-self/cwd",
                                            "/proc/thread-self/root"};

        for (size_t i = 0; i < ELEMENTSOF(links); i++) {
                size_t n = strlen(links[i]);

                if (strncmp(directory, links[i], n) == 0 && (!directory[n] || directory[n] == '/'))
                        return directory[n] ? directory + n : "/";
        }
        return directory;
}

int command_enter_directory(const RunnerSpec *s, Refusal *reterr)
{
        const char *directory = without_self(s->working_dir ?: "/");
        char path[4096], text[128];

        /* It is already in the namespace of the main process. */
        if (s->service && !s->working_dir)
                directory = syscall(SYS_getcwd, path, sizeof(path)) < 0 || path[0] != '/' ? "/" : ".";
        else if (directory[0] != '/')
                return refuse(reterr, REFUSAL_NOT_RUNNABLE, EINVAL,
                              "OCI runtime exec failed: exec failed: Cwd must be an absolute path: unknown");
        if (chdir(directory) < 0) {
                int error = errno;
                _cleanup_free_ char *quoted = quote_text(directory);

                return refuse_start(reterr,
                                    error == ENOENT || error == ENOTDIR ? REFUSAL_NOT_FOUND
                                                                        : REFUSAL_NOT_RUNNABLE,
                                    error, "chdir to cwd (%s) set in config.json failed: %s", quoted ?: "",
                                    errno_text(error, text, sizeof(text)));
        }
        /* A directory that is not below the container's root has no path: it leaked in from outside. The C
         * library's getcwd() would walk the tree to find one. */
        if (syscall(SYS_getcwd, path, sizeof(path)) < 0 || path[0] != '/')
                return refuse_start(
                        reterr, REFUSAL_NOT_RUNNABLE, EPERM,
                        "current working directory is outside of container mount namespace root");
        return 0;
}

/* 0 when this file can be executed; else why not, as Go's exec.LookPath has it. */
static int check_program(const char *path, bool *ret_stat_failed)
{
        struct stat st;

        *ret_stat_failed = false;
        if (stat(path, &st) < 0) {
                *ret_stat_failed = true;
                return -errno;
        }
        if (S_ISDIR(st.st_mode))
                return -EISDIR;
        return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0 ? -errno : 0;
}

/* The file was found to be executable before: now the policy refuses it, which has been asked about the
 * label by now but not about this program. */
static int refuse_label(const Entry *e, int error, Refusal *reterr)
{
        _cleanup_free_ char *quoted = quote_text(e->spec.argv[0]);
        char text[128];

        return refuse_start(reterr, REFUSAL_NOT_RUNNABLE, error,
                            "exec: %s: %s: SELinux does not let this program be executed as %s, the label "
                            "of the container's first process",
                            quoted ?: "", errno_text(-error, text, sizeof(text)), e->spec.label);
}

static int refuse_program(const char *name, int error, bool stat_failed, Refusal *reterr)
{
        bool missing = error == -ENOENT || error == -ENOTDIR;
        _cleanup_free_ char *quoted = quote_text(name);
        char text[128];

        errno_text(-error, text, sizeof(text));
        return refuse_start(reterr, missing ? REFUSAL_NOT_FOUND : REFUSAL_NOT_RUNNABLE, error,
                            "exec: %s: %s%s%s%s", quoted ?: "", stat_failed ? "stat " : "",
                            stat_failed ? name : "", stat_failed ? ": " : "", text);
}

/* The program by the command's own PATH, inside, as the command's user. There is no fallback to a shell. */
static int search_program(const char *name, const char *search, char **ret, Refusal *reterr)
{
        _cleanup_free_ char *quoted = NULL;

        for (const char *p = search; p && *search;) {
                size_t n = strcspn(p, ":");
                _cleanup_free_ char *path = NULL;
                bool stat_failed;

                if (asprintf(&path, "%.*s%s%s", (int) n, p, n > 0 ? "/" : "./", name) < 0) {
                        path = NULL;
                        return -ENOMEM;
                }
                if (check_program(path, &stat_failed) >= 0) {
                        if (path[0] != '/') {
                                quoted = quote_text(name);
                                return refuse_start(reterr, REFUSAL_NOT_RUNNABLE, ENOENT,
                                                    "exec: %s: cannot run executable found relative to "
                                                    "current directory",
                                                    quoted ?: "");
                        }
                        *ret = TAKE_PTR(path);
                        return 0;
                }
                if (!p[n])
                        break;
                p += n + 1;
        }

        quoted = quote_text(name);
        return refuse_start(reterr, REFUSAL_NOT_FOUND, ENOENT,
                            "exec: %s: executable file not found in $PATH", quoted ?: "");
}

int command_find(Entry *e, Refusal *reterr)
{
        const char *name = e->spec.argv[0];
        bool stat_failed;
        char *path = NULL;
        int r;

        if (strchr(name, '/')) {
                r = check_program(name, &stat_failed);
                if (r < 0)
                        return refuse_program(name, r, stat_failed, reterr);
                e->program = name;
                return 0;
        }
        r = search_program(name, env_get(e->env, "PATH"), &path, reterr);
        if (r < 0)
                return r;
        e->program = path;
        return 0;
}

/* Docker has such a command start, say this on its stderr and end with 255: the file is not a program, or
 * its interpreter is not there. */
static bool is_late_failure(int error)
{
        return error == ENOEXEC || error == E2BIG || error == ENOENT || error == ENOTDIR || error == ELOOP ||
               error == ENOTSUP || error == ELIBBAD;
}

static void command_fail_late(const Entry *e, int error)
{
        char line[4096], text[128];
        int n = snprintf(line, sizeof(line), "exec %s: %s\n", e->program,
                         errno_text(error, text, sizeof(text)));

        (void) !write(STDERR_FILENO, line, MIN((size_t) n, sizeof(line) - 1));
        _exit(255);
}

void command_run(const Entry *e)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        const char *step;
        sigset_t none;
        int r;

        setsid();
        if (e->spec.tty)
                ioctl(STDIN_FILENO, TIOCSCTTY, 0);
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);

        r = confine_filters(&e->spec, &step);
        if (r >= 0) {
                execve(e->program, e->spec.argv, e->env);
                r = -errno;
                if (is_late_failure(-r))
                        command_fail_late(e, -r);
                step = NULL;
        }

        if (step)
                refuse(&refusal, REFUSAL_INTERNAL, r, "failed to apply the container's %s: %s", step,
                       strerrordesc_np(-r));
        else if (e->spec.label && (r == -EACCES || r == -EPERM))
                refuse_label(e, r, &refusal);
        else
                refuse_program(e->spec.argv[0], r, false, &refusal);
        channel_fail(&refusal, r);
        _exit(126);
}
