/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The properties of a service at one moment: the reply to one GetAll. Settings that a command cannot get as
 * well are refused here.
 */

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

#include "base/refusal.h"
#include "wire/service-name.h"

#define SERVICE_NO_ID UINT32_MAX

typedef struct ServiceProperties {
        char *id;           /* owned: the name that the others are aliases of */
        char **names;       /* owned: all of them */
        char **environment; /* owned: as set by the unit */
        char *state;        /* owned: ActiveState */
        char *control_group, *slice, *root_image, *root_directory, *fragment; /* owned */
        uint8_t invocation[SERVICE_INVOCATION];
        bool has_invocation;
        uint32_t main_pid;
        uint32_t uid, gid;          /* of User= and Group=; without them SERVICE_NO_ID */
        uint64_t created_usec;      /* CLOCK_REALTIME: when the main process was started */
        bool denies_exec_memory;    /* MemoryDenyWriteExecute= */
        bool restricts_filesystems; /* RestrictFileSystems= */
        bool in_nft_sets;           /* NFTSet= with the control group */
        int32_t secure_bits;
} ServiceProperties;

void service_properties_done(ServiceProperties *p);

/* From the reply to GetAll of all interfaces. -EBADMSG when it cannot be understood. */
int service_properties_read(sd_bus_message *reply, ServiceProperties *ret);

/* Refuses a service that does not run, has no main process, is a user's, or has confinement that a command
 * cannot be given. */
int service_properties_check(const ServiceProperties *p, Refusal *reterr);

/* Whether a process with these ids is what User= and Group= say. A program with the set-user-ID bit can make
 * another user of the main process. */
bool service_properties_name_user(const ServiceProperties *p, uint32_t uid, uint32_t gid);

/* Whether it is up, so that units ordered after it need not wait. */
bool service_properties_are_active(const ServiceProperties *p);
