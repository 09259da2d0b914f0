/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The names of systemd's services, their IDs as containers, and the variables of a main process that its
 * commands get as well. Pure.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SERVICE_KIND          "service"
#define SERVICE_NAME_MAX      255
#define SERVICE_ID_SIZE       65 /* 64 hexadecimal digits and NUL */
#define SERVICE_INVOCATION    16
#define SERVICE_ENV_MAX       (256 * 1024)
#define SERVICE_ENV_ITEMS_MAX 1024

/* Whether the text is the name of a service: NAME.service with the characters that systemd allows, and no
 * template. */
bool service_name_is_valid(const char *text);

/* The id is the invocation id, which is the same for one run of a service, and 32 digits that follow from it,
 * so that no other container's id is taken for one. -EINVAL for anything else. */
void service_id_make(const uint8_t invocation[static SERVICE_INVOCATION], char ret[static SERVICE_ID_SIZE]);
int service_id_parse(const char *id, uint8_t ret[static SERVICE_INVOCATION]);

/* The environment of a main process, as /proc has it, without what belongs to that process alone. Strings
 * that are not variables are left out: a program may have overwritten them. -E2BIG for too many. */
int service_environment_parse(const char *data, size_t size, char ***ret);
