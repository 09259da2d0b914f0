/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <errno.h>
#include <search.h>
#include <stdio.h>
#include <string.h>

#include "ctl/ctl.h"
#include "ctl/history.h"
#include "ctl/journal.h"
#include "wire/message-id.h"

#define LABEL_PREFIX "EXEC_LABEL="

static const char *const field_names[_FIELD_MAX] = {
        [FIELD_EXEC_ID] = "EXEC_ID",
        [FIELD_CONTAINER_NAME] = "CONTAINER_NAME",
        [FIELD_CONTAINER_ID] = "CONTAINER_ID",
        [FIELD_CONTAINER_KIND] = "CONTAINER_KIND",
        [FIELD_EXEC_USER] = "EXEC_USER",
        [FIELD_EXEC_CMDLINE] = "EXEC_CMDLINE",
        [FIELD_CALLER_UID] = "CALLER_UID",
        [FIELD_CALLER_USER] = "CALLER_USER",
        [FIELD_CALLER_LOGINUID] = "CALLER_LOGINUID",
        [FIELD_CALLER_LOGINUSER] = "CALLER_LOGINUSER",
        [FIELD_DETAIL] = "DETAIL",
        [FIELD_ACTION] = "ACTION",
        [FIELD_VERB] = "VERB",
        [FIELD_REASON] = "REASON",
        [FIELD_N_DENIALS] = "N_DENIALS",
        [FIELD_EXIT_CODE] = "EXIT_CODE",
        [FIELD_EXIT_SIGNAL] = "EXIT_SIGNAL",
        [FIELD_DURATION_USEC] = "DURATION_USEC",
        [FIELD_RECORDING_PATH] = "RECORDING_PATH",
};

typedef enum Kind {
        KIND_CREATED,
        KIND_STARTED,
        KIND_EXITED,
        KIND_FAILED,
        KIND_OTHER, /* a row of its own */
} Kind;

static const struct {
        const char *message_id;
        Kind kind;
        HistoryAct act;
} records[] = {
        {MESSAGE_EXEC_CREATED, KIND_CREATED, ACT_RUN},   {MESSAGE_EXEC_STARTED, KIND_STARTED, ACT_RUN},
        {MESSAGE_EXEC_EXITED, KIND_EXITED, ACT_RUN},     {MESSAGE_EXEC_FAILED, KIND_FAILED, ACT_RUN},
        {MESSAGE_EXEC_DENIED, KIND_OTHER, ACT_DENIED},   {MESSAGE_EXEC_KILLED, KIND_OTHER, ACT_KILL},
        {MESSAGE_EXEC_ATTACHED, KIND_OTHER, ACT_ATTACH}, {MESSAGE_EXEC_REPLAYED, KIND_OTHER, ACT_REPLAY},
        {MESSAGE_EXEC_RESIZED, KIND_OTHER, ACT_RESIZE},  {MESSAGE_DENIALS_COUNTED, KIND_OTHER, ACT_DENIED},
};

static HistoryRow *row_free(HistoryRow *row)
{
        if (!row)
                return NULL;
        for (size_t i = 0; i < _FIELD_MAX; i++)
                free(row->fields[i]);
        row->labels = strv_free(row->labels);
        return mfree(row);
}

DEFINE_CLEANUP(HistoryRow, row_free);

static void keep(void *unused)
{
}

void history_done(History *h)
{
        tdestroy(h->execs, keep);
        h->execs = NULL;
        for (size_t i = 0; i < h->n; i++)
                row_free(h->rows[i]);
        h->rows = mfree(h->rows);
        h->n = h->allocated = 0;
}

static int compare_ids(const void *a, const void *b)
{
        const HistoryRow *x = a, *y = b;

        return strcmp(x->fields[FIELD_EXEC_ID], y->fields[FIELD_EXEC_ID]);
}

static HistoryRow *find_exec(History *h, const HistoryRow *like)
{
        HistoryRow *const *found = tfind(like, &h->execs, compare_ids);

        return found ? *found : NULL;
}

static int append(History *h, HistoryRow *row)
{
        if (h->n == h->allocated) {
                size_t more = h->allocated * 2 + 64;
                HistoryRow **rows = reallocarray(h->rows, more, sizeof(HistoryRow *));

                if (!rows)
                        return -ENOMEM;
                h->rows = rows;
                h->allocated = more;
        }
        if (row->act == ACT_RUN && !tsearch(row, &h->execs, compare_ids))
                return -ENOMEM;
        h->rows[h->n++] = row;
        return 0;
}

/* One field of the entry. */
static int take_field(HistoryRow *row, const char *data, size_t size)
{
        const char *equals = memchr(data, '=', size);
        size_t name = equals ? (size_t) (equals - data) : size;

        if (size >= strlen(LABEL_PREFIX) && memcmp(data, LABEL_PREFIX, strlen(LABEL_PREFIX)) == 0)
                return strv_consume(&row->labels, memdup_text(equals + 1, size - name - 1));
        for (size_t i = 0; equals && i < _FIELD_MAX; i++)
                if (!row->fields[i] && strlen(field_names[i]) == name &&
                    memcmp(field_names[i], data, name) == 0) {
                        row->fields[i] = memdup_text(equals + 1, size - name - 1);
                        return row->fields[i] ? 0 : -ENOMEM;
                }
        return 0;
}

static int compare_labels(const void *a, const void *b)
{
        return strcmp(*(char *const *) a, *(char *const *) b);
}

/* The journal keeps the fields of an entry in no order. */
static void sort_labels(HistoryRow *row)
{
        if (row->labels)
                qsort(row->labels, strv_length(row->labels), sizeof(char *), compare_labels);
}

static int read_entry(sd_journal *j, HistoryRow **ret)
{
        _cleanup_(row_freep) HistoryRow *row = calloc(1, sizeof(HistoryRow));
        const void *data;
        size_t size;
        int r;

        if (!row)
                return -ENOMEM;
        r = sd_journal_get_realtime_usec(j, &row->time_usec);
        if (r < 0)
                return r;
        sd_journal_restart_data(j);
        while ((r = sd_journal_enumerate_available_data(j, &data, &size)) > 0) {
                r = take_field(row, data, size);
                if (r < 0)
                        return r;
        }
        sort_labels(row);
        if (r >= 0)
                *ret = TAKE_PTR(row);
        return r;
}

static bool kind_of(sd_journal *j, Kind *ret, HistoryAct *ret_act)
{
        const char *id;
        size_t size;

        if (!journal_get_field(j, "MESSAGE_ID", &id, &size))
                return false;
        for (size_t i = 0; i < ELEMENTSOF(records); i++)
                if (strlen(records[i].message_id) == size && memcmp(records[i].message_id, id, size) == 0) {
                        *ret = records[i].kind;
                        *ret_act = records[i].act;
                        return true;
                }
        return false;
}

/* An exec began before the time that was asked for, and only its end is in it. */
static void set_back(HistoryRow *row)
{
        uint64_t duration =
                row->fields[FIELD_DURATION_USEC] ? strtoull(row->fields[FIELD_DURATION_USEC], NULL, 10) : 0;

        row->time_usec -= MIN(row->time_usec, duration);
        row->started = true;
}

/* A later record of an exec knows more. */
static void merge(HistoryRow *row, HistoryRow *later)
{
        for (size_t i = 0; i < _FIELD_MAX; i++)
                if (!row->fields[i])
                        row->fields[i] = TAKE_PTR(later->fields[i]);
        if (!row->labels)
                row->labels = TAKE_PTR(later->labels);
}

static int take_entry(History *h, sd_journal *j, const HistoryFilter *f)
{
        _cleanup_(row_freep) HistoryRow *row = NULL;
        HistoryRow *exec = NULL;
        HistoryAct act;
        Kind kind;
        int r;

        if (!kind_of(j, &kind, &act))
                return 0;
        r = read_entry(j, &row);
        if (r < 0)
                return r;
        row->act = act;
        if (act == ACT_RUN) {
                if (!row->fields[FIELD_EXEC_ID])
                        return 0;
                exec = find_exec(h, row);
        }
        /* Of what comes later only the ends of what was done before count. */
        if (!exec && f->until_usec > 0 && row->time_usec > f->until_usec)
                return 0;
        if (exec)
                merge(exec, row);
        else {
                if (kind == KIND_EXITED)
                        set_back(row);
                r = append(h, row);
                if (r < 0)
                        return r;
                exec = TAKE_PTR(row);
        }
        exec->started = exec->started || kind == KIND_STARTED;
        exec->ended = exec->ended || kind == KIND_EXITED;
        exec->failed = exec->failed || kind == KIND_FAILED;
        return 0;
}

static int open_records(sd_journal **ret)
{
        _cleanup_journal_ sd_journal *j = NULL;
        int r;

        r = journal_open(&j);
        if (r >= 0 && !journal_is_readable(j))
                return -EACCES;
        if (r >= 0)
                r = sd_journal_add_match(j, JOURNAL_UNIT_MATCH, 0);
        for (size_t i = 0; i < ELEMENTSOF(records) && r >= 0; i++) {
                char match[64];

                snprintf(match, sizeof(match), "MESSAGE_ID=%s", records[i].message_id);
                r = sd_journal_add_match(j, match, 0);
        }
        if (r >= 0)
                *ret = TAKE_PTR(j);
        return r;
}

static bool has_uid(const HistoryRow *row, HistoryField name, HistoryField uid, const char *user)
{
        const char *number = row->fields[uid], *text = row->fields[name];
        bool found;
        char *now;

        if (!number)
                return false;
        if (strcmp(number, user) == 0 || (text && strcmp(text, user) == 0))
                return true;
        /* A user that has been renamed since. */
        now = user_name((uid_t) strtoul(number, NULL, 10));
        found = now && strcmp(now, user) == 0;
        free(now);
        return found;
}

static bool has_labels(const HistoryRow *row, char *const *labels)
{
        for (size_t i = 0; labels && labels[i]; i++) {
                size_t name = strcspn(labels[i], "=");
                bool found = false;

                STRV_FOREACH (have, row->labels)
                        found = found || (labels[i][name] ? strcmp(*have, labels[i]) == 0
                                                          : strncmp(*have, labels[i], name) == 0 &&
                                                                    (*have)[name] == '=');
                if (!found)
                        return false;
        }
        return true;
}

static bool is_wanted(const HistoryRow *row, const HistoryFilter *f)
{
        const char *name = row->fields[FIELD_CONTAINER_NAME], *id = row->fields[FIELD_CONTAINER_ID];

        if (f->container && !(name && strcmp(name, f->container) == 0) &&
            !(id && *f->container && strncmp(id, f->container, strlen(f->container)) == 0))
                return false;
        if (f->user && !has_uid(row, FIELD_CALLER_USER, FIELD_CALLER_UID, f->user) &&
            !has_uid(row, FIELD_CALLER_LOGINUSER, FIELD_CALLER_LOGINUID, f->user))
                return false;
        return has_labels(row, f->labels);
}

static void narrow(History *h, const HistoryFilter *f)
{
        size_t n = 0;

        tdestroy(h->execs, keep);
        h->execs = NULL;
        for (size_t i = 0; i < h->n; i++) {
                if (is_wanted(h->rows[i], f))
                        h->rows[n++] = h->rows[i];
                else
                        row_free(h->rows[i]);
        }
        h->n = n;
}

static int by_time(const void *a, const void *b)
{
        const HistoryRow *x = *(HistoryRow *const *) a, *y = *(HistoryRow *const *) b;

        return x->time_usec < y->time_usec ? -1 : x->time_usec > y->time_usec;
}

int history_read(History *h, const HistoryFilter *filter)
{
        _cleanup_journal_ sd_journal *j = NULL;
        int r;

        r = open_records(&j);
        if (r >= 0)
                r = sd_journal_seek_realtime_usec(j, filter->since_usec);
        while (r >= 0 && (r = sd_journal_next(j)) > 0)
                r = take_entry(h, j, filter);
        if (r < 0)
                return r;
        narrow(h, filter);
        if (h->n > 0)
                qsort(h->rows, h->n, sizeof(HistoryRow *), by_time);
        return 0;
}
