/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "spawner/oci-disk.h"

#include <string.h>

/* An unused entry is kept for the next directory. A scout counts in it until it answers or ends. */
static List disks;
static pid_t last_group;

int oci_disk_refuse(const OciDisk *d, Refusal *reterr)
{
        return refuse(reterr, REFUSAL_UNAVAILABLE, ETIMEDOUT, "the file system of %s does not answer",
                      d->directory);
}

static bool is_unused(const OciDisk *d)
{
        return d->n_looks == 0 && d->n_at_work == 0 && d->n_stuck == 0;
}

static OciDisk *find_unused(void)
{
        return LIST_FIND(OciDisk, d, &disks, node, is_unused(d) && !d->is_doubtful)
                       ?: LIST_FIND(OciDisk, d, &disks, node, is_unused(d));
}

static int disk_get(const char *directory, OciDisk **ret)
{
        char *copy = strdup(directory);
        OciDisk *d = find_unused();

        if (!copy)
                return -ENOMEM;
        if (!d) {
                d = calloc(1, sizeof(*d));
                if (!d) {
                        free(copy);
                        return -ENOMEM;
                }
                list_append(&disks, &d->node);
        }
        free(d->directory);
        d->directory = copy;
        d->is_doubtful = false;
        d->group = --last_group;
        *ret = d;
        return 0;
}

int oci_disk_take(const char *directory, OciDisk **ret, Refusal *reterr)
{
        OciDisk *d = LIST_FIND(OciDisk, known, &disks, node, strcmp(known->directory, directory) == 0);
        int r = d ? 0 : disk_get(directory, &d);

        if (r < 0)
                return r;
        if (d->n_stuck > 0)
                return oci_disk_refuse(d, reterr);
        d->n_looks++;
        *ret = d;
        return 0;
}

void oci_disk_release(OciDisk *d)
{
        if (d)
                d->n_looks--;
}
