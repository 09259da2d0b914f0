/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Containers that are services of systemd. They are looked up by name or id only on request. */

#include "spawner/provider.h"

extern const ProviderType service_provider;

/* Has the next round look for the service with this name or id. False if it cannot be one. */
bool service_want(Providers *all, const char *reference);
/* Has the next round look for all services that run. */
void service_want_all(Providers *all);
