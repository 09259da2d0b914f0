/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The manager's face on the bus. Each method reads and validates, asks who calls, asks whether it may, acts,
 * answers. */

#include <stdio.h>
#include <string.h>

#include "api/dbus-container.h"
#include "api/dbus-object.h"
#include "api/exec-view.h"
#include "config.h"
#include "core/exec-access.h"
#include "core/exec-recording.h"
#include "core/exec-restore.h"

static void reply_exec(DbusCall *c)
{
        char path[DBUS_EXEC_PATH_SIZE];

        dbus_call_reply(c, "so", c->exec->id, dbus_exec_path(c->exec, path));
}

/* Containers. */

static int read_reference(sd_bus_message *m, const char **ret, Refusal *reterr)
{
        int r = sd_bus_message_read(m, "s", ret);

        return r < 0 ? r : exec_request_check_string("container", *ret, reterr);
}

static void list_on_reply_read(DbusCall *c, sd_bus_message *m)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r;

        r = sd_bus_message_new_method_return(c->message, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(sssssut)");
        if (r >= 0)
                r = sd_bus_message_enter_container(m, 'a', CONTAINER_SIGNATURE);
        while (r >= 0) {
                _cleanup_(container_info_unrefp) ContainerInfo *k = NULL;

                r = container_info_read(m, &k);
                if (r <= 0)
                        break;
                r = sd_bus_message_append(reply, "(sssssut)", k->id, k->name, k->kind, k->state, k->unit,
                                          k->leader, k->started_usec);
        }
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        if (r < 0)
                dbus_call_fail(c, r);
        else
                dbus_call_send(c, reply);
}

static int list_on_reply(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        DbusCall *c = userdata;

        c->slot = sd_bus_slot_unref(c->slot);
        if (spawner_reply_refusal(m, &refusal) < 0)
                dbus_call_refuse(c, &refusal);
        else
                list_on_reply_read(c, m);
        return 0;
}

static void list_containers_run(DbusCall *c)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;

        if (spawner_list_containers(c->manager->spawner, list_on_reply, c, &c->slot, &refusal) < 0)
                dbus_call_refuse(c, &refusal);
}

static void list_containers_authorize(DbusCall *c)
{
        dbus_call_authorize_inspect(c, list_containers_run);
}

static int method_list_containers(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        DbusCall *c;
        int r = dbus_call_new(userdata, m, NULL, &c);

        return r < 0 ? r : dbus_call_begin(c, list_containers_authorize);
}

static void get_container_run(DbusCall *c)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r;

        r = sd_bus_message_new_method_return(c->message, &reply);
        if (r >= 0)
                r = dbus_append_container(reply, c->container);
        if (r < 0)
                dbus_call_fail(c, r);
        else
                dbus_call_send(c, reply);
}

static int get_container_on_reply(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        DbusCall *c = userdata;

        c->slot = sd_bus_slot_unref(c->slot);
        if (spawner_reply_refusal(m, &refusal) < 0 || container_info_read_reply(m, &c->container) < 0)
                dbus_call_refuse(c, &refusal);
        else
                dbus_call_authorize_inspect(c, get_container_run);
        return 0;
}

static void get_container_authorize(DbusCall *c)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;

        if (spawner_get_container(c->manager->spawner, c->reference, get_container_on_reply, c, &c->slot,
                                  &refusal) < 0)
                dbus_call_refuse(c, &refusal);
}

static int method_get_container(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        _cleanup_(dbus_call_freep) DbusCall *c = NULL;
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        const char *reference;
        int r;

        r = read_reference(m, &reference, &refusal);
        if (r >= 0)
                r = dbus_call_new(userdata, m, NULL, &c);
        if (r < 0)
                return refusal.kind != REFUSAL_NONE ? dbus_error_from_refusal(error, &refusal) : r;
        c->reference = strdup(reference);
        if (!c->reference)
                return -ENOMEM;
        return dbus_call_begin(TAKE_PTR(c), get_container_authorize);
}

/* Creating. */

static void on_created(void *userdata, Exec *e, const Refusal *refusal)
{
        DbusCall *c = userdata;

        if (refusal) {
                dbus_call_refuse(c, refusal);
                return;
        }
        c->exec = exec_ref(e);
        c->creation = exec_creation_free(c->creation);
        c->next(c);
}

static void create_start(DbusCall *c)
{
        ExecCreationOptions o = {
                .peer = c->peer,
                .reference = c->reference,
                .request = TAKE_PTR(c->request),
                .interactive = sd_bus_message_get_allow_interactive_authorization(c->message) > 0,
        };
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;

        if (exec_create(c->manager, &o, on_created, c, &c->creation, &refusal) < 0)
                dbus_call_refuse(c, &refusal);
}

/* What the command's stdin, stdout and stderr are. */
typedef enum Stdio {
        STDIO_STREAM, /* a stream of ours, that clients attach to */
        STDIO_PASSED, /* pipes of the caller's */
        STDIO_PIPED,  /* pipes whose other ends the caller gets */
} Stdio;

/* What CreateExec, Run, RunExec and RunPiped begin with. */
static int begin_create(sd_bus_message *m, Manager *manager, bool with_options, Stdio stdio,
                        void (*next)(DbusCall *c), sd_bus_error *error)
{
        bool with_pipes = stdio != STDIO_STREAM;
        _cleanup_(dbus_call_freep) DbusCall *c = NULL;
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        const char *reference;
        int r;

        r = dbus_call_new(manager, m, NULL, &c);
        if (r < 0)
                return r;
        r = read_reference(m, &reference, &refusal);
        if (r >= 0)
                r = dbus_read_request(m, with_options, &c->request, &refusal);
        if (r >= 0 && with_pipes)
                r = dbus_read_pipes(m, c, stdio == STDIO_PASSED, &refusal);
        if (r >= 0 && with_pipes && c->request->tty)
                r = refuse(&refusal, REFUSAL_BAD_REQUEST, EINVAL, "Tty: needs no fds, use StartAttached");
        if (r >= 0)
                r = exec_recording_decide(&manager->exec_env, c->request, with_pipes, &refusal);
        if (r < 0)
                return refusal.kind != REFUSAL_NONE ? dbus_error_from_refusal(error, &refusal) : r;
        c->reference = strdup(reference);
        if (!c->reference)
                return -ENOMEM;
        c->size = exec_request_size(c->request); /* as the message has them */
        c->next = next;
        return dbus_call_begin(TAKE_PTR(c), create_start);
}

static int method_create_exec(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        return begin_create(m, userdata, true, STDIO_STREAM, reply_exec, error);
}

static void run_on_state(ExecWatch *w, Exec *e)
{
        DbusCall *c = LIST_ENTRY(w, DbusCall, watch);
        char path[DBUS_EXEC_PATH_SIZE];

        if (exec_has_ended(e))
                dbus_call_reply(c, "io", e->exit_code, dbus_exec_path(e, path));
}

static void run_started(DbusCall *c)
{
        exec_watch(c->exec, &c->watch, run_on_state);
        if (exec_has_ended(c->exec))
                run_on_state(&c->watch, c->exec);
}

static void run_created(DbusCall *c)
{
        dbus_start_exec(c, true, run_started);
}

static int method_run(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        return begin_create(m, userdata, false, STDIO_STREAM, run_created, error);
}

static void run_exec_created(DbusCall *c)
{
        dbus_start_exec(c, false, reply_exec);
}

static int method_run_exec(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        return begin_create(m, userdata, true, STDIO_PASSED, run_exec_created, error);
}

static void reply_exec_and_pipes(DbusCall *c)
{
        char path[DBUS_EXEC_PATH_SIZE];
        const int *fds = c->exec->stdio;

        if (fds[2] < 0)
                dbus_call_fail(c, -EIO);
        else
                dbus_call_reply(c, "sohhh", c->exec->id, dbus_exec_path(c->exec, path), fds[0], fds[1],
                                fds[2]);
}

static void run_piped_created(DbusCall *c)
{
        dbus_start_exec(c, false, reply_exec_and_pipes);
}

static int method_run_piped(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        return begin_create(m, userdata, true, STDIO_PIPED, run_piped_created, error);
}

/* Looking. */

static void list_execs_run(DbusCall *c)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        char path[DBUS_EXEC_PATH_SIZE];
        int r;

        r = sd_bus_message_new_method_return(c->message, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(sossssut)");
        LIST_FOREACH (const Exec, e, &c->manager->execs, node) {
                if (r < 0)
                        break;
                if (!dbus_call_may_see(c, e))
                        continue;
                r = sd_bus_message_append(reply, "(sossssut)", e->id, dbus_exec_path(e, path),
                                          e->container->name, exec_status_name(e), e->command_line ?: "",
                                          e->unit, (uint32_t) e->creator->uid, e->created_usec);
        }
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        if (r < 0)
                dbus_call_fail(c, r);
        else
                dbus_call_send(c, reply);
}

static void list_execs_authorize(DbusCall *c)
{
        dbus_call_ask_inspect(c, list_execs_run);
}

static int method_list_execs(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        DbusCall *c;
        int r = dbus_call_new(userdata, m, NULL, &c);

        return r < 0 ? r : dbus_call_begin(c, list_execs_authorize);
}

/* By the id that a message has. */
static int find_exec(Manager *manager, sd_bus_message *m, Exec **ret, sd_bus_error *error)
{
        Refusal unknown = {.kind = REFUSAL_NO_EXEC, .message = (char *) "there is no such exec"};
        const char *id;
        int r;

        r = sd_bus_message_read(m, "s", &id);
        if (r < 0)
                return r;
        *ret = manager_find_exec(manager, id) ?: exec_restore_from_journal(manager, id);
        return *ret ? 0 : dbus_error_from_refusal(error, &unknown);
}

static int method_get_exec(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        char path[DBUS_EXEC_PATH_SIZE];
        Exec *e;
        int r = find_exec(userdata, m, &e, error);

        if (r < 0)
                return r;
        return sd_bus_reply_method_return(m, "o", dbus_exec_path(e, path));
}

static void get_recording_run(DbusCall *c)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        _cleanup_close_ int fd = -EBADF;

        if (exec_recording_open(c->exec, &fd, &refusal) < 0 ||
            exec_access_replay(c->exec, c->peer, "from its recording", &refusal) < 0)
                dbus_call_refuse(c, &refusal);
        else
                dbus_call_reply(c, "h", fd);
}

static void get_recording_authorize(DbusCall *c)
{
        dbus_call_authorize_exec(c, AUTHZ_REPLAY, "replay", get_recording_run);
}

static int method_get_recording(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        DbusCall *c;
        Exec *e;
        int r = find_exec(userdata, m, &e, error);

        if (r < 0)
                return r;
        r = dbus_call_new(userdata, m, e, &c);
        return r < 0 ? r : dbus_call_begin(c, get_recording_authorize);
}

/* Properties. */

static int property_get_version(sd_bus *bus, const char *path, const char *interface, const char *property,
                                sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        return sd_bus_message_append(reply, "s", EXECD_VERSION);
}

static int property_get_features(sd_bus *bus, const char *path, const char *interface, const char *property,
                                 sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        const Manager *m = userdata;

        if (m->config.record == RECORD_OFF)
                return sd_bus_message_append(reply, "as", 6, "attach", "labels", "on-disconnect",
                                             "properties", "stdio-fds", "stdio-pipes");
        return sd_bus_message_append(reply, "as", 7, "attach", "labels", "on-disconnect", "properties",
                                     "recording", "stdio-fds", "stdio-pipes");
}

static int property_get_execs_max(sd_bus *bus, const char *path, const char *interface, const char *property,
                                  sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        const Manager *m = userdata;

        return sd_bus_message_append(reply, "u", (uint32_t) m->config.execs_max);
}

static int property_get_execs_per_user_max(sd_bus *bus, const char *path, const char *interface,
                                           const char *property, sd_bus_message *reply, void *userdata,
                                           sd_bus_error *error)
{
        const Manager *m = userdata;

        return sd_bus_message_append(reply, "u", (uint32_t) m->config.execs_per_uid_max);
}

static int property_get_retention(sd_bus *bus, const char *path, const char *interface, const char *property,
                                  sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        const Manager *m = userdata;

        return sd_bus_message_append(reply, "t", m->config.retention_usec);
}

void dbus_tell_reconfigured(Manager *m)
{
        if (m->bus)
                (void) sd_bus_emit_properties_changed(m->bus, DBUS_MANAGER_PATH, DBUS_MANAGER_INTERFACE,
                                                      "ExecsMax", "ExecsPerUserMax", "RetentionUSec", NULL);
}

#define CONST_PROPERTY SD_BUS_VTABLE_PROPERTY_CONST
#define TOLD_PROPERTY  SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE
#define FOR_ALL        SD_BUS_VTABLE_UNPRIVILEGED

const sd_bus_vtable dbus_manager_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("ListContainers", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(sssssut)", containers),
                                method_list_containers, FOR_ALL),
        SD_BUS_METHOD_WITH_ARGS("GetContainer", SD_BUS_ARGS("s", container),
                                SD_BUS_RESULT("a{sv}", properties), method_get_container, FOR_ALL),
        SD_BUS_METHOD_WITH_ARGS("CreateExec", SD_BUS_ARGS("s", container, "as", command, "a{sv}", options),
                                SD_BUS_RESULT("s", id, "o", exec), method_create_exec, FOR_ALL),
        SD_BUS_METHOD_WITH_ARGS("Run", SD_BUS_ARGS("s", container, "as", command),
                                SD_BUS_RESULT("i", exit_status, "o", exec), method_run, FOR_ALL),
        SD_BUS_METHOD_WITH_ARGS("RunExec",
                                SD_BUS_ARGS("s", container, "as", command, "a{sv}", options, "h", stdin, "h",
                                            stdout, "h", stderr),
                                SD_BUS_RESULT("s", id, "o", exec), method_run_exec, FOR_ALL),
        SD_BUS_METHOD_WITH_ARGS(
                "RunPiped", SD_BUS_ARGS("s", container, "as", command, "a{sv}", options, "b", one_output),
                SD_BUS_RESULT("s", id, "o", exec, "h", stdin, "h", stdout, "h", stderr), method_run_piped,
                FOR_ALL),
        SD_BUS_METHOD_WITH_ARGS("ListExecs", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(sossssut)", execs),
                                method_list_execs, FOR_ALL),
        SD_BUS_METHOD_WITH_ARGS("GetExec", SD_BUS_ARGS("s", id), SD_BUS_RESULT("o", exec), method_get_exec,
                                FOR_ALL),
        SD_BUS_METHOD_WITH_ARGS("GetRecording", SD_BUS_ARGS("s", id), SD_BUS_RESULT("h", recording),
                                method_get_recording, FOR_ALL),
        SD_BUS_SIGNAL_WITH_ARGS("ExecNew", SD_BUS_ARGS("s", id, "o", exec), 0),
        SD_BUS_SIGNAL_WITH_ARGS("ExecStarted", SD_BUS_ARGS("s", id, "o", exec), 0),
        SD_BUS_SIGNAL_WITH_ARGS("ExecExited", SD_BUS_ARGS("s", id, "o", exec, "i", exit_status), 0),
        SD_BUS_SIGNAL_WITH_ARGS("ExecRemoved", SD_BUS_ARGS("s", id, "o", exec), 0),
        SD_BUS_PROPERTY("Version", "s", property_get_version, 0, CONST_PROPERTY),
        SD_BUS_PROPERTY("Features", "as", property_get_features, 0, CONST_PROPERTY),
        SD_BUS_PROPERTY("ExecsMax", "u", property_get_execs_max, 0, TOLD_PROPERTY),
        SD_BUS_PROPERTY("ExecsPerUserMax", "u", property_get_execs_per_user_max, 0, TOLD_PROPERTY),
        SD_BUS_PROPERTY("RetentionUSec", "t", property_get_retention, 0, TOLD_PROPERTY),
        SD_BUS_VTABLE_END,
};
