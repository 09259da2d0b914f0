/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>

#include "config.h"
#include "ctl/ctl.h"
#include "ctl/option-table.h"
#include "ctl/table.h"

/* Columns before the text of an option or a command. */
#define INDENT    33

#define UNDERLINE "\033[0;4m"

static void print_title(const Ctl *c, const char *title)
{
        printf("\n%s%s:%s\n", c->colors ? UNDERLINE : "", title, c->colors ? COLOR_OFF : "");
}

/* The name of a command or option, and its explanation in a column of its own. */
static void print_row(const char *what, const char *text)
{
        size_t width = text_width(what);

        if (width + 3 > INDENT)
                printf("  %s\n%*s%s\n", what, INDENT, "", text);
        else
                printf("  %s%*s%s\n", what, (int) (INDENT - 2 - width), "", text);
}

/* A second name of an option, which has the letter already. */
static bool is_alias(const OptionRow *k)
{
        for (const OptionRow *other = option_table; other < k; other++)
                if (other->value == k->value && other->verbs & k->verbs)
                        return true;
        return false;
}

static void print_option(const OptionRow *k)
{
        char what[128], letter[4] = "  ";

        if (k->value < 0x100 && !is_alias(k))
                snprintf(letter, sizeof(letter), "-%c", k->value);
        if (k->name)
                snprintf(what, sizeof(what), "%s --%s%s%s", letter, k->name, k->argument ? "=" : "",
                         k->argument ?: "");
        else
                snprintf(what, sizeof(what), "%s%s%s", letter, k->argument ? " " : "", k->argument ?: "");
        print_row(what, k->help);
}

static void print_options(const Ctl *c, const char *title, uint32_t any, uint32_t none)
{
        bool titled = false;

        for (size_t i = 0; i < option_table_size; i++) {
                const OptionRow *k = &option_table[i];

                if (!(k->verbs & any) || (none && (k->verbs & none) == none))
                        continue;
                if (!titled)
                        print_title(c, title);
                titled = true;
                print_option(k);
        }
}

static int print_whole(Ctl *c)
{
        char what[128];

        printf("execctl [OPTIONS...] COMMAND ...\n\n"
               "Run commands in running containers, and manage them.\n");
        print_title(c, "Commands");
        for (size_t i = 0; i < _VERB_MAX; i++) {
                const VerbRow *v = &verb_table[i];

                snprintf(what, sizeof(what), "%s %s", v->name, v->arguments);
                print_row(what, v->summary);
        }
        print_options(c, "Options of run and shell, before the container",
                      VERB_BIT(VERB_RUN) | VERB_BIT(VERB_SHELL), VERB_ALL & ~VERB_BIT(VERB_HELP));
        print_title(c, "Options of all commands");
        for (size_t i = 0; i < option_table_size; i++)
                if ((option_table[i].verbs | VERB_BIT(VERB_HELP)) == VERB_ALL)
                        print_option(&option_table[i]);
        printf("\nAn EXEC is the ID of an exec or the beginning of its ID. The default command is list.\n"
               "\"execctl help COMMAND\" shows the options of a command. See execctl(1).\n");
        return 0;
}

int help_print(Ctl *c, Verb verb)
{
        const VerbRow *v = &verb_table[verb < 0 ? VERB_HELP : verb];

        pager_open(c);
        if (verb < 0)
                return print_whole(c);
        printf("execctl %s [OPTIONS...]%s%s\n\n%s.\n", v->name, *v->arguments ? " " : "", v->arguments,
               v->summary);
        print_options(c, "Options", VERB_BIT(verb), 0);
        printf("\nSee execctl(1).\n");
        return 0;
}

int help_version(void)
{
        printf("execctl %s\n", EXECD_VERSION);
        return 0;
}

int verb_help(Ctl *c, int argc, char **argv)
{
        Verb verb = argc > 0 ? verb_from_string(argv[0]) : _VERB_INVALID;

        if (argc > 0 && verb < 0)
                return fail("There is no command \"%s\" to help with. See \"execctl help\".", argv[0]);
        return help_print(c, verb);
}
