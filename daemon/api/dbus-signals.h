/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The signals of execs. They are emitted a few milliseconds later, when the client that has caused them has its
 * answer; but before any answer to a method call, so that a client with the answer has got all signals of earlier
 * changes. Changes that follow each other sooner are one PropertiesChanged.
 */

#include "core/manager.h"

typedef struct DbusSignals DbusSignals;

int dbus_signals_new(Manager *m, DbusSignals **ret);
/* Emits the signals that are left. */
DbusSignals *dbus_signals_free(DbusSignals *s);
DEFINE_CLEANUP(DbusSignals, dbus_signals_free);

/* Queues the signals of an event. MANAGER_EXEC_NEW is the first event of an exec, MANAGER_EXEC_REMOVED its last. */
void dbus_signals_add(DbusSignals *s, Exec *e, ManagerEvent event);
void dbus_signals_flush(DbusSignals *s);
