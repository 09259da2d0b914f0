/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* spawner/oci-disk: a scout that hangs counts in the file system in which it hangs, and in no other, also after its job
 * was cancelled. */

#include "spawner/oci-disk.h"

#include <fcntl.h>

#include "unit/need.h"
#include "unit/test.h"

static OciDisk *take(const char *directory)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        OciDisk *d = NULL;

        NEED_ROW(directory, oci_disk_take(directory, &d, &refusal) == 0 && d);
        NEED_ROW(directory, d->group < 0 && same_text(d->directory, directory));
        return d;
}

static int prepare(void *userdata, void *data)
{
        return *(int *) userdata;
}

/* The file system answers when the pipe is closed. */
static int run(void *data, int fd, ScoutFindings *ret)
{
        char byte;

        return read(fd, &byte, 1) < 0 ? -errno : 0;
}

static void on_done(void *userdata, int error, const void *data, ScoutFindings *found)
{
}

static const ScoutWork work = {.prepare = prepare, .run = run, .on_done = on_done};

static void start(ScoutJob *job, OciDisk *d, int ends[2])
{
        NEED(pipe2(ends, O_CLOEXEC) == 0);
        NEED(scout_job_start(job, &work, &ends[0],
                             &(ScoutTarget){.group = d->group,
                                            .caller = SCOUT_NOBODY,
                                            .n_stuck = &d->n_stuck,
                                            .n_at_work = &d->n_at_work}) == 0);
}

static void test_directories(void)
{
        OciDisk *a = take("/a"), *b = take("/b");

        CHECK(a != b && a->group != b->group && take("/a") == a && a->n_looks == 2);
        oci_disk_release(a);
        CHECK(a->n_looks == 1);
        oci_disk_release(b);
        /* An unused entry is kept for another directory, with a new group. */
        CHECK(take("/c") == b && b->group != a->group && a->n_looks == 1);
        oci_disk_release(a);
        oci_disk_release(b);
}

/* A file system that did not answer is remembered as long as there is another unused entry. */
static void test_doubtful(void)
{
        OciDisk *a = take("/a"), *b = take("/b");

        a->is_doubtful = true;
        oci_disk_release(a);
        oci_disk_release(b);
        CHECK(take("/c") == b && take("/a") == a && a->is_doubtful);
        oci_disk_release(a);
        CHECK(take("/d") == a && !a->is_doubtful);
        oci_disk_release(a);
        oci_disk_release(b);
}

static void test_stuck(void)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        OciDisk *a = take("/a"), *b, *none = NULL;

        a->n_stuck = 1;
        oci_disk_release(a);
        CHECK(oci_disk_take("/a", &none, &refusal) == -ETIMEDOUT && !none && a->n_looks == 0);
        CHECK(refusal.kind == REFUSAL_UNAVAILABLE);
        CHECK_TEXT("stuck", refusal.message, "the file system of /a does not answer");
        b = take("/b");
        CHECK(b != a && b->n_stuck == 0);
        oci_disk_release(b);
        a->n_stuck = 0;
        CHECK(take("/a") == a);
        oci_disk_release(a);
}

/* The container has ended, and a scout still reads its files. */
static void test_cancelled(sd_event *event)
{
        OciDisk *a = take("/a"), *b;
        ScoutJob job = {0};
        int ends[2];

        start(&job, a, ends);
        CHECK(job.scout && a->n_at_work == 1);
        scout_job_cancel(&job);
        oci_disk_release(a);
        CHECK(a->n_looks == 0 && a->n_at_work == 1);
        b = take("/e");
        CHECK(b != a && take("/a") == a);
        oci_disk_release(a);
        oci_disk_release(b);

        close(ends[0]);
        close(ends[1]);
        while (a->n_at_work > 0)
                NEED(sd_event_run(event, UINT64_MAX) >= 0);
        CHECK(a->n_stuck == 0);
}

/* A killed scout no longer works, and hangs until it has ended. */
static void test_killed(sd_event *event)
{
        OciDisk *a = take("/a");
        ScoutJob job = {0};
        int ends[2];

        start(&job, a, ends);
        CHECK(a->n_at_work == 1);
        scout_job_cancel(&job);
        scouts_done();
        CHECK(a->n_at_work == 0);
        while (a->n_stuck > 0)
                NEED(sd_event_run(event, UINT64_MAX) >= 0);
        oci_disk_release(a);
        close(ends[0]);
        close(ends[1]);
}

int main(void)
{
        sd_event *event = NULL;

        NEED(sd_event_new(&event) >= 0 && scouts_init(event) >= 0);
        test_directories();
        test_doubtful();
        test_stuck();
        test_cancelled(event);
        test_killed(event);
        sd_event_unref(event);
        return test_finish("oci-disk");
}
