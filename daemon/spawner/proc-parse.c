/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "spawner/proc-parse.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/decimal.h"
#include "base/strv.h"

/* A flag of the kernel's that /proc/PID/stat shows. */
#define PF_EXITING    0x4
#define PF_FORKNOEXEC 0x40

/* PID 1, in the group that it was given. */
#define INIT_SCOPE "/init.scope"

/* Returns the text after "NAME:" at the start of a line, or NULL. */
static const char *find_field(const char *text, const char *name)
{
        size_t n = strlen(name);

        for (const char *p = text; p && *p; p = strchr(p, '\n'), p = p ? p + 1 : NULL)
                if (strncmp(p, name, n) == 0 && p[n] == ':')
                        return p + n + 1;
        return NULL;
}

/* A string function of a build with sanitizers looks at the whole text, each time. */
static const char *skip_blanks(const char *p)
{
        while (*p == ' ' || *p == '\t')
                p++;
        return p;
}

/* Parses a number that ends at white space. `base` is 10, or as strtoull(3). */
static const char *take_number(const char *p, int base, uint64_t max, uint64_t *ret)
{
        p = skip_blanks(p);
        if (base == 10) {
                if (decimal_take(&p, max, ret) < 0)
                        return NULL;
        } else {
                char *end;

                if (*p < '0')
                        return NULL;
                errno = 0;
                *ret = strtoull(p, &end, base);
                if (errno != 0 || end == p || *ret > max)
                        return NULL;
                p = end;
        }
        return !*p || strchr(" \t\n", *p) ? p : NULL;
}

int proc_number_parse(const char *text, int base, uint64_t max, uint64_t *ret)
{
        const char *p = take_number(text, base, max, ret);

        return p && (!*p || (p[0] == '\n' && !p[1])) ? 0 : -EBADMSG;
}

static int field_number(const char *text, const char *name, int base, uint64_t max, uint64_t *ret)
{
        const char *p = find_field(text, name);

        return p && take_number(p, base, max, ret) ? 0 : -EBADMSG;
}

/* The effective id, which is the second of four. */
static int field_id(const char *text, const char *name, uint32_t *ret, bool *ret_differ)
{
        const char *p = find_field(text, name);
        uint64_t v[4];

        for (int i = 0; p && i < 4; i++)
                p = take_number(p, 10, UINT32_MAX, &v[i]);
        if (!p)
                return -EBADMSG;
        *ret = (uint32_t) v[1];
        *ret_differ = *ret_differ || v[0] != v[1] || v[1] != v[2] || v[2] != v[3];
        return 0;
}

static int field_pids(const char *text, const char *name, int32_t *ret_last, uint32_t *ret_n)
{
        const char *p = find_field(text, name);
        uint64_t v = 0;

        if (!p)
                return -EBADMSG;
        *ret_n = 0;
        do {
                p = take_number(p, 10, INT32_MAX, &v);
                if (!p)
                        return -EBADMSG;
                (*ret_n)++;
                p = skip_blanks(p);
        } while (*p && *p != '\n');
        *ret_last = (int32_t) v;
        return 0;
}

int proc_status_parse(const char *text, ProcStatus *ret)
{
        struct {
                const char *name;
                uint64_t *value;
        } capabilities[] = {
                {"CapInh", &ret->cap_inheritable}, {"CapPrm", &ret->cap_permitted},
                {"CapEff", &ret->cap_effective},   {"CapBnd", &ret->cap_bounding},
                {"CapAmb", &ret->cap_ambient},
        };
        const char *state = find_field(text, "State");
        uint64_t v;

        if (!state)
                return -EBADMSG;
        state += strspn(state, " \t");
        ret->state = *state;

        if (field_number(text, "PPid", 10, INT32_MAX, &v) < 0)
                return -EBADMSG;
        ret->ppid = (int32_t) v;
        ret->ids_differ = false;
        if (field_id(text, "Uid", &ret->uid, &ret->ids_differ) < 0 ||
            field_id(text, "Gid", &ret->gid, &ret->ids_differ) < 0)
                return -EBADMSG;
        if (field_pids(text, "NSpid", &ret->ns_pid, &ret->n_pid_namespaces) < 0)
                return -EBADMSG;
        for (size_t i = 0; i < ELEMENTSOF(capabilities); i++)
                if (field_number(text, capabilities[i].name, 16, UINT64_MAX, capabilities[i].value) < 0)
                        return -EBADMSG;
        if (field_number(text, "NoNewPrivs", 10, 1, &v) < 0)
                return -EBADMSG;
        ret->no_new_privs = v == 1;
        if (field_number(text, "Seccomp", 10, 2, &v) < 0)
                return -EBADMSG;
        ret->seccomp_mode = (uint32_t) v;
        ret->seccomp_filters = UINT32_MAX;
        if (find_field(text, "Seccomp_filters")) {
                if (field_number(text, "Seccomp_filters", 10, UINT32_MAX - 1, &v) < 0)
                        return -EBADMSG;
                ret->seccomp_filters = (uint32_t) v;
        }
        /* A process that no longer has file system state has no umask either. */
        ret->umask = field_number(text, "Umask", 8, 0777, &v) < 0 ? 0022 : (uint32_t) v;
        return 0;
}

int proc_id_map_parse(const char *text, IdMapping *ret, size_t max)
{
        size_t n = 0;

        for (const char *p = text; *p;) {
                uint64_t v[3];

                for (int i = 0; p && i < 3; i++)
                        p = take_number(p, 10, UINT32_MAX, &v[i]);
                if (!p || (*p && *p != '\n') || n >= max)
                        return -EBADMSG;
                if (v[2] == 0 || v[0] + v[2] > (uint64_t) UINT32_MAX + 1 ||
                    v[1] + v[2] > (uint64_t) UINT32_MAX + 1)
                        return -EBADMSG;
                ret[n++] = (IdMapping){(uint32_t) v[0], (uint32_t) v[1], (uint32_t) v[2]};
                p += *p == '\n';
        }
        return (int) n;
}

uint32_t id_map_to_inside(const IdMapping *map, size_t n, uint32_t outside)
{
        for (size_t i = 0; i < n; i++)
                if (outside >= map[i].outside && outside - map[i].outside < map[i].count)
                        return map[i].inside + (outside - map[i].outside);
        return PROC_ID_INVALID;
}

uint32_t id_map_to_outside(const IdMapping *map, size_t n, uint32_t inside)
{
        for (size_t i = 0; i < n; i++)
                if (inside >= map[i].inside && inside - map[i].inside < map[i].count)
                        return map[i].outside + (inside - map[i].inside);
        return PROC_ID_INVALID;
}

/* All numbers of a field, of which there must be `min` at least. */
static bool field_is_mapped(const char *text, const char *name, size_t min, const IdMapping *map, size_t n)
{
        const char *p = find_field(text, name);
        size_t found = 0;

        if (!p)
                return false;
        for (p = skip_blanks(p); *p && *p != '\n'; p = skip_blanks(p)) {
                uint64_t v;

                p = take_number(p, 10, UINT32_MAX, &v);
                if (!p || id_map_to_inside(map, n, (uint32_t) v) == PROC_ID_INVALID)
                        return false;
                found++;
        }
        return found >= min;
}

bool proc_status_ids_are_mapped(const char *text, const IdMapping *uids, size_t n_uids,
                                const IdMapping *gids, size_t n_gids, bool with_groups)
{
        return field_is_mapped(text, "Uid", 4, uids, n_uids) &&
               field_is_mapped(text, "Gid", 4, gids, n_gids) &&
               (!with_groups || field_is_mapped(text, "Groups", 0, gids, n_gids));
}

int proc_status_groups(const char *text, uint32_t **ret, size_t *ret_n)
{
        const char *p = find_field(text, "Groups");
        _cleanup_free_ uint32_t *groups = NULL;
        size_t n = 0;

        if (!p)
                return -EBADMSG;
        /* A digit and a blank at least. */
        groups = calloc(strcspn(p, "\n") / 2 + 1, sizeof(*groups));
        if (!groups)
                return -ENOMEM;
        for (p = skip_blanks(p); *p && *p != '\n'; p = skip_blanks(p)) {
                uint64_t v;

                p = take_number(p, 10, UINT32_MAX, &v);
                if (!p)
                        return -EBADMSG;
                groups[n++] = (uint32_t) v;
        }
        *ret = TAKE_PTR(groups);
        *ret_n = n;
        return 0;
}

int proc_cgroup_parse(const char *text, char **ret)
{
        for (const char *p = text; p && *p; p = strchr(p, '\n'), p = p ? p + 1 : NULL) {
                if (strncmp(p, "0::/", 4) != 0)
                        continue;
                *ret = strndup(p + 3, strcspn(p + 3, "\n"));
                return *ret ? 0 : -ENOMEM;
        }
        return -ENODATA;
}

static bool ends_with(const char *s, size_t n, const char *suffix)
{
        size_t m = strlen(suffix);

        return n > m && memcmp(s + n - m, suffix, m) == 0;
}

/* The part of the path after its leading slices, which is empty or starts with '/'. */
static const char *skip_slices(const char *path, const char **ret_slice, size_t *ret_length)
{
        *ret_slice = "-.slice";
        *ret_length = strlen(*ret_slice);
        while (*path == '/') {
                size_t n = strcspn(path + 1, "/");

                if (!ends_with(path + 1, n, ".slice"))
                        break;
                *ret_slice = path + 1;
                *ret_length = n;
                path += 1 + n;
        }
        return path;
}

int cgroup_path_slice(const char *path, char **ret)
{
        const char *slice;
        size_t n;

        skip_slices(path, &slice, &n);
        *ret = strndup(slice, n);
        return *ret ? 0 : -ENOMEM;
}

int cgroup_path_unit(const char *path, char **ret)
{
        const char *slice, *rest;
        size_t n;

        rest = skip_slices(path, &slice, &n);
        if (*rest != '/')
                return -ENODATA;
        n = strcspn(rest + 1, "/");
        if (!ends_with(rest + 1, n, ".service") && !ends_with(rest + 1, n, ".scope"))
                return -ENODATA;
        *ret = strndup(rest + 1, n);
        return *ret ? 0 : -ENOMEM;
}

bool cgroup_path_is_in_unit(const char *path, const char *init, const char *unit)
{
        size_t n = strlen(unit), above = strlen(init);
        const char *slice;

        above = ends_with(init, above, INIT_SCOPE) ? above - strlen(INIT_SCOPE) : 0;
        if (n == 0 || strncmp(path, init, above) != 0)
                return false;
        path = skip_slices(path + above, &slice, &above);
        if (*path != '/')
                return false;
        path += path[1] == '_' && unit[0] != '_' ? 2 : 1;
        return strcspn(path, "/") == n && memcmp(path, unit, n) == 0;
}

int cgroup_path_split(const char *path, char **ret_slice, char **ret_own)
{
        const char *slice, *rest;
        char *own;
        size_t n;

        rest = skip_slices(path, &slice, &n);
        n = (size_t) (rest - path);
        own = strndup(path, n + (*rest == '/' ? 1 + strcspn(rest + 1, "/") : 0));
        if (!own)
                return -ENOMEM;
        *ret_slice = n > 0 ? strndup(path, n) : strdup("/");
        if (!*ret_slice) {
                free(own);
                return -ENOMEM;
        }
        *ret_own = own;
        return 0;
}

static const char *take_limit(const char *p, uint64_t *ret)
{
        p = skip_blanks(p);
        if (strncmp(p, "unlimited", 9) == 0) {
                *ret = UINT64_MAX;
                return p + 9;
        }
        return take_number(p, 10, UINT64_MAX - 1, ret);
}

int proc_limits_parse(const char *text, uint64_t ret[PROC_N_RLIMITS][2])
{
        /* In the order of the RLIMIT_ constants. */
        static const char *const names[PROC_N_RLIMITS] = {
                "Max cpu time",       "Max file size",     "Max data size",         "Max stack size",
                "Max core file size", "Max resident set",  "Max processes",         "Max open files",
                "Max locked memory",  "Max address space", "Max file locks",        "Max pending signals",
                "Max msgqueue size",  "Max nice priority", "Max realtime priority", "Max realtime timeout",
        };

        for (size_t i = 0; i < PROC_N_RLIMITS; i++) {
                const char *p = text;

                while (p && strncmp(p, names[i], strlen(names[i])) != 0) {
                        p = strchr(p, '\n');
                        p = p ? p + 1 : NULL;
                }
                p = p ? take_limit(p + strlen(names[i]), &ret[i][0]) : NULL;
                p = p ? take_limit(p, &ret[i][1]) : NULL;
                if (!p || ret[i][0] > ret[i][1])
                        return -EBADMSG;
        }
        return 0;
}

int proc_label_parse(const char *text, char **ret)
{
        size_t n = strcspn(text, "\n");

        if (n == 0)
                return -ENODATA;
        for (size_t i = 0; i < n; i++)
                if ((unsigned char) text[i] < ' ' || text[i] == 0x7f)
                        return -EBADMSG;
        *ret = strndup(text, n);
        return *ret ? 0 : -ENOMEM;
}

int proc_apparmor_parse(const char *text, char **ret)
{
        _cleanup_free_ char *label = NULL;
        char *mode;
        int r;

        r = proc_label_parse(text, &label);
        if (r < 0)
                return r;
        if (strcmp(label, "unconfined") == 0) {
                *ret = NULL;
                return 0;
        }
        mode = strrchr(label, '(');
        if (mode && mode > label && mode[-1] == ' ' && label[strlen(label) - 1] == ')')
                mode[-1] = 0;
        *ret = TAKE_PTR(label);
        return 0;
}

int proc_cmdline_parse(const char *data, size_t size, char ***ret)
{
        _cleanup_strv_ char **argv = NULL;

        for (size_t at = 0; at < size;) {
                size_t n = strnlen(data + at, size - at);
                char *arg = strndup(data + at, n);
                int r;

                for (char *p = arg; p && *p; p++)
                        if ((unsigned char) *p < ' ' || *p == 0x7f)
                                *p = '?';
                r = strv_consume(&argv, arg);
                if (r < 0)
                        return r;
                at += n + 1;
        }
        *ret = TAKE_PTR(argv);
        return 0;
}

int proc_stat_parse(const char *text, ProcStat *ret)
{
        const char *start = strchr(text, '('), *end = strrchr(text, ')');
        long long f[42] = {0};
        char state;

        if (!start || !end || end < start)
                return -EBADMSG;
        snprintf(ret->comm, sizeof(ret->comm), "%.*s", (int) MIN(end - start - 1, INT_MAX), start + 1);
        for (char *p = ret->comm; *p; p++)
                if ((unsigned char) *p < ' ' || *p == 0x7f)
                        *p = '?';

        /* Fields are counted from one, and the third, the state, is a letter. */
        if (end[1] != ' ' || !end[2])
                return -EBADMSG;
        state = end[2];
        end += 3;
        for (int i = 4; i < (int) ELEMENTSOF(f); i++) {
                char *next;

                errno = 0;
                f[i] = strtoll(end, &next, 10);
                if (next == end)
                        return -EBADMSG;
                end = next;
        }
        ret->state = state;
        ret->ppid = (int32_t) f[4];
        ret->pgrp = (int32_t) f[5];
        ret->session = (int32_t) f[6];
        ret->tty_pgrp = (int32_t) f[8];
        ret->priority = (int32_t) f[18];
        ret->vsize = (uint64_t) f[23];
        ret->rss = (uint64_t) f[24];
        ret->tty = (uint32_t) f[7];
        ret->exiting = (f[9] & PF_EXITING) || state == 'Z' || state == 'X';
        ret->unexecuted = f[9] & PF_FORKNOEXEC;
        ret->utime = (uint64_t) f[14];
        ret->stime = (uint64_t) f[15];
        ret->nice = (int32_t) f[19];
        ret->threads = (uint32_t) f[20];
        ret->start_time = (uint64_t) f[22];
        ret->rt_priority = (int32_t) f[40];
        ret->policy = (int32_t) f[41];
        return 0;
}
