/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* run and shell. */

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "ctl/multi.h"
#include "ctl/session.h"
#include "ctl/targets.h"
#include "ctl/terminal.h"
#include "ctl/warnings.h"
#include "wire/login-shell.h"

/* Those of machinectl: rarely typed, and they swallow no key that a shell knows. */
#define DETACH_KEYS "ctrl-],ctrl-],ctrl-]"

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

static int append_copies(char ***all, char *const *more)
{
        int r = 0;

        for (size_t i = 0; more && more[i] && r >= 0; i++)
                r = strv_append(all, more[i]);
        return r;
}

/* Of several values of a variable the last one counts. The values of --setenv come after the values of --env-file. */
static int make_env(const Options *o, char ***ret)
{
        const char *term = o->tty ? getenv("TERM") : NULL;
        char *variable = NULL;
        int r = 0;

        if (term && *term) {
                if (asprintf(&variable, "TERM=%s", term) < 0)
                        return -ENOMEM;
                r = strv_consume(ret, variable);
        }
        if (r >= 0)
                r = append_copies(ret, o->env_of_file);
        return r < 0 ? r : append_copies(ret, o->env);
}

static int append_env(sd_bus_message *m, const Options *o)
{
        _cleanup_strv_ char **env = NULL;
        int r = make_env(o, &env);

        return r < 0 || strv_length(env) == 0 ? r : bus_append_strings(m, "Env", env);
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
        return r < 0 ? fail_errno(r, "Failed to create method call %s", member) : 0;
}

/* Returned by send_create_call() if execd has to carry the streams; no error was printed. */
#define NEEDS_STREAM (-1)

/* With `pipes` the reply also has the ends of the command's pipes, which are the caller's then. */
static int send_create_call(Ctl *c, sd_bus_message *m, ExecName *ret, int *pipes)
{
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *id, *path;
        int r;

        agent_open(c);
        r = sd_bus_call(c->bus, m, 0, &error, &reply);
        if (r < 0 && pipes && sd_bus_error_has_name(&error, REFUSAL_ERROR_PREFIX "NotSupported"))
                return NEEDS_STREAM;
        if (r < 0)
                return bus_fail(&error, r);
        r = sd_bus_message_read(reply, "so", &id, &path);
        for (int i = 0; pipes && i < 3 && r >= 0; i++) {
                int fd;

                r = sd_bus_message_read(reply, "h", &fd);
                if (r >= 0)
                        pipes[i] = fcntl(fd, F_DUPFD_CLOEXEC, 3);
                if (r >= 0 && pipes[i] < 0)
                        r = -errno;
        }
        if (r < 0)
                return fail_errno(r, "Invalid reply from execd");
        snprintf(ret->id, sizeof(ret->id), "%s", id);
        ret->path = strdup(path);
        return ret->path ? 0 : fail_memory();
}

static int create(Ctl *c, const char *container, char **command, ExecName *ret)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r = new_create_call(c, "CreateExec", container, command, &m);

        return r != 0 ? r : send_create_call(c, m, ret, NULL);
}

/* -d */
static int run_detached(Ctl *c, const char *container, char **command)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        _cleanup_(exec_name_done) ExecName e = {0};
        int r;

        r = create(c, container, command, &e);
        if (r == 0) {
                warnings_ask(c, e.path);
                r = bus_new_call(c, e.path, EXEC_INTERFACE, "Start", &m);
        }
        if (r == 0)
                r = bus_call(c, m, NULL);
        if (r == 0)
                warnings_show(c);
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
        if (r == 0 && c->options.record && !c->options.quiet)
                fprintf(stderr, "Recording exec %.*s; to play it: execctl replay %.*s\n", ID_SHOWN, e.id,
                        ID_SHOWN, e.id);
        if (r == 0) {
                warnings_ask(c, e.path);
                r = bus_new_call(c, e.path, EXEC_INTERFACE, "StartAttached", &m);
        }
        if (r == 0)
                r = bus_call(c, m, &reply);
        if (r == 0)
                warnings_show(c);
        if (r != 0)
                return r;
        if (sd_bus_message_read(reply, "h", &s->stream) < 0)
                return fail("Invalid reply from execd");
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

/* Without a stream: we have the other ends of the command's pipes. */
static int run_piped(Ctl *c, const char *container, char **command)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        _cleanup_(exec_name_done) ExecName e = {0};
        _cleanup_(session_freep) Session *s = session_new(c);
        int pipes[3] = {-EBADF, -EBADF, -EBADF}, r;

        if (!s)
                return fail_memory();
        r = new_create_call(c, "RunPiped", container, command, &m);
        if (r == 0 && sd_bus_message_append(m, "b", session_has_one_output()) < 0)
                r = fail_memory();
        if (r == 0)
                r = send_create_call(c, m, &e, pipes);
        if (r == 0)
                r = session_use_pipes(s, pipes);
        else
                for (size_t i = 0; i < ELEMENTSOF(pipes); i++)
                        fd_close(pipes[i]);
        if (r != 0)
                return r;
        agent_close(c);
        warnings_ask(c, e.path);
        s->path = e.path;
        s->forward_signals = true;
        r = session_begin(s);
        return r != 0 ? r : session_run(s);
}

/* In one container. */
static int run_one(Ctl *c, int argc, char **argv)
{
        int r;

        if (c->options.detach)
                return run_detached(c, argv[0], argv + 1);
        if (c->options.tty || c->options.record)
                return run_attached(c, argv[0], argv + 1);
        r = run_piped(c, argv[0], argv + 1);
        /* The configuration may require a recording of each exec. */
        return r == NEEDS_STREAM ? run_attached(c, argv[0], argv + 1) : r;
}

/* Defaults for an exec with a terminal. */
static void use_terminal(Options *o)
{
        o->interactive = true;
        o->detach_keys = o->detach_keys ?: DETACH_KEYS;
        /* A terminal that is closed hangs up. */
        if (!o->detach)
                o->on_disconnect = o->on_disconnect ?: "hangup";
}

/* The command alone, or after the container that it is for. */
static int run_in_several(Ctl *c, int argc, char **argv)
{
        const char *containers = c->options.all ? NULL : argv[0];
        int skip = c->options.all ? 0 : 1;

        if (c->options.interactive || c->options.tty)
                return fail("%s cannot be combined with several containers.",
                            c->options.tty ? "--tty" : "--interactive");
        return multi_run(c, containers, true, run_one, argc - skip, argv + skip);
}

int verb_run(Ctl *c, int argc, char **argv)
{
        Options *o = &c->options;

        if (o->detach && o->interactive && !o->tty)
                return fail("--interactive cannot be combined with --detach, except with --tty.");
        if (o->host)
                return remote_run(c, "run", o->tty && !o->detach, argc, argv);
        if (o->all || targets_are_several(argv[0]))
                return run_in_several(c, argc, argv);
        if (o->tty)
                use_terminal(o);
        return run_one(c, argc, argv);
}

/* As with machinectl, the user precedes the container. */
static int take_user(Options *o, char **container)
{
        char *at = strrchr(*container, '@');

        if (!at)
                return 0;
        if (o->user)
                return fail("The user is given twice, in \"%s\" and with --user.", *container);
        *at = 0;
        o->user = *container;
        *container = at + 1;
        return 0;
}

static int shell_one(Ctl *c, int argc, char **argv)
{
        char *words[] = {argv[0],
                         (char *) "/bin/sh",
                         (char *) "-c",
                         (char *) LOGIN_SHELL_SCRIPT,
                         (char *) (c->options.working_dir ? LOGIN_SHELL_HERE : LOGIN_SHELL_HOME),
                         NULL};

        return argc > 1 ? run_one(c, argc, argv) : run_one(c, ELEMENTSOF(words) - 1, words);
}

int verb_shell(Ctl *c, int argc, char **argv)
{
        Options *o = &c->options;
        int r;

        o->tty = true;
        if (o->detach)
                return fail("--detach cannot be combined with shell.");
        if (o->host)
                return remote_run(c, "shell", true, argc, argv);
        use_terminal(o);
        if (o->all)
                return multi_run(c, NULL, false, shell_one, argc, argv);
        r = take_user(o, &argv[0]);
        if (r != 0)
                return r;
        if (targets_are_several(argv[0]))
                return multi_run(c, argv[0], false, shell_one, argc - 1, argv + 1);
        return shell_one(c, argc, argv);
}
