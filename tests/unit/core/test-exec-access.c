/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* core/exec-access and core/audit: access to an exec in each state, and that nothing is done without a record
 * of it. */

#include <fcntl.h>
#include <signal.h>

#include "base/fd.h"
#include "core/audit.h"
#include "core/exec-access.h"
#include "core/exec-internal.h"
#include "core/exec-output.h"
#include "unit/core/world.h"

static Exec *exec_of(World *w, ExecRequest *q, ExecState state)
{
        Exec *e = NULL;

        NEED(exec_new(&w->manager.exec_env, w->container, w->root, q, NULL, &e) >= 0);
        NEED(exec_stream(e));
        e->state = state;
        e->pidfd = fcntl(w->listener, F_DUPFD_CLOEXEC, 3);
        w->calls[0] = 0;
        while (*world_record(w))
                ;
        return e;
}

static void test_attach(World *w)
{
        for (ExecState state = 0; state < _EXEC_STATE_MAX; state++) {
                bool may = state == EXEC_STARTING || state == EXEC_RUNNING || state == EXEC_DRAINING;
                _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
                Exec *e = exec_of(w, world_request("sh", NULL), state);
                const char *row = exec_state_to_string(state);

                CHECK_ROW(row, (exec_access_attach(e, w->root, false, "stdin", &refusal) >= 0) == may);
                CHECK_ROW(row, refusal.kind == (may ? REFUSAL_NONE : REFUSAL_NOT_RUNNING));
                CHECK_ROW(row, world_find_record(w, "attached to") == may);
                exec_unref(e);
        }
}

static void test_attach_limits(World *w)
{
        _cleanup_refusal_ Refusal second = REFUSAL_INIT, last = REFUSAL_INIT;
        Exec *e = exec_of(w, world_request("sh", NULL), EXEC_RUNNING);
        int clients[EXEC_CLIENTS_MAX];
        StreamClientOptions o = {.writer = true, .want_stdout = true};

        clients[0] = world_attach(e, false);
        NEED((o.fd = fcntl(w->listener, F_DUPFD_CLOEXEC, 3)) >= 0 && stream_add_client(e->stream, &o) >= 0);
        CHECK(stream_has_writer(e->stream));
        CHECK(exec_access_attach(e, w->root, true, "AttachStdin", &second) < 0);
        CHECK(second.kind == REFUSAL_CONFLICT && strstr(second.message, "AttachStdin"));
        for (size_t i = 1; i < ELEMENTSOF(clients); i++)
                clients[i] = i < EXEC_CLIENTS_MAX - 1 ? world_attach(e, false) : -EBADF;
        CHECK(exec_access_attach(e, w->root, false, "x", &last) < 0 && last.kind == REFUSAL_BUSY);
        CHECK(strstr(last.message ?: "", "32"));
        for (size_t i = 0; i < ELEMENTSOF(clients); i++)
                fd_close(clients[i]);
        exec_unref(e);
}

static void test_kill(World *w)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT, ended = REFUSAL_INIT;
        Exec *e = exec_of(w, world_request("sh", NULL), EXEC_RUNNING);

        CHECK(exec_access_kill(e, w->root, SIGTERM, false, NULL, NULL, NULL, &refusal) >= 0);
        CHECK(world_find_record(w, "with SIGTERM"));
        WORLD_UNTIL(w, world_was_called(w, "Kill"));
        e->state = EXEC_EXITED;
        CHECK(exec_access_kill(e, w->root, SIGTERM, false, NULL, NULL, NULL, &ended) < 0);
        CHECK(ended.kind == REFUSAL_NOT_RUNNING && !*world_record(w));
        exec_unref(e);
}

static void test_resize(World *w)
{
        Peer other = {.n_ref = 1, .uid = 1000, .pidfd = -EBADF, .loginuid = UINT32_MAX};
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        ExecRequest *q = world_request("sh", NULL);
        Exec *e;

        q->tty = true;
        e = exec_of(w, q, EXEC_RUNNING);
        CHECK(exec_access_resize(e, w->root, 24, 80, &refusal) >= 0 && !*world_record(w));
        CHECK(exec_access_resize(e, &other, 24, 80, &refusal) >= 0);
        CHECK(world_find_record(w, "to 80x24"));
        exec_unref(e);
}

/* The journal takes no more: an act that cannot be recorded is refused. */
static void test_without_a_journal(World *w)
{
        _cleanup_refusal_ Refusal attach = REFUSAL_INIT, kill = REFUSAL_INIT, replay = REFUSAL_INIT;
        Exec *e = exec_of(w, world_request("sh", NULL), EXEC_RUNNING);
        int r = 0;

        world_stop_journal(w);
        while (r >= 0) {
                _cleanup_buf_ Buf b = BUF_INIT;

                journal_addf(&b, "FILLER", "1");
                r = journal_queue_add(w->manager.journal, &b, true);
        }
        CHECK(exec_access_attach(e, w->root, false, "stdin", &attach) < 0);
        CHECK(attach.kind == REFUSAL_UNAVAILABLE);
        CHECK(exec_access_kill(e, w->root, SIGTERM, false, NULL, NULL, NULL, &kill) < 0);
        CHECK(kill.kind == REFUSAL_UNAVAILABLE);
        CHECK(exec_access_replay(e, w->root, "from its output", &replay) < 0);
        CHECK(replay.kind == REFUSAL_UNAVAILABLE);
        world_settle(w);
        CHECK(!world_was_called(w, "Kill"));
        exec_unref(e);
        do {
                world_open_journal(w);
                world_settle(w);
        } while (!journal_queue_is_empty(w->manager.journal));
        world_open_journal(w);
}

/* The fields that a record has, and those that it must not have. */
static void test_record(World *w)
{
        Peer caller = {.n_ref = 1,
                       .uid = 0,
                       .pid = 77,
                       .pidfd = -EBADF,
                       .loginuid = 1000,
                       .label = (char *) "staff_t",
                       .unit = (char *) "session-3.scope"};
        ExecRequest *q = world_request("printf", "a\nFAKE=1\033[2J", NULL);
        const char *record;
        Exec *e;

        NEED(strv_append(&q->env, "PASSWORD=secret") >= 0);
        q->user = strdup("nobody");
        e = exec_of(w, q, EXEC_CREATED);
        NEED(audit_exec(AUDIT_CREATED, e, &caller, NULL) >= 0);
        record = world_record(w);
        CHECK(strstr(record, "MESSAGE=Exec ") == record && strstr(record, "created by uid 0"));
        CHECK(strstr(record, "\nCALLER_UID=0\n") && strstr(record, "\nCALLER_PID=77\n"));
        CHECK(strstr(record, "\nCALLER_LABEL=staff_t\n") &&
              strstr(record, "\nCALLER_UNIT=session-3.scope\n"));
        CHECK(strstr(record, "\nCONTAINER_NAME=web\n") && strstr(record, "\nEXEC_USER=nobody\n"));
        CHECK(strstr(record, "\nEXEC_CMDLINE=printf \"a\\nFAKE=1\\x1b[2J\"\n"));
        CHECK(!strstr(record, "\nFAKE=") && !strchr(record, '\033') && !strstr(record, "secret"));
        exec_unref(e);
}

static void test_denial(World *w)
{
        Peer caller = {.n_ref = 1, .uid = 1000, .pid = 77, .pidfd = -EBADF, .loginuid = UINT32_MAX};
        const Refusal refusal = {.kind = REFUSAL_DENIED, .message = (char *) "polkit says no"};
        const AuditDenial denial = {.peer = &caller,
                                    .action = "org.execd1.exec",
                                    .verb = "create",
                                    .container = w->container,
                                    .user = "root",
                                    .command_line = "id",
                                    .privileged = true};
        const char *record;

        while (*world_record(w))
                ;
        audit_denied(w->manager.journal, &denial, &refusal);
        record = world_record(w);
        CHECK(strstr(record, "ACTION=org.execd1.exec\n") && strstr(record, "VERB=create\n"));
        CHECK(strstr(record, "REASON=polkit says no\n") && strstr(record, "EXEC_PRIVILEGED=1\n"));
        CHECK(strstr(record, "CALLER_UID=1000\n") && strstr(record, "CONTAINER_NAME=web\n"));
}

int main(void)
{
        _cleanup_(world_freep) World *w = world_new();

        test_attach(w);
        test_attach_limits(w);
        test_kill(w);
        test_resize(w);
        test_record(w);
        test_denial(w);
        test_without_a_journal(w);
        return test_finish("exec-access");
}
