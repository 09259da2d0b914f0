/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The names of slices for the execs of a container: PARENT-execdDIGITS.slice, with the first digits of the
 * container's id; and PARENT-execdDIGITS-NUMBER.slice for those below it. Pure. */

#include <stdbool.h>
#include <stddef.h>

#include "wire/exec-id.h"

#define SLICE_NAME_SIZE    256
#define SLICE_DIGITS       12 /* as engines show an id */
#define SLICE_NAME_PATTERN "*execd*.slice"

/* The name below the slice `parent` ("-.slice": the root). -ENAMETOOLONG when systemd would not take it. */
int slice_name_make(const char *parent, const char *id, size_t digits, char ret[static SLICE_NAME_SIZE]);

/* Whether the unit is a slice. */
bool slice_name_is_any(const char *unit);

/* The digits in such a name. False for any other unit. */
bool slice_name_parse(const char *name, char ret_digits[static EXEC_ID_SIZE]);

/* The name of the slice of that number below the slice `name`. -ENAMETOOLONG as above. */
int slice_name_make_sub(const char *name, unsigned number, char ret[static SLICE_NAME_SIZE]);

/* The number in the name of a slice directly below the slice `name`; 0 for any other unit. */
unsigned slice_name_parse_sub(const char *sub, const char *name);

/* The cgroup that systemd gives a slice: "a-b.slice" has /a.slice/a-b.slice. Owned. */
int slice_name_cgroup(const char *name, char **ret);
