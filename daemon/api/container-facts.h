/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The known facts of a container. The caller owns all objects. */

#include <json-c/json.h>

#include "core/container-info.h"

/* The facts from the container's engine, as a tree: Config, HostConfig, NetworkSettings, … */
struct json_object *container_facts(const ContainerInfo *c);

/* "org.execd1.*" and the labels of its engine. */
struct json_object *container_labels_json(const ContainerInfo *c);

/* As Docker lists them, in both cases from container_facts(). NULL if they are not known. */
struct json_object *container_mounts(const ContainerInfo *c, struct json_object *facts);
struct json_object *container_ports(struct json_object *facts);

/* "none", "starting", "healthy", "unhealthy"; NULL if it is not known. */
const char *container_health(const ContainerInfo *c, struct json_object *facts);

/* NULL if it is not known; owned. */
char *container_network_mode(const ContainerInfo *c, struct json_object *facts);

/* NULL if they are not known; they belong to `facts`. */
const char *container_hostname(struct json_object *facts);
const char *container_image_id(struct json_object *facts);

/* Owned; NULL if it is not known. */
int container_environment(struct json_object *facts, char ***ret);
