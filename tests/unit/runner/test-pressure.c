/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* runner/pressure: how long processes have waited for memory, as the kernel or anything else in the place of its file says. The
 * control group is a directory of the test's. */

#include "runner/pressure.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "unit/need.h"
#include "unit/test.h"

#define SOME "some avg10=1.00 avg60=0.50 avg300=0.10 total="
#define FULL "full avg10=0.00 avg60=0.00 avg300=0.00 total=7\n"

static const struct {
        const char *text;
        uint64_t usec;
} rows[] = {
        {SOME "0\n" FULL, 0},
        {SOME "41126426\n" FULL, 41126426},
        {SOME "41126426", 41126426},
        {SOME "18446744073709551615\n", UINT64_MAX},
        {SOME "18446744073709551616\n", 0},
        {SOME "-1\n" FULL, 0},
        {SOME "5 x\n", 0},
        {SOME "\n" FULL, 0},
        {"some avg10=0.00\n" FULL, 0},
        {FULL, 0},
        {"", 0},
        {"\n", 0},
};

int main(void)
{
        char directory[] = "/tmp/test-pressure-XXXXXX", path[64];
        int fd;

        NEED(mkdtemp(directory));
        fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        NEED(fd >= 0);
        CHECK(pressure_of_memory(fd) == 0);
        snprintf(path, sizeof(path), "%s/memory.pressure", directory);
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                FILE *f = fopen(path, "we");

                NEED(f && fputs(rows[i].text, f) >= 0 && fclose(f) == 0);
                CHECK_ROW(rows[i].text, pressure_of_memory(fd) == rows[i].usec);
        }
        NEED(truncate(path, 1 << 20) == 0);
        CHECK(pressure_of_memory(fd) == 0);
        NEED(unlink(path) == 0 && rmdir(directory) == 0);
        CHECK(pressure_of_memory(fd) == 0);
        fd_close(fd);

        /* Wherever the test runs, this is an answer. */
        (void) pressure_of_own_memory();
        return test_finish("pressure");
}
