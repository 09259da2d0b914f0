/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* api/dbus-options and dbus-append: arguments of methods, there and back, each refusal with the argument's name. */

#include "api/dbus-append.h"
#include "api/dbus-options.h"
#include "unit/core/world.h"

/* A message that can be read. */
static sd_bus_message *message_new(World *w)
{
        sd_bus_message *m = NULL;

        NEED(sd_bus_message_new_method_call(w->manager.bus, &m, NULL, "/x", "x.y", "Z") >= 0);
        return m;
}

static sd_bus_message *sealed(sd_bus_message *m)
{
        NEED(sd_bus_message_seal(m, 1, 0) >= 0 && sd_bus_message_rewind(m, true) >= 0);
        return m;
}

static void test_refused(World *w)
{
        static const struct {
                const char *key, *type, *text;
        } rows[] = {
                {"Nosuch", "s", "Nosuch"},
                {"User", "u", "User: a string (s)"},
                {"Tty", "s", "Tty: a boolean (b)"},
                {"ConsoleSize", "s", "ConsoleSize: two numbers"},
                {"OnDisconnect", "s", "OnDisconnect: keep, hangup or kill"},
                {"Labels", "s", "Labels: a dictionary"},
                {"Env", "s", "Env: an array"},
                {"DetachKeys", "s", "etach"},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = message_new(w);
                _cleanup_(exec_request_freep) ExecRequest *q = NULL;
                _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;

                NEED(sd_bus_message_append(m, "as", 1, "true") >= 0);
                NEED(*rows[i].type == 's'
                             ? sd_bus_message_append(m, "a{sv}", 1, rows[i].key, "s", "x y") >= 0
                             : sd_bus_message_append(m, "a{sv}", 1, rows[i].key, "u", 1U) >= 0);
                CHECK_ROW(rows[i].key, dbus_read_request(sealed(m), true, &q, &refusal) < 0 && !q);
                CHECK_ROW(rows[i].key,
                          refusal.kind == REFUSAL_BAD_REQUEST && strstr(refusal.message, rows[i].text));
        }
}

static void test_request(World *w)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = message_new(w);
        _cleanup_(exec_request_freep) ExecRequest *q = NULL;
        char *labels[] = {(char *) "a=b=c", (char *) "d=", (char *) "e", NULL},
             *env[] = {(char *) "X=1", (char *) "", NULL};

        NEED(sd_bus_message_append(m, "as", 2, "echo", "") >= 0);
        NEED(sd_bus_message_open_container(m, 'a', "{sv}") >= 0);
        NEED(dbus_append_pairs(m, "Labels", labels) >= 0 && dbus_append_strings(m, "Env", env) >= 0);
        NEED(sd_bus_message_append(m, "{sv}{sv}{sv}", "Tty", "b", 1, "ConsoleSize", "(qq)", 24, 80,
                                   "OnDisconnect", "s", "kill") >= 0);
        NEED(sd_bus_message_close_container(m) >= 0);
        NEED(dbus_read_request(sealed(m), true, &q, NULL) >= 0);
        CHECK(strv_length(q->argv) == 2 && strv_length(q->env) == 1 && strv_length(q->labels) == 3);
        CHECK_TEXT("first", q->labels[0], "a=b=c");
        CHECK_TEXT("empty", q->labels[1], "d=");
        CHECK_TEXT("without", q->labels[2], "e=");
        CHECK(q->tty && q->console_size.rows == 24 && q->console_size.columns == 80);
        CHECK(q->on_disconnect == ON_DISCONNECT_KILL && q->attach_stdout && !q->attach_stdin);
}

/* Of an option, the message has both values; of a property, the last value holds, as in JSON. */
static void test_twice(World *w)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = message_new(w), *p = message_new(w);
        _cleanup_(exec_request_freep) ExecRequest *q = NULL, *last = NULL;
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        char *properties[] = {(char *) "TasksMax=1", (char *) "CPUWeight=3", (char *) "TasksMax=2", NULL};

        NEED(sd_bus_message_append(m, "as", 1, "true") >= 0);
        NEED(sd_bus_message_append(m, "a{sv}", 2, "User", "s", "a", "User", "s", "b") >= 0);
        CHECK(dbus_read_request(sealed(m), true, &q, &refusal) < 0);
        CHECK_TEXT("twice", refusal.message, "options: \"User\" is given twice");

        NEED(sd_bus_message_append(p, "as", 1, "true") >= 0);
        NEED(sd_bus_message_open_container(p, 'a', "{sv}") >= 0);
        NEED(dbus_append_pairs(p, "Properties", properties) >= 0 && sd_bus_message_close_container(p) >= 0);
        NEED(dbus_read_request(sealed(p), true, &last, NULL) >= 0);
        CHECK(last->n_properties == 2);
        CHECK_TEXT("last", last->properties[0].text, "2");
}

static void test_attach(World *w)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = message_new(w);
        DbusAttachOptions o;

        NEED(sd_bus_message_append(m, "a{sv}", 2, "Stdin", "b", 1, "Replay", "b", 0) >= 0);
        CHECK(dbus_read_attach_options(sealed(m), &o, NULL) >= 0);
        CHECK(o.want_stdin && o.want_stdout && o.want_stderr && !o.replay);
}

int main(void)
{
        _cleanup_(world_freep) World *w = world_new();

        world_open_bus(w);
        test_refused(w);
        test_request(w);
        test_twice(w);
        test_attach(w);
        return test_finish("dbus-options");
}
