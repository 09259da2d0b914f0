/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* spawner/reader: a child that reads brings its result or an error, has nothing of ours open, and is nothing that
 * anybody waits for. */

#include "spawner/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "unit/need.h"
#include "unit/test.h"

#define FDS_MAX 256

typedef struct Memory {
        ReaderMemory memory;
        int number;
        uint32_t signals; /* that are blocked, of the first 32 */
        bool is_open[FDS_MAX];
} Memory;

typedef struct World {
        sd_event *event;
        Reader *reader;
        unsigned n_done;
        int error;
        Memory found;
        Leader *stuck_at;
} World;

static void on_done(void *userdata, int error)
{
        World *w = userdata;

        w->n_done++;
        w->error = error;
        memcpy(&w->found, reader_memory(w->reader), sizeof(w->found));
        w->reader = reader_free(w->reader, w->stuck_at);
}

static void begin(World *w, void (*read)(ReaderMemory *, void *), int pidfd, uint64_t usec)
{
        const ReaderJob job = {.size = sizeof(Memory),
                               .pidfd = pidfd,
                               .usec = usec,
                               .read = read,
                               .on_done = on_done,
                               .userdata = w};

        w->n_done = 0;
        NEED(reader_new(w->event, &job, &w->reader) >= 0);
}

static void run(World *w, void (*read)(ReaderMemory *, void *), int pidfd)
{
        begin(w, read, pidfd, 0);
        while (w->n_done == 0)
                NEED(sd_event_run(w->event, UINT64_MAX) >= 0);
}

static void read_all(ReaderMemory *m, void *userdata)
{
        Memory *memory = (Memory *) m;
        sigset_t blocked;

        memory->number = 42;
        for (int fd = 3; fd < FDS_MAX; fd++)
                memory->is_open[fd] = fcntl(fd, F_GETFD) >= 0;
        sigprocmask(SIG_SETMASK, NULL, &blocked);
        for (int i = 1; i < 32; i++)
                memory->signals |= sigismember(&blocked, i) > 0 ? 1U << i : 0;
        reader_advance(m);
}

/* The connection of execd and the control sockets of runners must end with the spawner. */
static void test_inherits_nothing(World *w)
{
        static const int kept[] = {0, 3, 77, 255}; /* the event loop has the first one */
        sigset_t block;

        NEED(dup2(2, 77) == 77 && dup2(2, 200) == 200 && dup2(2, 255) == 255);
        sigemptyset(&block);
        sigaddset(&block, SIGTERM);
        NEED(sigprocmask(SIG_BLOCK, &block, NULL) == 0);
        for (size_t i = 0; i < ELEMENTSOF(kept); i++) {
                run(w, read_all, kept[i]);
                CHECK(w->error == 0 && w->found.number == 42 && reader_progress(&w->found.memory) == 1);
                for (int fd = 3; fd < FDS_MAX; fd++)
                        CHECK(w->found.is_open[fd] == (fd == kept[i]));
                CHECK(w->found.signals == 0);
        }
        close(77);
        close(200);
        close(255);
}

/* A reader that has ended and was not reaped counts. */
static bool has_children(void)
{
        siginfo_t info;

        return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

static void read_and_fail(ReaderMemory *m, void *userdata)
{
        _exit(1);
}

static void read_and_die(ReaderMemory *m, void *userdata)
{
        (void) raise(SIGKILL);
}

static void test_errors(World *w)
{
        run(w, read_and_fail, 0);
        CHECK(w->error == -EIO && w->n_done == 1);
        run(w, read_and_die, 0);
        CHECK(w->error == -EIO && w->n_done == 1);
        CHECK(!has_children());
}

static void read_nothing(ReaderMemory *m, void *userdata)
{
        ((Memory *) m)->number = 7;
        for (;;)
                pause();
}

/* Meanwhile, there are no readers for that container; when the child has ended, it is as before. */
static void test_stuck(World *w)
{
        Leader *l = calloc(1, sizeof(Leader));

        NEED(l);
        *l = (Leader){.n_ref = 1, .pidfd = -EBADF, .proc_fd = -EBADF};
        CHECK(reader_is_allowed(l));
        w->stuck_at = l;
        run(w, read_nothing, 0);
        CHECK(w->error == -ETIMEDOUT && w->found.number == 7);
        CHECK(l->n_stuck == 1 && !reader_is_allowed(l));
        while (l->n_stuck > 0)
                NEED(sd_event_run(w->event, UINT64_MAX) >= 0);
        CHECK(l->n_ref == 1 && reader_is_allowed(l) && !has_children());
        w->stuck_at = NULL;
        leader_unref(l);
}

/* It is no longer needed. */
static void test_freed(World *w)
{
        begin(w, read_nothing, 0, 0);
        w->reader = reader_free(w->reader, NULL);
        while (has_children())
                NEED(sd_event_run(w->event, UINT64_MAX) >= 0);
        CHECK(w->n_done == 0);
}

/* Half of those that may hang are left for what cannot hang for good. */
static void test_many_hang(World *w)
{
        const Leader l = {0};
        unsigned n = 0;

        CHECK(reader_may_hang());
        while (reader_may_hang() && n < 1000) {
                begin(w, read_nothing, 0, 0);
                /* It counts until the loop has seen its end. */
                w->reader = reader_free(w->reader, NULL);
                n++;
        }
        CHECK(n == 32 && reader_is_allowed(&l));
        while (!reader_may_hang())
                NEED(sd_event_run(w->event, UINT64_MAX) >= 0);
        while (has_children())
                NEED(sd_event_run(w->event, UINT64_MAX) >= 0);
}

static void read_on(ReaderMemory *m, void *userdata)
{
        for (;;) {
                reader_advance(m);
                (void) usleep(1000); /* it takes long, and no processor */
        }
}

/* One whose work is long may take its time, as long as there is progress. */
static void test_long_work(World *w)
{
        World other = {.event = w->event};

        begin(&other, read_on, 0, UINT32_MAX);
        run(w, read_on, 0);
        CHECK(w->error == -ETIMEDOUT && other.n_done == 0);
        reader_free(other.reader, NULL);
        while (has_children())
                NEED(sd_event_run(w->event, UINT64_MAX) >= 0);
}

int main(void)
{
        static World w;

        NEED(sd_event_new(&w.event) >= 0);
        test_inherits_nothing(&w);
        test_errors(&w);
        test_stuck(&w);
        test_freed(&w);
        test_many_hang(&w);
        test_long_work(&w);
        sd_event_unref(w.event);
        return test_finish("reader");
}
