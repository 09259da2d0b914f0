/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "spawner/usage.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "spawner/cgroup.h"
#include "spawner/reader.h"
#include "spawner/slice-name.h"
#include "wire/exec-id.h"
#include "wire/usage.h"

#define FILE_MAX     (256 * 1024)
#define EXECS_MAX    4096
#define READERS_MAX  4 /* at a time */
#define READINGS_MAX 1024
#define WAITS_MAX    256

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

/* Shared with the reader. */
typedef struct UsageTable {
        ReaderMemory memory;
        int32_t error;
        Usage together;
        uint32_t n;
        ExecUsage execs[EXECS_MAX];
} UsageTable;

static void read_exec(int scope, const char *id, UsageTable *t)
{
        ExecUsage *u = &t->execs[t->n++];

        strcpy(u->id, id);
        read_usage(scope, &u->usage);
        if (u->usage.values[USAGE_TASKS] == USAGE_UNKNOWN)
                u->usage.values[USAGE_TASKS] = count_threads(scope);
        reader_advance(&t->memory);
}

/* `slice`: its name; NULL for one below it, in which there is no other one. */
static int read_execs(int dir, const char *slice, UsageTable *t)
{
        DIR *d = fdopendir(fcntl(dir, F_DUPFD_CLOEXEC, 3));
        int r = 0;

        if (!d)
                return -errno;
        for (struct dirent *e = readdir(d); e && r >= 0 && t->n < EXECS_MAX; e = readdir(d)) {
                bool is_sub = slice && slice_name_parse_sub(e->d_name, slice) > 0;
                _cleanup_close_ int child = -EBADF;
                char id[EXEC_ID_SIZE];

                if (!is_sub && !name_is_scope(e->d_name, id))
                        continue;
                child = openat(dir, e->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
                if (child < 0)
                        continue;
                if (is_sub)
                        r = read_execs(child, NULL, t);
                else
                        read_exec(child, id, t);
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
static void clear(Usage *together)
{
        static const UsageField zero[] = {USAGE_MEMORY, USAGE_TASKS, USAGE_CPU_USEC, USAGE_IO_READ,
                                          USAGE_IO_WRITE};

        usage_clear(together);
        for (size_t i = 0; i < ELEMENTSOF(zero); i++)
                together->values[zero[i]] = 0;
}

static int table_read(UsageTable *t, const char *slice)
{
        _cleanup_close_ int dir = cgroup_open(slice);
        uint64_t *tasks = &t->together.values[USAGE_TASKS];
        int r;

        if (dir == -ENOENT) {
                clear(&t->together);
                return 0;
        }
        r = dir < 0 ? dir : read_execs(dir, strrchr(slice, '/') + 1, t);
        if (r < 0)
                return r;
        read_usage(dir, &t->together);
        if (*tasks != USAGE_UNKNOWN)
                return 0;
        *tasks = 0;
        for (uint32_t i = 0; i < t->n; i++)
                if (t->execs[i].usage.values[USAGE_TASKS] != USAGE_UNKNOWN)
                        *tasks += t->execs[i].usage.values[USAGE_TASKS];
        return 0;
}

static int reply(sd_bus_message *m, const Usage *together, const ExecUsage *execs, size_t n)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *answer = NULL;
        int r;

        r = sd_bus_message_new_method_return(m, &answer);
        if (r >= 0)
                r = append_all(answer, together, execs, n);
        return r < 0 ? r : sd_bus_send(sd_bus_message_get_bus(m), answer, NULL);
}

/* A reading of the usage in a container. It answers all requests that arrive before it begins. */
typedef struct Reading {
        ListNode node;
        sd_event *event; /* weak */
        char *slice;
        Reader *reader; /* NULL: its turn has not come */
        List waits;
        unsigned n_waits;
} Reading;

typedef struct ReadingWait {
        ConnectionJob job;
        ListNode node;
        Reading *reading; /* weak */
        sd_bus_message *message;
} ReadingWait;

static List readings; /* Reading, oldest first */
static unsigned n_readings, n_readers;

static void wait_free(ReadingWait *w)
{
        connection_remove_job(&w->job);
        list_remove(&w->reading->waits, &w->node);
        w->reading->n_waits--;
        sd_bus_message_unref(w->message);
        free(w);
}

static void reading_free(Reading *g)
{
        LIST_FOREACH (ReadingWait, w, &g->waits, node)
                wait_free(w);
        list_remove(&readings, &g->node);
        n_readings--;
        n_readers -= g->reader != NULL;
        reader_free(g->reader, NULL);
        free(g->slice);
        free(g);
}

static void start_next(void);

static void wait_cancel(ConnectionJob *j)
{
        Reading *g = ((ReadingWait *) j)->reading;

        wait_free((ReadingWait *) j);
        if (g->n_waits > 0)
                return;
        reading_free(g);
        start_next();
}

static void reading_read(ReaderMemory *m, void *userdata)
{
        const Reading *g = userdata;
        UsageTable *t = (UsageTable *) m;

        t->error = table_read(t, g->slice);
}

static void reading_answer(Reading *g, const UsageTable *t, int error)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;

        if (error < 0)
                refuse(&refusal, REFUSAL_UNAVAILABLE, error, "failed to read the usage of the execs");
        LIST_FOREACH (ReadingWait, w, &g->waits, node) {
                int r = error < 0 ? reply_refusal(w->message, &refusal, error)
                                  : reply(w->message, &t->together, t->execs, MIN(t->n, EXECS_MAX));

                if (r < 0)
                        log_error_errno(r, "Failed to answer GetUsage");
        }
        reading_free(g);
}

static void reading_done(void *userdata, int error)
{
        Reading *g = userdata;
        const UsageTable *t = (const UsageTable *) reader_memory(g->reader);

        reading_answer(g, t, error < 0 ? error : t->error);
        start_next();
}

static void start_next(void)
{
        Reading *g;

        while (n_readers < READERS_MAX && (g = LIST_FIND(Reading, next, &readings, node, !next->reader))) {
                int r = reader_new(g->event,
                                   &(ReaderJob){
                                           .size = sizeof(UsageTable),
                                           .read = reading_read,
                                           .on_done = reading_done,
                                           .userdata = g,
                                   },
                                   &g->reader);

                if (r < 0)
                        reading_answer(g, NULL, r);
                else
                        n_readers++;
        }
}

static Reading *reading_new(sd_event *event, const char *slice)
{
        Reading *g = calloc(1, sizeof(*g));

        if (!g)
                return NULL;
        *g = (Reading){.event = event, .slice = strdup(slice)};
        if (!g->slice)
                return mfree(g);
        list_append(&readings, &g->node);
        n_readings++;
        return g;
}

int usage_request(Connection *c, sd_bus_message *m, const Slice *slice, Refusal *reterr)
{
        ReadingWait *w;
        Reading *g;

        if (!slice || !slice->cgroup) {
                Usage none;

                clear(&none);
                return reply(m, &none, NULL, 0);
        }
        /* One that has begun may have missed what was there when this was asked. */
        g = LIST_FIND(Reading, other, &readings, node,
                      !other->reader && strcmp(other->slice, slice->cgroup) == 0);
        if (g ? g->n_waits >= WAITS_MAX : n_readings >= READINGS_MAX)
                return refuse(reterr, REFUSAL_UNAVAILABLE, EBUSY,
                              "too many requests for the usage of execs are waiting (limit %d)",
                              g ? WAITS_MAX : READINGS_MAX);
        w = calloc(1, sizeof(*w));
        if (!w)
                return -ENOMEM;
        g = g ?: reading_new(c->spawner->event, slice->cgroup);
        if (!g) {
                free(w);
                return -ENOMEM;
        }
        *w = (ReadingWait){.reading = g, .message = sd_bus_message_ref(m)};
        list_append(&g->waits, &w->node);
        g->n_waits++;
        connection_add_job(c, &w->job, wait_cancel);
        start_next();
        return 0;
}
