/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* recordings: lists the recordings that can be replayed. */

#include <stdio.h>
#include <string.h>

#include "ctl/history.h"
#include "ctl/properties.h"
#include "ctl/table.h"
#include "wire/units.h"

static const TableColumn columns[] = {
        {"EXEC"},    {"CONTAINER"},         {"CALLER"}, {"FINISHED"}, {"SIZE", true},
        {"COMMAND"}, {NULL, .key = "file"},
};

typedef struct Recording {
        const char *id, *file;
        uint64_t size, finished;
} Recording;

/* The details of the exec: from the journal, if the caller may read it, or from execd, as long as it has the
 * exec. */
typedef struct Origin {
        char *container, *command, *caller;
} Origin;

static void origin_done(Origin *o)
{
        free(o->container);
        free(o->command);
        free(o->caller);
}

static char *copy(const char *text)
{
        return text ? strdup(text) : NULL;
}

static bool find_in_history(const History *h, const char *id, Origin *ret)
{
        for (size_t i = 0; i < h->n; i++) {
                char *const *f = h->rows[i]->fields;

                if (h->rows[i]->act != ACT_RUN || strcmp(f[FIELD_EXEC_ID], id) != 0)
                        continue;
                *ret = (Origin){copy(f[FIELD_CONTAINER_NAME]), copy(f[FIELD_EXEC_CMDLINE]),
                                copy(f[FIELD_CALLER_USER] ?: f[FIELD_CALLER_UID])};
                return true;
        }
        return false;
}

static void find_origin(Ctl *c, const History *h, const char *id, Origin *ret)
{
        _cleanup_properties_ Properties p = {0};
        char path[sizeof(MANAGER_PATH "/exec/_") + EXEC_ID_LENGTH];
        const char *uid;

        if (find_in_history(h, id, ret))
                return;
        snprintf(path, sizeof(path), MANAGER_PATH "/exec/_%s", id);
        if (properties_get_of_exec(c, path, &p) != 0)
                return;
        uid = properties_text(&p, "CallerUID");
        *ret = (Origin){copy(properties_text(&p, "ContainerName")), copy(properties_text(&p, "CommandLine")),
                        uid ? user_name((uid_t) strtoul(uid, NULL, 10)) : NULL};
}

static void add_recording(Table *t, Ctl *c, const History *h, const Recording *k)
{
        _cleanup_(origin_done) Origin o = {0};
        char shown[EXEC_ID_LENGTH + 1], age[AGE_SIZE], size[UNITS_TEXT_SIZE];

        find_origin(c, h, k->id, &o);
        snprintf(shown, sizeof(shown), "%.*s", c->options.full ? EXEC_ID_LENGTH : ID_SHOWN, k->id);
        table_add_short(t, shown, k->id);
        table_add_optional(t, o.container);
        table_add_optional(t, o.caller);
        table_add_number(t, format_age(age, k->finished), k->finished);
        table_add_number(t, units_format_size(size, k->size), k->size);
        table_add_optional(t, o.command);
        table_add_text(t, k->file);
}

/* The records of these execs. A journal that the caller may not read is not a failure: then less is known. */
static int read_origins(const Ctl *c, sd_bus_message *reply, History *ret)
{
        _cleanup_strv_ char **ids = NULL;
        const char *id, *file;
        uint64_t size, finished;
        int r;

        if (c->options.host)
                return 0;
        r = sd_bus_message_enter_container(reply, 'a', "(sstt)");
        while (r >= 0 && (r = sd_bus_message_read(reply, "(sstt)", &id, &file, &size, &finished)) > 0)
                r = strv_append(&ids, id);
        if (r >= 0)
                r = sd_bus_message_rewind(reply, true);
        if (r >= 0 && ids)
                (void) history_read(ret, &(HistoryFilter){.ids = ids});
        return r;
}

int verb_recordings(Ctl *c, int argc, char **argv)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(table_freep) Table *t = table_new(columns, ELEMENTSOF(columns));
        _cleanup_(history_done) History h = {0};
        int r, status;

        if (!t)
                return fail_memory();
        status = bus_ask(c, "ListRecordings", NULL, &reply);
        if (status != 0)
                return status;
        r = read_origins(c, reply, &h);
        if (r >= 0)
                r = sd_bus_message_enter_container(reply, 'a', "(sstt)");
        while (r >= 0) {
                Recording k;

                r = sd_bus_message_read(reply, "(sstt)", &k.id, &k.file, &k.size, &k.finished);
                if (r <= 0)
                        break;
                add_recording(t, c, &h, &k);
        }
        return r < 0 ? fail_errno(r, "Invalid reply from execd") : table_print(t, c, "recording");
}
