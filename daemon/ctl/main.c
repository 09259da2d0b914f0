/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* execctl: the verbs. */

#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "ctl/bus.h"

static const struct {
        const char *name;
        int min, max; /* arguments */
        bool has_command;
        int (*run)(Ctl *c, int argc, char **argv);
        const char *arguments; /* what is to follow; "EXEC" unless it is said */
} verbs[] = {
        {"run", 2, INT32_MAX, true, verb_run, "CONTAINER [--] COMMAND…"},
        {"shell", 1, INT32_MAX, true, verb_shell, "[USER@]CONTAINER [COMMAND…]"},
        {"attach", 1, 1, false, verb_attach},
        {"list", 0, 1, false, verb_list},
        {"containers", 0, 0, false, verb_containers},
        {"status", 1, INT32_MAX, false, verb_status, "EXEC…"},
        {"logs", 1, 1, false, verb_logs},
        {"replay", 1, 1, false, verb_replay, "EXEC or FILE"},
        {"kill", 1, INT32_MAX, false, verb_kill, "EXEC…"},
        {"wait", 1, 1, false, verb_wait},
        {"help", 0, 1, false, verb_help},
};

/* What one types who comes from docker or machinectl. */
static const char *known_elsewhere_as(const char *name)
{
        static const char *const names[][2] = {
                {"exec", "run"},
                {"login", "shell"},
                {"enter", "shell"},
                {"ps", "list"},
                {"ls", "list"},
                {"show", "status"},
                {"inspect", "status"},
                {"stop", "kill"},
                {"terminate", "kill"},
                {"machines", "containers"},
                {"container", "containers"},
        };

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (strcmp(names[i][0], name) == 0)
                        return names[i][1];
        return NULL;
}

/* From the verb on. Options after `run CONTAINER` are the command's. */
static int run_verb(Ctl *c, int argc, char **argv)
{
        const char *name = argc > 0 ? argv[0] : "list";
        char *nothing[] = {(char *) name, NULL};
        size_t i = 0;
        int first, r;

        if (argc == 0) {
                argc = 1;
                argv = nothing;
        }
        while (i < ELEMENTSOF(verbs) && strcmp(verbs[i].name, name) != 0)
                i++;
        if (i == ELEMENTSOF(verbs)) {
                const char *here = known_elsewhere_as(name);

                return here ? fail("there is no command \"%s\"; here it is \"%s\", see execctl --help", name,
                                   here)
                            : fail("there is no command \"%s\"; see execctl --help", name);
        }
        argv[0] = program_invocation_short_name; /* for what getopt has to say */
        first = options_parse(c, argc, argv, verbs[i].has_command, &r);
        if (first < 0)
                return r;
        argc -= first;
        argv += first;
        if (verbs[i].has_command && argc > 1 && strcmp(argv[1], "--") == 0) {
                argv[1] = argv[0];
                argv++;
                argc--;
        }
        if (argc < verbs[i].min)
                return fail("%s: too few arguments: execctl %s [OPTIONS…] %s", name, name,
                            verbs[i].arguments ?: "EXEC");
        if (argc > verbs[i].max)
                return fail("%s: too many arguments; see execctl --help", name);
        return verbs[i].run(c, argc, argv);
}

/* What a caller left closed must not become some other file of ours. */
static void open_standard_fds(void)
{
        int fd;

        do
                fd = open("/dev/null", O_RDWR);
        while (fd >= 0 && fd <= STDERR_FILENO);
        fd_close(fd);
}

static bool want_colors(bool on_terminal)
{
        const char *mode = getenv("SYSTEMD_COLORS"), *term = getenv("TERM");

        if (mode && (strcmp(mode, "0") == 0 || strcmp(mode, "no") == 0 || strcmp(mode, "false") == 0))
                return false;
        return on_terminal && !getenv("NO_COLOR") && term && strcmp(term, "dumb") != 0;
}

int main(int argc, char **argv)
{
        Ctl c = {.options = {.signal_number = SIGTERM,
                             .lines = -1,
                             .speed = 1000,
                             .idle_limit_usec = UINT64_MAX}};
        int first, r;

        open_standard_fds();
        (void) setlocale(LC_ALL, "");
        (void) signal(SIGPIPE, SIG_IGN);
        c.on_terminal = isatty(STDOUT_FILENO);
        c.colors = want_colors(c.on_terminal);

        first = options_parse(&c, argc, argv, true, &r);
        if (first >= 0)
                r = run_verb(&c, argc - first, argv + first);
        agent_close(&c);
        if (fflush(stdout) != 0 && errno != EPIPE && r == 0)
                r = fail_errno(errno, "cannot write");
        pager_close(&c);
        sd_bus_flush_close_unref(c.bus);
        options_done(&c.options);
        return r;
}
