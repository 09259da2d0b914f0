/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Signals as people write them. */

#include <stddef.h>

/* Large enough for signal_to_text(). */
#define SIGNAL_TEXT_SIZE 32

/* The number of "9", "KILL", "SIGKILL", "RTMIN+1" or "RTMAX", in any case, or -EINVAL. */
int signal_from_text(const char *text);

/* "SIGKILL" or "SIGRTMIN+1"; other values are written as a number. Returns buf. */
const char *signal_to_text(int number, char buf[static SIGNAL_TEXT_SIZE]);
