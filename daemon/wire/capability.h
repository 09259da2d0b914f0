/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>

/* The name of a capability as in capabilities(7), or NULL for a number that has none. */
const char *capability_name(size_t number);
