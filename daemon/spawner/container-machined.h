/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The provider of systemd-machined's machines. It asks asynchronously, and is told of those that come and
 * go. */

#include "spawner/provider.h"

extern const ProviderType machined_provider;
