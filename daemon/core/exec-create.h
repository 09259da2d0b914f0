/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * From a validated request to an exec that exists: find the container, check the limits, ask whether the
 * caller may, look at the user, record it. The same for every transport.
 */

#include "core/exec.h"

typedef struct Manager Manager;
typedef struct ExecCreation ExecCreation;

/* Exactly one of e and refusal is given. The creation is over; the callback may free it. */
typedef void (*exec_created_t)(void *userdata, Exec *e, const Refusal *refusal);

typedef struct ExecCreationOptions {
        Peer *peer;
        const char *reference; /* name, id, or prefix of an id */
        ExecRequest *request;  /* taken, also on failure */
        bool interactive;      /* polkit may ask the caller for a password */
} ExecCreationOptions;

/* 0: the callback will come, unless the creation is freed first. Negative: *reterr says why not. */
int exec_create(Manager *m, const ExecCreationOptions *o, exec_created_t callback, void *userdata,
                ExecCreation **ret, Refusal *reterr);

ExecCreation *exec_creation_free(ExecCreation *c);
DEFINE_CLEANUP(ExecCreation, exec_creation_free);

/* The container's configuration is the default for fields that the request does not have. */
int exec_creation_apply_container(const ContainerInfo *c, ExecRequest *request);
