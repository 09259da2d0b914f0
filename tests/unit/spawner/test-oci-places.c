/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "spawner/oci-places.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "unit/need.h"

static void test_names(void)
{
        static const char *const others[] = {"moby",      "moby-",       "moby-1",     "moby-1.",
                                             "moby-.1",   "moby-1.2.3",  "moby-1.2/x", "moby-1.-2",
                                             "xmoby-1.2", "plugins.moby"};

        NEED(oci_place_is_remapped("moby-165536.165536") && oci_place_is_remapped("moby-0.1"));
        for (size_t i = 0; i < ELEMENTSOF(others); i++)
                NEED(!oci_place_is_remapped(others[i]));
}

static void make(const char *dir, unsigned uid)
{
        char path[128];

        snprintf(path, sizeof(path), "%s/moby-%u.7", dir, uid);
        NEED(mkdir(path, 0700) == 0);
}

/* Each once, and only so many. */
static void test_found(void)
{
        char dir[] = "/tmp/test-oci-places-XXXXXX", command[64];
        OciPlaces p;
        size_t first;
        int fd;

        NEED(mkdtemp(dir));
        fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        NEED(fd >= 0);
        oci_places_init(&p);
        first = p.n;
        NEED(oci_places_find(&p, fd) == 0 && p.n == first);
        make(dir, 1);
        NEED(oci_places_find(&p, fd) == 0 && p.n == first + 1);
        NEED(strcmp(p.list[first].directory, OCI_PLACES_OF_DOCKER "/moby-1.7") == 0 &&
             p.list[first].is_dockers);
        for (unsigned i = 2; i < 2 * OCI_PLACES_MAX; i++) {
                make(dir, i);
                NEED(oci_places_find(&p, fd) == 0);
        }
        NEED(p.n == OCI_PLACES_MAX);
        NEED(strcmp(p.list[first].directory, OCI_PLACES_OF_DOCKER "/moby-1.7") == 0);
        oci_places_done(&p);
        NEED(close(fd) == 0);
        snprintf(command, sizeof(command), "rm -r %s", dir);
        NEED(system(command) == 0);
}

int main(void)
{
        test_names();
        test_found();
        return 0;
}
