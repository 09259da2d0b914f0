/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The file systems with the files of engines. One that does not answer delays a few scouts, and no more are sent as
 * long as the kernel cannot end these. */

#include <stdbool.h>

#include "base/list.h"
#include "base/refusal.h"
#include "spawner/scout.h"

typedef struct OciDisk {
        ListNode node;
        char *directory;    /* owned; "": nothing */
        pid_t group;        /* of scouts; negative */
        unsigned n_looks;   /* under way */
        unsigned n_at_work; /* scouts, including those of canceled looks */
        unsigned n_stuck;   /* scouts that were killed and have not ended yet */
        bool is_doubtful;   /* it did not answer the last time */
} OciDisk;

/* Counts a look. Refuses one in a file system that scouts hang in. */
int oci_disk_take(const char *directory, OciDisk **ret, Refusal *reterr);
void oci_disk_release(OciDisk *d);
/* -ETIMEDOUT, with a refusal. */
int oci_disk_refuse(const OciDisk *d, Refusal *reterr);
