/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Regular expressions of clients, for names. The time and memory of a match grow with the length of the expression and of
 * the name only. (The C library's regcomp(3) needs gigabytes for some expressions of a hundred bytes.)
 * The syntax is Docker's, without {} and with bytes for characters: . [] [^] [[:alpha:]] \d \w \s \b ^ $ () (?:) | * + ?
 */

#include <stdbool.h>

#include "base/cleanup.h"

#define NAME_PATTERN_MAX 256 /* bytes */

typedef struct NamePattern NamePattern;

/* -E2BIG if it is too long, -EOPNOTSUPP if it has {} or back references, -EINVAL if it is malformed. */
int name_pattern_new(const char *text, NamePattern **ret);
NamePattern *name_pattern_free(NamePattern *p);
DEFINE_CLEANUP(NamePattern, name_pattern_free);

/* True if it matches somewhere in the text. */
bool name_pattern_matches(const NamePattern *p, const char *text);
