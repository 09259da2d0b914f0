/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The target of a request: its path and its query, percent-decoded. */

/* The path of a target, percent-decoded once. -EBADMSG when an escape is bad or stands for NUL. Other
 * control characters and any bytes above 0x7f can appear in it. The query is left out. */
int http_target_path(const char *target, char **ret);

/* The first value of a query parameter, decoded (+ is a space). 0, -ENOENT when there is none, -EBADMSG when
 * an escape anywhere in the query is bad or stands for NUL; then *ret_bad (if not NULL) is that escape
 * ("%zz"). */
int http_target_query(const char *target, const char *name, char **ret, char **ret_bad);
