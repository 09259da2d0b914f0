/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "spawner/leader-memory.h"

#include <fcntl.h>
#include <string.h>

#include "base/fd.h"
#include "base/strv.h"
#include "base/time.h"
#include "spawner/proc-parse.h"
#include "spawner/reader.h"

#define COMMAND_MAX     (64 * 1024)
#define PERSONALITY_MAX 64
#define WAITS_MAX       1024

/* The time until the next attempt. */
#define FAILED_USEC (3 * USEC_PER_SEC)

/* One leader, in the memory that is shared with the reader. */
typedef struct Item {
        int32_t error;
        uint32_t personality;
        uint32_t size; /* of the command line; 0: none, or too long */
        char command[COMMAND_MAX];
} Item;

typedef struct Items {
        ReaderMemory memory; /* its progress is the number of those that were read */
        Item items[];
} Items;

typedef struct MemoryRun {
        LeaderWaits waits;
        Reader *reader;   /* NULL once it has ended */
        Leader **leaders; /* owned references */
        size_t n;
        bool with_commands;
} MemoryRun;

/* The directory of the same process; owned. */
static int open_same(const Leader *l)
{
        _cleanup_close_ int fd = proc_open(l->pid);
        uint64_t start_time;
        int r;

        if (fd < 0)
                return fd;
        r = proc_start_time(fd, &start_time);
        if (r < 0)
                return r;
        return start_time == l->start_time ? TAKE_FD(fd) : -ESRCH;
}

static int read_item(const Leader *l, bool with_command, Item *ret)
{
        _cleanup_free_ char *text = NULL, *command = NULL;
        _cleanup_close_ int fd = open_same(l);
        uint64_t personality = 0;
        size_t size = 0;
        int r;

        if (fd < 0)
                return fd;
        r = file_read_at(fd, "personality", PERSONALITY_MAX, &text, NULL);
        if (r >= 0)
                r = proc_number_parse(text, 16, UINT32_MAX, &personality);
        if (r < 0)
                return r;
        ret->personality = (uint32_t) personality;
        if (!with_command || file_read_at(fd, "cmdline", COMMAND_MAX, &command, &size) < 0)
                return 0;
        memcpy(ret->command, command, size);
        ret->size = (uint32_t) size;
        return 0;
}

/* In the reader. */
static void read_all(ReaderMemory *m, void *userdata)
{
        Items *items = (Items *) m;
        const MemoryRun *run = userdata;

        for (size_t i = 0; i < run->n; i++) {
                items->items[i].error = read_item(run->leaders[i], run->with_commands, &items->items[i]);
                reader_advance(m);
        }
}

static MemoryRun *run_free(MemoryRun *run)
{
        if (!run)
                return NULL;
        reader_free(run->reader, NULL);
        leader_waits_done(&run->waits);
        for (size_t i = 0; i < run->n; i++) {
                if (run->leaders[i]->memory_waits == &run->waits)
                        run->leaders[i]->memory_waits = NULL;
                leader_unref(run->leaders[i]);
        }
        free(run->leaders);
        free(run);
        return NULL;
}
DEFINE_CLEANUP(MemoryRun, run_free);

static void leader_fail(Leader *l, int error)
{
        l->memory_error = error;
        l->memory_again = now_usec(CLOCK_MONOTONIC) + FAILED_USEC;
}

static void leader_take(Leader *l, const Item *item)
{
        if (item->error < 0) {
                leader_fail(l, item->error);
                return;
        }
        l->memory_error = 0;
        l->is_memory_known = true;
        l->personality = item->personality;
        l->command = strv_free(l->command);
        if (item->size > 0 && item->size <= COMMAND_MAX)
                (void) proc_cmdline_parse(item->command, item->size, &l->command);
}

static void on_told(LeaderWaits *l)
{
        run_free(LIST_ENTRY(l, MemoryRun, waits));
}

/* A leader that delays the reader is not read again for a while. The next leaders get another reader. */
static void on_done(void *userdata, int error)
{
        MemoryRun *run = userdata;
        const Items *items = (const Items *) reader_memory(run->reader);
        size_t n_read = reader_progress(&items->memory);

        for (size_t i = 0; i < run->n; i++) {
                Leader *l = run->leaders[i];

                l->memory_waits = NULL;
                if (i < n_read)
                        leader_take(l, &items->items[i]);
                else if (i == n_read || error != -ETIMEDOUT)
                        leader_fail(l, error < 0 ? error : -EIO);
        }
        run->reader = reader_free(run->reader, n_read < run->n ? run->leaders[n_read] : NULL);
        leader_waits_tell(&run->waits);
}

static int run_new(Leader *const *leaders, size_t n)
{
        _cleanup_(run_freep) MemoryRun *run = calloc(1, sizeof(*run));
        int r;

        if (!run)
                return -ENOMEM;
        run->waits = (LeaderWaits){
                .max = WAITS_MAX, .what = "the command line of a container", .on_told = on_told};
        run->with_commands = reader_may_hang();
        run->leaders = calloc(n, sizeof(*run->leaders));
        if (!run->leaders)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++)
                run->leaders[run->n++] = leader_ref(leaders[i]);
        r = leader_waits_read(&run->waits,
                              &(ReaderJob){
                                      .size = sizeof(Items) + run->n * sizeof(Item),
                                      .read = read_all,
                                      .on_done = on_done,
                                      .userdata = run,
                              },
                              &run->reader);
        if (r < 0)
                return r;
        for (size_t i = 0; i < n; i++)
                leaders[i]->memory_waits = &run->waits;
        TAKE_PTR(run);
        return 0;
}

static bool is_to_be_read(const Leader *l)
{
        return !l->is_memory_known && !l->memory_waits &&
               !(l->memory_error < 0 && now_usec(CLOCK_MONOTONIC) < l->memory_again);
}

int leader_memory_need(Leader *const *leaders, size_t n)
{
        _cleanup_free_ Leader **wanted = calloc(n + 1, sizeof(*wanted));
        bool is_being_read = false;
        size_t n_wanted = 0;
        int r;

        if (!wanted)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                Leader *l = leaders[i];

                if (is_to_be_read(l) && !reader_is_allowed(l))
                        leader_fail(l, -EBUSY);
                else if (is_to_be_read(l))
                        wanted[n_wanted++] = l;
                is_being_read = is_being_read || l->memory_waits;
        }
        if (n_wanted == 0)
                return is_being_read ? -EINPROGRESS : 0;
        r = run_new(wanted, n_wanted);
        for (size_t i = 0; r < 0 && i < n_wanted; i++)
                leader_fail(wanted[i], r);
        return r < 0 && !is_being_read ? 0 : -EINPROGRESS;
}
