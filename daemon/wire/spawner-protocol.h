/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What execd and execd-spawner have to agree on (dbus/org.execd1.Spawner.xml). */

/* A container's description. */
#define CONTAINER_FIELDS    "sssssssututtassssa{ss}"
#define CONTAINER_SIGNATURE "(" CONTAINER_FIELDS ")"
