/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The methods of org.execd1.Spawner. */

#include "core/spawner-call.h"

#include <signal.h>
#include <string.h>

#include "base/log.h"
#include "base/ticket.h"

int spawner_reply_refusal(sd_bus_message *reply, Refusal *reterr)
{
        const sd_bus_error *e = sd_bus_message_get_error(reply);
        RefusalKind kind = REFUSAL_UNAVAILABLE;

        if (!e)
                return 0;
        if (strncmp(e->name, REFUSAL_ERROR_PREFIX, strlen(REFUSAL_ERROR_PREFIX)) == 0)
                kind = refusal_kind_from_string(e->name + strlen(REFUSAL_ERROR_PREFIX));
        else
                log_error("Failed to call execd-spawner: %s: %s", e->name, e->message ?: "");
        /* Too late, or the connection is lost: the text of sd-bus would not help the caller. */
        if (sd_bus_error_has_name(e, SD_BUS_ERROR_NO_REPLY))
                return refuse(reterr, kind, ETIMEDOUT,
                              "execd-spawner did not answer: see systemctl status execd-spawner.service");
        return refuse(reterr, kind, sd_bus_error_get_errno(e) ?: EIO, "%s",
                      e->message && *e->message ? e->message : e->name);
}

static int new_call(SpawnerLink *l, const char *member, sd_bus_message **ret, Refusal *reterr)
{
        sd_bus *bus;
        int r = spawner_link_need(l, &bus, reterr);

        if (r < 0)
                return r;
        return sd_bus_message_new_method_call(bus, ret, NULL, SPAWNER_PATH, SPAWNER_INTERFACE, member);
}

/* Sends a call that may be sent twice. */
static int send_call(SpawnerLink *l, sd_bus_message *m, sd_bus_message_handler_t callback, void *userdata,
                     sd_bus_slot **ret_slot, Refusal *reterr)
{
        const SpawnerCallOptions o = {.callback = callback, .userdata = userdata, .ticket = -EBADF};

        return spawner_link_call(l, m, &o, ret_slot, reterr);
}

int spawner_list_containers(SpawnerLink *l, bool services, sd_bus_message_handler_t callback, void *userdata,
                            sd_bus_slot **ret_slot, Refusal *reterr)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r = new_call(l, "ListContainers", &m, reterr);

        if (r >= 0)
                r = sd_bus_message_append(m, "b", services);
        return r < 0 ? r : send_call(l, m, callback, userdata, ret_slot, reterr);
}

int spawner_list_rejected(SpawnerLink *l, sd_bus_message_handler_t callback, void *userdata,
                          sd_bus_slot **ret_slot, Refusal *reterr)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r = new_call(l, "ListRejected", &m, reterr);

        return r < 0 ? r : send_call(l, m, callback, userdata, ret_slot, reterr);
}

/* A call with one string. */
static int call_string(SpawnerLink *l, const char *member, const char *argument,
                       sd_bus_message_handler_t callback, void *userdata, sd_bus_slot **ret_slot,
                       Refusal *reterr)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r = new_call(l, member, &m, reterr);

        if (r < 0)
                return r;
        r = sd_bus_message_append(m, "s", argument);
        if (r < 0)
                return r;
        return send_call(l, m, callback, userdata, ret_slot, reterr);
}

int spawner_get_container(SpawnerLink *l, const char *reference, sd_bus_message_handler_t callback,
                          void *userdata, sd_bus_slot **ret_slot, Refusal *reterr)
{
        return call_string(l, "GetContainer", reference, callback, userdata, ret_slot, reterr);
}

int spawner_list_processes(SpawnerLink *l, const char *container_id, sd_bus_message_handler_t callback,
                           void *userdata, sd_bus_slot **ret_slot, Refusal *reterr)
{
        return call_string(l, "ListProcesses", container_id, callback, userdata, ret_slot, reterr);
}

int spawner_get_usage(SpawnerLink *l, const char *container_id, sd_bus_message_handler_t callback,
                      void *userdata, sd_bus_slot **ret_slot, Refusal *reterr)
{
        return call_string(l, "GetUsage", container_id, callback, userdata, ret_slot, reterr);
}

/* exec_id, leader, description, properties, caller: the first arguments of Prepare and Start. */
static int append_exec(sd_bus_message *m, const SpawnerExec *e)
{
        int r;

        r = sd_bus_message_append(m, "s(sut)s", e->id, e->container->id, e->container->leader,
                                  e->container->leader_start, e->description);
        if (r < 0)
                return r;
        r = sd_bus_message_open_container(m, 'a', "(ss)");
        for (size_t i = 0; r >= 0 && i < e->request->n_properties; i++)
                r = sd_bus_message_append(m, "(ss)", e->request->properties[i].name,
                                          e->request->properties[i].text);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        return r < 0 ? r : sd_bus_message_append(m, "u", (uint32_t) e->caller);
}

int spawner_prepare(SpawnerLink *l, const SpawnerExec *e, uint64_t park_usec,
                    sd_bus_message_handler_t callback, void *userdata, sd_bus_slot **ret_slot,
                    Refusal *reterr)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r = new_call(l, "Prepare", &m, reterr);

        if (r < 0)
                return r;
        r = append_exec(m, e);
        if (r >= 0)
                r = sd_bus_message_append(m, "st", e->request->user ?: "", park_usec);
        if (r < 0)
                return r;
        return send_call(l, m, callback, userdata, ret_slot, reterr);
}

static int append_stdio(sd_bus_message *m, const int *stdio)
{
        int r = sd_bus_message_open_container(m, 'a', "h");

        for (size_t i = 0; r >= 0 && stdio && i < 3; i++)
                r = sd_bus_message_append(m, "h", stdio[i]);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

int spawner_start(SpawnerLink *l, const SpawnerExec *e, const ConsoleSize *size, uint32_t login_uid,
                  const int *stdio, sd_bus_message_handler_t callback, void *userdata,
                  sd_bus_slot **ret_slot, Refusal *reterr)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        const ExecRequest *q = e->request;
        uint64_t flags = (q->tty ? SPAWNER_TTY : 0) | (q->privileged ? SPAWNER_PRIVILEGED : 0) |
                         (q->attach_stdin ? 0 : SPAWNER_NO_STDIN) | (e->log ? SPAWNER_LOG : 0) |
                         (e->one_output ? SPAWNER_ONE_OUTPUT : 0);
        SpawnerCallOptions o = {.callback = callback, .userdata = userdata, .has_fds = true};
        _cleanup_close_ int ticket = ticket_new();
        int r = ticket < 0 ? ticket : new_call(l, "Start", &m, reterr);

        if (r < 0)
                return r;
        r = append_exec(m, e);
        if (r >= 0)
                r = sd_bus_message_append_strv(m, q->argv);
        if (r >= 0)
                r = sd_bus_message_append_strv(m, q->env);
        if (r >= 0)
                r = sd_bus_message_append(m, "ssttqqu", q->user ?: "", q->working_dir ?: "", flags,
                                          e->cap_privileged, size->set ? size->rows : 0,
                                          size->set ? size->columns : 0, login_uid);
        if (r >= 0)
                r = append_stdio(m, stdio);
        if (r >= 0)
                r = sd_bus_message_append(m, "h", ticket);
        if (r < 0)
                return r;
        o.ticket = TAKE_FD(ticket);
        return spawner_link_call(l, m, &o, ret_slot, reterr);
}

void spawner_drop(SpawnerLink *l, const char *exec_id)
{
        sd_bus *bus = spawner_link_bus(l);

        /* Without a connection nothing is parked: parked runners leave with their peer. */
        if (bus)
                (void) sd_bus_call_method_async(bus, NULL, NULL, SPAWNER_PATH, SPAWNER_INTERFACE, "Drop",
                                                NULL, NULL, "s", exec_id);
}

bool spawner_start_is_lost(sd_bus_message *reply)
{
        return sd_bus_message_is_method_error(reply, SPAWNER_ERROR_LOST) > 0;
}

int spawner_end_exec(SpawnerLink *l, const char *exec_id, sd_bus_message_handler_t callback, void *userdata,
                     sd_bus_slot **ret_slot, Refusal *reterr)
{
        return call_string(l, "EndExec", exec_id, callback, userdata, ret_slot, reterr);
}

void spawner_record_decision(SpawnerLink *l, const char *text)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        sd_bus *bus;

        if (spawner_link_need(l, &bus, &refusal) >= 0)
                (void) sd_bus_call_method_async(bus, NULL, NULL, SPAWNER_PATH, SPAWNER_INTERFACE,
                                                "RecordDecision", NULL, NULL, "s", text);
}

int spawner_kill(SpawnerLink *l, const char *exec_id, int pidfd, int signal_number, bool all,
                 sd_bus_message_handler_t callback, void *userdata, sd_bus_slot **ret_slot, Refusal *reterr)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        SpawnerCallOptions o = {.callback = callback, .userdata = userdata, .ticket = -EBADF};
        int r = new_call(l, "Kill", &m, reterr);

        if (r < 0)
                return r;
        r = sd_bus_message_append(m, "shib", exec_id, pidfd, signal_number, all);
        if (r < 0)
                return r;
        o.once = signal_number != SIGKILL;
        o.has_fds = true;
        return spawner_link_call(l, m, &o, ret_slot, reterr);
}
