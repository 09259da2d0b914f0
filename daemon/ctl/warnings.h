/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Prints the warnings of execd about a new exec, such as limits that the kernel does not enforce, on stderr.
 * */

#include "ctl/ctl.h"

/* Asks for the warnings of the exec without waiting for the answer, which is printed when the bus is processed.
 * Nothing is asked with --quiet, or if this machine enforces all limits. */
void warnings_ask(Ctl *c, const char *path);

/* Prints the warnings in answers since then. */
void warnings_show(Ctl *c);
