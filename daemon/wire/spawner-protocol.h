/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What execd and execd-spawner have to agree on (dbus/org.execd1.Spawner.xml). */

/* A container's description. */
#define CONTAINER_FIELDS    "sssssssututtassssa{ss}"
#define CONTAINER_SIGNATURE "(" CONTAINER_FIELDS ")"

/* A process of a container: pid, parent, uid, CPU time, start (both in microseconds), tty, command line,
 * name; then bytes of memory, virtual and resident, priority, nice value, threads, process group, session,
 * foreground group of the tty, state, gid. */
#define PROCESS_FIELDS    "uuuttussttiiuuuuyu"
#define PROCESS_SIGNATURE "(" PROCESS_FIELDS ")"
