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

/* All parameters, one after the other: p = http_target_parameters(target), and http_target_next(&p, …) until it
 * returns 0. 1 with the name and the value, both decoded, or -EBADMSG as above. */
const char *http_target_parameters(const char *target);
int http_target_next(const char **p, char **ret_name, char **ret_value, char **ret_bad);
