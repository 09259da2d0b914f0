/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* core/authz, authz-record and polkit: only a clear yes is one, and each no is recorded with its reason. */

#include <signal.h>
#include <sys/pidfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "core/authz-record.h"
#include "core/authz.h"
#include "unit/core/world.h"

typedef struct Verdict {
        unsigned n;
        bool allowed;
        RefusalKind kind;
        char text[256];
} Verdict;

static void on_verdict(void *userdata, const Refusal *refusal)
{
        Verdict *v = userdata;

        v->n++;
        v->allowed = !refusal;
        v->kind = refusal ? refusal->kind : REFUSAL_NONE;
        snprintf(v->text, sizeof(v->text), "%s", refusal && refusal->message ? refusal->message : "");
}

static Peer *user(uid_t uid)
{
        Peer *p = calloc(1, sizeof(Peer));

        NEED(p);
        *p = (Peer){.n_ref = 1, .uid = uid, .pid = 1234, .pidfd = -EBADF, .loginuid = UINT32_MAX};
        return p;
}

/* As authz_check(): 1 and 0, and a refusal at once is a verdict. */
static int ask(World *w, const AuthzQuestion *q, Verdict *v, Authz **ret)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        int r;

        *v = (Verdict){0};
        *ret = NULL;
        r = authz_check(&w->manager, q, on_verdict, v, ret, &refusal);
        if (r < 0)
                on_verdict(v, &refusal);
        return r;
}

static void forget_records(World *w)
{
        while (*world_record(w))
                ;
}

static void test_without_a_question(World *w)
{
        _cleanup_(peer_unrefp) Peer *alice = user(1000), *bob = user(1001), *inside = user(0);
        AuthzQuestion q = {.action = AUTHZ_MANAGE,
                           .peer = w->root,
                           .container = w->container,
                           .exec_id = "0",
                           .verb = "kill"};
        Verdict v;
        Authz *a;

        CHECK(ask(w, &q, &v, &a) == 1 && !a);
        q.peer = alice;
        q.owner = alice;
        CHECK(ask(w, &q, &v, &a) == 1 && !a);

        /* Another user's, and polkit cannot be asked. */
        forget_records(w);
        q.peer = bob;
        CHECK(ask(w, &q, &v, &a) < 0 && v.kind == REFUSAL_DENIED && !a);
        CHECK(world_find_record(w, "ACTION=org.execd1.manage"));

        /* The root of a container has no rights, whatever the uid. */
        inside->foreign = "it is in a container";
        q.peer = inside;
        q.owner = inside;
        forget_records(w);
        CHECK(ask(w, &q, &v, &a) < 0 && v.kind == REFUSAL_DENIED && strstr(v.text, "it is in a container"));
        CHECK(world_find_record(w, "REASON="));
        {
                _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;

                CHECK(authz_check_origin(&w->manager, inside, &refusal) < 0);
                CHECK(authz_check_origin(&w->manager, alice, &refusal) == 0);
        }
}

static void answer_nothing(World *w)
{
        NEED(sd_bus_reply_method_return(w->question, NULL) >= 0);
        w->question = sd_bus_message_unref(w->question);
}

static void answer_error(World *w, const char *name)
{
        NEED(sd_bus_reply_method_errorf(w->question, name, "no") >= 0);
        w->question = sd_bus_message_unref(w->question);
}

static void test_verdicts(World *w)
{
        static const struct {
                const char *row;
                bool yes, challenge, nothing;
                const char *error;
                bool allowed;
                RefusalKind kind;
        } rows[] = {
                {"yes", .yes = true, .allowed = true},
                {"no", .kind = REFUSAL_DENIED},
                {"after a password", .challenge = true, .kind = REFUSAL_DENIED},
                {"an answer without one", .nothing = true, .kind = REFUSAL_DENIED},
                {"an error", .error = "org.freedesktop.DBus.Error.Failed", .kind = REFUSAL_DENIED},
                {"nobody there", .error = "org.freedesktop.DBus.Error.ServiceUnknown",
                 .kind = REFUSAL_DENIED},
                {"polkit restarts", .error = "org.freedesktop.DBus.Error.NoReply",
                 .kind = REFUSAL_UNAVAILABLE},
                {"too many questions", .error = "org.freedesktop.DBus.Error.LimitsExceeded",
                 .kind = REFUSAL_BUSY},
        };
        _cleanup_(peer_unrefp) Peer *alice = user(1000);
        _cleanup_(exec_request_freep) ExecRequest *request = world_request("id", NULL);
        const AuthzQuestion q = {.action = AUTHZ_EXEC,
                                 .peer = alice,
                                 .container = w->container,
                                 .request = request,
                                 .command_line = "id",
                                 .verb = "create"};

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                unsigned before = w->n_questions;
                Verdict v;
                Authz *a;

                forget_records(w);
                NEED(ask(w, &q, &v, &a) == 0 && a);
                WORLD_UNTIL(w, w->n_questions > before);
                CHECK_ROW(rows[i].row, v.n == 0);
                if (rows[i].nothing)
                        answer_nothing(w);
                else if (rows[i].error)
                        answer_error(w, rows[i].error);
                else
                        world_judge(w, rows[i].yes, rows[i].challenge);
                WORLD_UNTIL(w, v.n > 0);
                CHECK_ROW(rows[i].row, v.n == 1 && v.allowed == rows[i].allowed && v.kind == rows[i].kind);
                CHECK_ROW(rows[i].row, world_find_record(w, "ACTION=org.execd1.exec\n") ==
                                               (!rows[i].allowed && rows[i].kind != REFUSAL_BUSY));
                authz_free(a);
                CHECK_ROW(rows[i].row, w->manager.authz_budget.used == 0);
        }
}

/* The details that polkit's rules can read. */
static void test_details(World *w)
{
        _cleanup_(peer_unrefp) Peer *alice = user(1000);
        _cleanup_(exec_request_freep) ExecRequest *request = world_request("sh", "-c", "id", NULL);
        const AuthzQuestion q = {.action = AUTHZ_EXEC_PRIVILEGED,
                                 .peer = alice,
                                 .container = w->container,
                                 .request = request,
                                 .command_line = "sh -c id",
                                 .verb = "create"};
        const char *kind, *action, *key, *value;
        char all[1024] = "";
        unsigned before = w->n_questions;
        Verdict v;
        Authz *a;

        request->privileged = true;
        request->user = strdup("0");
        NEED(ask(w, &q, &v, &a) == 0);
        WORLD_UNTIL(w, w->n_questions > before);
        NEED(sd_bus_message_enter_container(w->question, 'r', "sa{sv}") > 0);
        NEED(sd_bus_message_read(w->question, "s", &kind) > 0);
        NEED(sd_bus_message_skip(w->question, "a{sv}") > 0 &&
             sd_bus_message_exit_container(w->question) >= 0);
        NEED(sd_bus_message_read(w->question, "s", &action) > 0);
        CHECK_TEXT("the subject", kind, "unix-process");
        CHECK_TEXT("the action", action, "org.execd1.exec-privileged");
        NEED(sd_bus_message_enter_container(w->question, 'a', "{ss}") > 0);
        while (sd_bus_message_read(w->question, "{ss}", &key, &value) > 0)
                sprintf(all + strlen(all), "%s=%s;", key, value);
        CHECK(strstr(all, "container=web;") && strstr(all, "container_kind=machine;"));
        CHECK(strstr(all, "program=sh;") && strstr(all, "command_line=sh -c id;"));
        CHECK(strstr(all, "privileged=true;") && strstr(all, "tty=false;"));
        world_judge(w, false, false);
        WORLD_UNTIL(w, v.n > 0);
        authz_free(a);
}

/* A process that the caller is, until end_process(). */
static pid_t make_process(Peer *p)
{
        pid_t pid = fork();

        NEED(pid >= 0);
        if (pid == 0) {
                pause();
                _exit(0);
        }
        p->pidfd = (int) syscall(SYS_pidfd_open, pid, 0);
        NEED(p->pidfd >= 0);
        return pid;
}

static void end_process(pid_t pid)
{
        NEED(kill(pid, SIGKILL) == 0 && waitpid(pid, NULL, 0) == pid);
}

/* The pid of a caller who has gone may be another's by now, whom polkit was asked about. */
static void test_caller_gone(World *w)
{
        _cleanup_(peer_unrefp) Peer *alice = user(1000);
        AuthzQuestion q = {.action = AUTHZ_INSPECT, .peer = alice, .verb = "list"};
        unsigned before = w->n_questions;
        Verdict v;
        Authz *a;

        alice->pid = make_process(alice);
        NEED(ask(w, &q, &v, &a) == 0);
        WORLD_UNTIL(w, w->n_questions > before);
        end_process(alice->pid);
        world_judge(w, true, false);
        WORLD_UNTIL(w, v.n > 0);
        CHECK(!v.allowed && v.kind == REFUSAL_DENIED && strstr(v.text, "the caller has exited"));
        authz_free(a);
}

/* Nothing is known about the process that has its connection now, root or not. */
static void test_caller_gone_before(World *w)
{
        static const uid_t uids[] = {0, 1000};

        for (size_t i = 0; i < ELEMENTSOF(uids); i++) {
                _cleanup_(peer_unrefp) Peer *caller = user(uids[i]);
                const AuthzQuestion q = {
                        .action = AUTHZ_INSPECT, .peer = caller, .verb = "list", .owner = caller};
                pid_t pid = make_process(caller);
                Verdict v;
                Authz *a;

                CHECK(ask(w, &q, &v, &a) == 1);
                end_process(pid);
                CHECK(ask(w, &q, &v, &a) < 0);
                CHECK(v.kind == REFUSAL_DENIED && strstr(v.text, "has exited"));
        }
}

static void test_late(World *w)
{
        _cleanup_(peer_unrefp) Peer *alice = user(1000);
        const AuthzQuestion q = {.action = AUTHZ_INSPECT, .peer = alice, .verb = "list"};
        unsigned cancelled = w->n_cancelled;
        Verdict v;
        Authz *a;

        w->manager.config.authz_usec = 1000;
        NEED(ask(w, &q, &v, &a) == 0);
        WORLD_UNTIL(w, v.n > 0);
        CHECK(!v.allowed && v.kind == REFUSAL_UNAVAILABLE && strstr(v.text, "AuthorizationTimeoutSec="));
        authz_free(a);
        w->manager.config.authz_usec = manager_config_default.authz_usec;
        /* It counts until polkit has answered, as it does for the bus; and a late yes is none. */
        WORLD_UNTIL(w, w->n_cancelled > cancelled);
        CHECK(w->manager.authz_budget.used == 1);
        world_judge(w, true, false);
        WORLD_UNTIL(w, w->manager.authz_budget.used == 0);
        CHECK(v.n == 1 && !v.allowed);
}

/* Questions of one user wait their turn, and the next one has one when the first is answered. */
static void test_turns(World *w)
{
        _cleanup_(peer_unrefp) Peer *alice = user(1000), *bob = user(1001);
        AuthzQuestion q = {.action = AUTHZ_INSPECT, .peer = alice, .verb = "list"};
        unsigned before = w->n_questions;
        Verdict first, second, other;
        Authz *a, *b, *c;

        w->manager.authz_budget.uid_max = 1;
        NEED(ask(w, &q, &first, &a) == 0 && ask(w, &q, &second, &b) == 0);
        q.peer = bob;
        NEED(ask(w, &q, &other, &c) == 0);
        WORLD_UNTIL(w, w->n_questions == before + 2);
        world_settle(w);
        CHECK(w->n_questions == before + 2);
        /* The newest is bob's. */
        world_judge(w, true, false);
        WORLD_UNTIL(w, other.n > 0);
        CHECK(other.allowed && first.n == 0 && second.n == 0);
        authz_free(c);
        /* Given up: its turn comes with the answer to the one before all the same. */
        authz_free(a);
        world_settle(w);
        CHECK(w->n_questions == before + 2 && first.n == 0);
        authz_free(b);
        w->manager.authz_budget.uid_max = AUTHZ_PER_UID_MAX;
}

int main(void)
{
        _cleanup_(world_freep) World *w = world_new();

        test_without_a_question(w);
        world_open_bus(w);
        test_verdicts(w);
        test_details(w);
        test_caller_gone(w);
        test_caller_gone_before(w);
        test_late(w);
        test_turns(w);
        return test_finish("authz");
}
