/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Names of the host's users and groups, for records and lists of processes. They are read from /etc/passwd and
 * /etc/group only: NSS may ask a server, and the loop must not wait for one. These files are on the file system
 * that execd itself is executed from. A change of a file is noticed after a second.
 */

#include <sys/types.h>

/* Valid until the next call; NULL when /etc/passwd has no such user. */
const char *user_name(uid_t uid);
/* Likewise, of /etc/group. */
const char *group_name(gid_t gid);
