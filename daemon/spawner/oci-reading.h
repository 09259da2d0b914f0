/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The files of OCI containers that may be on any file system. They are read without waiting for them (oci-look.h). */

#include "base/list.h"
#include "spawner/oci-look.h"

typedef struct OciReadings {
        List all;
        /* The files were read, or the file system is slow (and then once more when they were read). The container has to
         * be looked at again, and oci_reading_get() has another answer. */
        void (*on_read)(void *userdata, const OciPlace *place, const char *id, bool was_slow);
        /* After that. */
        void (*on_settled)(void *userdata);
        void *userdata;
} OciReadings;

/* -EINPROGRESS: they are being read. -EAGAIN: the read takes a long time. The result is weak, and stays until it is
 * dropped; failures are not kept. */
int oci_reading_get(OciReadings *all, const OciQuery *query, OciFound **ret, Refusal *reterr);
/* The result is no longer needed. */
void oci_reading_drop(OciReadings *all, const OciPlace *place, const char *id);
/* Its files have changed: if they are being read, they are read again. */
void oci_reading_outdate(OciReadings *all, const OciPlace *place, const char *id);
/* The same for each container that is not known yet, and may have this watch, or has it. Negative: any. */
void oci_readings_outdate(OciReadings *all, int watch);
/* Drops results of unknown containers that were not requested since the last sweep. */
void oci_readings_sweep(OciReadings *all);

bool oci_readings_are_running(const OciReadings *all, bool slow_too);
/* A round waits for reads that are running now, unless they are slow, and for none that begins later. */
void oci_readings_wait(OciReadings *all);
/* Whether there are such ones; with `known_only`, of known containers. */
bool oci_readings_are_waited_for(const OciReadings *all, bool known_only);
void oci_readings_done(OciReadings *all);
