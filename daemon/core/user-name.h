/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Names of the host's users, for records. They are read from /etc/passwd only: NSS may ask a server, and the
 * loop must not wait for one. A change of the file is noticed after a second.
 */

#include <sys/types.h>

/* Valid until the next call; NULL when /etc/passwd has no such user. */
const char *user_name(uid_t uid);
