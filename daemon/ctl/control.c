/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* kill and wait. */

#include "ctl/bus.h"

static int kill_one(Ctl *c, const char *prefix)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        _cleanup_(exec_name_done) ExecName e = {0};
        int r;

        r = exec_find(c, prefix, &e);
        if (r == 0)
                r = bus_new_call(c, e.path, EXEC_INTERFACE, "Kill", &m);
        if (r != 0)
                return r;
        if (sd_bus_message_append(m, "ib", c->options.signal_number, (int) c->options.all) < 0)
                return fail_memory();
        return bus_call(c, m, NULL);
}

int verb_kill(Ctl *c, int argc, char **argv)
{
        int status = 0;

        for (int i = 0; i < argc; i++)
                status = kill_one(c, argv[i]) ?: status;
        return status;
}

int verb_wait(Ctl *c, int argc, char **argv)
{
        _cleanup_(exec_name_done) ExecName e = {0};
        int exit_status = 0, r;

        r = exec_find(c, argv[0], &e);
        if (r == 0)
                r = exec_wait(c, e.path, &exit_status);
        return r != 0 ? r : exit_status;
}
