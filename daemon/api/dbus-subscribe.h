/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The clients that have called Subscribe(). While one of them is on the bus, execd does not exit, keeps its
 * connection to the spawner, and emits ContainerNew and ContainerRemoved.
 */

#include "api/dbus-service.h"

/* At the end. */
void dbus_subscribers_drop(DbusService *s);
