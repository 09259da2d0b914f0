/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A container in Docker's shapes. A fact that is not known is left out. */

#include <json-c/json.h>

#include "core/container-info.h"

/* The items of GET /containers/json and GET /containers/{id}/json; the latter lacks the ids of execs. */
struct json_object *container_list_item(const ContainerInfo *c, struct json_object *facts);
struct json_object *container_details(const ContainerInfo *c);
