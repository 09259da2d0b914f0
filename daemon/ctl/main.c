/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* execctl: the verbs. */

#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "ctl/bus.h"

static int (*const verbs[_VERB_MAX])(Ctl *c, int argc, char **argv) = {
        [VERB_RUN] = verb_run,
        [VERB_SHELL] = verb_shell,
        [VERB_ATTACH] = verb_attach,
        [VERB_LIST] = verb_list,
        [VERB_CONTAINERS] = verb_containers,
        [VERB_TOP] = verb_top,
        [VERB_STATUS] = verb_status,
        [VERB_SHOW] = verb_show,
        [VERB_HISTORY] = verb_history,
        [VERB_EVENTS] = verb_events,
        [VERB_LOGS] = verb_logs,
        [VERB_REPLAY] = verb_replay,
        [VERB_RECORDINGS] = verb_recordings,
        [VERB_KILL] = verb_kill,
        [VERB_WAIT] = verb_wait,
        [VERB_HELP] = verb_help,
};

static int fail_unknown(const char *name)
{
        const char *meant = verb_suggest(name);

        return meant ? fail("Unknown command \"%s\". Did you mean \"%s\"?", name, meant)
                     : fail("Unknown command \"%s\". See \"execctl help\".", name);
}

static int check_arguments(const Ctl *c, const VerbRow *v, int argc)
{
        /* With --all there is no container among the arguments. */
        if (argc < v->min - (v->has_command && c->options.all))
                return fail("%s: too few arguments: execctl %s [OPTIONS...]%s%s", v->name, v->name,
                            *v->arguments ? " " : "", v->arguments);
        if (argc > v->max)
                return fail("%s: too many arguments: execctl %s [OPTIONS...]%s%s", v->name, v->name,
                            *v->arguments ? " " : "", v->arguments);
        return 0;
}

/* After the container: drops "--". A word that looks like an option is one that was meant for execctl. */
static int take_dashes(int *argc, char ***argv)
{
        char **words = *argv;

        if (words[1][0] == '-' && words[1][1] != 0 && strcmp(words[1], "--") != 0)
                return fail("The option \"%s\" must precede the container. If it is a command, write \"--\" "
                            "before it.",
                            words[1]);
        if (strcmp(words[1], "--") == 0) {
                words[1] = words[0];
                (*argv)++;
                (*argc)--;
        }
        return 0;
}

/* From the verb on. Options after `run CONTAINER` are the command's. */
static int run_verb(Ctl *c, int argc, char **argv)
{
        char *nothing[] = {(char *) "list", NULL};
        const VerbRow *v;
        Verb verb;
        int first, r;

        if (argc == 0) {
                argc = 1;
                argv = nothing;
        }
        verb = verb_from_string(argv[0]);
        if (verb < 0)
                return fail_unknown(argv[0]);
        v = &verb_table[verb];
        argv[0] = program_invocation_short_name; /* for messages of getopt */
        first = options_parse(c, argc, argv, v->has_command);
        if (first < 0)
                return -first;
        if (c->options.help)
                return help_print(c, verb);
        if (c->options.version)
                return help_version();
        argc -= first;
        argv += first;
        if (v->has_command && !c->options.all && argc > 1) {
                r = take_dashes(&argc, &argv);
                if (r != 0)
                        return r;
        }
        r = check_arguments(c, v, argc) ?: options_check(&c->options, verb);
        return r ?: verbs[verb](c, argc, argv);
}

/* Options before the verb, and then the verb. */
static int run(Ctl *c, int argc, char **argv)
{
        int first = options_parse(c, argc, argv, true);

        if (first < 0)
                return -first;
        if (c->options.help)
                return help_print(c, _VERB_INVALID);
        if (c->options.version)
                return help_version();
        return run_verb(c, argc - first, argv + first);
}

/* A standard descriptor that the caller has closed must not become another file of execctl. */
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

/* The variable that chooses the character set. */
static const char *name_of_locale(void)
{
        static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};

        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                const char *value = getenv(names[i]);

                if (value && *value)
                        return value;
        }
        return NULL;
}

/* Text is UTF-8 if the environment names no locale, as in programs of systemd, or one with UTF-8 that is not
 * installed. */
static void choose_locale(void)
{
        const char *name = name_of_locale();
        bool found = setlocale(LC_ALL, "");

        if (!name || (!found && (strcasestr(name, "UTF-8") || strcasestr(name, "UTF8"))))
                (void) setlocale(LC_CTYPE, "C.UTF-8");
}

/* The reader of the output, such as head(1), may exit early. */
static int finish_output(void)
{
        int error = output_flush();

        return error != 0 && error != EPIPE ? fail_errno(error, "Failed to write output") : 0;
}

int main(int argc, char **argv)
{
        Ctl c = {.options = {.signal_number = SIGTERM,
                             .lines = -1,
                             .speed = 1000,
                             .idle_limit_usec = UINT64_MAX}};
        int r;

        open_standard_fds();
        choose_locale();
        (void) signal(SIGPIPE, SIG_IGN);
        c.on_terminal = isatty(STDOUT_FILENO);
        c.colors = want_colors(c.on_terminal);

        r = run(&c, argc, argv);
        agent_close(&c);
        r = r ?: finish_output();
        pager_close(&c);
        sd_bus_flush_close_unref(c.bus);
        options_done(&c.options);
        return r;
}
