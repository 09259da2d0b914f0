/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The provider of systemd-machined's machines. It calls machined asynchronously, and receives signals about
 * machines that start and end. */

#include "spawner/provider.h"

extern const ProviderType machined_provider;
