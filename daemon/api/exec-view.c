/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "api/exec-view.h"

#include <sys/wait.h>

/* The exit status of ssh(1) after the connection is lost. `docker exec` asks for the exit code as soon as its
 * stream ends, and takes null for success. */
#define EXIT_CODE_CLIENT_LOST 255

const char *exec_result(const Exec *e)
{
        if (e->state == EXEC_FAILED)
                return "failed";
        if (e->state != EXEC_EXITED && e->state != EXEC_DRAINING)
                return NULL;
        if (e->timed_out)
                return "timeout";
        if (WIFSIGNALED(e->wait_status))
                return "signal";
        return e->exit_code == 0 ? "success" : "exit-code";
}

ExecView exec_view(const Exec *e)
{
        bool is_known = exec_has_ended(e) || e->state == EXEC_DRAINING;

        return (ExecView){
                .id = e->id,
                .status = exec_status_name(e),
                .container_id = e->container->id,
                .container_name = e->container->name,
                .container_kind = e->container->kind,
                .unit = e->unit,
                .failure = e->failure,
                .recording_path = e->recording_path,
                .result = exec_result(e),
                .request = e->request,
                .command = e->request->argv,
                .labels = e->request->labels,
                .has_exit_code = is_known || e->client_lost,
                .exit_code = is_known ? e->exit_code : EXIT_CODE_CLIENT_LOST,
                .can_remove = exec_has_ended(e),
                .pid = e->pid,
                .caller_uid = e->creator->uid,
                .created_usec = e->created_usec,
                .started_usec = e->started_usec,
                .finished_usec = e->finished_usec,
        };
}
