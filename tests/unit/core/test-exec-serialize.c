/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* core/exec-serialize: all that the next execd needs of an exec is in its record, and nothing that is secret. */

#include "core/exec-serialize.h"

#include "unit/core/world.h"
#include "wire/exec-json.h"

/* Of an exec each of whose members has a value of its own. */
static Exec *full_exec(World *w, ExecState state)
{
        ExecRequest *q = world_request("printf", "a\n\"b\"", NULL);
        Exec *e = NULL;

        NEED(strv_append(&q->env, "PASSWORD=secret") >= 0 && (q->user = strdup("nobody:nogroup")) &&
             (q->working_dir = strdup("/srv")));
        q->privileged = true;
        NEED(exec_new(&w->manager.exec_env, w->container, w->root, q, NULL, &e) >= 0);
        e->state = state;
        e->starter = calloc(1, sizeof(Peer));
        NEED(e->starter);
        *e->starter = (Peer){.n_ref = 1,
                             .uid = 1001,
                             .pid = 21,
                             .pidfd = -EBADF,
                             .loginuid = 1002,
                             .bus_name = strdup(":1.7")};
        e->pid = 4711;
        e->exit_code = 137;
        e->wait_status = 9;
        e->timed_out = e->detached = true;
        e->failure = state == EXEC_FAILED ? strdup("there is no printf") : NULL;
        e->recording_path = strdup("/var/log/execd/x.cast");
        e->created_usec = 101;
        e->started_usec = 102;
        e->finished_usec = 103;
        e->asked_monotonic = 104;
        e->started_monotonic = 105;
        e->ended_monotonic = 106;
        return e;
}

static void test_members(World *w)
{
        w->root->uid = 1000;
        w->root->pid = 20;
        w->root->loginuid = 1003;
        w->root->session = strdup("c2");
        snprintf(w->root->program, sizeof(w->root->program), "python3");
        for (ExecState state = 0; state < _EXEC_STATE_MAX; state++) {
                const char *row = exec_state_to_string(state);
                Exec *e = full_exec(w, state);
                _cleanup_free_ char *line = NULL;
                ExecJson r = {0};

                NEED_ROW(row, exec_serialize(e, &line) >= 0);
                CHECK_ROW(row, !strchr(line, '\n') && !strstr(line, "secret") && !strstr(line, "PASSWORD"));
                NEED_ROW(row, exec_json_read(line, &r) >= 0);
                CHECK_TEXT(row, r.id, e->id);
                CHECK_TEXT(row, r.container_id, w->container->id);
                CHECK_TEXT(row, r.container_name, "web");
                CHECK_TEXT(row, r.container_kind, "machine");
                CHECK_TEXT(row, r.recording_path, "/var/log/execd/x.cast");
                CHECK_TEXT(row, r.request->argv[1], "a\n\"b\"");
                CHECK_TEXT(row, r.request->user, "nobody:nogroup");
                CHECK_TEXT(row, r.request->working_dir, "/srv");
                CHECK_ROW(row, r.request->privileged && !r.request->tty && r.request->attach_stdin);
                CHECK_ROW(row, r.failed == (state == EXEC_FAILED) && r.running == (state == EXEC_RUNNING));
                CHECK_TEXT(row, r.failure, e->failure);
                CHECK_ROW(row, r.exit_code == 137 && r.wait_status == 9 && r.timed_out && r.detached);
                CHECK_ROW(row, r.pid == 4711 && r.caller_uid == 1000 && r.caller_pid == 20);
                CHECK_ROW(row, r.caller_login_uid == 1003);
                CHECK_TEXT(row, r.caller_session, "c2");
                CHECK_TEXT(row, r.caller_program, "python3");
                CHECK_ROW(row, r.created_usec == 101 && r.started_usec == 102 && r.finished_usec == 103);
                CHECK_ROW(row, r.asked_monotonic == 104 && r.started_monotonic == 105 &&
                                       r.ended_monotonic == 106);
                /* OnDisconnect does not apply: its caller is not followed. */
                CHECK_TEXT(row, r.caller_bus_name, NULL);
                if (r.running) {
                        CHECK_ROW(row, r.starter_uid == 1001 && r.starter_pid == 21);
                        CHECK_ROW(row, r.starter_login_uid == 1002);
                        CHECK_ROW(row, r.leader == 4242 && r.leader_start == 7);
                        CHECK_TEXT(row, r.container_label, "label_t");
                        CHECK_TEXT(row, r.container_image, "image");
                }
                exec_json_done(&r);
                exec_unref(e);
        }
}

/* Unknown values stay unknown. */
static void test_unknown(World *w)
{
        _cleanup_free_ char *line = NULL;
        ExecJson r = {0};
        Exec *e = NULL;

        w->root->loginuid = UINT32_MAX;
        w->root->session = mfree(w->root->session);
        *w->root->program = 0;
        NEED(exec_new(&w->manager.exec_env, w->container, w->root, world_request("true", NULL), NULL, &e) >=
             0);
        e->state = EXEC_RUNNING;
        NEED(exec_serialize(e, &line) >= 0 && exec_json_read(line, &r) >= 0);
        CHECK(r.caller_login_uid == UINT32_MAX && r.starter_login_uid == UINT32_MAX);
        CHECK(r.starter_uid == UINT32_MAX && r.starter_pid == 0 && r.pid == 0);
        CHECK(!r.caller_session && (!r.caller_program || !*r.caller_program) && !r.caller_bus_name);
        CHECK(!r.recording_path && !r.failure && !r.timed_out && !r.detached);
        exec_json_done(&r);
        exec_unref(e);
}

int main(void)
{
        World *w = world_new();

        free(w->container->label);
        free(w->container->image);
        NEED((w->container->label = strdup("label_t")) && (w->container->image = strdup("image")));
        test_members(w);
        test_unknown(w);
        world_free(w);
        return test_finish("exec-serialize");
}
