/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* spawner/service-properties: which services can be entered, from what systemd says of them. */

#include "spawner/service-properties.h"

#include <string.h>

#include "base/strv.h"
#include "unit/bus-pair.h"
#include "unit/test.h"

static sd_bus *bus;

/* A property: its value is a text, or else a number; NULL: systemd does not have it. */
typedef struct Property {
        const char *name, *signature, *text;
        uint64_t number;
} Property;

static const Property usual[] = {
        {"Id", "s", "web.service", 0},
        {"Description", "s", "not needed", 0},
        {"ActiveState", "s", "active", 0},
        {"ControlGroup", "s", "/system.slice/web.service", 0},
        {"Slice", "s", "system.slice", 0},
        {"MainPID", "u", NULL, 4711},
        {"UID", "u", NULL, 33},
        {"ExecMainStartTimestamp", "t", NULL, 1000000},
        {"SecureBits", "i", NULL, 0},
};

typedef struct Row {
        const char *name;
        Property changed; /* replaces the one of its name, or comes after the others */
        bool is_valid;
        int error; /* of the check */
        const char *text;
} Row;

static void append_property(sd_bus_message *m, const Property *p)
{
        int r;

        NEED(sd_bus_message_open_container(m, 'e', "sv") >= 0 &&
             sd_bus_message_append(m, "s", p->name) >= 0);
        if (strcmp(p->signature, "s") == 0)
                r = sd_bus_message_append(m, "v", "s", p->text);
        else if (strcmp(p->signature, "t") == 0)
                r = sd_bus_message_append(m, "v", "t", p->number);
        else if (strcmp(p->signature, "(bas)") == 0)
                r = sd_bus_message_append(m, "v", "(bas)", (int) p->number, p->text ? 1 : 0, p->text);
        else if (strcmp(p->signature, "a(iiss)") == 0)
                r = sd_bus_message_append(m, "v", "a(iiss)", 2, 7, 2, "table", "set", (int) p->number, 2,
                                          "table", "set");
        else
                r = sd_bus_message_append(m, "v", p->signature, (uint32_t) p->number);
        NEED(r >= 0 && sd_bus_message_close_container(m) >= 0);
}

static void append_lists(sd_bus_message *m)
{
        NEED(sd_bus_message_append(m, "{sv}", "Names", "as", 2, "web.service", "www.service") >= 0);
        NEED(sd_bus_message_append(m, "{sv}", "Environment", "as", 1, "A=b") >= 0);
}

static sd_bus_message *make_reply(const Property *changed, size_t invocation)
{
        uint8_t bytes[64];
        bool is_new = changed->name;
        sd_bus_message *m = NULL;

        memset(bytes, 7, sizeof(bytes));
        NEED(sd_bus_message_new_signal(bus, &m, "/a", "a.b", "C") >= 0);
        NEED(sd_bus_message_open_container(m, 'a', "{sv}") >= 0);
        for (size_t i = 0; i < ELEMENTSOF(usual); i++)
                if (!same_text(usual[i].name, changed->name))
                        append_property(m, &usual[i]);
                else {
                        is_new = false;
                        if (changed->signature)
                                append_property(m, changed);
                }
        append_lists(m);
        NEED(sd_bus_message_open_container(m, 'e', "sv") >= 0 &&
             sd_bus_message_append(m, "s", "InvocationID") >= 0);
        NEED(sd_bus_message_open_container(m, 'v', "ay") >= 0 &&
             sd_bus_message_append_array(m, 'y', bytes, invocation) >= 0);
        NEED(sd_bus_message_close_container(m) >= 0 && sd_bus_message_close_container(m) >= 0);
        if (is_new)
                append_property(m, changed);
        NEED(sd_bus_message_close_container(m) >= 0);
        NEED(sd_bus_message_seal(m, 1, 0) >= 0 && sd_bus_message_rewind(m, true) >= 0);
        return m;
}

static void check_row(const Row *row, size_t invocation)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = make_reply(&row->changed, invocation);
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        ServiceProperties p = {0};
        int r = service_properties_read(m, &p);

        CHECK_ROW(row->name, (r >= 0) == row->is_valid);
        if (r < 0)
                return;
        CHECK_TEXT(row->name, p.id, "web.service");
        CHECK_ROW(row->name, strv_length(p.names) == 2 && strv_length(p.environment) == 1);
        CHECK_ROW(row->name, p.uid == 33 && p.gid == SERVICE_NO_ID && p.created_usec == 1000000);
        CHECK_ROW(row->name, p.has_invocation == (invocation == SERVICE_INVOCATION));
        CHECK_ROW(row->name, service_properties_check(&p, &refusal) == row->error);
        CHECK_ROW(row->name, !row->text || (refusal.message && strstr(refusal.message, row->text)));
        service_properties_done(&p);
}

static void test_rows(void)
{
        static const Row rows[] = {
                {"usual", {0}, true, 0, NULL},
                {"no name", {"Id", NULL, NULL, 0}, false, 0, NULL},
                {"a template", {"Id", "s", "web@.service", 0}, false, 0, NULL},
                {"no state", {"ActiveState", NULL, NULL, 0}, false, 0, NULL},
                {"no slice", {"Slice", NULL, NULL, 0}, false, 0, NULL},
                {"a number as its name", {"Id", "u", NULL, 7}, false, 0, NULL},
                {"a text as its process", {"MainPID", "s", "1", 0}, false, 0, NULL},
                {"reloading", {"ActiveState", "s", "reloading", 0}, true, 0, NULL},
                {"activating", {"ActiveState", "s", "activating", 0}, true, 0, NULL},
                {"deactivating", {"ActiveState", "s", "deactivating", 0}, true, -ESRCH, "is stopping"},
                {"failed", {"ActiveState", "s", "failed", 0}, true, -ESRCH, "is not running"},
                {"no process", {"MainPID", "u", NULL, 0}, true, -ESRCH, "no main process"},
                {"no control group", {"ControlGroup", "s", "", 0}, true, -ESRCH, "no control group"},
                {"a user's",
                 {"ControlGroup", "s", "/user.slice/user-1.slice/a.service", 0},
                 true,
                 -EOPNOTSUPP,
                 "user.slice"},
                {"secure bits", {"SecureBits", "i", NULL, 1}, true, -EOPNOTSUPP, "SecureBits="},
                {"all file systems", {"RestrictFileSystems", "(bas)", NULL, 0}, true, 0, NULL},
                {"no file systems",
                 {"RestrictFileSystems", "(bas)", NULL, 1},
                 true,
                 -EOPNOTSUPP,
                 "RestrictFileSystems="},
                {"not this file system",
                 {"RestrictFileSystems", "(bas)", "ext4", 0},
                 true,
                 -EOPNOTSUPP,
                 "RestrictFileSystems="},
                {"a set of users", {"NFTSet", "a(iiss)", NULL, 1}, true, 0, NULL},
                {"a set of control groups", {"NFTSet", "a(iiss)", NULL, 0}, true, -EOPNOTSUPP, "NFTSet="},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                check_row(&rows[i], SERVICE_INVOCATION);
        check_row(&(Row){"no invocation", {0}, true, -ESRCH, "no control group"}, 0);
        check_row(&(Row){"a short invocation", {0}, true, -ESRCH, "no control group"}, 15);
        check_row(&(Row){"a long invocation", {0}, true, -ESRCH, "no control group"}, 17);
}

/* Without User= or Group=, the ids of the main process may be any. */
static void test_users(void)
{
        static const struct {
                const char *name;
                uint32_t uid, gid;
                bool is_user;
        } rows[] = {
                {"neither", SERVICE_NO_ID, SERVICE_NO_ID, true},
                {"both", 33, 44, true},
                {"the user", 33, SERVICE_NO_ID, true},
                {"the group", SERVICE_NO_ID, 44, true},
                {"another user", 34, 44, false},
                {"another group", 33, 45, false},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                const ServiceProperties p = {.uid = rows[i].uid, .gid = rows[i].gid};

                CHECK_ROW(rows[i].name, service_properties_name_user(&p, 33, 44) == rows[i].is_user);
        }
}

int main(void)
{
        int ends[2];

        bus_socket(ends);
        NEED(sd_bus_new(&bus) >= 0 && sd_bus_set_fd(bus, ends[0], ends[0]) >= 0 && sd_bus_start(bus) >= 0);
        test_rows();
        test_users();
        sd_bus_close_unref(bus);
        close(ends[1]);
        return test_finish("service-properties");
}
