/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* execctl on another host: a verb that needs fds or the journal there runs there, and ssh carries the streams. */

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "ctl/ctl.h"

/* One word for the shell at the other end, whichever it is: within '…' nothing but ' means anything. */
static void quote(Buf *b, const char *word)
{
        buf_puts(b, " '");
        for (const char *p = word; *p; p++)
                if (*p == '\'')
                        buf_puts(b, "'\\''");
                else
                        buf_append(b, p, 1);
        buf_puts(b, "'");
}

/* The shell at the other end may be any; this one says what is missing there. */
#define REMOTE_SCRIPT                              \
        "command -v execctl >/dev/null 2>&1 || { " \
        "echo \"execctl: execd is not installed on $0\" >&2; exit 1; }; exec execctl \"$@\""
/* Without a terminal there, it cannot see which of its streams ends at one. */
#define REMOTE_SCRIPT_STDOUT "export EXECCTL_TERMINAL=stdout; " REMOTE_SCRIPT
#define REMOTE_SCRIPT_STDERR "export EXECCTL_TERMINAL=stderr; " REMOTE_SCRIPT
#define REMOTE_SCRIPT_BOTH   "export EXECCTL_TERMINAL=both; " REMOTE_SCRIPT

static const char *remote_script(bool tty)
{
        bool on_stdout = isatty(STDOUT_FILENO), on_stderr = isatty(STDERR_FILENO);

        if (tty || (!on_stdout && !on_stderr))
                return REMOTE_SCRIPT;
        if (on_stdout && on_stderr)
                return REMOTE_SCRIPT_BOTH;
        return on_stdout ? REMOTE_SCRIPT_STDOUT : REMOTE_SCRIPT_STDERR;
}

bool ends_at_terminal(int fd)
{
        const char *name = getenv("EXECCTL_TERMINAL");

        return isatty(fd) || (name && (strcmp(name, fd == STDERR_FILENO ? "stderr" : "stdout") == 0 ||
                                       strcmp(name, "both") == 0));
}

static void write_command(Buf *b, const Ctl *c, const char *verb, bool tty, int argc, char **argv)
{
        buf_puts(b, "exec sh -c");
        quote(b, remote_script(tty));
        quote(b, c->options.host);
        quote(b, verb);
        /* Before the variables that were given one by one, which override these. */
        STRV_FOREACH (variable, c->options.env_of_file) {
                _cleanup_free_ char *text = NULL;

                if (asprintf(&text, "--setenv=%s", *variable) < 0)
                        b->failed = true;
                else
                        quote(b, text);
        }
        STRV_FOREACH (option, c->options.remote)
                quote(b, *option);
        buf_puts(b, " --");
        for (int i = 0; i < argc; i++) {
                if (i == 1 && !c->options.all)
                        buf_puts(b, " --"); /* arguments after the container belong to the command */
                quote(b, argv[i]);
        }
        buf_append(b, "", 1);
}

int remote_run(Ctl *c, const char *verb, bool tty, int argc, char **argv)
{
        _cleanup_free_ char *host = strdup(c->options.host);
        _cleanup_buf_ Buf command = BUF_INIT;
        char *words[8] = {(char *) "ssh"}, *port;
        size_t n = 1;

        if (!host)
                return fail_memory();
        if (strchr(host, '/'))
                return fail("--host: \"%s\" takes a host without a container", verb);

        write_command(&command, c, verb, tty, argc, argv);
        if (buf_error(&command) < 0)
                return fail_memory();

        words[n++] = (char *) (!tty ? "-T" : isatty(STDIN_FILENO) ? "-t" : "-tt");
        /* As sd-bus writes hosts: HOST:PORT, where HOST has no colon itself. */
        port = strchr(host, ':');
        if (port && !strchr(port + 1, ':')) {
                *port = 0;
                words[n++] = (char *) "-p";
                words[n++] = port + 1;
        }
        words[n++] = (char *) "--";
        words[n++] = host;
        words[n++] = buf_head(&command);
        (void) signal(SIGPIPE, SIG_DFL);
        execvp("ssh", words);
        return fail_errno(errno, "Failed to start ssh");
}
