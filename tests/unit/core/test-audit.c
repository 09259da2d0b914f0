/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* core/audit: the fields of a record, and that no text in it can add a field. */

#include <endian.h>
#include <signal.h>
#include <sys/socket.h>

#include "base/characters.h"
#include "core/audit.h"
#include "core/exec-internal.h"
#include "unit/core/world.h"

#define FIELDS_MAX 400

/* A record in the journal's native form, taken apart as journald does. */
typedef struct Record {
        char data[256 * 1024];
        struct {
                const char *name, *value;
                size_t size;
        } fields[FIELDS_MAX];
        size_t n;
} Record;

static void parse(Record *r, size_t size)
{
        char *p = r->data, *end = r->data + size;

        r->n = 0;
        while (p < end && r->n < FIELDS_MAX) {
                char *line_end = memchr(p, '\n', (size_t) (end - p)), *equals;
                uint64_t length;

                NEED(line_end);
                equals = memchr(p, '=', (size_t) (line_end - p));
                r->fields[r->n].name = p;
                if (equals) {
                        *equals = 0;
                        r->fields[r->n].value = equals + 1;
                        length = (size_t) (line_end - equals - 1);
                } else {
                        *line_end = 0;
                        memcpy(&length, line_end + 1, sizeof(length));
                        length = le64toh(length);
                        r->fields[r->n].value = line_end + 1 + sizeof(length);
                        line_end = line_end + 1 + sizeof(length) + length;
                        NEED(line_end < end && *line_end == '\n');
                }
                *line_end = 0;
                r->fields[r->n++].size = length;
                p = line_end + 1;
        }
}

/* The next one; false if there is none. */
static bool read_record(World *w, Record *r)
{
        ssize_t n = recv(w->journal, r->data, sizeof(r->data), MSG_DONTWAIT);

        if (n > 0)
                parse(r, (size_t) n);
        return n > 0;
}

/* "" when there is none, "(several)" when there are more. */
static const char *field(const Record *r, const char *name)
{
        const char *found = "";

        for (size_t i = 0; i < r->n; i++)
                if (strcmp(r->fields[i].name, name) == 0)
                        found = *found ? "(several)" : r->fields[i].value;
        return found;
}

static size_t count(const Record *r, const char *name)
{
        size_t n = 0;

        for (size_t i = 0; i < r->n; i++)
                n += strcmp(r->fields[i].name, name) == 0;
        return n;
}

static Exec *make(World *w, ExecRequest *q)
{
        Exec *e = NULL;

        NEED(exec_new(&w->manager.exec_env, w->container, w->root, q, NULL, &e) >= 0);
        return e;
}

static const Peer alice = {.n_ref = 1, .uid = 1000, .pid = 77, .pidfd = -EBADF, .loginuid = 1000};

static void test_fields(World *w, Record *r)
{
        ExecRequest *q = world_request("sh", "-c", "exit 3", NULL);
        Exec *e;

        NEED((q->user = strdup("www-data")) && strv_append(&q->env, "TOKEN=hunter2") >= 0 &&
             strv_append(&q->labels, "ticket=7") >= 0);
        q->privileged = true;
        e = make(w, q);
        CHECK(audit_exec(AUDIT_CREATED, e, &alice, NULL) >= 0);
        NEED(read_record(w, r));
        CHECK_TEXT("who", field(r, "CALLER_UID"), "1000");
        CHECK_TEXT("who has logged in", field(r, "CALLER_LOGINUID"), "1000");
        CHECK_TEXT("as whom", field(r, "EXEC_USER"), "www-data");
        CHECK_TEXT("what", field(r, "EXEC_CMDLINE"), "sh -c \"exit 3\"");
        CHECK_TEXT("where", field(r, "CONTAINER_NAME"), "web");
        CHECK_TEXT("which", field(r, "EXEC_ID"), e->id);
        CHECK_TEXT("its unit", field(r, "EXEC_UNIT"), e->unit);
        CHECK_TEXT("privileged", field(r, "EXEC_PRIVILEGED"), "1");
        CHECK_TEXT("label", field(r, "EXEC_LABEL"), "ticket=7");
        CHECK_TEXT("priority", field(r, "PRIORITY"), "5");
        CHECK(*field(r, "MESSAGE_ID") && !*field(r, "EXIT_CODE") && !*field(r, "EXEC_RECORD"));
        for (size_t i = 0; i < r->n; i++)
                CHECK_ROW(r->fields[i].name, !strstr(r->fields[i].value, "hunter2"));
        exec_unref(e);
}

/* A text with line breaks is one text. */
static void test_no_fields_by_others(World *w, Record *r)
{
        static const char forged[] = "x\nCALLER_UID=0\nCALLER_UID\n\x01",
                          escaped[] = "x\\x0aCALLER_UID=0\\x0aCALLER_UID\\x0a\\x01";
        ExecRequest *q = world_request(forged, forged, NULL);
        Exec *e;

        NEED((q->user = strdup(forged)) && strv_append(&q->labels, forged) >= 0);
        e = make(w, q);
        NEED((e->recording_path = strdup(forged)));
        CHECK(audit_exec(AUDIT_KILLED, e, &alice, forged) >= 0);
        NEED(read_record(w, r));
        CHECK_TEXT("the only one", field(r, "CALLER_UID"), "1000");
        CHECK_TEXT("escaped", field(r, "EXEC_CMDLINE"),
                   "\"x\\nCALLER_UID=0\\nCALLER_UID\\n\\x01\" \"x\\nCALLER_UID=0\\nCALLER_UID\\n\\x01\"");
        CHECK_TEXT("escaped", field(r, "EXEC_USER"), escaped);
        CHECK_TEXT("escaped", field(r, "EXEC_LABEL"), escaped);
        CHECK_TEXT("escaped", field(r, "DETAIL"), escaped);
        exec_unref(e);
}

/* journalctl shows what has control characters, or is not UTF-8, as "blob data". */
static void test_all_is_text(World *w, Record *r)
{
        ExecRequest *q = world_request("true", NULL);
        Exec *e;

        NEED((q->user = strdup("ev\x1b[8mil\xff")) &&
             strv_append(&q->labels, "caf\xc3\xa9=\xe2\x80\xae") >= 0);
        e = make(w, q);
        CHECK(audit_exec(AUDIT_CREATED, e, &alice, NULL) >= 0);
        NEED(read_record(w, r));
        CHECK(strstr(field(r, "MESSAGE"), ", to run as ev\\x1b[8mil\\xff: true"));
        CHECK_TEXT("escaped", field(r, "EXEC_LABEL"), "caf\xc3\xa9=\\u202e");
        for (size_t i = 0; i < r->n; i++)
                CHECK_ROW(r->fields[i].name,
                          utf8_is_valid(r->fields[i].value) && !strchr(r->fields[i].value, 0x1b));
        exec_unref(e);
}

static void test_ends(World *w, Record *r)
{
        static const struct {
                const char *row;
                int wait_status;
                bool timed_out;
                const char *message, *exit_signal;
        } rows[] = {
                {"status", 3 << 8, false, "exited with status 3", ""},
                {"signal", SIGSEGV, false, "was ended by SIGSEGV", "11"},
                {"time", SIGTERM, true, "was ended by RuntimeMaxSec", "15"},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                Exec *e = make(w, world_request("true", NULL));

                e->wait_status = rows[i].wait_status;
                e->exit_code = 3;
                e->timed_out = rows[i].timed_out;
                e->started_monotonic = 1000;
                e->ended_monotonic = 2500;
                CHECK(audit_exec(AUDIT_EXITED, e, &alice, NULL) >= 0);
                NEED(read_record(w, r));
                CHECK_ROW(rows[i].row, strstr(field(r, "MESSAGE"), rows[i].message));
                /* The caller who started it did not end it. */
                CHECK_ROW(rows[i].row, !strstr(field(r, "MESSAGE"), " by uid"));
                CHECK_TEXT(rows[i].row, field(r, "EXIT_SIGNAL"), rows[i].exit_signal);
                CHECK_TEXT(rows[i].row, field(r, "EXIT_CODE"), "3");
                CHECK_TEXT(rows[i].row, field(r, "DURATION_USEC"), "1500");
                CHECK_ROW(rows[i].row, strstr(field(r, "EXEC_RECORD"), e->id));
                exec_unref(e);
        }
}

/* One record is one datagram, whatever was asked for. */
static void test_bounds(World *w, Record *r)
{
        ExecRequest *q = world_request("sh", NULL);
        char *word = malloc(100001);
        Exec *e;

        NEED(word);
        memset(word, 'w', 100000);
        word[100000] = 0;
        NEED(strv_append(&q->argv, word) >= 0);
        word[1000] = 0;
        for (size_t i = 0; i < 64; i++)
                NEED(strv_append(&q->labels, word) >= 0);
        e = make(w, q);
        CHECK(audit_exec(AUDIT_EXITED, e, &alice, NULL) >= 0);
        NEED(read_record(w, r));
        CHECK(count(r, "EXEC_LABEL") == 32 && count(r, "EXEC_RECORD") == 0);
        CHECK(strlen(field(r, "EXEC_CMDLINE")) < EXEC_COMMAND_LINE_MAX + sizeof("…"));
        CHECK_TEXT("the end is there", field(r, "EXEC_ID"), e->id);
        exec_unref(e);
        free(word);
}

/* An act is refused when its record is not taken; an end is a fact, and its record waits. */
static void test_full(World *w, Record *r)
{
        static const struct {
                AuditEvent event;
                bool act;
        } rows[] = {
                {AUDIT_CREATED, true},     {AUDIT_STARTED, true}, {AUDIT_ATTACHED, true},
                {AUDIT_REPLAYED, true},    {AUDIT_RESIZED, true}, {AUDIT_KILLED, true},
                {AUDIT_DETACHED, false},   {AUDIT_EXITED, false}, {AUDIT_FAILED, false},
                {AUDIT_UNRECORDED, false},
        };
        Exec *e = make(w, world_request("true", NULL));
        unsigned n = 0;

        world_stop_journal(w);
        while (n <= JOURNAL_ACTS_MAX && audit_exec(AUDIT_RESIZED, e, &alice, NULL) >= 0)
                n++;
        CHECK(n == JOURNAL_ACTS_MAX);
        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                CHECK((audit_exec(rows[i].event, e, &alice, NULL) < 0) == rows[i].act);
        world_open_journal(w);
        do
                world_settle(w);
        while (read_record(w, r));
        CHECK(audit_exec(AUDIT_CREATED, e, &alice, NULL) >= 0);
        exec_unref(e);
}

int main(void)
{
        _cleanup_(world_freep) World *w = world_new();
        Record *r = calloc(1, sizeof(Record));

        NEED(r);
        test_fields(w, r);
        test_no_fields_by_others(w, r);
        test_all_is_text(w, r);
        test_ends(w, r);
        test_bounds(w, r);
        test_full(w, r);
        free(r);
        return test_finish("audit");
}
