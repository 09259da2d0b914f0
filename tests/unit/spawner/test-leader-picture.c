/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* spawner/leader-picture: a picture has the facts and the namespaces of one process, and a leader that kept a scout
 * waiting is left alone. The test is the leader, and takes the place of the scout. */

#include "spawner/leader-picture.h"

#include <fcntl.h>

#include "base/time.h"
#include "spawner/scout-process.h"
#include "unit/count-fds.h"
#include "unit/test.h"

#define ALONE_USEC  (3 * USEC_PER_SEC)
#define STRIKES_MAX 5

typedef struct World {
        Leader leader;
        LeaderPicture picture;
        unsigned n_calls;
        bool was_there; /* the leader had the picture in the callback */
        bool ends_in_callback;
        int error; /* in the callback, as is the next one */
        RefusalKind kind;
} World;

/* The job of the scout. */
static const ScoutWork *work;
static void *userdata;
static ScoutTarget target;

int __wrap_scout_job_start(ScoutJob *j, const ScoutWork *w, void *u, const ScoutTarget *t);
int __wrap_scout_job_start(ScoutJob *j, const ScoutWork *w, void *u, const ScoutTarget *t)
{
        work = j->work = w;
        userdata = u;
        target = *t;
        return 0;
}

void __wrap_scout_job_cancel(ScoutJob *j);
void __wrap_scout_job_cancel(ScoutJob *j)
{
        j->work = NULL;
}

static void on_taken(void *u)
{
        World *w = u;

        w->n_calls++;
        w->was_there = w->leader.picture == &w->picture;
        w->error = w->picture.error;
        w->kind = w->picture.refusal.kind;
        if (w->ends_in_callback)
                leader_picture_done(&w->picture);
}

static void begin(World *w)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        char path[32];

        *w = (World){.leader = {.n_ref = 1, .pid = getpid(), .pidfd = -EBADF}};
        snprintf(path, sizeof(path), "/proc/%d", getpid());
        w->leader.proc_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        NEED(w->leader.proc_fd >= 0);
        NEED(leader_facts_read(w->leader.proc_fd, &w->leader.found, NULL, &refusal) == 0);
}

static void end(World *w)
{
        leader_picture_done(&w->picture);
        CHECK(w->leader.n_ref == 1 && !w->leader.picture);
        leader_close_namespaces(&w->leader);
        leader_facts_done(&w->leader.found);
        close(w->leader.proc_fd);
}

static int take(World *w, Refusal *reterr)
{
        leader_picture_done(&w->picture);
        return leader_picture_take(&w->picture, &w->leader, 1000, on_taken, w, reterr);
}

typedef enum Tampering {
        NONE,
        ONE_LESS,
        ONE_MORE,
} Tampering;

/* Returns the number of namespaces that the scout has found. */
static size_t scout(int error, Tampering tampering)
{
        void *data = calloc(1, SCOUT_DATA_SIZE);
        ScoutFindings found = {0};
        size_t n;
        int r;

        NEED(data);
        r = work->run(data, work->prepare(userdata, data), &found);
        NEED(r == 0);
        n = found.n_fds;
        if (tampering == ONE_LESS)
                fd_close(found.fds[--found.n_fds]);
        else if (tampering == ONE_MORE)
                found.fds[found.n_fds++] = fcntl(2, F_DUPFD_CLOEXEC, 3);
        work->on_done(userdata, error, data, &found);
        scout_findings_done(&found);
        free(data);
        return n;
}

static void test_first(void)
{
        World w;

        begin(&w);
        NEED(take(&w, NULL) == 0);
        CHECK(target.group == getpid() && target.process == getpid() && target.caller == 1000);
        /* The namespaces of the test differ from those of a spawner, which has not looked at its own. */
        CHECK(scout(0, NONE) > 0);
        CHECK(w.n_calls == 1 && w.error == 0 && w.was_there && !w.leader.picture);
        CHECK(leader_facts_compare(&w.leader.found, &w.picture.facts, NULL) == 0);
        CHECK(w.picture.namespaces && w.picture.namespaces->files.fds[NS_MNT] >= 0);
        CHECK(w.picture.stat.start_time > 0);
        end(&w);
}

/* The namespaces of the first exec are those of the next one. */
static void test_known(void)
{
        NamespaceSet *first;
        World w;

        begin(&w);
        NEED(take(&w, NULL) == 0);
        scout(0, NONE);
        first = w.leader.namespaces = namespace_set_ref(w.picture.namespaces);
        NEED(take(&w, NULL) == 0);
        CHECK(scout(0, NONE) == 0);
        CHECK(w.error == 0 && w.picture.namespaces == first && first->n_ref == 2);
        CHECK(leader_facts_compare(&w.leader.found, &w.picture.facts, NULL) == 0);

        /* The leader has left one of them. */
        w.leader.found.namespaces.inode[NS_UTS] ^= 1;
        NEED(take(&w, NULL) == 0);
        CHECK(scout(0, NONE) > 0);
        CHECK(w.error == 0 && w.picture.namespaces != first);
        CHECK(leader_facts_compare(&w.leader.found, &w.picture.facts, NULL) == -EPERM);
        end(&w);
}

static void test_wrong_number(void)
{
        static const Tampering rows[] = {ONE_LESS, ONE_MORE};

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                World w;

                begin(&w);
                NEED(take(&w, NULL) == 0);
                scout(0, rows[i]);
                CHECK(w.n_calls == 1 && w.error == -EBADMSG && !w.picture.namespaces);
                end(&w);
        }
}

/* A scout waits for the leader for too long. */
static void fail(World *w, uint64_t expected_usec)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        uint64_t before = now_usec(CLOCK_MONOTONIC);

        w->leader.picture_again = 1; /* it is over */
        NEED(take(w, NULL) == 0);
        scout(-ETIMEDOUT, NONE);
        CHECK(w->error == -EBUSY && w->kind == REFUSAL_UNAVAILABLE);
        CHECK(w->leader.picture_again >= before + expected_usec);
        CHECK(w->leader.picture_again <= now_usec(CLOCK_MONOTONIC) + expected_usec);
        w->leader.picture_again = UINT64_MAX;
        CHECK(leader_picture_check(&w->leader, &refusal) == -EBUSY && refusal.kind == REFUSAL_UNAVAILABLE);
        CHECK(take(w, &refusal) == -EBUSY && !w->picture.leader);
}

static void test_left_alone(void)
{
        World w;

        begin(&w);
        CHECK(leader_picture_check(&w.leader, NULL) == 0);
        for (unsigned i = 0; i < STRIKES_MAX + 3; i++)
                fail(&w, ALONE_USEC << MIN(i, STRIKES_MAX));
        /* Busy scouts are not a strike of the leader. */
        w.leader.picture_again = 1;
        NEED(take(&w, NULL) == 0);
        scout(-EBUSY, NONE);
        CHECK(w.kind == REFUSAL_UNAVAILABLE && w.leader.n_strikes == STRIKES_MAX);
        CHECK(leader_picture_check(&w.leader, NULL) == 0);
        /* It answers again. */
        NEED(take(&w, NULL) == 0);
        scout(0, NONE);
        CHECK(w.error == 0 && w.leader.n_strikes == 0);
        end(&w);
}

static void test_done_in_callback(void)
{
        World w;

        begin(&w);
        w.ends_in_callback = true;
        NEED(take(&w, NULL) == 0);
        CHECK(w.leader.n_ref == 2);
        scout(0, NONE);
        CHECK(w.n_calls == 1 && w.was_there && w.leader.n_ref == 1);
        end(&w);
}

int main(void)
{
        size_t n_fds = count_fds();

        test_first();
        test_known();
        test_wrong_number();
        test_left_alone();
        test_done_in_callback();
        CHECK(count_fds() == n_fds);
        return test_finish("leader-picture");
}
