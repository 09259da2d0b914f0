/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/container-info.h"

/* The dictionary that GetContainer answers with. */
int dbus_append_container(sd_bus_message *m, const ContainerInfo *k);
