/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>

#include "ctl/session.h"

/* Joins; *ret_reply holds the stream. *take_input is cleared when another client has the input. */
static int join(Ctl *c, const char *path, bool *take_input, sd_bus_message **ret_reply)
{
        for (;;) {
                _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
                _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
                int r;

                r = bus_new_call(c, path, EXEC_INTERFACE, "Attach", &m);
                if (r != 0)
                        return r;
                r = sd_bus_message_append(m, "a{sv}", 1, "Stdin", "b", (int) *take_input);
                if (r < 0)
                        return fail_memory();
                agent_open(c);
                r = sd_bus_call(c->bus, m, 0, &error, ret_reply);
                if (r >= 0)
                        return 0;
                if (!*take_input || !sd_bus_error_has_name(&error, REFUSAL_ERROR_PREFIX "Conflict"))
                        return bus_fail(&error, r);
                *take_input = false;
                if (!c->options.quiet)
                        fprintf(stderr, "Another client has the input. Only the output is shown.\n");
        }
}

int verb_attach(Ctl *c, int argc, char **argv)
{
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(exec_name_done) ExecName e = {0};
        _cleanup_(session_freep) Session *s = session_new(c);
        int tty, r;

        if (!s)
                return fail_memory();
        if (c->options.host)
                return remote_run(c, "attach", isatty(STDIN_FILENO), argc, argv);
        r = exec_find(c, argv[0], &e);
        if (r != 0)
                return r;
        r = sd_bus_get_property_trivial(c->bus, BUS_NAME, e.path, EXEC_INTERFACE, "Tty", &error, 'b', &tty);
        if (r < 0)
                return bus_fail(&error, r);
        s->path = e.path;
        s->tty = tty;
        /* Input from other files is forwarded only if requested: an empty stdin would end the command's. */
        s->take_input = c->options.interactive || isatty(STDIN_FILENO);
        s->end_input = !s->tty;
        r = join(c, e.path, &s->take_input, &reply);
        if (r != 0)
                return r;
        if (sd_bus_message_read(reply, "h", &s->stream) < 0)
                return fail("Invalid reply from execd");
        agent_close(c);
        r = session_begin(s);
        if (r != 0)
                return r;
        session_use_stream(s);
        return session_run(s);
}
