/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* core/exec-restore, exec-serialize, fdstore and state-file: one execd exits, the next one takes over its
 * execs, and invalid data creates no exec. */

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "core/exec-internal.h"
#include "core/exec-output.h"
#include "core/exec-restore.h"
#include "core/exec-serialize.h"
#include "core/exec-start.h"
#include "core/state-file.h"
#include "unit/core/world.h"
#include "wire/service-name.h"

static Exec *created(World *w, ExecRequest *q)
{
        Exec *e = NULL;

        NEED(exec_new(&w->manager.exec_env, w->container, w->root, q, NULL, &e) >= 0);
        manager_count_exec(&w->manager, e);
        manager_link_exec(&w->manager, e);
        exec_unref(e);
        return e;
}

/* With a client, where one is wanted. */
static Exec *running(World *w, ExecRequest *q, Command *c, int *client)
{
        static const ConsoleSize no_size;
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        Exec *e = created(w, q);

        if (client)
                *client = world_attach(e, true);
        NEED(exec_start(e, w->root, &no_size, false, &refusal) >= 0);
        WORLD_UNTIL(w, world_was_called(w, "Start"));
        world_answer_start(w, e, c);
        WORLD_UNTIL(w, e->state == EXEC_RUNNING);
        NEED(e->slot);
        return e;
}

/* One execd leaves, and the next one finds what it left. */
static World *restart(World *old)
{
        World *w;
        FdStore store;

        manager_leave_execs(&old->manager);
        world_take_stored(old, &store);
        NEED(state_file_save(&old->manager) >= 0);
        w = world_new();
        fdstore_open(&store, w->manager.slots);
        w->manager.config.state_path = old->dir;
        NEED(state_file_load(&w->manager, &store) >= 0);
        /* Those that are read later are read while the file is there. */
        (void) manager_all_execs(&w->manager);
        w->manager.config.state_path = w->dir;
        exec_restore_stored(&w->manager, &store);
        fdstore_done(&store);
        world_free(old);
        return w;
}

static void test_running(void)
{
        World *w = world_new();
        char id[EXEC_ID_SIZE], text[4096] = "";
        bool end = false;
        Command c;
        Exec *e;
        int client;

        e = running(w, world_request("sh", "-c", "work", NULL), &c, &client);
        memcpy(id, e->id, sizeof(id));
        NEED(write(c.out, "before ", 7) == 7);
        world_settle(w);

        w = restart(w);
        e = manager_find_exec(&w->manager, id);
        NEED(e);
        CHECK(e->state == EXEC_RUNNING && e->persistence == EXEC_RESTORED && e->pid == 4711 &&
              e->started_usec > 0);
        CHECK_TEXT("argv", e->request->argv[2], "work");
        CHECK_TEXT("container", e->container->name, "web");
        CHECK_TEXT("unit", e->unit + strlen("exec-") + 64, ".scope");
        CHECK(w->manager.n_live == 1 && w->manager.execs_budget.used == 1);
        NEED(write(c.out, "after", 5) == 5);
        world_settle(w);
        command_report(&c, 3 << 8);
        command_close_output(&c);
        WORLD_UNTIL(w, e->state == EXEC_EXITED);
        CHECK(e->exit_code == 3 && world_find_record(w, "EXIT_CODE=3"));
        while (!end) {
                strcat(text, client_read(client, &end));
                NEED(strlen(text) < 64 && sd_event_run(w->event, USEC_PER_MSEC) >= 0);
        }
        CHECK_TEXT("not a byte is lost", text, "before after");
        fd_close(client);
        command_done(&c);
        world_settle(w);
        world_free(w);
}

/* It ended while no execd was running. */
static void test_ended_meanwhile(void)
{
        World *w = world_new();
        char id[EXEC_ID_SIZE];
        Command c;
        Exec *e;

        e = running(w, world_request("true", NULL), &c, NULL);
        memcpy(id, e->id, sizeof(id));
        manager_leave_execs(&w->manager);
        CHECK(e->persistence == EXEC_STORED);
        command_report(&c, 5 << 8);
        command_done(&c);
        w = restart(w);
        e = manager_find_exec(&w->manager, id);
        NEED(e);
        WORLD_UNTIL(w, e->state == EXEC_EXITED);
        CHECK(e->exit_code == 5);
        world_free(w);
}

static void test_ended_before(void)
{
        World *w = world_new();
        char failed_id[EXEC_ID_SIZE], exited_id[EXEC_ID_SIZE], hidden_id[EXEC_ID_SIZE];
        Exec *e, *hidden;

        e = created(w, world_request("nosuch", NULL));
        exec_fail(e, REFUSAL_NOT_FOUND, "there is no nosuch");
        memcpy(failed_id, e->id, sizeof(failed_id));
        e = created(w, world_request("sleep", "1", NULL));
        e->state = EXEC_DRAINING;
        e->exit_code = 9;
        e->finished_usec = 1234567;
        exec_set_state(e, EXEC_EXITED);
        memcpy(exited_id, e->id, sizeof(exited_id));
        hidden = created(w, world_request("true", NULL));
        exec_container_gone(hidden);
        memcpy(hidden_id, hidden->id, sizeof(hidden_id));

        w = restart(w);
        e = manager_find_exec(&w->manager, failed_id);
        NEED(e);
        CHECK(e->state == EXEC_FAILED && e->exit_code == 127 && e->persistence == EXEC_RESTORED);
        CHECK_TEXT("why", e->failure, "there is no nosuch");
        e = manager_find_exec(&w->manager, exited_id);
        NEED(e);
        CHECK(e->state == EXEC_EXITED && e->exit_code == 9 && e->finished_usec == 1234567);
        CHECK(w->manager.n_ended == 2 && w->manager.n_live == 0 && w->manager.execs_budget.used == 0);
        CHECK(!manager_find_exec(&w->manager, hidden_id));
        world_free(w);
}

static void test_record_is_not_believed(void)
{
        World *w = world_new();
        _cleanup_free_ char *line = NULL;
        FdStore empty = {0};
        Exec *e, *again = NULL;
        Command c;

        e = running(w, world_request("true", NULL), &c, NULL);
        NEED(exec_serialize(e, &line) >= 0);
        /* It is there already. */
        CHECK(exec_restore_line(&w->manager, line, &empty, &again) == -EEXIST);
        manager_unlink_exec(&w->manager, e);
        exec_unref(e);
        /* One that ran, of which nothing is there. */
        CHECK(exec_restore_line(&w->manager, line, &empty, &again) == -ENXIO);
        CHECK(exec_restore_line(&w->manager, line, NULL, &again) == -ENXIO);
        line[strlen(line) / 2] = 0;
        CHECK(exec_restore_line(&w->manager, line, &empty, &again) < 0);
        CHECK(exec_restore_line(&w->manager, "{}", &empty, &again) < 0);
        CHECK(exec_restore_line(&w->manager, "", &empty, &again) < 0);
        CHECK(list_is_empty(&w->manager.execs) && w->manager.execs_budget.used == 0);
        /* The record must be of the exec. */
        CHECK(!exec_restore_ended(&w->manager, "web", "{}"));
        CHECK(!exec_restore_ended(&w->manager, "../../../../etc/passwd", "x"));
        command_done(&c);
        world_settle(w);
        world_free(w);
}

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* Of two messages with the same descriptors the later one counts; others are ignored. */
static void test_slots(void)
{
        World *w = world_new();
        SlotPool *pool = w->manager.slots;
        int first = fcntl(w->listener, F_DUPFD_CLOEXEC, 3), second = fcntl(w->notify, F_DUPFD_CLOEXEC, 3);
        FdStore store;
        StoredFds *f;
        Slot *slots[3];

        slots[0] = keep_put(pool, ID, (KeepFd[]){{KEEP_CONTROL, first}, {KEEP_PIDFD, -EBADF}}, 2, "old");
        slots[1] = keep_put(pool, ID, &(KeepFd){KEEP_CONTROL, second}, 1, "new");
        slots[2] = slot_take(pool);
        NEED(slots[0] && slots[1] && slots[2]);
        NEED(slot_put(slots[2], "garbage", 7, &first, 1) >= 0);
        for (size_t i = 0; i < ELEMENTSOF(slots); i++)
                slot_leave(slots[i]);
        world_take_stored(w, &store);
        CHECK(store.n_slot_fds > 3 && !fdstore_add(&store, "another", first));
        fdstore_open(&store, pool);
        CHECK(store.n_execs == 1 && !fdstore_find(&store, "0"));
        f = fdstore_find(&store, ID);
        NEED(f);
        CHECK_TEXT("the later one", f->record, "new");
        CHECK(f->fds[KEEP_CONTROL] >= 0 && f->fds[KEEP_PIDFD] < 0 && f->slots[KEEP_CONTROL]);
        fdstore_done(&store);
        CHECK(store.n_execs == 0 && !fdstore_find(&store, ID));
        fd_close(first);
        fd_close(second);
        world_free(w);
}

static pid_t make_main_process(ContainerInfo *c)
{
        pid_t parent = getpid(), pid = fork();

        NEED(pid >= 0);
        if (pid == 0) {
                (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                while (getppid() == parent)
                        pause();
                _exit(0);
        }
        free(c->kind);
        c->kind = strdup(SERVICE_KIND);
        c->leader = (uint32_t) pid;
        c->leader_pidfd = pidfd_open_pid(pid);
        NEED(c->kind && c->leader_pidfd >= 0);
        return pid;
}

/* The next execd follows the main process of a service; one that has ended meanwhile is not missed. */
static void test_main_process_of_a_service(bool meanwhile)
{
        World *w = world_new();
        char id[EXEC_ID_SIZE];
        Command c;
        Exec *e;
        pid_t pid = make_main_process(w->container);

        e = running(w, world_request("sh", NULL), &c, NULL);
        memcpy(id, e->id, sizeof(id));
        if (meanwhile)
                NEED(kill(pid, SIGKILL) == 0 && waitpid(pid, NULL, 0) == pid);
        w = restart(w);
        e = manager_find_exec(&w->manager, id);
        NEED(e && e->state == EXEC_RUNNING);
        if (!meanwhile) {
                world_settle(w);
                CHECK(!world_was_called(w, "Kill"));
                NEED(kill(pid, SIGKILL) == 0 && waitpid(pid, NULL, 0) == pid);
        }
        WORLD_UNTIL(w, world_was_called(w, "Kill"));
        command_done(&c);
        world_free(w);
}

int main(void)
{
        test_running();
        test_main_process_of_a_service(false);
        test_main_process_of_a_service(true);
        test_ended_meanwhile();
        test_ended_before();
        test_record_is_not_believed();
        test_slots();
        return test_finish("exec-restore");
}
