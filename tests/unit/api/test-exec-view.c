/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* api/exec-view: how an exec ended, in one word. */

#include <signal.h>

#include "api/exec-view.h"
#include "core/exec-internal.h"
#include "unit/core/world.h"

int main(void)
{
        _cleanup_(world_freep) World *w = world_new();
        Peer creator = {.n_ref = 1, .uid = 7, .pidfd = -EBADF};
        ExecRequest request = {0};
        Exec e = {.container = w->container, .creator = &creator, .request = &request};

        CHECK(!exec_result(&e) && !exec_view(&e).has_exit_code);
        e.client_lost = true;
        CHECK(exec_view(&e).has_exit_code && exec_view(&e).exit_code == 255);
        e.state = EXEC_EXITED;
        CHECK_TEXT("success", exec_result(&e), "success");
        CHECK(exec_view(&e).has_exit_code && exec_view(&e).exit_code == 0 && exec_view(&e).can_remove);
        e.exit_code = 3;
        e.wait_status = 3 << 8;
        CHECK_TEXT("exit-code", exec_result(&e), "exit-code");
        e.wait_status = SIGKILL;
        CHECK_TEXT("signal", exec_result(&e), "signal");
        e.timed_out = true;
        CHECK_TEXT("timeout", exec_result(&e), "timeout");
        e.state = EXEC_FAILED;
        CHECK_TEXT("failed", exec_result(&e), "failed");
        CHECK(exec_view(&e).caller_uid == 7);
        return test_finish("exec-view");
}
