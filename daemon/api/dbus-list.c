/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Methods of the manager that find execs and what was recorded of them. */

#include "api/dbus-append.h"
#include "api/dbus-call.h"
#include "api/dbus-methods.h"
#include "api/dbus-path.h"
#include "core/exec-access.h"
#include "core/exec-recording.h"
#include "core/exec-restore.h"

static void list_execs_run(DbusCall *c)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        char path[DBUS_EXEC_PATH_SIZE];
        int r;

        r = dbus_reply_new_array(c->message, "(sossssut)", &reply);
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

int dbus_method_list_execs(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        return dbus_call_serve(userdata, m, NULL, list_execs_authorize);
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

int dbus_method_get_exec(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        const DbusService *s = userdata;
        char path[DBUS_EXEC_PATH_SIZE];
        Exec *e;
        int r = find_exec(s->manager, m, &e, error);

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

int dbus_method_get_recording(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        DbusService *s = userdata;
        Exec *e;
        int r = find_exec(s->manager, m, &e, error);

        return r < 0 ? r : dbus_call_serve(s, m, e, get_recording_authorize);
}
