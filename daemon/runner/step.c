/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Steps at which a container decides how long it takes. The process is called by the name of its step until that is
 * over, which costs an exec next to nothing, and its monitor and administrators can see it. */

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

#include "base/fd.h"
#include "runner/runner.h"

static const struct {
        const char *name, *text;
} steps[_STEP_MAX] = {
        [STEP_JOIN] = {"execd-join", "joining its namespaces"},
        [STEP_USER] = {"execd-user", "looking up the user"},
        [STEP_TERMINAL] = {"execd-stdio", "opening its terminal or null device"},
        [STEP_DIRECTORY] = {"execd-chdir", "entering the working directory"},
        [STEP_PROGRAM] = {"execd-find", "looking for the program"},
        [STEP_EXECUTE] = {"execd-exec", "executing the program"},
};

void step_begin(Step step)
{
        (void) prctl(PR_SET_NAME, steps[step].name);
}

const char *step_of(pid_t pid)
{
        _cleanup_free_ char *comm = NULL;
        char path[32];

        snprintf(path, sizeof(path), "/proc/%d/comm", pid);
        if (file_read_at(AT_FDCWD, path, 64, &comm, NULL) < 0)
                return NULL;
        comm[strcspn(comm, "\n")] = 0;
        for (Step s = 0; s < _STEP_MAX; s++)
                if (strcmp(comm, steps[s].name) == 0)
                        return steps[s].text;
        return NULL;
}
