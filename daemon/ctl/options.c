/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/decimal.h"
#include "base/time.h"
#include "ctl/ctl.h"
#include "ctl/env-file.h"
#include "ctl/option-table.h"
#include "wire/signal-name.h"
#include "wire/units.h"

void options_done(Options *o)
{
        o->env = strv_free(o->env);
        o->env_of_file = strv_free(o->env_of_file);
        o->labels = strv_free(o->labels);
        o->properties = strv_free(o->properties);
        o->remote = strv_free(o->remote);
        for (size_t i = 0; i < o->n_given; i++)
                free(o->given[i].text);
        o->n_given = 0;
}

/* Keeps the option for an execctl elsewhere. Variables are taken from here, not from there. */
static int remember(Options *o, int option, const char *argument)
{
        char *text = NULL;

        for (size_t i = 0; i < option_table_size && !text; i++) {
                const OptionRow *k = &option_table[i];

                if (k->value == option && k->name &&
                    asprintf(&text, "--%s%s%s", k->name, argument ? "=" : "", argument ?: "") < 0)
                        return fail_memory();
        }
        return text && strv_consume(&o->remote, text) < 0 ? fail_memory() : 0;
}

static int add_variable(Options *o, const char *argument)
{
        const char *value = getenv(argument);
        _cleanup_free_ char *text = NULL;

        if (!*argument || *argument == '=')
                return fail("--setenv: NAME=VALUE or NAME is expected, not \"%s\"", argument);
        if (strchr(argument, '='))
                text = strdup(argument);
        else if (!value)
                return 0; /* not set here, so it is not handed on */
        else if (asprintf(&text, "%s=%s", argument, value) < 0)
                return fail_memory();
        if (!text || strv_append(&o->env, text) < 0)
                return fail_memory();
        return remember(o, 'e', text);
}

static int parse_json_mode(const char *argument, JsonMode *ret)
{
        static const char *const names[] = {
                [JSON_OFF] = "off", [JSON_SHORT] = "short", [JSON_PRETTY] = "pretty"};
        int i = NAMES_FIND(names, argument);

        if (i < 0)
                return fail("--json: short, pretty or off is expected, not \"%s\"", argument);
        *ret = (JsonMode) i;
        return 0;
}

static int parse_lines(const char *argument, long *ret)
{
        uint64_t n;

        *ret = -1;
        if (strcmp(argument, "all") == 0)
                return 0;
        if (decimal_parse(argument, LONG_MAX, &n) < 0)
                return fail("--lines: a number or \"all\" is expected, not \"%s\"", argument);
        *ret = (long) n;
        return 0;
}

/* A decimal number, as "2" or "0.5", times `unit`; the locale has no say in it. */
static int parse_decimal(const char *text, uint64_t unit, uint64_t max, uint64_t *ret)
{
        const char *p = text, *fraction;
        uint64_t whole;
        size_t n;

        if (units_take_decimal(&p, &whole, &fraction, &n) < 0 || *p ||
            units_scale(whole, fraction, n, unit, ret) < 0 || *ret > max * unit)
                return -EINVAL;
        return 0;
}

static int parse_on_disconnect(const char *argument, const char **ret)
{
        if (strcmp(argument, "keep") != 0 && strcmp(argument, "hangup") != 0 &&
            strcmp(argument, "kill") != 0)
                return fail("--on-disconnect: keep, hangup or kill is expected, not \"%s\"", argument);
        *ret = argument;
        return 0;
}

static int parse_working_dir(const char *argument, const char **ret)
{
        if (*argument && *argument != '/')
                return fail("--working-directory: an absolute path is expected, not \"%s\"", argument);
        *ret = argument;
        return 0;
}

/* Those whose argument is taken as it is. */
static const char **text_of(Options *o, int option)
{
        const struct {
                int option;
                const char **text;
        } texts[] = {
                {'u', &o->user},           {OPTION_DETACH_KEYS, &o->detach_keys},
                {OPTION_SINCE, &o->since}, {OPTION_UNTIL, &o->until},
                {OPTION_STATE, &o->state}, {OPTION_CALLER, &o->caller},
        };

        for (size_t i = 0; i < ELEMENTSOF(texts); i++)
                if (texts[i].option == option)
                        return texts[i].text;
        return NULL;
}

/* Options with an argument. */
static int take_argument(Options *o, int option, const char *argument)
{
        const char **text = text_of(o, option);

        if (text) {
                *text = argument;
                return 0;
        }
        switch (option) {
        case 'e':
        case 'E':
                return add_variable(o, argument);
        case OPTION_ENV_FILE:
                return env_file_read(argument, &o->env_of_file);
        case 'w':
                return parse_working_dir(argument, &o->working_dir);
        case 'P':
                o->value = true;
                return strv_append(&o->properties, argument) < 0 ? fail_memory() : 0;
        case 'p':
                return strv_append(&o->properties, argument) < 0 ? fail_memory() : 0;
        case OPTION_LABEL:
                return strv_append(&o->labels, argument) < 0 ? fail_memory() : 0;
        case OPTION_ON_DISCONNECT:
                return parse_on_disconnect(argument, &o->on_disconnect);
        case 's':
                o->signal_number = signal_from_text(argument);
                return o->signal_number < 0 ? fail("--signal: there is no signal \"%s\"", argument) : 0;
        case 'n':
                return parse_lines(argument, &o->lines);
        case 'H':
                o->host = argument;
                return *argument ? 0 : fail("--host: a host is expected");
        case OPTION_CONTAINER:
                o->container = argument;
                return *argument ? 0 : fail("--container: a name or an ID is expected");
        case OPTION_SPEED:
                return parse_decimal(argument, 1000, 1000, &o->speed) >= 0 && o->speed >= 10
                               ? 0
                               : fail("--speed: a number from 0.01 to 1000 is expected, not \"%s\"",
                                      argument);
        case OPTION_IDLE_LIMIT:
                return parse_decimal(argument, USEC_PER_SEC, 86400, &o->idle_limit_usec) >= 0
                               ? 0
                               : fail("--idle-limit: a number of seconds up to 86400 is expected, not \"%s\"",
                                      argument);
        case OPTION_JSON:
                return parse_json_mode(argument, &o->json);
        }
        return EXIT_FAILURE;
}

static bool *flag_of(Options *o, int option)
{
        const struct {
                int option;
                bool *flag;
        } flags[] = {
                {'i', &o->interactive},
                {'t', &o->tty},
                {'d', &o->detach},
                {'a', &o->all},
                {'l', &o->full},
                {'f', &o->follow},
                {'q', &o->quiet},
                {OPTION_VALUE, &o->value},
                {OPTION_PRIVILEGED, &o->privileged},
                {OPTION_RECORD, &o->record},
                {OPTION_NO_WAIT, &o->no_wait},
                {OPTION_RAW, &o->raw},
                {OPTION_NO_LEGEND, &o->no_legend},
                {OPTION_NO_PAGER, &o->no_pager},
                {OPTION_NO_ASK_PASSWORD, &o->no_ask_password},
        };

        for (size_t i = 0; i < ELEMENTSOF(flags); i++)
                if (flags[i].option == option)
                        return flags[i].flag;
        return NULL;
}

/* The arguments of getopt_long(3). */
typedef struct Getopt {
        struct option names[OPTIONS_MAX + 1];
        char letters[2 * OPTIONS_MAX + 2];
} Getopt;

static void getopt_init(Getopt *g, bool stop)
{
        size_t n = 0;
        char *end;

        *g = (Getopt){0};
        end = stpcpy(g->letters, stop ? "+" : "");
        for (size_t i = 0; i < option_table_size; i++) {
                const OptionRow *k = &option_table[i];

                if (k->value < 0x100 && !strchr(g->letters, k->value)) {
                        *end++ = (char) k->value;
                        end = stpcpy(end, k->argument ? ":" : "");
                }
                if (k->name && !ARRAY_FIND(g->names, n, known, strcmp(known->name, k->name) == 0))
                        g->names[n++] = (struct option){
                                k->name, k->argument ? required_argument : no_argument, NULL, k->value};
        }
}

/* Keeps how the option was written, for errors about it once the command is known. */
static int note_given(Options *o, int value, const char *name)
{
        char *text;

        for (size_t i = 0; i < o->n_given; i++)
                if (o->given[i].value == value)
                        return 0;
        if (o->n_given == ELEMENTSOF(o->given) ||
            (name ? asprintf(&text, "--%s", name) : asprintf(&text, "-%c", value)) < 0)
                return fail_memory();
        o->given[o->n_given++] = (GivenOption){value, text};
        return 0;
}

static int take_option(Ctl *c, int option, const char *name)
{
        Options *o = &c->options;
        bool *flag = flag_of(o, option);
        int r = note_given(o, option, name);

        if (r != 0)
                return r;
        if (flag)
                *flag = true;
        else if (option == 'j')
                o->json = c->on_terminal ? JSON_PRETTY : JSON_SHORT;
        else if (option == 'h' || option == OPTION_VERSION)
                o->help = option == 'h', o->version = option != 'h';
        else
                r = take_argument(o, option, optarg);
        if (r != 0 || option == 'H' || option == 'e' || option == 'E' || option == OPTION_ENV_FILE)
                return r;
        return remember(o, option == 'j' ? OPTION_JSON : option,
                        option != 'j'            ? optarg
                        : o->json == JSON_PRETTY ? "pretty"
                                                 : "short");
}

int options_parse(Ctl *c, int argc, char **argv, bool stop)
{
        int option, r = 0, index = -1;
        Getopt g;

        getopt_init(&g, stop);
        optind = 0; /* glibc: begin anew */
        while (r == 0 && (option = getopt_long(argc, argv, g.letters, g.names, &index)) >= 0) {
                r = option == '?' ? EXIT_FAILURE
                                  : take_option(c, option, index >= 0 ? g.names[index].name : NULL);
                index = -1;
        }
        return r == 0 ? optind : -r;
}

/* "run", "shell" */
static void print_takers(FILE *f, int value)
{
        uint32_t verbs = 0;
        const char *between = "";

        for (size_t i = 0; i < option_table_size; i++)
                verbs |= option_table[i].value == value ? option_table[i].verbs : 0;
        for (int v = 0; v < _VERB_MAX; v++)
                if (verbs & VERB_BIT(v)) {
                        fprintf(f, "%s\"%s\"", between, verb_table[v].name);
                        between = ", ";
                }
}

static int fail_not_taken(const GivenOption *given, Verb verb)
{
        _cleanup_free_ char *takers = NULL;
        size_t size;
        FILE *f = open_memstream(&takers, &size);

        if (!f)
                return fail_memory();
        print_takers(f, given->value);
        if (fclose(f) != 0)
                return fail_memory();
        return fail("The command \"%s\" does not take the option %s, which is for %s.",
                    verb_table[verb].name, given->text, takers);
}

static int check_pairs(char *const *pairs, const char *option)
{
        for (size_t i = 0; pairs && pairs[i]; i++)
                if (!strchr(pairs[i], '=') || *pairs[i] == '=')
                        return fail("%s: NAME=VALUE is expected, not \"%s\"", option, pairs[i]);
        return 0;
}

static int check_label_filters(char *const *labels)
{
        for (size_t i = 0; labels && labels[i]; i++)
                if (!*labels[i] || *labels[i] == '=')
                        return fail("--label: NAME or NAME=VALUE is expected, not \"%s\"", labels[i]);
        return 0;
}

int options_check(const Options *o, Verb verb)
{
        int r = 0;

        for (size_t i = 0; i < o->n_given; i++)
                if (!ARRAY_FIND(option_table, option_table_size, k,
                                k->value == o->given[i].value && k->verbs & VERB_BIT(verb)))
                        return fail_not_taken(&o->given[i], verb);
        if (verb == VERB_RUN || verb == VERB_SHELL) {
                r = check_pairs(o->properties, "--property");
                r = r ?: check_pairs(o->labels, "--label");
        } else
                r = check_label_filters(o->labels);
        return r;
}
