/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/exec-serialize.h"

#include "wire/exec-json.h"

int exec_serialize(const Exec *e, char **ret)
{
        ExecJson r = {
                .id = (char *) e->id,
                .container_id = e->container->id,
                .container_name = e->container->name,
                .container_kind = e->container->kind,
                .failure = e->failure,
                .recording_path = e->recording_path,
                .request = e->request,
                .container_image = e->container->image,
                .container_label = e->container->label,
                .failed = e->state == EXEC_FAILED,
                .running = e->state == EXEC_RUNNING,
                .detached = e->detached,
                .caller_bus_name = e->caller ? e->starter->bus_name : NULL,
                .exit_code = e->exit_code,
                .wait_status = e->wait_status,
                .timed_out = e->timed_out,
                .pid = e->pid,
                .caller_uid = e->creator->uid,
                .caller_login_uid = e->creator->loginuid,
                .caller_pid = e->creator->pid,
                .caller_session = e->creator->session,
                .caller_program = (char *) e->creator->program,
                .starter_uid = e->starter ? e->starter->uid : (uid_t) -1,
                .starter_pid = e->starter ? e->starter->pid : 0,
                .leader = e->container->leader,
                .leader_start = e->container->leader_start,
                .starter_login_uid = e->starter ? e->starter->loginuid : UINT32_MAX,
                .created_usec = e->created_usec,
                .asked_monotonic = e->asked_monotonic,
                .started_monotonic = e->started_monotonic,
                .ended_monotonic = e->ended_monotonic,
                .started_usec = e->started_usec,
                .finished_usec = e->finished_usec,
        };

        return exec_json_write(&r, ret);
}
