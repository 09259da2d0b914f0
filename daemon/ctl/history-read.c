/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <errno.h>
#include <search.h>
#include <stdio.h>
#include <string.h>

#include "ctl/ctl.h"
#include "ctl/history.h"
#include "ctl/journal.h"
#include "wire/exec-id.h"
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
        [FIELD_EXEC_TIMED_OUT] = "EXEC_TIMED_OUT",
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
        /* The journal keeps the fields of an entry in no order. */
        if (row->labels)
                qsort(row->labels, strv_length(row->labels), sizeof(char *), compare_labels);
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

/* The exec began before the first record that was read, which is the record of its end. */
static void set_back(HistoryRow *row)
{
        uint64_t duration =
                row->fields[FIELD_DURATION_USEC] ? strtoull(row->fields[FIELD_DURATION_USEC], NULL, 10) : 0;

        row->time_usec -= MIN(row->time_usec, duration);
        row->started = true;
}

/* Adds what another record of the exec has. If both have a field, the earlier record decides. */
static void merge(HistoryRow *row, HistoryRow *other, bool is_earlier)
{
        for (size_t i = 0; i < _FIELD_MAX; i++)
                if (other->fields[i] && (is_earlier || !row->fields[i])) {
                        free(row->fields[i]);
                        row->fields[i] = TAKE_PTR(other->fields[i]);
                }
        if (other->labels && (is_earlier || !row->labels)) {
                strv_free(row->labels);
                row->labels = TAKE_PTR(other->labels);
        }
        if (is_earlier)
                row->time_usec = other->time_usec;
}

static bool is_open(const HistoryRow *row)
{
        return row->act == ACT_RUN && !row->ended && !row->failed;
}

/* Adds the current entry of the journal to its exec, or as a row of its own. `ret` is the row: NULL if the
 * entry is of no exec, or of one without a row while `known` is set. */
static int take_entry(History *h, sd_journal *j, bool backward, bool known, HistoryRow **ret)
{
        _cleanup_(row_freep) HistoryRow *row = NULL;
        HistoryRow *exec = NULL;
        HistoryAct act;
        Kind kind;
        int r;

        *ret = NULL;
        if (!kind_of(j, &kind, &act) || (known && act != ACT_RUN))
                return 0;
        r = read_entry(j, &row);
        if (r < 0)
                return r;
        row->act = act;
        if (act == ACT_RUN) {
                HistoryRow *const *found = NULL;

                if (!row->fields[FIELD_EXEC_ID])
                        return 0;
                found = tfind(row, &h->execs, compare_ids);
                exec = found ? *found : NULL;
        }
        if (exec)
                merge(exec, row, backward);
        else if (known)
                return 0;
        else {
                r = append(h, row);
                if (r < 0)
                        return r;
                exec = TAKE_PTR(row);
        }
        exec->created = exec->created || kind == KIND_CREATED;
        exec->started = exec->started || kind == KIND_STARTED;
        exec->ended = exec->ended || kind == KIND_EXITED;
        exec->failed = exec->failed || kind == KIND_FAILED;
        *ret = exec;
        return 0;
}

static int open_records(const HistoryFilter *f, sd_journal **ret)
{
        _cleanup_journal_ sd_journal *j = NULL;
        char match[sizeof("EXEC_ID=") + EXEC_ID_LENGTH];
        int r;

        r = journal_open(&j);
        if (r >= 0 && !journal_is_readable(j))
                return -EACCES;
        if (r >= 0)
                r = sd_journal_add_match(j, JOURNAL_UNIT_MATCH, 0);
        for (size_t i = 0; i < ELEMENTSOF(records) && r >= 0; i++) {
                snprintf(match, sizeof(match), "MESSAGE_ID=%s", records[i].message_id);
                r = sd_journal_add_match(j, match, 0);
        }
        for (size_t i = 0; f->ids && f->ids[i] && r >= 0; i++) {
                snprintf(match, sizeof(match), "EXEC_ID=%s", f->ids[i]);
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

/* An exec whose creation was not read is older than the last ones if those were found already. */
static void narrow(History *h, const HistoryFilter *f, bool found_last)
{
        size_t n = 0;

        tdestroy(h->execs, keep);
        h->execs = NULL;
        for (size_t i = 0; i < h->n; i++) {
                HistoryRow *row = h->rows[i];

                if (is_wanted(row, f) && (row->act != ACT_RUN || row->created || !found_last))
                        h->rows[n++] = row;
                else
                        row_free(row);
        }
        h->n = n;
}

static int by_time(const void *a, const void *b)
{
        const HistoryRow *x = *(HistoryRow *const *) a, *y = *(HistoryRow *const *) b;

        return x->time_usec < y->time_usec ? -1 : x->time_usec > y->time_usec;
}

/* From the time asked for on. */
static int read_forward(History *h, sd_journal *j, const HistoryFilter *f)
{
        int r = sd_journal_seek_realtime_usec(j, f->since_usec);

        while (r >= 0 && (r = sd_journal_next(j)) > 0) {
                HistoryRow *row;
                uint64_t usec;

                r = sd_journal_get_realtime_usec(j, &usec);
                if (r < 0 || (f->until_usec > 0 && usec > f->until_usec))
                        break;
                r = take_entry(h, j, false, false, &row);
        }
        return r;
}

/* From the end backward, until the last rows are complete. An exec is complete with the record of its creation,
 * which comes last here. */
static int read_backward(History *h, sd_journal *j, const HistoryFilter *f, bool *ret_found)
{
        int r = f->until_usec > 0 ? sd_journal_seek_realtime_usec(j, f->until_usec + 1)
                                  : sd_journal_seek_tail(j);
        size_t found = 0;

        while (r >= 0 && found < f->last && (r = sd_journal_previous(j)) > 0) {
                HistoryRow *row;
                uint64_t usec;

                r = sd_journal_get_realtime_usec(j, &usec);
                if (r < 0 || usec < f->since_usec)
                        break;
                if (f->until_usec > 0 && usec > f->until_usec)
                        continue;
                r = take_entry(h, j, true, false, &row);
                if (r >= 0 && row && (row->act != ACT_RUN || row->created))
                        found += is_wanted(row, f);
        }
        *ret_found = found >= f->last;
        return r;
}

/* Later entries count only as the end of an exec that had begun before. */
static int read_ends(History *h, sd_journal *j, const HistoryFilter *f)
{
        int r = sd_journal_seek_realtime_usec(j, f->until_usec + 1);
        size_t n = 0;

        for (size_t i = 0; i < h->n; i++)
                n += is_open(h->rows[i]) && is_wanted(h->rows[i], f);
        while (r >= 0 && n > 0 && (r = sd_journal_next(j)) > 0) {
                HistoryRow *row;
                uint64_t usec;

                r = sd_journal_get_realtime_usec(j, &usec);
                if (r < 0 || usec <= f->until_usec)
                        continue;
                r = take_entry(h, j, false, true, &row);
                if (r >= 0 && row && !is_open(row))
                        n -= is_wanted(row, f);
        }
        return r;
}

int history_read(History *h, const HistoryFilter *filter)
{
        _cleanup_journal_ sd_journal *j = NULL;
        bool found_last = false;
        int r;

        r = open_records(filter, &j);
        if (r >= 0)
                r = filter->last > 0 ? read_backward(h, j, filter, &found_last) : read_forward(h, j, filter);
        if (r >= 0 && filter->until_usec > 0)
                r = read_ends(h, j, filter);
        if (r < 0)
                return r;
        narrow(h, filter, found_last);
        for (size_t i = 0; i < h->n; i++)
                if (h->rows[i]->ended && !h->rows[i]->created && !h->rows[i]->started)
                        set_back(h->rows[i]);
        if (h->n > 0)
                qsort(h->rows, h->n, sizeof(HistoryRow *), by_time);
        return 0;
}
