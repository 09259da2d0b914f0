/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* containers: lists the containers and services in which execs can run. */

#include <stdio.h>
#include <string.h>

#include "base/refusal.h"
#include "ctl/properties.h"
#include "ctl/table.h"
#include "wire/service-name.h"

/* Labels of execd's own say what other columns say. */
#define OWN_LABELS "org.execd1."

static char *text_of_labels(const Property *labels)
{
        _cleanup_free_ char *text = NULL;
        size_t size;
        FILE *f = open_memstream(&text, &size);
        const char *between = "";

        if (!f)
                return NULL;
        for (size_t i = 0; labels && labels->words && labels->words[i]; i++)
                if (strncmp(labels->words[i], OWN_LABELS, strlen(OWN_LABELS)) != 0) {
                        fprintf(f, "%s%s", between, labels->words[i]);
                        between = ",";
                }
        if (fclose(f) != 0)
                return NULL;
        return TAKE_PTR(text);
}

/* 1: its labels were read; 0: it has gone meanwhile. Negative: an exit status, as -status. */
static int read_details(Ctl *c, const char *id, Properties *ret)
{
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
        int r;

        r = bus_new_manager_call(c, "GetContainer", id, &m);
        if (r != 0)
                return -r;
        r = sd_bus_call(c->bus, m, 0, &error, &reply);
        if (r < 0 && sd_bus_error_has_name(&error, REFUSAL_ERROR_PREFIX "NoSuchContainer"))
                return 0;
        if (r < 0)
                return -bus_fail(&error, r);
        r = properties_read(ret, reply);
        return r < 0 ? -fail_errno(r, "Invalid reply from execd") : 1;
}

typedef struct Row {
        const char *id, *name, *kind, *state, *unit;
        uint64_t started;
        uint32_t leader;
} Row;

static int add_row(Table *t, Ctl *c, const Row *k)
{
        _cleanup_properties_ Properties p = {0};
        _cleanup_free_ char *labels = NULL;
        const Property *property;
        char age[AGE_SIZE], shown[EXEC_ID_LENGTH + 1];
        int r;

        /* A service has no labels but execd's own, and there are many services. */
        if (strcmp(k->kind, SERVICE_KIND) != 0 || strv_length(c->options.labels) > 0) {
                r = read_details(c, k->id, &p);
                if (r < 0)
                        return -r;
                if (r == 0 || !properties_have_words(&p, "Labels", c->options.labels))
                        return 0;
        }
        property = properties_find(&p, "Labels");
        labels = text_of_labels(property);
        if (!labels)
                return fail_memory();
        snprintf(shown, sizeof(shown), "%.*s", c->options.full ? EXEC_ID_LENGTH : ID_SHOWN, k->id);
        table_add_text(t, k->name);
        table_add_text(t, k->kind);
        table_add_text(t, k->state);
        table_set_color(t, strcmp(k->state, "running") == 0 ? COLOR_GREEN : COLOR_YELLOW);
        table_add_short(t, shown, k->id);
        table_add_number(t, NULL, k->leader);
        table_add_number(t, format_age(age, k->started), k->started);
        table_add_text(t, k->unit);
        table_add_json(t, *labels ? labels : "-", property ? property->json : "null");
        return 0;
}

/* A machine of nspawn is known through systemd-machined alone. */
static void hint_at_machined(Ctl *c)
{
        _cleanup_strv_ char **names = NULL;

        if (c->options.host || c->options.json != JSON_OFF || c->options.no_legend ||
            sd_bus_list_names(c->bus, NULL, &names) < 0)
                return;
        STRV_FOREACH (name, names)
                if (strcmp(*name, "org.freedesktop.machine1") == 0)
                        return;
        fprintf(stderr,
                "systemd-machined is not installed, and execd does not see machines of systemd-nspawn. "
                "On Debian and Fedora it is in the package systemd-container.\n");
}

/* Below the table: containers that were found and are not in it. */
static int print_refused(Ctl *c)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *name, *kind, *reason;
        int r;

        r = bus_ask(c, "ListRejectedContainers", NULL, &reply);
        if (r != 0)
                return r;
        r = sd_bus_message_enter_container(reply, 'a', "(sss)");
        for (bool first = true; r >= 0; first = false) {
                _cleanup_free_ char *text = NULL, *clean = NULL;

                r = sd_bus_message_read(reply, "(sss)", &name, &kind, &reason);
                if (r <= 0)
                        break;
                if (asprintf(&text, "%s (%s): %s", name, kind, reason) < 0)
                        return fail_memory();
                clean = text_clean(text);
                printf("%s  %s\n", first ? "\nexecd refuses to enter:\n" : "", clean ?: "");
        }
        return r < 0 ? fail_errno(r, "Invalid reply from execd") : 0;
}

static int add_listed(Ctl *c, Table *t, bool services, bool *any)
{
        const char *member = services ? "ListServices" : "ListContainers";
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r, status = 0;

        r = bus_ask(c, member, NULL, &reply);
        if (r != 0)
                return r;
        r = sd_bus_message_enter_container(reply, 'a', "(sssssut)");
        while (r >= 0 && status == 0) {
                Row k;

                r = sd_bus_message_read(reply, "(sssssut)", &k.id, &k.name, &k.kind, &k.state, &k.unit,
                                        &k.leader, &k.started);
                if (r <= 0)
                        break;
                *any = true;
                /* The other list has them, whatever the configuration says of this one. */
                if (c->options.all && !services && strcmp(k.kind, SERVICE_KIND) == 0)
                        continue;
                status = add_row(t, c, &k);
        }
        return r < 0 ? fail_errno(r, "Invalid reply from execd") : status;
}

int verb_containers(Ctl *c, int argc, char **argv)
{
        static const TableColumn columns[] = {
                {"NAME"}, {"KIND"}, {"STATE"}, {"ID"}, {"LEADER", true}, {"STARTED"}, {"UNIT"}, {"LABELS"},
        };
        _cleanup_(table_freep) Table *t = table_new(columns, ELEMENTSOF(columns));
        bool any = false;
        int status;

        if (!t)
                return fail_memory();
        status = add_listed(c, t, false, &any);
        if (status == 0 && c->options.all)
                status = add_listed(c, t, true, &any);
        status = status ?: table_print(t, c, "container");
        if (status == 0 && !c->options.no_legend && c->options.json == JSON_OFF)
                status = print_refused(c);
        if (!any)
                hint_at_machined(c);
        return status;
}
