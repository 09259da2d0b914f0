/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The order of recorders. When a disk hangs, several execds may have ended meanwhile, and the recorder of each
 * has something to write to the same files. Each takes a number, and holds a lock on the byte with this number of
 * a file in memory until it ends.
 */

#include <stdint.h>

/* In execd. The file, open and locked for as long as it is open somewhere, or a negative errno. */
int recorder_take_turn(const char *path, uint64_t *ret_turn);
/* In the recorder: until all before have ended. */
void recorder_wait_turn(int fd, uint64_t turn);
