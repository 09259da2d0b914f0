/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Rows of cells, shown as an aligned table or as JSON. Each cell has two faces: a text for people, and a JSON
 * value. Errors are sticky: table_print() reports them.
 */

#include "ctl/ctl.h"

typedef struct TableColumn {
        const char
                *title;  /* for people, and in small letters the key in JSON; NULL: in JSON alone, after all
                            * others */
        bool right;      /* aligned to the right */
        const char *key; /* in JSON; NULL: as the title */
} TableColumn;

typedef struct Table Table;

#define COLOR_NONE   NULL
#define COLOR_RED    "\033[0;1;31m"
#define COLOR_GREEN  "\033[0;1;32m"
#define COLOR_YELLOW "\033[0;1;33m"
#define COLOR_GREY   "\033[0;38;5;245m"
#define COLOR_OFF    "\033[0m"

Table *table_new(const TableColumn *columns, size_t n_columns);
Table *table_free(Table *t);
DEFINE_CLEANUP(Table, table_free);

/* The next cell, from left to right and row by row. */
void table_add_text(Table *t, const char *text);
/* NULL: nothing is known, which is "-", and null in JSON. */
void table_add_optional(Table *t, const char *text);
/* Shown as one text, and as digits in JSON; NULL digits: as before. */
void table_add_digits(Table *t, const char *shown, const char *digits);
/* Shown as one text, and another text in JSON. */
void table_add_short(Table *t, const char *shown, const char *text);
void table_add_number(Table *t, const char *shown, uint64_t value); /* `shown` NULL: the digits */
void table_add_strings(Table *t, char *const *values);
/* Shown as a text, and in JSON as a value that is JSON already. */
void table_add_json(Table *t, const char *shown, const char *json);
/* Sets the color of the cell that was added last. */
void table_set_color(Table *t, const char *color);

/* Prints the table according to the options, followed by "N NOUN listed.", and returns the exit status. */
int table_print(const Table *t, Ctl *c, const char *noun);
/* The first row alone as a JSON object. */
int table_print_object(const Table *t, JsonMode mode);
