/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* core/exec-lookup: an exec that execd no longer has in memory is read from the journal, and whatever the journal
 * says, whoever asks gets one answer. The journal is the test. */

#include "core/exec-internal.h"
#include "core/exec-lookup.h"
#include "core/exec-restore.h"
#include "core/exec-serialize.h"
#include "unit/core/world.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* The records of the journal, for the helper. */
static struct {
        int error;
        uint64_t size;
        const char *record;
} journal;

static unsigned n_searches;
static bool too_many;

static void read_record(int socket, void *userdata)
{
        fetch_answer(socket, journal.error, journal.size);
        if (journal.error >= 0)
                fetch_write(socket, journal.record, strlen(journal.record));
}

int __wrap_journal_fetch_record(JournalReader *r, HelperPool *p, const char *exec_id, uid_t uid,
                                const FetchEvents *events, void *userdata, Fetch **ret, Refusal *reterr);

int __wrap_journal_fetch_record(JournalReader *r, HelperPool *p, const char *exec_id, uid_t uid,
                                const FetchEvents *events, void *userdata, Fetch **ret, Refusal *reterr)
{
        const FetchJob job = {.run = read_record, .uid = uid};

        n_searches++;
        return too_many ? refuse(reterr, REFUSAL_BUSY, EAGAIN, "too many")
                        : fetch_new(p, &job, events, userdata, ret, reterr);
}

typedef struct Found {
        ExecLookup *lookup; /* owned */
        unsigned n;
        Exec *exec; /* weak */
        RefusalKind kind;
        char id[EXEC_ID_SIZE]; /* of exec */
} Found;

static void on_found(void *userdata, Exec *e, const Refusal *refusal)
{
        Found *f = userdata;

        f->lookup = NULL;
        f->n++;
        f->exec = e;
        f->kind = refusal ? refusal->kind : REFUSAL_NONE;
        if (e)
                memcpy(f->id, e->id, sizeof(f->id));
}

/* Whether something is to come. */
static bool look_for(World *w, const char *id, Found *f)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;

        *f = (Found){0};
        NEED(exec_lookup(&w->manager, id, 1000, on_found, f, &f->exec, &f->lookup, &refusal) >= 0);
        return f->lookup;
}

/* The record of an exec that execd has forgotten. */
static char *forgotten(World *w, char id[static EXEC_ID_SIZE])
{
        Exec *e = NULL;
        char *line = NULL;

        NEED(exec_new(&w->manager.exec_env, w->container, w->root, world_request("true", NULL), NULL, &e) >=
             0);
        exec_fail(e, REFUSAL_NOT_FOUND, "there is no true");
        memcpy(id, e->id, EXEC_ID_SIZE);
        NEED(exec_serialize(e, &line) >= 0);
        exec_unref(e);
        return line;
}

static void set_journal(int error, const char *record)
{
        journal.error = error;
        journal.record = record;
        journal.size = strlen(record);
}

static void test_answers(World *w)
{
        static const struct {
                const char *name;
                const char *record; /* NULL: the right one */
                int error;
                size_t size;   /* with spaces at its end */
                uint64_t more; /* bytes that are announced and do not come */
                bool found, is_refused, is_unknown;
        } rows[] = {
                {"there", .found = true},
                {"not there", .error = -ENOENT, .is_unknown = true},
                {"the journal cannot be read", .error = -EIO, .is_refused = true},
                {"nobody answers", .error = -ETIMEDOUT, .is_refused = true},
                {"cut short", .more = 1, .is_refused = true},
                {"as large as it may be", .size = JOURNAL_RECORD_MAX, .found = true},
                {"too large", .size = JOURNAL_RECORD_MAX + 1, .is_refused = true},
                {"larger than any", .more = UINT64_MAX - JOURNAL_RECORD_MAX, .is_refused = true},
                {"nothing", .record = ""},
                {"no record", .record = "{}"},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                char id[EXEC_ID_SIZE];
                _cleanup_free_ char *line = forgotten(w, id), *record = NULL;
                Found f;

                NEED(asprintf(&record, "%-*s", (int) rows[i].size, rows[i].record ?: line) >= 0);
                set_journal(rows[i].error, record);
                journal.size += rows[i].more;
                NEED_ROW(rows[i].name, look_for(w, id, &f));
                WORLD_UNTIL(w, f.n > 0);
                CHECK_ROW(rows[i].name, f.n == 1 && !!f.exec == rows[i].found);
                CHECK_ROW(rows[i].name, f.kind == (rows[i].is_refused ? REFUSAL_BUSY : REFUSAL_NONE));
                CHECK_ROW(rows[i].name, manager_find_exec(&w->manager, id) == f.exec);
                CHECK_ROW(rows[i].name,
                          journal_is_unknown(&w->manager.journal_reader, id) == rows[i].is_unknown);
                if (rows[i].found)
                        CHECK_TEXT(rows[i].name, f.id, id);
        }
        WORLD_UNTIL(w, w->manager.helpers->budget.used == 0);
}

/* The journal has the record of another exec under this ID: there is none, also not under the other ID. */
static void test_another(World *w)
{
        char id[EXEC_ID_SIZE], other[EXEC_ID_SIZE];
        _cleanup_free_ char *wrong = forgotten(w, other);
        Found f;

        free(forgotten(w, id));
        set_journal(0, wrong);
        NEED(look_for(w, id, &f));
        WORLD_UNTIL(w, f.n > 0);
        CHECK(!f.exec && f.kind == REFUSAL_NONE);
        CHECK(!manager_find_exec(&w->manager, id) && !manager_find_exec(&w->manager, other));
}

static void test_without_a_search(World *w)
{
        static const char *const ids[] = {"", "0123", "../../../../etc/passwd", (ID "0"), ("x" ID)};
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        char id[EXEC_ID_SIZE];
        _cleanup_free_ char *line = forgotten(w, id);
        Exec *known;
        Found f;

        set_journal(0, line);
        n_searches = 0;
        for (size_t i = 0; i < ELEMENTSOF(ids); i++)
                CHECK_ROW(ids[i], !look_for(w, ids[i], &f) && !f.exec);
        journal_set_unknown(&w->manager.journal_reader, ID);
        CHECK(!look_for(w, ID, &f) && !f.exec);
        NEED(exec_restore_ended(&w->manager, id, line));
        known = manager_find_exec(&w->manager, id);
        CHECK(!look_for(w, id, &f) && f.exec == known);
        CHECK(n_searches == 0);
        too_many = true;
        line[strlen(line) - 1] = 0;
        id[0] = id[0] == 'a' ? 'b' : 'a';
        CHECK(exec_lookup(&w->manager, id, 1000, on_found, &f, &f.exec, &f.lookup, &refusal) < 0);
        CHECK(refusal.kind == REFUSAL_BUSY && !f.lookup && f.n == 0 && n_searches == 1);
        too_many = false;
}

/* Simultaneous lookups get the same exec; a lookup that was given up gets no callback. */
static void test_together(World *w)
{
        char id[EXEC_ID_SIZE];
        _cleanup_free_ char *line = forgotten(w, id);
        Found first, second, left;

        set_journal(0, line);
        NEED(look_for(w, id, &first) && look_for(w, id, &second) && look_for(w, id, &left));
        left.lookup = exec_lookup_free(left.lookup);
        WORLD_UNTIL(w, first.n > 0 && second.n > 0);
        WORLD_UNTIL(w, w->manager.helpers->budget.used == 0);
        CHECK(first.exec && first.exec == second.exec && first.n == 1 && second.n == 1 && left.n == 0);
}

/* The record was not written yet, and the exec is there all the same. */
static void test_meanwhile(World *w)
{
        char id[EXEC_ID_SIZE];
        _cleanup_free_ char *line = forgotten(w, id);
        Found f;

        set_journal(-ENOENT, "");
        NEED(look_for(w, id, &f));
        NEED(exec_restore_ended(&w->manager, id, line));
        WORLD_UNTIL(w, f.n > 0);
        CHECK(f.exec && f.exec == manager_find_exec(&w->manager, id) && f.kind == REFUSAL_NONE);
}

int main(void)
{
        World *w = world_new();

        test_answers(w);
        test_another(w);
        test_without_a_search(w);
        test_together(w);
        test_meanwhile(w);
        world_free(w);
        return test_finish("exec-lookup");
}
