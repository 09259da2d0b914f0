/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "ctl/table.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ctl/json-text.h"
#include "ctl/terminal.h"

typedef struct Cell {
        char *shown; /* owned, clean */
        char *json;  /* owned */
        const char *color;
} Cell;

struct Table {
        const TableColumn *columns;
        size_t n_columns;
        size_t n_shown; /* of these, to people: the first ones */
        Cell *cells;
        size_t n_cells, allocated;
        bool failed;
};

Table *table_new(const TableColumn *columns, size_t n_columns)
{
        Table *t = calloc(1, sizeof(Table));

        if (!t)
                return NULL;
        t->columns = columns;
        t->n_columns = n_columns;
        while (t->n_shown < n_columns && columns[t->n_shown].title)
                t->n_shown++;
        return t;
}

Table *table_free(Table *t)
{
        if (!t)
                return NULL;
        for (size_t i = 0; i < t->n_cells; i++) {
                free(t->cells[i].shown);
                free(t->cells[i].json);
        }
        free(t->cells);
        return mfree(t);
}

/* Takes `json`. */
static void table_add(Table *t, const char *shown, char *json)
{
        Cell cell = {.shown = text_clean(shown), .json = json};

        if (t->n_cells == t->allocated) {
                size_t n = t->allocated * 2 + 16 * t->n_columns;
                Cell *cells = reallocarray(t->cells, n, sizeof(Cell));

                if (cells) {
                        t->cells = cells;
                        t->allocated = n;
                }
        }
        if (t->n_cells == t->allocated || !cell.shown || !cell.json) {
                free(cell.shown);
                free(cell.json);
                t->failed = true;
                return;
        }
        t->cells[t->n_cells++] = cell;
}

void table_add_short(Table *t, const char *shown, const char *text)
{
        _cleanup_buf_ Buf b = BUF_INIT;

        json_append_string(&b, text);
        table_add(t, shown, json_take(&b));
}

void table_add_text(Table *t, const char *text)
{
        table_add_short(t, text, text);
}

void table_add_optional(Table *t, const char *text)
{
        if (text)
                table_add_text(t, text);
        else
                table_add(t, "-", strdup("null"));
}

void table_add_digits(Table *t, const char *shown, const char *digits)
{
        bool is_number = digits && *digits && !digits[strspn(digits, "0123456789")];

        table_add(t, shown ?: is_number ? digits : "-", strdup(is_number ? digits : "null"));
}

void table_add_number(Table *t, const char *shown, uint64_t value)
{
        char digits[24];

        snprintf(digits, sizeof(digits), "%" PRIu64, value);
        table_add(t, shown ?: digits, strdup(digits));
}

void table_add_strings(Table *t, char *const *values)
{
        _cleanup_buf_ Buf b = BUF_INIT;

        json_append_strings(&b, values);
        table_add(t, "", json_take(&b));
}

void table_add_json(Table *t, const char *shown, const char *json)
{
        table_add(t, shown, strdup(json));
}

void table_set_color(Table *t, const char *color)
{
        if (!t->failed && t->n_cells > 0)
                t->cells[t->n_cells - 1].color = color;
}

/* JSON */

static void print_key(const char *title)
{
        putchar('"');
        for (; *title; title++)
                putchar(*title == ' ' ? '_' : tolower((unsigned char) *title));
        putchar('"');
}

static void print_row_json(const Table *t, size_t row, bool pretty, const char *indent)
{
        printf("{");
        for (size_t i = 0; i < t->n_columns; i++) {
                printf("%s", i > 0 ? "," : "");
                if (pretty)
                        printf("\n%s\t", indent);
                print_key(t->columns[i].key ?: t->columns[i].title);
                printf("%s%s", pretty ? " : " : ":", t->cells[row * t->n_columns + i].json);
        }
        if (pretty)
                printf("\n%s", indent);
        printf("}");
}

static void print_json(const Table *t, size_t n_rows, bool pretty)
{
        printf("[");
        for (size_t row = 0; row < n_rows; row++) {
                printf("%s%s", row > 0 ? "," : "", pretty ? "\n\t" : "");
                print_row_json(t, row, pretty, "\t");
        }
        printf("%s]\n", pretty && n_rows > 0 ? "\n" : "");
}

int table_print_object(const Table *t, JsonMode mode)
{
        if (t->failed || t->n_cells < t->n_columns)
                return fail_memory();
        print_row_json(t, 0, mode == JSON_PRETTY, "");
        printf("\n");
        return 0;
}

/* Text */

static void print_blanks(size_t n)
{
        printf("%*s", (int) n, "");
}

/* One cell, `width` columns wide. A longer text is ellipsized. */
static void print_cell(const char *text, size_t width, bool right, bool last, const char *before,
                       const char *after)
{
        _cleanup_free_ char *shown = text_ellipsize(text, width);
        size_t columns = shown ? text_width(shown) : 0;

        if (right)
                print_blanks(width - columns);
        printf("%s%s%s", before, shown ?: "", after);
        if (!right && !last)
                print_blanks(width - columns);
}

static void print_header(const Table *t, const size_t *widths, bool colors)
{
        for (size_t i = 0; i < t->n_shown; i++) {
                const TableColumn *k = &t->columns[i];
                bool last = i + 1 == t->n_shown;

                if (i > 0)
                        printf("%s %s", colors ? "\033[4m" : "", colors ? COLOR_OFF : "");
                if (colors) {
                        /* The line goes through the whole header. */
                        printf("\033[4m%*s%s", k->right ? (int) (widths[i] - strlen(k->title)) : 0, "",
                               k->title);
                        if (!k->right && widths[i] > strlen(k->title))
                                print_blanks(widths[i] - strlen(k->title));
                        printf(COLOR_OFF);
                } else
                        print_cell(k->title, widths[i], k->right, last, "", "");
        }
        printf("\n");
}

static void measure(const Table *t, size_t n_rows, bool legend, size_t *widths)
{
        for (size_t i = 0; i < t->n_shown; i++) {
                widths[i] = legend ? strlen(t->columns[i].title) : 0;
                for (size_t row = 0; row < n_rows; row++)
                        widths[i] = MAX(widths[i], text_width(t->cells[row * t->n_columns + i].shown));
        }
}

/* On a terminal the last column takes what is left of the line. */
static void fit(const Table *t, const Ctl *c, bool legend, size_t *widths)
{
        size_t line = terminal_columns(), used = 0, last = t->n_shown - 1;
        size_t least = legend ? strlen(t->columns[last].title) : 1;

        if (!c->on_terminal || c->options.full)
                return;
        for (size_t i = 0; i < last; i++)
                used += widths[i] + 1;
        if (used + widths[last] > line)
                widths[last] = line > used + least ? line - used : least;
}

int table_print(const Table *t, Ctl *c, const char *noun)
{
        size_t n_rows = t->n_cells / t->n_columns;
        bool legend = !c->options.no_legend;
        size_t widths[t->n_columns];

        if (t->failed)
                return fail_memory();
        pager_open(c);
        if (c->options.json != JSON_OFF) {
                print_json(t, n_rows, c->options.json == JSON_PRETTY);
                return 0;
        }
        measure(t, n_rows, legend && n_rows > 0, widths);
        fit(t, c, legend, widths);
        if (legend && n_rows > 0)
                print_header(t, widths, c->colors);
        for (size_t row = 0; row < n_rows; row++) {
                for (size_t i = 0; i < t->n_shown; i++) {
                        const Cell *cell = &t->cells[row * t->n_columns + i];
                        const char *color = c->colors ? cell->color : NULL;

                        printf("%s", i > 0 ? " " : "");
                        print_cell(cell->shown, widths[i], t->columns[i].right, i + 1 == t->n_shown,
                                   color ?: "", color ? COLOR_OFF : "");
                }
                printf("\n");
        }
        if (legend && n_rows == 0)
                printf("No %ss.\n", noun);
        else if (legend)
                printf("\n%zu %s%s listed.\n", n_rows, noun, n_rows == 1 ? "" : "s");
        return 0;
}
