/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Who wants to be told of containers: while there is such a client on the bus, execd stays, keeps its
 * connection to the spawner, and says ContainerNew and ContainerRemoved.
 */

#include "api/dbus-service.h"

/* At the end. */
void dbus_subscribers_drop(DbusService *s);
