/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "spawner/oci-places.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"

#define DOCKERS_NAMESPACE "moby"

static const OciPlace places[] = {
        {.directory = OCI_PLACES_OF_DOCKER "/" DOCKERS_NAMESPACE, .kind = "docker", .is_dockers = true},
        {.directory = "/run/runc", .kind = "runc"},
        {.directory = "/run/crun", .kind = "crun", .is_cruns = true},
};

void oci_places_init(OciPlaces *p)
{
        *p = (OciPlaces){.n = ELEMENTSOF(places)};
        memcpy(p->list, places, sizeof(places));
}

void oci_places_done(OciPlaces *p)
{
        for (size_t i = 0; i < p->n; i++)
                free(p->found[i]);
        p->n = 0;
}

/* moby-UID.GID */
bool oci_place_is_remapped(const char *name)
{
        static const char before[] = DOCKERS_NAMESPACE "-", digits[] = "0123456789";
        size_t n;

        if (strncmp(name, before, strlen(before)) != 0)
                return false;
        name += strlen(before);
        n = strspn(name, digits);
        if (n == 0 || name[n] != '.')
                return false;
        name += n + 1;
        n = strspn(name, digits);
        return n > 0 && !name[n];
}

static int add(OciPlaces *p, const char *name)
{
        char *directory;

        if (asprintf(&directory, OCI_PLACES_OF_DOCKER "/%s", name) < 0)
                return -ENOMEM;
        for (size_t i = 0; i < p->n; i++)
                if (strcmp(p->list[i].directory, directory) == 0) {
                        free(directory);
                        return 0;
                }
        if (p->n == OCI_PLACES_MAX) {
                log_debug("Too many directories like %s", directory);
                free(directory);
                return 0;
        }
        p->found[p->n] = directory;
        p->list[p->n++] = (OciPlace){.directory = directory, .kind = "docker", .is_dockers = true};
        return 1;
}

int oci_places_find(OciPlaces *p, int dir_fd)
{
        DIR *d = fdopendir(fcntl(dir_fd, F_DUPFD_CLOEXEC, 3));
        int r = 0;

        if (!d)
                return -errno;
        rewinddir(d);
        for (struct dirent *e = readdir(d); e && r >= 0; e = readdir(d))
                if (oci_place_is_remapped(e->d_name))
                        r = add(p, e->d_name);
        closedir(d);
        return r < 0 ? r : 0;
}
