/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Diagnostics, to the journal through standard error with a priority prefix. A line that the journal does
 * not take at once is dropped and counted, so that logging never waits. Records of actions are not
 * diagnostics and go through core/audit.
 */

#include <errno.h>
#include <syslog.h>

#include "base/cleanup.h"

void log_set_max_level(int level);
int log_get_max_level(void);

/* "emerg" to "debug", and back; a digit is a level too, anything else -EINVAL. */
const char *log_level_to_string(int level);
int log_level_from_string(const char *s);

void log_message(int level, const char *format, ...) _printf_(2, 3);

/* Logs the text with ": strerror" and returns -abs(error), for use in a return statement. */
int log_errno(int level, int error, const char *format, ...) _printf_(3, 4);

#define log_debug(...)          log_message(LOG_DEBUG, __VA_ARGS__)
#define log_info(...)           log_message(LOG_INFO, __VA_ARGS__)
#define log_warning(...)        log_message(LOG_WARNING, __VA_ARGS__)
#define log_error(...)          log_message(LOG_ERR, __VA_ARGS__)
#define log_error_errno(e, ...) log_errno(LOG_ERR, e, __VA_ARGS__)
