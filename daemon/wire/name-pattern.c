/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* An expression becomes a list of steps. All steps that could come next are followed at once, each of them once
 * for each byte of the text. */

#include "wire/name-pattern.h"

#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* A byte of an expression makes two steps at most, and there is one for its end. */
#define STEPS_MAX (2 * NAME_PATTERN_MAX + 1)

typedef enum StepKind {
        STEP_BYTE, /* one of the bytes */
        STEP_FORK, /* to both places */
        STEP_BEGIN,
        STEP_END,
        STEP_BOUNDARY, /* of a word */
        STEP_NO_BOUNDARY,
        STEP_MATCH,
} StepKind;

typedef struct ByteSet {
        uint64_t bits[4];
} ByteSet;

typedef struct Step {
        StepKind kind;
        int to[2]; /* of a fork: how many steps from here */
        ByteSet bytes;
} Step;

struct NamePattern {
        size_t n;
        Step *steps;
};

typedef struct Parser {
        const char *p;
        size_t n;
        Step steps[STEPS_MAX];
} Parser;

static void set_add(ByteSet *s, unsigned char c)
{
        s->bits[c / 64] |= UINT64_C(1) << c % 64;
}

static bool set_has(const ByteSet *s, unsigned char c)
{
        return s->bits[c / 64] >> c % 64 & 1;
}

static void set_invert(ByteSet *s)
{
        for (size_t i = 0; i < ELEMENTSOF(s->bits); i++)
                s->bits[i] = ~s->bits[i];
}

static bool is_word(unsigned char c)
{
        return isalnum(c) || c == '_';
}

static int is_word_byte(int c)
{
        return is_word((unsigned char) c);
}

static void set_add_class(ByteSet *s, int (*is_member)(int c), bool inverted)
{
        for (int c = 1; c < 256; c++)
                if ((c < 128 && is_member(c)) != inverted)
                        set_add(s, (unsigned char) c);
}

static int emit(Parser *g, Step step)
{
        if (g->n >= STEPS_MAX)
                return -E2BIG;
        g->steps[g->n++] = step;
        return 0;
}

/* Inserts a step at this place. The targets of forks in the steps after it are relative and stay valid. */
static int insert(Parser *g, size_t at, Step step)
{
        if (g->n >= STEPS_MAX)
                return -E2BIG;
        memmove(&g->steps[at + 1], &g->steps[at], (g->n - at) * sizeof(Step));
        g->steps[at] = step;
        g->n++;
        return 0;
}

static Step fork_to(int first, int second)
{
        return (Step){.kind = STEP_FORK, .to = {first, second}};
}

/* The bytes that match a backslash and this letter. */
static int set_add_escaped(ByteSet *s, char letter)
{
        static const struct {
                char letter;
                int (*is_member)(int c);
        } classes[] = {{'d', isdigit}, {'s', isspace}, {'w', is_word_byte}};

        for (size_t i = 0; i < ELEMENTSOF(classes); i++)
                if ((letter | 0x20) == classes[i].letter) {
                        set_add_class(s, classes[i].is_member, letter != classes[i].letter);
                        return 0;
                }
        if (letter >= '1' && letter <= '9')
                return -EOPNOTSUPP;
        if (!ispunct((unsigned char) letter))
                return -EINVAL;
        set_add(s, (unsigned char) letter);
        return 0;
}

/* "[:alpha:]", at its first bracket. */
static int parse_named_class(Parser *g, ByteSet *s)
{
        static const struct {
                const char *name;
                int (*is_member)(int c);
        } classes[] = {
                {"alnum", isalnum},   {"alpha", isalpha}, {"blank", isblank}, {"cntrl", iscntrl},
                {"digit", isdigit},   {"graph", isgraph}, {"lower", islower}, {"print", isprint},
                {"punct", ispunct},   {"space", isspace}, {"upper", isupper}, {"word", is_word_byte},
                {"xdigit", isxdigit},
        };
        const char *name = g->p + 2, *end = strstr(name, ":]");

        for (size_t i = 0; end && i < ELEMENTSOF(classes); i++)
                if (strlen(classes[i].name) == (size_t) (end - name) &&
                    strncmp(classes[i].name, name, (size_t) (end - name)) == 0) {
                        set_add_class(s, classes[i].is_member, false);
                        g->p = end + 2;
                        return 0;
                }
        return -EINVAL;
}

/* One byte of a list in brackets, or a range. */
static int parse_range(Parser *g, ByteSet *s)
{
        unsigned char first = (unsigned char) *g->p++, last = first;

        if (g->p[0] == '-' && g->p[1] && g->p[1] != ']') {
                last = (unsigned char) g->p[1];
                g->p += 2;
                if (last == '\\' && *g->p)
                        last = (unsigned char) *g->p++;
        }
        if (last < first)
                return -EINVAL;
        for (unsigned c = first; c <= last; c++)
                set_add(s, (unsigned char) c);
        return 0;
}

/* After the opening bracket. */
static int parse_set(Parser *g)
{
        Step step = {.kind = STEP_BYTE};
        bool inverted = *g->p == '^', is_first = true;
        int r = 0;

        g->p += inverted;
        for (; *g->p && (is_first || *g->p != ']') && r >= 0; is_first = false) {
                if (strncmp(g->p, "[:", 2) == 0)
                        r = parse_named_class(g, &step.bytes);
                else if (*g->p != '\\')
                        r = parse_range(g, &step.bytes);
                else {
                        g->p++;
                        r = set_add_escaped(&step.bytes, *g->p);
                        g->p += *g->p != 0;
                }
        }
        if (r < 0)
                return r;
        if (*g->p != ']')
                return -EINVAL;
        g->p++;
        if (inverted)
                set_invert(&step.bytes);
        return emit(g, step);
}

/* After the backslash. */
static int parse_escape(Parser *g)
{
        static const char letters[] = "AzbB";
        static const StepKind kinds[] = {STEP_BEGIN, STEP_END, STEP_BOUNDARY, STEP_NO_BOUNDARY};
        Step step = {.kind = STEP_BYTE};
        const char *letter = *g->p ? strchr(letters, *g->p) : NULL;
        int r = 0;

        if (letter)
                step.kind = kinds[letter - letters];
        else
                r = set_add_escaped(&step.bytes, *g->p);
        if (r < 0)
                return r;
        g->p++;
        return emit(g, step);
}

static int parse_alternatives(Parser *g);

/* After the opening parenthesis. */
static int parse_group(Parser *g)
{
        int r;

        if (strncmp(g->p, "?:", 2) == 0)
                g->p += 2;
        r = parse_alternatives(g);
        if (r < 0)
                return r;
        if (*g->p != ')')
                return -EINVAL;
        g->p++;
        return 0;
}

static int parse_atom(Parser *g)
{
        Step step = {.kind = STEP_BYTE};
        char c = *g->p++;

        switch (c) {
        case '(':
                return parse_group(g);
        case '[':
                return parse_set(g);
        case '\\':
                return parse_escape(g);
        case '*':
        case '+':
        case '?':
                return -EINVAL;
        case '{':
                return -EOPNOTSUPP;
        case '^':
        case '$':
                step.kind = c == '^' ? STEP_BEGIN : STEP_END;
                break;
        case '.':
                set_invert(&step.bytes);
                break;
        default:
                set_add(&step.bytes, (unsigned char) c);
        }
        return emit(g, step);
}

static int parse_repeated(Parser *g)
{
        size_t start = g->n;
        int length, r = parse_atom(g);
        char c = *g->p;

        if (r < 0 || !c || !strchr("*+?{", c))
                return r;
        length = (int) (g->n - start);
        if (c == '{')
                return -EOPNOTSUPP;
        if (c == '+')
                r = emit(g, fork_to(-length, 1));
        else
                r = insert(g, start, fork_to(1, length + (c == '*' ? 2 : 1)));
        if (c == '*' && r >= 0)
                r = emit(g, fork_to(-length - 1, -length - 1));
        g->p++;
        /* Lazy operators match the same texts. */
        g->p += *g->p == '?';
        return r >= 0 && *g->p && strchr("*+?{", *g->p) ? -EINVAL : r;
}

static int parse_sequence(Parser *g)
{
        int r = 0;

        while (r >= 0 && *g->p && *g->p != '|' && *g->p != ')')
                r = parse_repeated(g);
        return r;
}

/* Recursion is bounded by the length of the expression. */
static int parse_alternatives(Parser *g)
{
        size_t start = g->n;
        int r = parse_sequence(g);

        while (r >= 0 && *g->p == '|') {
                size_t over;

                g->p++;
                r = insert(g, start, fork_to(1, (int) (g->n - start) + 2));
                over = g->n;
                if (r >= 0)
                        r = emit(g, fork_to(0, 0));
                if (r >= 0)
                        r = parse_sequence(g);
                if (r >= 0)
                        g->steps[over].to[0] = g->steps[over].to[1] = (int) (g->n - over);
        }
        return r;
}

int name_pattern_new(const char *text, NamePattern **ret)
{
        _cleanup_(name_pattern_freep) NamePattern *p = NULL;
        _cleanup_free_ Parser *g = NULL;
        int r;

        if (strlen(text) > NAME_PATTERN_MAX)
                return -E2BIG;
        g = calloc(1, sizeof(Parser));
        if (!g)
                return -ENOMEM;
        g->p = text;
        r = parse_alternatives(g);
        if (r >= 0)
                r = *g->p ? -EINVAL : emit(g, (Step){.kind = STEP_MATCH});
        if (r < 0)
                return r;
        p = calloc(1, sizeof(NamePattern));
        if (p)
                p->steps = calloc(g->n, sizeof(Step));
        if (!p || !p->steps)
                return -ENOMEM;
        p->n = g->n;
        memcpy(p->steps, g->steps, g->n * sizeof(Step));
        *ret = TAKE_PTR(p);
        return 0;
}

NamePattern *name_pattern_free(NamePattern *p)
{
        if (!p)
                return NULL;
        free(p->steps);
        return mfree(p);
}

/* The position in the text, and the steps that can come next. */
typedef struct Run {
        const NamePattern *pattern;
        const char *text, *at;
        size_t n, n_open;
        uint16_t next[STEPS_MAX], open[2 * STEPS_MAX];
        bool seen[STEPS_MAX];
} Run;

static bool is_boundary(const Run *u)
{
        bool before = u->at > u->text && is_word((unsigned char) u->at[-1]);

        return before != is_word((unsigned char) *u->at);
}

/* True if the match goes on after this step without a byte of the text. */
static bool passes(const Run *u, StepKind kind)
{
        switch (kind) {
        case STEP_BEGIN:
                return u->at == u->text;
        case STEP_END:
                return !*u->at;
        case STEP_BOUNDARY:
                return is_boundary(u);
        case STEP_NO_BOUNDARY:
                return !is_boundary(u);
        default:
                return false;
        }
}

static void open_step(Run *u, const Step *step)
{
        size_t i = (size_t) (step - u->pattern->steps);

        if (u->seen[i])
                return;
        u->seen[i] = true;
        u->open[u->n_open++] = (uint16_t) i;
}

/* Adds this step, and those that are reached from it without a byte of the text. True at the end of the pattern. */
static bool add_step(Run *u, size_t first)
{
        const Step *steps = u->pattern->steps;

        u->n_open = 0;
        open_step(u, steps + first);
        while (u->n_open > 0) {
                size_t i = u->open[--u->n_open];

                if (steps[i].kind == STEP_MATCH)
                        return true;
                if (steps[i].kind == STEP_BYTE)
                        u->next[u->n++] = (uint16_t) i;
                else if (steps[i].kind == STEP_FORK) {
                        open_step(u, steps + i + steps[i].to[0]);
                        open_step(u, steps + i + steps[i].to[1]);
                } else if (passes(u, steps[i].kind))
                        open_step(u, steps + i + 1);
        }
        return false;
}

/* Over one byte of the text. */
static bool advance(Run *u)
{
        uint16_t now[STEPS_MAX];
        size_t n = u->n;
        unsigned char c = (unsigned char) *u->at++;

        memcpy(now, u->next, n * sizeof(*now));
        memset(u->seen, 0, u->pattern->n);
        u->n = 0;
        for (size_t i = 0; i < n; i++)
                if (set_has(&u->pattern->steps[now[i]].bytes, c) && add_step(u, now[i] + 1U))
                        return true;
        return false;
}

bool name_pattern_matches(const NamePattern *p, const char *text)
{
        Run u = {.pattern = p, .text = text, .at = text};

        for (;;) {
                /* It may begin anywhere. */
                if (add_step(&u, 0))
                        return true;
                if (!*u.at)
                        return false;
                if (advance(&u))
                        return true;
        }
}
