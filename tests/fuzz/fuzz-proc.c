/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Texts of the kernel's, which a container can shape in part: a letter that says which file it is, and the
 * file. */

#include "base/strv.h"
#include "fuzz/fuzz.h"
#include "spawner/limits.h"
#include "spawner/proc-parse.h"

static void check_status(const char *text)
{
        ProcStatus s;

        if (proc_status_parse(text, &s) < 0)
                return;
        PROMISE(s.ppid >= 0 && s.ns_pid >= 0 && s.seccomp_mode <= 2 && s.umask <= 0777);
        PROMISE(strstr(text, "CapBnd:") && strstr(text, "NoNewPrivs:"));
}

static void check_id_map(const char *text)
{
        IdMapping map[PROC_MAPPINGS_MAX];
        int n = proc_id_map_parse(text, map, ELEMENTSOF(map));

        PROMISE(n == -EBADMSG || (n >= 0 && n <= PROC_MAPPINGS_MAX));
        for (int i = 0; i < n; i++) {
                uint32_t last = map[i].count - 1, inside;

                PROMISE(map[i].count > 0 && map[i].inside + last >= map[i].inside);
                PROMISE(map[i].outside + last >= map[i].outside);
                /* With a map of its own each end goes there and back. */
                inside = id_map_to_inside(&map[i], 1, map[i].outside + last);
                PROMISE(inside == map[i].inside + last);
                PROMISE(id_map_to_outside(&map[i], 1, map[i].inside) == map[i].outside);
        }
}

static void check_cgroup(const char *text)
{
        _cleanup_free_ char *path = NULL, *slice = NULL, *unit = NULL, *slice_path = NULL, *own = NULL;

        if (proc_cgroup_parse(text, &path) < 0) {
                PROMISE(!path);
                return;
        }
        PROMISE(path[0] == '/' && !strchr(path, '\n'));
        PROMISE(cgroup_path_slice(path, &slice) == 0);
        PROMISE(strlen(slice) > 6 && strcmp(slice + strlen(slice) - 6, ".slice") == 0 &&
                !strchr(slice, '/'));
        if (cgroup_path_unit(path, &unit) >= 0)
                PROMISE(!strchr(unit, '/') && strstr(path, unit));
        PROMISE(cgroup_path_split(path, &slice_path, &own) == 0);
        PROMISE(slice_path[0] == '/' && strncmp(path, own, strlen(own)) == 0);
        if (strcmp(slice_path, "/") != 0)
                PROMISE(strncmp(own, slice_path, strlen(slice_path)) == 0);
}

static void check_rlimits(const char *text)
{
        uint64_t limits[PROC_N_RLIMITS][2];

        if (proc_limits_parse(text, limits) < 0)
                return;
        for (size_t i = 0; i < PROC_N_RLIMITS; i++)
                PROMISE(limits[i][0] <= limits[i][1]);
}

static void check_label(const char *text)
{
        _cleanup_free_ char *label = NULL, *profile = NULL;

        if (proc_label_parse(text, &label) >= 0)
                PROMISE(*label && !strpbrk(label, "\n\t\x7f"));
        if (proc_apparmor_parse(text, &profile) >= 0 && profile)
                PROMISE(label && strncmp(label, profile, strlen(profile)) == 0);
}

static void check_cmdline(const char *data, size_t size)
{
        _cleanup_strv_ char **argv = NULL;
        size_t total = 0;

        PROMISE(proc_cmdline_parse(data, size, &argv) == 0);
        STRV_FOREACH (i, argv)
                total += strlen(*i) + 1;
        PROMISE(total >= size && total <= size + 1);
}

static void check_stat(const char *text)
{
        ProcStat s;

        if (proc_stat_parse(text, &s) >= 0)
                PROMISE(strnlen(s.comm, sizeof(s.comm)) < sizeof(s.comm) && !strpbrk(s.comm, "\n\x1b"));
}

static void check_limit_files(char which, const char *text)
{
        LimitIo io[LIMITS_IO_MAX];
        LimitMask mask;
        uint64_t value;
        size_t n = 0;

        if (which == 'k') {
                if (limits_parse_mask(text, &mask) < 0)
                        return;
                for (size_t i = 0; i < sizeof(mask.bytes); i++)
                        PROMISE(mask.set || mask.bytes[i] == 0);
        } else if (which == 'o') {
                PROMISE(limits_parse_io(text, io, ELEMENTSOF(io), &n) <= 0 && n <= ELEMENTSOF(io));
        } else
                for (LimitType t = 0; t < _LIMIT_MAX; t++)
                        PROMISE(limits_parse_value(t, text, &value) <= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        FuzzInput in = {.data = data, .size = size};
        char which = (char) fuzz_byte(&in);
        _cleanup_free_ char *text = fuzz_copy(in.data, in.size);

        switch (which) {
        case 's':
                check_status(text);
                break;
        case 'u':
                check_id_map(text);
                break;
        case 'c':
                check_cgroup(text);
                break;
        case 'l':
                check_rlimits(text);
                break;
        case 'a':
                check_label(text);
                break;
        case 'm':
                check_cmdline(text, in.size);
                break;
        case 't':
                check_stat(text);
                break;
        case 'k':
        case 'o':
        case 'v':
                check_limit_files(which, text);
                break;
        }
        return 0;
}
