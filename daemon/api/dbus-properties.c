/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The creator of an exec may read all its properties. Other users need org.execd1.inspect. sd-bus answers for
 * properties at once, and polkit does not, so the calls that read them are taken out before sd-bus sees them.
 */

#include <string.h>

#include "api/dbus-append.h"
#include "api/dbus-call.h"
#include "api/dbus-methods.h"
#include "api/dbus-path.h"
#include "api/exec-brief.h"

#define PROPERTIES_INTERFACE "org.freedesktop.DBus.Properties"
#define OBJECTS_INTERFACE    "org.freedesktop.DBus.ObjectManager"
#define INTROSPECT_INTERFACE "org.freedesktop.DBus.Introspectable"

/* The answer of sd-bus for a path that has only children. */
#define XML_HEAD                                                                             \
        "<!DOCTYPE node PUBLIC \"-//freedesktop//DTD D-BUS Object Introspection 1.0//EN\"\n" \
        "\"https://www.freedesktop.org/standards/dbus/1.0/introspect.dtd\">\n"               \
        "<node>\n"                                                                           \
        " <interface name=\"org.freedesktop.DBus.Peer\">\n"                                  \
        "  <method name=\"Ping\"/>\n"                                                        \
        "  <method name=\"GetMachineId\">\n"                                                 \
        "   <arg type=\"s\" name=\"machine_uuid\" direction=\"out\"/>\n"                     \
        "  </method>\n"                                                                      \
        " </interface>\n"                                                                    \
        " <interface name=\"org.freedesktop.DBus.Introspectable\">\n"                        \
        "  <method name=\"Introspect\">\n"                                                   \
        "   <arg name=\"data\" type=\"s\" direction=\"out\"/>\n"                             \
        "  </method>\n"                                                                      \
        " </interface>\n"
#define XML_CHILD " <node name=\"_%s\"/>\n"
#define XML_END   "</node>\n"

/* The row of the vtable for a property, or NULL. */
static const sd_bus_vtable *find_property(const char *name)
{
        for (const sd_bus_vtable *v = dbus_exec_vtable; v->type != _SD_BUS_VTABLE_END; v++)
                if (v->type == _SD_BUS_VTABLE_PROPERTY && strcmp(v->x.property.member, name) == 0)
                        return v;
        return NULL;
}

/* The properties that lists truncate. */
static bool is_brief_in_lists(const char *name)
{
        return strcmp(name, "Command") == 0 || strcmp(name, "Labels") == 0;
}

static int append_value(sd_bus_message *reply, const Exec *e, const sd_bus_vtable *v, bool whole)
{
        const char *name = v->x.property.member;
        int r;

        r = sd_bus_message_open_container(reply, 'v', v->x.property.signature);
        if (r < 0)
                return r;
        if (whole && strcmp(name, "Command") == 0)
                r = sd_bus_message_append_strv(reply, e->request->argv);
        else if (whole && strcmp(name, "Labels") == 0)
                r = dbus_append_dictionary(reply, e->request->labels);
        else
                r = v->x.property.get(NULL, NULL, NULL, name, reply, (void *) e, NULL);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

int dbus_append_properties(sd_bus_message *reply, const Exec *e, bool whole)
{
        int r = sd_bus_message_open_container(reply, 'a', "{sv}");

        for (const sd_bus_vtable *v = dbus_exec_vtable; v->type != _SD_BUS_VTABLE_END && r >= 0; v++) {
                if (v->type != _SD_BUS_VTABLE_PROPERTY)
                        continue;
                r = sd_bus_message_open_container(reply, 'e', "sv");
                if (r >= 0)
                        r = sd_bus_message_append(reply, "s", v->x.property.member);
                if (r >= 0)
                        r = append_value(reply, e, v, whole);
                if (r >= 0)
                        r = sd_bus_message_close_container(reply);
        }
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

typedef struct ReadCall {
        DbusCall call;
        const sd_bus_vtable *property; /* NULL: all */
} ReadCall;

static void read_run(DbusCall *c)
{
        const ReadCall *k = DBUS_CALL(c, ReadCall);
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r;

        /* A string that is not brief in lists has EXEC_STRING_MAX bytes at most, and is small. */
        if (!dbus_call_reserve(c, k->property && !is_brief_in_lists(k->property->x.property.member)
                                          ? 256
                                          : exec_whole_size(c->exec)))
                return;
        r = sd_bus_message_new_method_return(c->message, &reply);
        if (r >= 0)
                r = k->property ? append_value(reply, c->exec, k->property, true)
                                : dbus_append_properties(reply, c->exec, true);
        dbus_call_finish(c, r, reply);
}

static const DbusMethod read_method = {.size = sizeof(ReadCall),
                                       .act = {AUTHZ_INSPECT, "inspect", read_run}};

/* Get and GetAll. sd-bus answers calls for other interfaces. */
static int read_properties(DbusService *s, sd_bus_message *m, Exec *e, bool all)
{
        const sd_bus_vtable *property = NULL;
        const char *interface, *name = NULL;
        bool ours;
        DbusCall *c;
        int r;

        r = all ? sd_bus_message_read(m, "s", &interface) : sd_bus_message_read(m, "ss", &interface, &name);
        if (r >= 0 && name)
                property = find_property(name);
        ours = r >= 0 && ((all && !*interface) || strcmp(interface, DBUS_EXEC_INTERFACE) == 0) &&
               (all || property);
        if (!ours) {
                (void) sd_bus_message_rewind(m, true);
                return 0;
        }
        r = dbus_call_new(&read_method, s, m, e, &c);
        if (r < 0)
                return r;
        DBUS_CALL(c, ReadCall)->property = property;
        return dbus_call_begin(c);
}

static int append_object(sd_bus_message *reply, const Exec *e)
{
        char path[DBUS_EXEC_PATH_SIZE];
        int r;

        r = sd_bus_message_open_container(reply, 'e', "oa{sa{sv}}");
        if (r >= 0)
                r = sd_bus_message_append(reply, "o", dbus_exec_path(e, path));
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "{sa{sv}}");
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'e', "sa{sv}");
        if (r >= 0)
                r = sd_bus_message_append(reply, "s", DBUS_EXEC_INTERFACE);
        if (r >= 0)
                r = dbus_append_properties(reply, e, false);
        return r < 0 ? r : dbus_close(reply, 3);
}

static size_t object_size(const DbusCall *c, const Exec *e)
{
        return exec_brief_size(e);
}

static void objects_run(DbusCall *c)
{
        static const DbusExecList objects = {"{oa{sa{sv}}}", object_size, append_object};

        dbus_call_reply_execs(c, &objects);
}

static const DbusMethod objects_method = {.act = {AUTHZ_INSPECT, "list", objects_run, .shows_part = true}};

/* The names of the execs that the caller may see. */
static void introspect_run(DbusCall *c)
{
        size_t size = sizeof(XML_HEAD) + sizeof(XML_END);
        _cleanup_buf_ Buf xml = BUF_INIT;

        LIST_FOREACH (const Exec, e, manager_all_execs(c->manager), node) {
                if (dbus_call_may_see(c, e))
                        size += sizeof(XML_CHILD) + EXEC_ID_SIZE;
        }
        if (!dbus_call_reserve(c, size))
                return;
        buf_puts(&xml, XML_HEAD);
        LIST_FOREACH (const Exec, e, manager_all_execs(c->manager), node) {
                if (dbus_call_may_see(c, e))
                        buf_printf(&xml, XML_CHILD, e->id);
        }
        buf_append(&xml, XML_END, sizeof(XML_END));
        if (buf_error(&xml) < 0)
                dbus_call_fail(c, -ENOMEM);
        else
                dbus_call_reply(c, "s", buf_head(&xml));
}

static const DbusMethod introspect_method = {
        .act = {AUTHZ_INSPECT, "list", introspect_run, .shows_part = true}};

/* One of the intercepted calls. sd-bus compares the arguments of all others with their signature; here, further
 * arguments would be kept as long as the call. */
static bool is_call(sd_bus_message *m, const char *interface, const char *member)
{
        return sd_bus_message_is_method_call(m, interface, member) > 0;
}

static int refuse_arguments(sd_bus_message *m, const char *signature)
{
        return sd_bus_reply_method_errorf(
                m, SD_BUS_ERROR_INVALID_ARGS,
                "invalid arguments: the signature is \"%.32s\", and must be \"%s\"",
                sd_bus_message_get_signature(m, true) ?: "", signature);
}

int dbus_properties_filter(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        const char *path = sd_bus_message_get_path(m);
        DbusService *s = userdata;
        const DbusMethod *method = NULL;
        const char *signature;
        bool all;
        Exec *e;

        dbus_signals_flush(s->signals);
        if (is_call(m, OBJECTS_INTERFACE, "GetManagedObjects") && strcmp(path, DBUS_MANAGER_PATH) == 0)
                method = &objects_method;
        if (is_call(m, INTROSPECT_INTERFACE, "Introspect") && strcmp(path, DBUS_EXEC_PREFIX) == 0)
                method = &introspect_method;
        all = is_call(m, PROPERTIES_INTERFACE, "GetAll");
        if (!method && !all && !is_call(m, PROPERTIES_INTERFACE, "Get"))
                return 0;
        signature = method ? "" : all ? "s" : "ss";
        if (sd_bus_message_has_signature(m, signature) <= 0)
                return refuse_arguments(m, signature);
        if (method)
                return dbus_method_serve(method, s, m, NULL, error);
        e = dbus_find_exec(s->manager, path);
        return e ? read_properties(s, m, e, all) : 0;
}
