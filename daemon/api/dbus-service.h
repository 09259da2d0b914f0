/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* org.execd1 on the system bus: the manager at /org/execd1 and each exec at /org/execd1/exec/_ID. */

#include "api/dbus-answer.h"
#include "api/dbus-identity.h"
#include "api/dbus-signals.h"
#include "base/list.h"
#include "core/event-log.h"
#include "core/manager.h"

typedef struct DbusService {
        Manager *manager; /* weak */
        List calls;       /* DbusCall: being served */
        DbusIdentities *identities;
        DbusAnswers *answers;
        DbusSignals *signals; /* NULL without a bus */
        List subscribers;     /* clients of Subscribe() */
        EventReader reader;   /* while there are any */
} DbusService;

/* Adds the objects to the manager's bus, then asks for the name. Without a bus nothing is done. */
int dbus_service_new(Manager *m, DbusService **ret);
/* Gives up every call that is under way. */
DbusService *dbus_service_free(DbusService *s);
DEFINE_CLEANUP(DbusService, dbus_service_free);

/* The configuration was read again. */
void dbus_tell_reconfigured(const Manager *m);
