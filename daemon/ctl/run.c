/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* run and shell. */

#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "ctl/session.h"
#include "ctl/terminal.h"

/* Those of machinectl: rarely typed, and they swallow no key that a shell knows. */
#define DETACH_KEYS "ctrl-],ctrl-],ctrl-]"

/* As at a login: the user's own shell, in the user's own directory. */
#define GO_HOME "cd 2>/dev/null; "
#define LOGIN                                                                                       \
        "u=$(id -u); while IFS=: read -r n p i g c h s; do [ \"$i\" = \"$u\" ] && break; s=; done " \
        "</etc/passwd 2>/dev/null; unset n p i u g c h; "                                           \
        "for s in \"$s\" /bin/bash; do [ -x \"$s\" ] && exec \"$s\" -l; done; exec /bin/sh -l"

/* The call's options. */

static int append_string(sd_bus_message *m, const char *name, const char *value)
{
        return value ? sd_bus_message_append(m, "{sv}", name, "s", value) : 0;
}

static int append_flag(sd_bus_message *m, const char *name, bool value)
{
        return value ? sd_bus_message_append(m, "{sv}", name, "b", 1) : 0;
}

static int append_pairs(sd_bus_message *m, const char *name, char *const *pairs)
{
        int r;

        if (!pairs)
                return 0;
        r = sd_bus_message_open_container(m, 'e', "sv");
        if (r >= 0)
                r = sd_bus_message_append(m, "s", name);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'v', "a{ss}");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "{ss}");
        for (size_t i = 0; pairs[i] && r >= 0; i++) {
                const char *value = strchr(pairs[i], '=') + 1;
                _cleanup_free_ char *key = memdup_text(pairs[i], (size_t) (value - pairs[i]) - 1);

                r = key ? sd_bus_message_append(m, "{ss}", key, value) : -ENOMEM;
        }
        for (int i = 0; i < 3 && r >= 0; i++)
                r = sd_bus_message_close_container(m);
        return r;
}

static int append_env(sd_bus_message *m, const Options *o)
{
        const char *term = o->tty ? getenv("TERM") : NULL;
        _cleanup_strv_ char **env = strv_copy(o->env);
        char *variable;
        int r = 0;

        if (!env)
                return -ENOMEM;
        /* Of several the last one holds, so one that was given holds over this. */
        if (term && *term) {
                char **all = NULL;

                if (asprintf(&variable, "TERM=%s", term) < 0)
                        return -ENOMEM;
                r = strv_consume(&all, variable);
                STRV_FOREACH (v, env)
                        r = r < 0 ? r : strv_append(&all, *v);
                strv_free(env);
                env = all;
        }
        if (r < 0 || strv_length(env) == 0)
                return r;
        r = sd_bus_message_open_container(m, 'e', "sv");
        if (r >= 0)
                r = sd_bus_message_append(m, "s", "Env");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'v', "as");
        if (r >= 0)
                r = sd_bus_message_append_strv(m, env);
        for (int i = 0; i < 2 && r >= 0; i++)
                r = sd_bus_message_close_container(m);
        return r;
}

static int append_options(sd_bus_message *m, const Options *o)
{
        uint16_t rows, columns;
        int r;

        r = sd_bus_message_open_container(m, 'a', "{sv}");
        if (r >= 0)
                r = append_string(m, "User", o->user);
        if (r >= 0)
                r = append_string(m, "WorkingDir", o->working_dir);
        if (r >= 0)
                r = append_string(m, "OnDisconnect", o->on_disconnect);
        if (r >= 0)
                r = append_string(m, "DetachKeys", o->detach_keys);
        if (r >= 0)
                r = append_flag(m, "Tty", o->tty);
        if (r >= 0)
                r = append_flag(m, "Privileged", o->privileged);
        if (r >= 0)
                r = append_flag(m, "Record", o->record);
        if (r >= 0)
                r = append_flag(m, "AttachStdin", o->interactive && !o->detach);
        if (r >= 0)
                r = append_env(m, o);
        if (r >= 0)
                r = append_pairs(m, "Labels", o->labels);
        if (r >= 0)
                r = append_pairs(m, "Properties", o->properties);
        if (r >= 0 && o->tty && terminal_size(&rows, &columns))
                r = sd_bus_message_append(m, "{sv}", "ConsoleSize", "(qq)", rows, columns);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

/* CreateExec or RunExec: container, command, options. */
static int new_create_call(Ctl *c, const char *member, const char *container, char **command,
                           sd_bus_message **ret)
{
        int r = bus_new_call(c, MANAGER_PATH, MANAGER_INTERFACE, member, ret);

        if (r != 0)
                return r;
        r = sd_bus_message_append(*ret, "s", container);
        if (r >= 0)
                r = sd_bus_message_append_strv(*ret, command);
        if (r >= 0)
                r = append_options(*ret, &c->options);
        return r < 0 ? fail_errno(r, "cannot make a call of %s", member) : 0;
}

/* What send_create_call() returns where the daemon has to carry the streams: nothing was told yet. */
#define NEEDS_STREAM (-1)

static int send_create_call(Ctl *c, sd_bus_message *m, bool with_fds, ExecName *ret)
{
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *id, *path;
        int r;

        agent_open(c);
        r = sd_bus_call(c->bus, m, 0, &error, &reply);
        if (r < 0 && with_fds && sd_bus_error_has_name(&error, "org.execd1.Error.NotSupported"))
                return NEEDS_STREAM;
        if (r < 0)
                return bus_fail(&error, r);
        r = sd_bus_message_read(reply, "so", &id, &path);
        if (r < 0)
                return fail_errno(r, "the answer of execd makes no sense");
        snprintf(ret->id, sizeof(ret->id), "%s", id);
        ret->path = strdup(path);
        return ret->path ? 0 : fail_memory();
}

static int create(Ctl *c, const char *container, char **command, ExecName *ret)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r = new_create_call(c, "CreateExec", container, command, &m);

        return r != 0 ? r : send_create_call(c, m, false, ret);
}

/* -d */
static int run_detached(Ctl *c, const char *container, char **command)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        _cleanup_(exec_name_done) ExecName e = {0};
        int r;

        r = create(c, container, command, &e);
        if (r == 0)
                r = bus_new_call(c, e.path, EXEC_INTERFACE, "Start", &m);
        if (r == 0)
                r = bus_call(c, m, NULL);
        if (r == 0)
                printf("%s\n", e.id);
        return r;
}

/* Over a stream of the daemon's: with a tty, or to record. */
static int run_attached(Ctl *c, const char *container, char **command)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
        _cleanup_(exec_name_done) ExecName e = {0};
        _cleanup_(session_freep) Session *s = session_new(c);
        int r;

        if (!s)
                return fail_memory();
        r = create(c, container, command, &e);
        if (r == 0)
                r = bus_new_call(c, e.path, EXEC_INTERFACE, "StartAttached", &m);
        if (r == 0)
                r = bus_call(c, m, &reply);
        if (r != 0)
                return r;
        if (sd_bus_message_read(reply, "h", &s->stream) < 0)
                return fail("the answer of execd makes no sense");
        agent_close(c);
        s->path = e.path;
        s->tty = c->options.tty;
        s->take_input = s->end_input = c->options.interactive;
        s->forward_signals = !s->tty;
        r = session_begin(s);
        if (r != 0)
                return r;
        session_use_stream(s);
        return session_run(s);
}

/* Without a stream: the command has our own files. */

/* What the daemon lets pass: what gives the command no more than bytes. */
static bool can_be_passed(int fd)
{
        static const unsigned long kernel[] = {PROC_SUPER_MAGIC,    SYSFS_MAGIC,     CGROUP_SUPER_MAGIC,
                                               CGROUP2_SUPER_MAGIC, SELINUX_MAGIC,   DEBUGFS_MAGIC,
                                               TRACEFS_MAGIC,       SECURITYFS_MAGIC};
        struct statfs fs;
        struct stat st;

        if (fstat(fd, &st) < 0)
                return false;
        if (S_ISCHR(st.st_mode))
                return st.st_rdev == makedev(1, 3);
        if (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode))
                return true;
        if (!S_ISREG(st.st_mode) || fstatfs(fd, &fs) < 0)
                return false;
        for (size_t i = 0; i < ELEMENTSOF(kernel); i++)
                if ((unsigned long) fs.f_type == kernel[i])
                        return false;
        return true;
}

/* Our stdin, stdout or stderr as it is handed to the command: as it is, or as a pipe that is pumped here.
 * *ret is owned by the caller. */
static int prepare_fd(Session *s, int fd, int *ret)
{
        int ends[2];
        Pump *p = &s->pumps[fd];

        if (fd == STDIN_FILENO && !s->ctl->options.interactive)
                *ret = open("/dev/null", O_RDONLY | O_CLOEXEC | O_NOCTTY);
        else if (can_be_passed(fd))
                *ret = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        else {
                if (pipe2(ends, O_CLOEXEC) < 0)
                        return fail_errno(errno, "cannot make a pipe");
                *ret = ends[fd != STDIN_FILENO];
                p->out[0] = &s->sinks[fd];
                if (fd == STDIN_FILENO) {
                        (void) fcntl(ends[1], F_SETFL, O_WRONLY | O_NONBLOCK);
                        s->sinks[fd] = (Sink){.fd = ends[1], .owned = true};
                        p->in = fd;
                        p->end = PUMP_END_CLOSE;
                } else {
                        sink_open(&s->sinks[fd], fd);
                        p->in = ends[0];
                }
        }
        return *ret < 0 ? fail_errno(errno, "cannot use fd %d", fd) : 0;
}

static int run_with_fds(Ctl *c, const char *container, char **command)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        _cleanup_(exec_name_done) ExecName e = {0};
        _cleanup_(session_freep) Session *s = session_new(c);
        int r;

        if (!s)
                return fail_memory();
        r = new_create_call(c, "RunExec", container, command, &m);
        for (int fd = 0; fd < 3 && r == 0; fd++) {
                _cleanup_close_ int passed = -EBADF;

                r = prepare_fd(s, fd, &passed);
                if (r == 0 && sd_bus_message_append(m, "h", passed) < 0)
                        r = fail_memory();
        }
        if (r == 0)
                r = send_create_call(c, m, true, &e);
        if (r != 0)
                return r;
        /* The message has the other ends of our pipes: while it lives, they have no end. */
        m = sd_bus_message_unref(m);
        agent_close(c);
        s->path = e.path;
        s->forward_signals = true;
        r = session_begin(s);
        return r != 0 ? r : session_run(s);
}

int verb_run(Ctl *c, int argc, char **argv)
{
        Options *o = &c->options;
        int r;

        if (o->tty) {
                o->interactive = true;
                o->detach_keys = o->detach_keys ?: DETACH_KEYS;
                /* A terminal that is closed hangs up. */
                if (!o->detach)
                        o->on_disconnect = o->on_disconnect ?: "hangup";
        }
        if (o->host)
                return remote_run(c, "run", o->tty && !o->detach, argc, argv);
        if (o->detach)
                return run_detached(c, argv[0], argv + 1);
        if (o->tty || o->record)
                return run_attached(c, argv[0], argv + 1);
        r = run_with_fds(c, argv[0], argv + 1);
        /* The daemon may have to record whatever runs. */
        return r == NEEDS_STREAM ? run_attached(c, argv[0], argv + 1) : r;
}

int verb_shell(Ctl *c, int argc, char **argv)
{
        char *words[] = {argv[0], (char *) "/bin/sh", (char *) "-c", (char *) GO_HOME LOGIN, NULL};
        Options *o = &c->options;
        char *at = strrchr(argv[0], '@');

        o->tty = true;
        if (o->detach)
                return fail("shell: --detach makes no sense");
        if (o->host)
                return remote_run(c, "shell", true, argc, argv);
        if (at && o->user)
                return fail("shell: the user is given twice, in \"%s\" and with --user", argv[0]);
        if (at) {
                /* As with machinectl. */
                *at = 0;
                o->user = argv[0];
                argv[0] = words[0] = at + 1;
        }
        if (argc > 1)
                return verb_run(c, argc, argv);
        if (o->working_dir)
                words[3] += strlen(GO_HOME);
        return verb_run(c, ELEMENTSOF(words) - 1, words);
}
