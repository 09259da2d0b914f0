/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The environment of a command, built from nothing: Docker's base, the container's own, the request's. Pure.
 */

#include "base/refusal.h"
#include "base/strv.h"

#define ENV_DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* Puts "K=V" in place of an earlier K or at the end. */
int env_set(char ***env, const char *assignment);

/* Applies a list by Docker's rules: "K=V" replaces in place or appends, the last of repeated keys wins; a
 * bare "K" removes K if it came from before this list, and does not undo a "K=" of the same list; "" is
 * ignored. An entry with an empty name is refused: `environment variable name can't be empty: "=x"`. */
int env_merge(char ***env, char *const *list, Refusal *reterr);

const char *env_get(char *const *env, const char *name); /* the value, or NULL */
