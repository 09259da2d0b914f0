/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "spawner/launch-limits.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/decimal.h"
#include "base/fd.h"
#include "base/time.h"
#include "spawner/cgroup.h"

#define EVENTS_MAX 4096

void launch_limits_init(LaunchLimits *l, char *const *properties)
{
        *l = (LaunchLimits){0};
        for (char *const *p = properties; p && p[0] && p[1]; p += 2) {
                l->asks_memory = l->asks_memory || strcmp(p[0], "MemoryMax") == 0;
                l->asks_cpu = l->asks_cpu || strcmp(p[0], "CPUQuota") == 0;
        }
}

uint64_t launch_limits_parse(const char *text, const char *word)
{
        size_t n = strlen(word);
        uint64_t value = 0;

        for (const char *line = text; line; line = strchr(line, '\n')) {
                const char *p;

                line += *line == '\n';
                p = line + n + 1;
                if (strncmp(line, word, n) == 0 && line[n] == ' ' &&
                    decimal_take(&p, UINT64_MAX, &value) >= 0)
                        return value;
        }
        return 0;
}

static uint64_t count_oom_kills(const Slice *slice)
{
        _cleanup_close_ int dir = cgroup_open(slice->cgroup);
        _cleanup_free_ char *text = NULL;

        if (dir < 0 || file_read_at(dir, "memory.events", EVENTS_MAX, &text, NULL) < 0)
                return 0;
        return launch_limits_parse(text, "oom_kill");
}

static bool has_memory_limit(const LaunchLimits *l, const Slice *slice)
{
        return l->asks_memory || slice->limits.values[LIMIT_MEMORY_MAX] != LIMIT_NONE;
}

void launch_limits_mark(LaunchLimits *l, const Slice *slice)
{
        l->oom_kills = has_memory_limit(l, slice) ? count_oom_kills(slice) : 0;
}

static bool explain_memory(const LaunchLimits *l, const Slice *slice, int error, Refusal *ret)
{
        const char *what = error == ENOMEM ? "got no memory" : "was killed for lack of memory";

        if (!has_memory_limit(l, slice) || (error != ENOMEM && count_oom_kills(slice) <= l->oom_kills))
                return false;
        if (l->asks_memory)
                refuse(ret, REFUSAL_NOT_RUNNABLE, ENOMEM,
                       "the runner of this exec %s: the memory limit of the exec (MemoryMax) or of the container is "
                       "too low",
                       what);
        else
                refuse(ret, REFUSAL_NOT_RUNNABLE, ENOMEM,
                       "the runner of this exec %s: the execs of the container have reached its memory limit of "
                       "%" PRIu64 " bytes",
                       what, slice->limits.values[LIMIT_MEMORY_MAX]);
        return true;
}

static bool explain_time(const LaunchLimits *l, const Slice *slice, Refusal *ret)
{
        uint64_t quota = slice->limits.values[LIMIT_CPU_QUOTA];

        if (l->asks_cpu)
                refuse(ret, REFUSAL_NOT_RUNNABLE, ETIMEDOUT,
                       "the command did not start in time: the CPU limit of the exec (CPUQuota) or of the container "
                       "leaves too little processor time");
        else if (quota != LIMIT_NONE)
                refuse(ret, REFUSAL_NOT_RUNNABLE, ETIMEDOUT,
                       "the command did not start in time: the CPU limit of the container, %" PRIu64
                       ".%" PRIu64 "%% of a processor, leaves too little processor time",
                       quota * 100 / USEC_PER_SEC, quota * 1000 / USEC_PER_SEC % 10);
        else
                return false;
        return true;
}

bool launch_limits_explain(const LaunchLimits *l, const Slice *slice, int error, Refusal *ret)
{
        switch (error) {
        case EIO:
        case ECHILD:
        case ENOMEM:
                return explain_memory(l, slice, error, ret);
        case ETIMEDOUT:
                return explain_time(l, slice, ret);
        default:
                return false;
        }
}
