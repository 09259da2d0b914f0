/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The `filters` parameter of Docker's list routes: {"name":{"web":true}} as the CLI sends it, or
 * {"name":["web"]} as other clients do. Values of one key are alternatives, keys must all hold.
 */

#include "api/http-server.h"

typedef struct HttpFilter HttpFilter;

/* Refuses keys that are not among `known`, which ends with NULL. */
int http_filter_from_query(HttpExchange *x, const char *const *known, HttpFilter **ret, Refusal *reterr);
HttpFilter *http_filter_free(HttpFilter *f);
DEFINE_CLEANUP(HttpFilter, http_filter_free);

/* The values of a key, NULL when it does not occur. */
char **http_filter_values(const HttpFilter *f, const char *key);

/* True when the key does not occur or one of its values is this one. */
bool http_filter_match(const HttpFilter *f, const char *key, const char *value);

/* The values of this key are regular expressions of wire/name-pattern.h. Refuses those that cost too much or are
 * none. */
int http_filter_read_names(HttpFilter *f, const char *key, Refusal *reterr);

/* By Docker's rule for names, after http_filter_read_names(): an unanchored regular expression, with and without a
 * leading slash. */
bool http_filter_match_name(const HttpFilter *f, const char *key, const char *name);
/* A value fits a name exactly or an id by its prefix. */
bool http_filter_match_container(const HttpFilter *f, const char *key, const char *id, const char *name);
/* The key "label": "key" or "key=value"; all given must hold. */
bool http_filter_match_labels(const HttpFilter *f, char *const *labels);
