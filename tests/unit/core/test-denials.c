/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* core/denials and core/authz-record: the records of refusals, and that a user cannot fill the journal with
 * refusals. */

#include "core/authz-record.h"
#include "core/denials.h"
#include "unit/core/world.h"

typedef struct Seen {
        unsigned single, counted;
        char last[4096];
} Seen;

/* All records up to now: the journal takes a few at a time. */
static Seen look(World *w, const char *uid)
{
        Seen seen = {0};
        unsigned idle = 0;

        while (idle < 2) {
                const char *record = world_record(w);

                idle = *record ? 0 : idle + 1;
                world_settle(w);
                if (!*record || !strstr(record, uid))
                        continue;
                snprintf(seen.last, sizeof(seen.last), "%s", record);
                seen.single += strstr(record, "ACTION=") != NULL;
                seen.counted += strstr(record, "N_DENIALS=") != NULL;
        }
        return seen;
}

static void deny(World *w, uid_t uid, unsigned times)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        Peer peer = {.uid = uid, .pid = 7, .loginuid = UINT32_MAX};
        const AuditDenial d = {.peer = &peer, .action = "org.execd1.exec", .verb = "create"};

        (void) refuse(&refusal, REFUSAL_DENIED, EACCES, "access denied: no");
        for (unsigned i = 0; i < times; i++)
                denials_add(w->manager.denials, &d, &refusal);
}

static void test_flood(World *w)
{
        Seen seen;

        deny(w, 1000, DENIALS_BURST - 1);
        seen = look(w, "CALLER_UID=1000");
        CHECK(seen.single == DENIALS_BURST - 1 && seen.counted == 0);
        CHECK(strstr(seen.last, "REASON=access denied: no\n") && strstr(seen.last, "VERB=create\n"));
        deny(w, 1000, 300);
        seen = look(w, "CALLER_UID=1000");
        CHECK(seen.single == 1 && seen.counted == 0);
        /* Another one's are written all the same. */
        deny(w, 1001, 3);
        seen = look(w, "CALLER_UID=1001");
        CHECK(seen.single == 3);
        /* None is lost: the rest is a number. */
        denials_flush(w->manager.denials);
        seen = look(w, "CALLER_UID=1000");
        CHECK(seen.single == 0 && seen.counted == 1 && strstr(seen.last, "N_DENIALS=299\n"));
        denials_flush(w->manager.denials);
        seen = look(w, "CALLER_UID=");
        CHECK(seen.single == 0 && seen.counted == 0);
        /* The next interval begins anew. */
        deny(w, 1000, 2);
        seen = look(w, "CALLER_UID=1000");
        CHECK(seen.single == 2);
}

/* A process with a user namespace can have thousands of uids. */
static void test_containers_are_one_user(World *w)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        Peer peer = {.pid = 7, .loginuid = UINT32_MAX, .foreign = "its user namespace is not the host's"};
        const AuditDenial d = {.peer = &peer, .action = "org.execd1", .verb = "connect"};
        Seen seen;

        (void) refuse(&refusal, REFUSAL_DENIED, EACCES, "access denied: no");
        for (unsigned i = 0; i < DENIALS_BURST + 50; i++) {
                peer.uid = 100000 + i;
                denials_add(w->manager.denials, &d, &refusal);
        }
        seen = look(w, "CALLER_UID=1");
        CHECK(seen.single == DENIALS_BURST && seen.counted == 0);
        /* Root of the host is another one, although root of a container may be the same number. */
        deny(w, 0, 1);
        seen = look(w, "CALLER_UID=0");
        CHECK(seen.single == 1);
        denials_flush(w->manager.denials);
        seen = look(w, "N_DENIALS=");
        CHECK(seen.counted == 1 && strstr(seen.last, "N_DENIALS=50\n"));
        CHECK(strstr(seen.last, "Denied callers in containers 50 more requests") &&
              !strstr(seen.last, "CALLER_UID="));
}

/* The question has gone when polkit answers. */
static void test_outlives_question(World *w)
{
        ExecRequest *q = world_request("sh", NULL);
        Peer *peer = calloc(1, sizeof(Peer));
        char verb[] = "create", command_line[] = "sh -c true";
        AuthzQuestion question = {
                .action = AUTHZ_EXEC_PRIVILEGED,
                .peer = peer,
                .container = w->container,
                .request = q,
                .command_line = command_line,
                .verb = verb,
        };
        AuthzRecord record;
        Refusal denied = {.kind = REFUSAL_DENIED, .message = (char *) "access denied: later"},
                busy = {.kind = REFUSAL_BUSY, .message = (char *) "busy"};
        Seen seen;

        NEED(peer);
        *peer = (Peer){.n_ref = 1, .uid = 1002, .pidfd = -EBADF, .loginuid = UINT32_MAX};
        q->privileged = true;
        NEED((q->user = strdup("nobody")));
        NEED(authz_record_init(&record, w->manager.denials, "org.execd1.exec-privileged", &question) >= 0);
        exec_request_free(q);
        peer_unref(peer);
        memset(verb, 'x', sizeof(verb) - 1);
        memset(command_line, 'x', sizeof(command_line) - 1);
        /* That there is too much to do is no refusal. */
        authz_record_refusal(&record, &busy);
        seen = look(w, "CALLER_UID=1002");
        CHECK(seen.single == 0);
        authz_record_refusal(&record, &denied);
        seen = look(w, "CALLER_UID=1002");
        CHECK(seen.single == 1 && strstr(seen.last, "VERB=create\n") &&
              strstr(seen.last, "EXEC_CMDLINE=sh -c true\n") && strstr(seen.last, "EXEC_USER=nobody\n") &&
              strstr(seen.last, "EXEC_PRIVILEGED=1\n") && strstr(seen.last, "CONTAINER_NAME=web\n"));
        authz_record_done(&record);
}

int main(void)
{
        _cleanup_(world_freep) World *w = world_new();

        test_flood(w);
        test_containers_are_one_user(w);
        test_outlives_question(w);
        return test_finish("denials");
}
