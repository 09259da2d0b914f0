/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "api/exec-view.h"

#include <string.h>
#include <sys/wait.h>

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
        return (ExecView){
                .id = e->id,
                .status = exec_status_name(e),
                .container_id = e->container->id,
                .container_name = e->container->name,
                .container_kind = e->container->kind,
                .unit = e->unit,
                .failure = e->failure,
                .result = exec_result(e),
                .request = e->request,
                .has_exit_code = exec_has_ended(e) || e->state == EXEC_DRAINING,
                .exit_code = e->exit_code,
                .can_remove = exec_has_ended(e),
                .pid = e->pid,
                .caller_uid = e->creator->uid,
                .created_usec = e->created_usec,
                .started_usec = e->started_usec,
                .finished_usec = e->finished_usec,
        };
}

char *failure_plain(const char *text)
{
        static const char *const begins[] = {
                "OCI runtime exec failed: ",
                "exec failed: ",
                "unable to start container process: ",
                "exec: ",
        };
        static const char end[] = ": unknown", inner[] = " set in config.json";
        const char *begin = text;
        char *plain, *found;
        size_t n;

        for (size_t i = 0; i < ELEMENTSOF(begins); i++)
                if (strncmp(begin, begins[i], strlen(begins[i])) == 0)
                        begin += strlen(begins[i]);
                else if (i == 0)
                        return strdup(text);
        plain = strdup(begin);
        if (!plain)
                return NULL;
        n = strlen(plain);
        if (n > strlen(end) && strcmp(plain + n - strlen(end), end) == 0)
                plain[n - strlen(end)] = 0;
        found = strstr(plain, inner);
        if (found)
                memmove(found, found + strlen(inner), strlen(found + strlen(inner)) + 1);
        return plain;
}
