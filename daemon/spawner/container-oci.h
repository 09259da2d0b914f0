/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The provider of containers of runc and crun, as Docker, Podman and those who run them by hand make them.
 * It reads the state files that the runtimes keep for root, and watches their directories.
 */

#include "spawner/provider.h"

extern const ProviderType oci_provider;
