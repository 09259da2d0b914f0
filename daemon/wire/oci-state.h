/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The files of OCI runtimes and engines about a container, as structures. Pure. The caller checks who owns
 * the files and whether their contents are true.
 *
 * A refusal says what is wrong with the text; all other contents of such a file are ignored.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/refusal.h"

#define OCI_STATE_MAX    (1024 * 1024)     /* of a state file, a bundle's config.json, a config.v2.json */
#define OCI_STORAGE_MAX  (8 * 1024 * 1024) /* of containers.json, which has all of them */
#define OCI_NAME_MAX     255
#define OCI_PODMAN_MARK  "io.container.manager" /* the annotation that Podman sets to this value */
#define OCI_PODMAN_VALUE "libpod"
#define OCI_ID_LENGTH    64 /* of those that Docker and Podman give, in hexadecimal digits */

/* An absolute path without anything that leads elsewhere, as the kernel writes paths. */
bool oci_path_is_plain(const char *path);

/* Whether the text is valid as a container's name or id: as in Docker and Podman, and with a plus sign, as in runc.
 */
bool oci_name_is_valid(const char *name);

/* The state file of a runtime. */
typedef struct OciState {
        char *id; /* NULL where the file does not have it */
        pid_t pid;
        uint64_t start_time;   /* of the process, in ticks since boot */
        uint64_t created_usec; /* CLOCK_REALTIME */
        char *cgroup;          /* of the unified hierarchy, from its root; NULL when it was given none */
        char *bundle;          /* absolute; NULL where the file does not have it */
        bool is_podmans;       /* where the file has annotations */
        char *run_directory;   /* where Podman has what a reboot may forget of it; NULL: not known */
        char *docker;          /* where Docker has its containers' files, according to its mounts; or NULL */
} OciState;

void oci_state_done(OciState *s);
#define _cleanup_oci_state_ _cleanup_(oci_state_done)

/* runc's state.json, crun's status. */
int oci_runc_state_parse(const char *json, size_t size, OciState *ret, Refusal *reterr);
int oci_crun_status_parse(const char *json, size_t size, OciState *ret, Refusal *reterr);

/* The configuration of the container. */
typedef struct OciConfig {
        char *id;   /* NULL where the file does not have it */
        char *name; /* the same */
        char *image;
        uint64_t created_usec; /* 0 where the file does not have it */
        char **environment;    /* each with a name and a sign of equality */
        char *user;            /* as a request may have it; NULL: root */
        char *working_dir;     /* absolute; NULL: the root directory */
        char *run_directory;   /* where Podman has what a reboot may forget of it; or NULL */
        char **groups;         /* further ones of every exec, by name or number; NULL: none */
        char **details;        /* for clients to look at (wire/oci-details.h); NULL: nothing is known */
        bool is_podmans;
} OciConfig;

void oci_config_done(OciConfig *c);
#define _cleanup_oci_config_ _cleanup_(oci_config_done)

/* A bundle's config.json, Docker's config.v2.json. */
int oci_bundle_config_parse(const char *json, size_t size, OciConfig *ret, Refusal *reterr);
int oci_docker_config_parse(const char *json, size_t size, OciConfig *ret, Refusal *reterr);

/* containers.json, in which Podman's storage has the names of all of them. Entries without an ID, a name, an
 * image or a time are ignored: other programs may use the file. */
typedef struct OciStorage {
        OciConfig *items;
        size_t n;
} OciStorage;

void oci_storage_done(OciStorage *s);
#define _cleanup_oci_storage_ _cleanup_(oci_storage_done)

int oci_storage_parse(const char *json, size_t size, OciStorage *ret, Refusal *reterr);
const OciConfig *oci_storage_find(const OciStorage *s, const char *id);
