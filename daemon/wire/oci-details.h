/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Facts of a container that clients may look at and that nothing here acts on: pairs of a name and a JSON
 * text, in an array of strings. A name is a path in Docker's answer to GET /containers/{id}/json, such as
 * "Config" or "Config.Labels"; "MountPoints", "NamedVolumes", "BundleMounts" and "Managed" are as in the
 * engines' files. A fact that is not known has no pair.
 */

#include <stddef.h>

#include "base/refusal.h"

typedef enum OciDetailsSource {
        OCI_DOCKER_CONFIG, /* config.v2.json */
        OCI_DOCKER_HOST,   /* hostconfig.json */
        OCI_BUNDLE,        /* a bundle's config.json */
        OCI_PODMAN_CONFIG, /* the configuration in Podman's database */
        OCI_PODMAN_HEALTH, /* healthcheck.log */
} OciDetailsSource;

/* Adds what this text says. */
int oci_details_add(char ***details, OciDetailsSource source, const char *json, size_t size,
                    Refusal *reterr);

int oci_details_set(char ***details, const char *name, const char *json);

/* The JSON text of a fact, or NULL. */
const char *oci_details_find(char *const *details, const char *name);

/* The labels as "key=value"; none has a key with a sign of equality. -ENOENT if they are not known. */
int oci_details_labels(char *const *details, char ***ret);

/* Host configuration of Docker: the groups that every process of the container has besides its own. */
int oci_docker_groups_parse(const char *json, size_t size, char ***ret, Refusal *reterr);
