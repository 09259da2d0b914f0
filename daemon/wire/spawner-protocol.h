/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The protocol between execd and execd-spawner (dbus/org.execd1.Spawner.xml). */

#include <stdint.h>

#define SPAWNER_PATH      "/org/execd1/spawner"
#define SPAWNER_INTERFACE "org.execd1.Spawner"

/* A run of a container: its id, and the process and start time of its leader. */
#define LEADER_SIGNATURE "(sut)"

/* A container's description. */
#define CONTAINER_FIELDS    "sssssssututtassssa{ss}b"
#define CONTAINER_SIGNATURE "(" CONTAINER_FIELDS ")"

/* A process of a container: pid, parent, uid, CPU time, start (both in microseconds), tty, command line,
 * name; then bytes of memory, virtual and resident, priority, nice value, threads, process group, session,
 * foreground group of the tty, state, gid. */
#define PROCESS_FIELDS    "uuuttussttiiuuuuyu"
#define PROCESS_SIGNATURE "(" PROCESS_FIELDS ")"

/* The flags of Start. */
#define SPAWNER_TTY        UINT64_C(1)
#define SPAWNER_PRIVILEGED UINT64_C(2)
#define SPAWNER_NO_STDIN   UINT64_C(4)
#define SPAWNER_LOG        UINT64_C(8)
#define SPAWNER_ONE_OUTPUT UINT64_C(16)
#define SPAWNER_FLAGS_ALL \
        (SPAWNER_TTY | SPAWNER_PRIVILEGED | SPAWNER_NO_STDIN | SPAWNER_LOG | SPAWNER_ONE_OUTPUT)
