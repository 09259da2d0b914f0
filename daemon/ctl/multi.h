/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One command in several containers: each runs in a process of execctl's own, whose output is shown line by
 * line with the name of the container before it; at the end there is a summary.
 */

#include "ctl/ctl.h"

/* Runs `one` for each container, with its reference as argv[0] and then the words. `containers` is as for
 * targets_read(). With `together` they run side by side and have no input; otherwise one after the other, on
 * our own terminal. Returns 0 if all did, and else the largest exit status. */
int multi_run(Ctl *c, const char *containers, bool together, int (*one)(Ctl *c, int argc, char **argv),
              int n_words, char **words);
