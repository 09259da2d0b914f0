/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Podman's data about a container besides the names in its storage: its database, and the log of its health
 * checks. All of it must be root's alone. */

#include <sys/stat.h>

#include "base/refusal.h"

#define OCI_PODMAN_HEALTH_FILE "healthcheck.log"

/* `directory` is the storage's directory of containers. A database that cannot be read is logged, and then
 * details are missing; so are they without a database. */
int oci_podman_read_config(const char *directory, const char *id, char ***details, Refusal *reterr);

/* Reads the health unless the file is as it was seen last. `directory` may be NULL. */
int oci_podman_read_health(const char *directory, struct stat *seen, char ***details, Refusal *reterr);
