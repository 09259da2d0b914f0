/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* JSON, as text that is appended to a buffer. Characters on which a terminal acts are written \u009b. */

#include "base/buf.h"

void json_append_string(Buf *b, const char *text);
void json_append_strings(Buf *b, char *const *values);
/* An object of strings, from "NAME=VALUE". */
void json_append_pairs(Buf *b, char *const *pairs);
/* The appended text as a new string, or NULL if out of memory. */
char *json_take(Buf *b);
