/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* All properties of an object on the bus, known or not: each as a text for people and as JSON. */

#include "ctl/bus.h"

typedef struct Property {
        char *name;
        char *text;   /* a number in digits, "yes" or "no", words with blanks between them */
        char *json;   /* null where the type is none that is known here */
        char **words; /* of an array of strings, or "NAME=VALUE" of a dictionary of strings */
} Property;

typedef struct Properties {
        Property *items;
        size_t n;
} Properties;

void properties_done(Properties *p);
#define _cleanup_properties_ _cleanup_(properties_done)

/* Reads an a{sv}. 0 or -errno. */
int properties_read(Properties *p, sd_bus_message *m);
/* GetAll of the interface at the path, or of no interface: all. Prints errors. */
int properties_get_all(Ctl *c, const char *path, const char *interface, Properties *ret);
/* The properties of an exec in a list, without prompting. Negative if it has been removed meanwhile. */
int properties_get_of_exec(Ctl *c, const char *path, Properties *ret);

/* Those of all execs in one answer, in the order of the list of execs; with `state`, of those in this state, and with all
 * of `labels`. Long commands and labels are cut. 0, or negative if execd does not give them at once. */
int properties_list_execs(Ctl *c, const char *state, char *const *labels, sd_bus_message **ret);
/* The next exec in that answer: 1, 0 at the end, or -errno. */
int properties_next_exec(sd_bus_message *m, const char **ret_id, Properties *ret);

/* NULL: no property has that name. */
const Property *properties_find(const Properties *p, const char *name);
/* Its text, or NULL. */
const char *properties_text(const Properties *p, const char *name);
/* Its number, or 0. */
uint64_t properties_number(const Properties *p, const char *name);
/* Each of these, "NAME" or "NAME=VALUE", is among its words. */
bool properties_have_words(const Properties *p, const char *name, char **words);
