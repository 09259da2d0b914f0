/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/time.h"
#include "config.h"
#include "ctl/ctl.h"

enum {
        OPTION_PRIVILEGED = 0x100,
        OPTION_PROPERTY,
        OPTION_LABEL,
        OPTION_ON_DISCONNECT,
        OPTION_DETACH_KEYS,
        OPTION_RECORD,
        OPTION_SPEED,
        OPTION_IDLE_LIMIT,
        OPTION_NO_WAIT,
        OPTION_RAW,
        OPTION_JSON,
        OPTION_NO_LEGEND,
        OPTION_NO_PAGER,
        OPTION_NO_ASK_PASSWORD,
        OPTION_VERSION,
};

static const struct option options[] = {
        {"interactive", no_argument, NULL, 'i'},
        {"tty", no_argument, NULL, 't'},
        {"user", required_argument, NULL, 'u'},
        {"setenv", required_argument, NULL, 'e'},
        {"working-directory", required_argument, NULL, 'w'},
        {"detach", no_argument, NULL, 'd'},
        {"privileged", no_argument, NULL, OPTION_PRIVILEGED},
        {"property", required_argument, NULL, OPTION_PROPERTY},
        {"label", required_argument, NULL, OPTION_LABEL},
        {"on-disconnect", required_argument, NULL, OPTION_ON_DISCONNECT},
        {"detach-keys", required_argument, NULL, OPTION_DETACH_KEYS},
        {"record", no_argument, NULL, OPTION_RECORD},
        {"speed", required_argument, NULL, OPTION_SPEED},
        {"idle-limit", required_argument, NULL, OPTION_IDLE_LIMIT},
        {"no-wait", no_argument, NULL, OPTION_NO_WAIT},
        {"raw", no_argument, NULL, OPTION_RAW},
        {"signal", required_argument, NULL, 's'},
        {"all", no_argument, NULL, 'a'},
        {"full", no_argument, NULL, 'l'},
        {"follow", no_argument, NULL, 'f'},
        {"lines", required_argument, NULL, 'n'},
        {"host", required_argument, NULL, 'H'},
        {"json", required_argument, NULL, OPTION_JSON},
        {"no-legend", no_argument, NULL, OPTION_NO_LEGEND},
        {"no-pager", no_argument, NULL, OPTION_NO_PAGER},
        {"no-ask-password", no_argument, NULL, OPTION_NO_ASK_PASSWORD},
        {"version", no_argument, NULL, OPTION_VERSION},
        {"help", no_argument, NULL, 'h'},
        {0},
};

void options_done(Options *o)
{
        o->env = strv_free(o->env);
        o->labels = strv_free(o->labels);
        o->properties = strv_free(o->properties);
        o->remote = strv_free(o->remote);
}

/* Keeps the option for an execctl elsewhere. Variables are taken from here, not from there. */
static int remember(Options *o, int option, const char *argument)
{
        char *text = NULL;

        for (const struct option *k = options; k->name; k++)
                if (k->val == option &&
                    asprintf(&text, "--%s%s%s", k->name, argument ? "=" : "", argument ?: "") < 0)
                        return fail_memory();
        return strv_consume(&o->remote, text) < 0 ? fail_memory() : 0;
}

static int add_variable(Options *o, const char *argument)
{
        const char *value = getenv(argument);
        _cleanup_free_ char *text = NULL;

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

static int add_pair(char ***pairs, const char *name, const char *argument)
{
        if (!strchr(argument, '=') || *argument == '=')
                return fail("--%s: NAME=VALUE is expected, not \"%s\"", name, argument);
        return strv_append(pairs, argument) < 0 ? fail_memory() : 0;
}

static int parse_json_mode(const char *argument, JsonMode *ret)
{
        static const char *const names[] = {
                [JSON_OFF] = "off", [JSON_SHORT] = "short", [JSON_PRETTY] = "pretty"};

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (strcmp(argument, names[i]) == 0) {
                        *ret = (JsonMode) i;
                        return 0;
                }
        return fail("--json: short, pretty or off is expected, not \"%s\"", argument);
}

static int parse_lines(const char *argument, long *ret)
{
        char *end;

        *ret = strcmp(argument, "all") == 0 ? -1 : strtol(argument, &end, 10);
        if (*ret == -1)
                return 0;
        if (!*argument || *end || *ret < 0)
                return fail("--lines: a number or \"all\" is expected, not \"%s\"", argument);
        return 0;
}

/* A decimal number, as "2" or "0.5", times `unit`; the locale has no say in it. */
static int parse_decimal(const char *text, uint64_t unit, uint64_t max, uint64_t *ret)
{
        uint64_t n = 0, part = unit;
        const char *p = text;

        for (; *p >= '0' && *p <= '9' && n <= max; p++)
                n = n * 10 + (uint64_t) (*p - '0');
        if (p == text || n > max)
                return -EINVAL;
        n *= unit;
        if (*p == '.')
                for (p++; *p >= '0' && *p <= '9'; p++) {
                        part /= 10;
                        n += part * (uint64_t) (*p - '0');
                }
        if (*p || n > max * unit)
                return -EINVAL;
        *ret = n;
        return 0;
}

static int parse_speed(const char *argument, uint64_t *ret)
{
        if (parse_decimal(argument, 1000, 1000, ret) < 0 || *ret < 10)
                return fail("--speed: a number from 0.01 to 1000 is expected, not \"%s\"", argument);
        return 0;
}

static int parse_idle_limit(const char *argument, uint64_t *ret)
{
        if (parse_decimal(argument, USEC_PER_SEC, 86400, ret) < 0)
                return fail("--idle-limit: a number of seconds up to 86400 is expected, not \"%s\"",
                            argument);
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

/* Options with an argument. */
static int take_argument(Options *o, int option, const char *argument)
{
        switch (option) {
        case 'u':
                o->user = argument;
                return 0;
        case 'e':
                return add_variable(o, argument);
        case 'w':
                o->working_dir = argument;
                return 0;
        case OPTION_PROPERTY:
                return add_pair(&o->properties, "property", argument);
        case OPTION_LABEL:
                return add_pair(&o->labels, "label", argument);
        case OPTION_ON_DISCONNECT:
                return parse_on_disconnect(argument, &o->on_disconnect);
        case OPTION_DETACH_KEYS:
                o->detach_keys = argument;
                return 0;
        case 's':
                o->signal_number = signal_from_string(argument);
                return o->signal_number < 0 ? fail("--signal: there is no signal \"%s\"", argument) : 0;
        case 'n':
                return parse_lines(argument, &o->lines);
        case 'H':
                o->host = argument;
                return *argument ? 0 : fail("--host: a host is expected");
        case OPTION_SPEED:
                return parse_speed(argument, &o->speed);
        case OPTION_IDLE_LIMIT:
                return parse_idle_limit(argument, &o->idle_limit_usec);
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

int options_parse(Ctl *c, int argc, char **argv, bool stop, int *ret_status)
{
        Options *o = &c->options;
        int option, r = 0;

        optind = 0; /* glibc: begin anew */
        while (r == 0 &&
               (option = getopt_long(argc, argv, stop ? "+itu:e:w:ds:alfn:H:h" : "itu:e:w:ds:alfn:H:h",
                                     options, NULL)) >= 0) {
                bool *flag = flag_of(o, option);

                if (option == '?') {
                        r = EXIT_FAILURE;
                        break;
                }
                if (option == 'h' || option == OPTION_VERSION) {
                        *ret_status = option == 'h' ? verb_help(c, 0, NULL) : 0;
                        if (option != 'h')
                                printf("execctl %s\n", EXECD_VERSION);
                        return -1;
                }
                if (flag)
                        *flag = true;
                else
                        r = take_argument(o, option, optarg);
                if (r == 0 && option != 'H' && option != 'e')
                        r = remember(o, option, optarg);
        }
        *ret_status = r;
        return r == 0 ? optind : -1;
}
