/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "spawner/usage.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>

#include "base/fd.h"
#include "spawner/cgroup.h"
#include "spawner/slice-name.h"
#include "wire/exec-id.h"
#include "wire/usage.h"

#define FILE_MAX  (256 * 1024)
#define EXECS_MAX 4096

static uint64_t read_number(int dir, const char *file)
{
        _cleanup_free_ char *text = NULL;

        return file_read_at(dir, file, FILE_MAX, &text, NULL) < 0 ? USAGE_UNKNOWN : usage_parse_number(text);
}

static void read_text(int dir, const char *file, void (*parse)(Usage *u, const char *text), Usage *u)
{
        _cleanup_free_ char *text = NULL;

        if (file_read_at(dir, file, FILE_MAX, &text, NULL) >= 0)
                parse(u, text);
}

/* Without the controller, by the lists of threads. */
static uint64_t count_threads(int dir)
{
        _cleanup_free_ char *text = NULL;
        uint64_t n = 0;

        if (file_read_at(dir, "cgroup.threads", FILE_MAX, &text, NULL) < 0)
                return USAGE_UNKNOWN;
        for (const char *p = strchr(text, '\n'); p; p = strchr(p + 1, '\n'))
                n++;
        return n;
}

static void read_usage(int dir, Usage *u)
{
        usage_clear(u);
        u->values[USAGE_MEMORY] = read_number(dir, "memory.current");
        u->values[USAGE_MEMORY_MAX] = read_number(dir, "memory.max");
        u->values[USAGE_TASKS] = read_number(dir, "pids.current");
        u->values[USAGE_TASKS_MAX] = read_number(dir, "pids.max");
        read_text(dir, "cpu.stat", usage_parse_cpu, u);
        read_text(dir, "memory.stat", usage_parse_memory, u);
        read_text(dir, "io.stat", usage_parse_io, u);
}

static int append_usage(sd_bus_message *m, const Usage *u)
{
        return sd_bus_message_append_array(m, 't', u->values, sizeof(u->values));
}

typedef struct ExecUsage {
        char id[EXEC_ID_SIZE];
        Usage usage;
} ExecUsage;

static bool name_is_scope(const char *name, char ret_id[static EXEC_ID_SIZE])
{
        char unit[EXEC_UNIT_SIZE];

        if (strlen(name) != sizeof(unit) - 1)
                return false;
        memcpy(ret_id, name + strlen("exec-"), EXEC_ID_LENGTH);
        ret_id[EXEC_ID_LENGTH] = 0;
        if (!exec_id_is_valid(ret_id))
                return false;
        exec_id_unit(ret_id, unit);
        return strcmp(unit, name) == 0;
}

typedef struct ExecUsages {
        ExecUsage *items;
        size_t n, room;
} ExecUsages;

static void usages_done(ExecUsages *all)
{
        free(all->items);
}

static int read_exec(int scope, const char *id, ExecUsages *all)
{
        ExecUsage *u;

        if (all->n == all->room) {
                ExecUsage *more = reallocarray(all->items, all->room * 2 + 16, sizeof(*more));

                if (!more)
                        return -ENOMEM;
                all->items = more;
                all->room = all->room * 2 + 16;
        }
        u = &all->items[all->n++];
        strcpy(u->id, id);
        read_usage(scope, &u->usage);
        if (u->usage.values[USAGE_TASKS] == USAGE_UNKNOWN)
                u->usage.values[USAGE_TASKS] = count_threads(scope);
        return 0;
}

/* `slice`: its name; NULL for one below it, in which there is no other one. */
static int read_execs(int dir, const char *slice, ExecUsages *all)
{
        DIR *d = fdopendir(fcntl(dir, F_DUPFD_CLOEXEC, 3));
        int r = 0;

        if (!d)
                return -errno;
        for (struct dirent *e = readdir(d); e && r >= 0 && all->n < EXECS_MAX; e = readdir(d)) {
                bool is_sub = slice && slice_name_parse_sub(e->d_name, slice) > 0;
                _cleanup_close_ int child = -EBADF;
                char id[EXEC_ID_SIZE];

                if (!is_sub && !name_is_scope(e->d_name, id))
                        continue;
                child = openat(dir, e->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
                if (child < 0)
                        continue;
                if (is_sub)
                        r = read_execs(child, NULL, all);
                else
                        r = read_exec(child, id, all);
        }
        closedir(d);
        return r;
}

static int append_all(sd_bus_message *m, const Usage *together, const ExecUsage *execs, size_t n)
{
        int r;

        r = append_usage(m, together);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "(sat)");
        for (size_t i = 0; r >= 0 && i < n; i++) {
                r = sd_bus_message_open_container(m, 'r', "sat");
                if (r >= 0)
                        r = sd_bus_message_append(m, "s", execs[i].id);
                if (r >= 0)
                        r = append_usage(m, &execs[i].usage);
                if (r >= 0)
                        r = sd_bus_message_close_container(m);
        }
        return r < 0 ? r : sd_bus_message_close_container(m);
}

/* No exec has been there lately. */
static int append_none(sd_bus_message *m)
{
        static const UsageField zero[] = {USAGE_MEMORY, USAGE_TASKS, USAGE_CPU_USEC, USAGE_IO_READ,
                                          USAGE_IO_WRITE};
        Usage none;

        usage_clear(&none);
        for (size_t i = 0; i < ELEMENTSOF(zero); i++)
                none.values[zero[i]] = 0;
        return append_all(m, &none, NULL, 0);
}

int usage_append(sd_bus_message *m, const char *slice)
{
        _cleanup_close_ int dir = slice ? cgroup_open(slice) : -ENOENT;
        _cleanup_(usages_done) ExecUsages execs = {0};
        Usage together;
        int r;

        if (dir == -ENOENT)
                return append_none(m);
        r = dir < 0 ? dir : read_execs(dir, strrchr(slice, '/') + 1, &execs);
        if (r < 0)
                return r;
        read_usage(dir, &together);
        if (together.values[USAGE_TASKS] == USAGE_UNKNOWN) {
                together.values[USAGE_TASKS] = 0;
                for (size_t i = 0; i < execs.n; i++)
                        if (execs.items[i].usage.values[USAGE_TASKS] != USAGE_UNKNOWN)
                                together.values[USAGE_TASKS] += execs.items[i].usage.values[USAGE_TASKS];
        }
        return append_all(m, &together, execs.items, execs.n);
}
