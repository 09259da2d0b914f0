/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* spawner/oci-reading: the results for files that change while they are read, for slow file systems, and for containers
 * that nobody asks about. The test provides the looks. */

#include "spawner/oci-reading.h"

#include "unit/need.h"
#include "unit/test.h"

#define ID      "aa00000000000000000000000000000000000000000000000000000000000000"
#define B       "bb00000000000000000000000000000000000000000000000000000000000000"

#define WATCH   7
#define STORAGE 8

typedef struct World {
        OciReadings all;
        OciState state;
        OciSeen seen;
        unsigned n_read, n_slow, n_settled;
        bool drops; /* the observer drops the reading */
} World;

static const OciPlace place = {.directory = "/run/place"};

/* The last look, which is running unless it is NULL. */
static const ScoutWork work;
static OciDisk disk;
static OciLook *look;
static unsigned n_begun, n_cancelled;
static int begin_error;

int __wrap_oci_look_start(OciLook *l, const OciQuery *query, Refusal *reterr);
int __wrap_oci_look_start(OciLook *l, const OciQuery *query, Refusal *reterr)
{
        if (begin_error < 0)
                return refuse(reterr, REFUSAL_UNAVAILABLE, -begin_error, "no look");
        NEED(!l->job.work);
        l->query = *query;
        l->disk = &disk;
        l->job.work = &work;
        look = l;
        n_begun++;
        return 0;
}

void __wrap_oci_look_cancel(OciLook *l);
void __wrap_oci_look_cancel(OciLook *l)
{
        if (!l->job.work)
                return;
        l->job.work = NULL;
        n_cancelled++;
        if (look == l)
                look = NULL;
}

static void answer(int error, const char *name)
{
        OciFound found = {.watch = WATCH, .storage_watch = STORAGE, .config = {.name = strdup(name)}};
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        OciLook *l = TAKE_PTR(look);

        NEED(l && found.config.name);
        if (error < 0) {
                oci_found_done(&found);
                refuse(&refusal, REFUSAL_INTERNAL, -error, "%s", name);
        }
        l->job.work = NULL;
        l->on_found(l->userdata, error, &found, &refusal);
}

static void on_read(void *userdata, const OciPlace *of, const char *id, bool was_slow)
{
        World *w = userdata;

        w->n_read++;
        w->n_slow += was_slow;
        NEED(of == &place);
        if (w->drops)
                oci_reading_drop(&w->all, of, id);
}

static void on_settled(void *userdata)
{
        ((World *) userdata)->n_settled++;
}

static World *world(void)
{
        static World w;

        w = (World){
                .all = {.on_read = on_read, .on_settled = on_settled, .userdata = &w},
                .state = {.pid = 42, .start_time = 1000, .bundle = (char *) "/bundle"},
        };
        disk = (OciDisk){.directory = (char *) "/disk"};
        look = NULL;
        n_begun = n_cancelled = 0;
        return &w;
}

typedef struct Got {
        int r;
        char name[64]; /* of the container, or the text of a refusal */
        RefusalKind kind;
} Got;

static Got get(World *w, const char *id, bool is_known)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        OciFound *found = NULL;
        Got got = {0};

        got.r = oci_reading_get(&w->all,
                                &(OciQuery){.place = &place,
                                            .id = id,
                                            .state = &w->state,
                                            .seen = is_known ? &w->seen : NULL,
                                            .watcher = 5},
                                &found, &refusal);
        got.kind = refusal.kind;
        NEED((got.r >= 0) == (found != NULL));
        snprintf(got.name, sizeof(got.name), "%s", found ? found->config.name : refusal.message ?: "");
        return got;
}

static void end(World *w)
{
        oci_readings_done(&w->all);
        CHECK(list_is_empty(&w->all.all) && !look);
}

static void test_once(void)
{
        World *w = world();

        CHECK(get(w, ID, false).r == -EINPROGRESS && get(w, ID, false).r == -EINPROGRESS && n_begun == 1);
        CHECK(look->query.watcher == 5 && same_text(look->query.state->bundle, "/bundle"));
        answer(0, "web");
        CHECK(w->n_read == 1 && w->n_slow == 0 && w->n_settled == 1);
        CHECK_TEXT("found", get(w, ID, false).name, "web");
        CHECK_TEXT("found again", get(w, ID, false).name, "web");
        CHECK(n_begun == 1);
        oci_reading_drop(&w->all, &place, ID);
        oci_reading_drop(&w->all, &place, ID);
        CHECK(get(w, ID, false).r == -EINPROGRESS && n_begun == 2);
        end(w);
        CHECK(n_cancelled == 1);
}

/* Errors are reported once and not kept. */
static void test_errors(void)
{
        World *w = world();
        Got got;

        CHECK(get(w, ID, false).r == -EINPROGRESS);
        answer(-EBADMSG, "not valid");
        got = get(w, ID, false);
        CHECK(got.r == -EBADMSG && got.kind == REFUSAL_INTERNAL && w->n_read == 1);
        CHECK_TEXT("error", got.name, "not valid");
        CHECK(get(w, ID, false).r == -EINPROGRESS && n_begun == 2);
        answer(0, "web");

        begin_error = -ETIMEDOUT;
        got = get(w, B, false);
        CHECK(got.r == -ETIMEDOUT && got.kind == REFUSAL_UNAVAILABLE);
        begin_error = 0;
        CHECK(get(w, B, false).r == -EINPROGRESS && n_begun == 3);
        end(w);
}

/* A result is valid for the process and the question that it was read for. */
static void test_other_process(void)
{
        World *w = world();

        CHECK(get(w, ID, false).r == -EINPROGRESS);
        w->state.start_time++;
        CHECK(get(w, ID, false).r == -EINPROGRESS && n_begun == 2 && n_cancelled == 1);
        answer(0, "web");
        w->state.pid++;
        CHECK(get(w, ID, false).r == -EINPROGRESS && n_begun == 3);
        answer(0, "web");
        CHECK(get(w, ID, true).r == -EINPROGRESS && n_begun == 4 && look->query.seen);
        end(w);
}

/* The files change while they are read, repeatedly. */
static void test_outdated(void)
{
        World *w = world();
        Got got;

        CHECK(get(w, ID, false).r == -EINPROGRESS);
        oci_reading_outdate(&w->all, &place, ID);
        answer(0, "old");
        CHECK(n_begun == 2 && w->n_read == 0 && get(w, ID, false).r == -EINPROGRESS);
        answer(0, "new");
        CHECK_TEXT("changed once", get(w, ID, false).name, "new");
        CHECK(w->n_read == 1);

        CHECK(get(w, B, false).r == -EINPROGRESS);
        for (unsigned i = 0; i < 100 && look; i++) {
                oci_reading_outdate(&w->all, &place, B);
                answer(0, "old");
        }
        got = get(w, B, false);
        CHECK(got.r == -EAGAIN && got.kind == REFUSAL_NOT_RUNNING && n_begun == 10);
        CHECK_TEXT("changes", got.name, "the container is changing");

        /* After an error, the files are not read again. */
        CHECK(get(w, B, false).r == -EINPROGRESS && n_begun == 11);
        oci_reading_outdate(&w->all, &place, B);
        answer(-EBADMSG, "not valid");
        CHECK(get(w, B, false).r == -EBADMSG && n_begun == 11);

        /* The file system stops answering between two looks. */
        CHECK(get(w, B, false).r == -EINPROGRESS);
        oci_reading_outdate(&w->all, &place, B);
        begin_error = -ETIMEDOUT;
        answer(0, "old");
        begin_error = 0;
        got = get(w, B, false);
        CHECK(got.r == -ETIMEDOUT && got.kind == REFUSAL_UNAVAILABLE);
        end(w);
}

static void test_watches(void)
{
        static const struct {
                const char *name;
                int watch;
                bool is_known, begins;
        } rows[] = {
                {"its own", WATCH, false, true},        {"of the storage", STORAGE, false, true},
                {"another's", 9, false, false},         {"all", -1, false, true},
                {"of a known one", WATCH, true, false}, /* its owner asks again */
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                World *w = world();

                CHECK_ROW(rows[i].name, get(w, ID, rows[i].is_known).r == -EINPROGRESS);
                answer(0, "web");
                oci_readings_outdate(&w->all, rows[i].watch);
                CHECK_ROW(rows[i].name, (n_begun == 2) == rows[i].begins);
                CHECK_ROW(rows[i].name,
                          get(w, ID, rows[i].is_known).r == (rows[i].begins ? -EINPROGRESS : 0));
                end(w);
        }
}

static void test_slow(void)
{
        World *w = world();
        Got got;

        CHECK(get(w, ID, false).r == -EINPROGRESS);
        CHECK(oci_readings_are_running(&w->all, false));
        look->on_slow(look->userdata);
        look->on_slow(look->userdata);
        CHECK(w->n_read == 1 && w->n_slow == 1 && w->n_settled == 1);
        CHECK(!oci_readings_are_running(&w->all, false) && oci_readings_are_running(&w->all, true));
        got = get(w, ID, false);
        CHECK(got.r == -EAGAIN && got.kind == REFUSAL_UNAVAILABLE && n_begun == 1);
        CHECK_TEXT("slow", got.name, "the file system of /disk does not answer");
        answer(0, "web");
        CHECK(w->n_read == 2 && w->n_slow == 2);
        CHECK_TEXT("slow, and read", get(w, ID, false).name, "web");

        /* If the file system did not answer the last time, nothing waits for it. */
        disk.is_doubtful = true;
        CHECK(get(w, B, false).r == -EAGAIN && w->n_read == 2);
        end(w);
}

/* The observer may drop the reading in its callback. */
static void test_dropped_by_observer(void)
{
        World *w = world();

        w->drops = true;
        CHECK(get(w, ID, false).r == -EINPROGRESS);
        answer(0, "web");
        CHECK(list_is_empty(&w->all.all) && w->n_read == 1 && w->n_settled == 1);
        CHECK(get(w, ID, false).r == -EINPROGRESS);
        look->on_slow(look->userdata);
        CHECK(list_is_empty(&w->all.all) && w->n_read == 2 && w->n_settled == 2 && n_cancelled == 1);
        end(w);
}

static void test_sweep(void)
{
        World *w = world();

        CHECK(get(w, ID, false).r == -EINPROGRESS);
        answer(0, "web");
        CHECK(get(w, B, true).r == -EINPROGRESS);
        oci_readings_sweep(&w->all);
        CHECK(get(w, ID, false).r == 0);
        oci_readings_sweep(&w->all);
        oci_readings_sweep(&w->all);
        /* The owner of a known container drops its reading. */
        CHECK(n_cancelled == 0 && get(w, B, true).r == -EINPROGRESS && n_begun == 2);
        CHECK(get(w, ID, false).r == -EINPROGRESS && n_begun == 3);
        end(w);
}

/* A round does not wait for readings that begin later, or that are slow. */
static void test_rounds(void)
{
        World *w = world();
        OciLook *first;

        CHECK(get(w, ID, true).r == -EINPROGRESS);
        first = look;
        CHECK(!oci_readings_are_waited_for(&w->all, false));
        oci_readings_wait(&w->all);
        CHECK(oci_readings_are_waited_for(&w->all, false) && oci_readings_are_waited_for(&w->all, true));
        CHECK(get(w, B, false).r == -EINPROGRESS);
        look = first;
        answer(0, "web");
        CHECK(!oci_readings_are_waited_for(&w->all, false) && oci_readings_are_running(&w->all, false));
        oci_readings_wait(&w->all);
        CHECK(oci_readings_are_waited_for(&w->all, false) && !oci_readings_are_waited_for(&w->all, true));
        end(w);

        w = world();
        CHECK(get(w, ID, false).r == -EINPROGRESS);
        oci_readings_wait(&w->all);
        look->on_slow(look->userdata);
        CHECK(!oci_readings_are_waited_for(&w->all, false));
        end(w);
}

int main(void)
{
        test_once();
        test_errors();
        test_other_process();
        test_outdated();
        test_watches();
        test_slow();
        test_dropped_by_observer();
        test_sweep();
        test_rounds();
        return test_finish("oci-reading");
}
