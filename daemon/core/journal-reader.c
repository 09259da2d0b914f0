/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/journal-reader.h"

#include <stdio.h>
#include <string.h>
#include <systemd/sd-journal.h>

#include "base/time.h"
#include "wire/runner-spec.h"

#define UNIT "execd.service"

/* Maximum number of searches in a second, in total and for each user. */
#define SEARCHES_MAX     40
#define SEARCHES_UID_MAX 20

#define UNKNOWN_USEC     USEC_PER_SEC

/* Records of one exec that are looked at for the one of its end. */
#define RECORDS_MAX    64

#define FIELD_SIZE_MAX JOURNAL_RECORD_MAX

void journal_reader_done(JournalReader *r)
{
        budget_done(&r->searches);
}

int journal_may_search(JournalReader *r, uid_t uid, Refusal *reterr)
{
        uint64_t now = now_usec(CLOCK_MONOTONIC) / USEC_PER_SEC;

        if (now != r->second) {
                budget_done(&r->searches);
                r->second = now;
                r->searches = (Budget){
                        .what = "searches in the journal", .max = SEARCHES_MAX, .uid_max = SEARCHES_UID_MAX};
        }
        return budget_take(&r->searches, uid, 1) ? 0
                                                 : budget_refuse(&r->searches, uid, REFUSAL_BUSY, reterr);
}

void journal_set_unknown(JournalReader *r, const char *exec_id)
{
        JournalUnknown *u = &r->unknown[r->next_unknown++ % JOURNAL_UNKNOWN_MAX];

        snprintf(u->exec_id, sizeof(u->exec_id), "%s", exec_id);
        u->until = now_usec(CLOCK_MONOTONIC) + UNKNOWN_USEC;
}

bool journal_is_unknown(const JournalReader *r, const char *exec_id)
{
        uint64_t now = now_usec(CLOCK_MONOTONIC);

        return ARRAY_FIND(r->unknown, JOURNAL_UNKNOWN_MAX, u,
                          u->until > now && strcmp(u->exec_id, exec_id) == 0);
}

static void journal_closep(sd_journal **j)
{
        if (*j)
                sd_journal_close(*j);
}

static int add_match(sd_journal *j, const char *field, const char *value)
{
        char match[256];
        int n = snprintf(match, sizeof(match), "%s=%s", field, value);

        return sd_journal_add_match(j, match, (size_t) n);
}

static int open_for(const char *exec_id, sd_journal **ret)
{
        _cleanup_(journal_closep) sd_journal *j = NULL;
        char uid[16];
        int r;

        snprintf(uid, sizeof(uid), "%u", (unsigned) getuid());
        r = sd_journal_open(&j, SD_JOURNAL_LOCAL_ONLY | SD_JOURNAL_SYSTEM);
        if (r >= 0)
                r = sd_journal_set_data_threshold(j, FIELD_SIZE_MAX);
        if (r >= 0)
                r = add_match(j, "EXEC_ID", exec_id);
        if (r >= 0)
                r = add_match(j, "_UID", uid);
        if (r >= 0)
                r = add_match(j, "_SYSTEMD_UNIT", UNIT);
        if (r >= 0)
                r = sd_journal_seek_tail(j);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(j);
        return 0;
}

/* The value of a field of the current entry, with a NUL added. */
static int get_field(sd_journal *j, const char *field, char **ret, size_t *ret_size)
{
        size_t size, prefix = strlen(field) + 1;
        const void *data;
        char *value;
        int r;

        r = sd_journal_get_data(j, field, &data, &size);
        if (r < 0)
                return r;
        if (size < prefix)
                return -EBADMSG;
        value = malloc(size - prefix + 1);
        if (!value)
                return -ENOMEM;
        memcpy(value, (const char *) data + prefix, size - prefix);
        value[size - prefix] = 0;
        *ret = value;
        *ret_size = size - prefix;
        return 0;
}

static int find_record(const char *exec_id, char **ret, size_t *ret_size)
{
        _cleanup_(journal_closep) sd_journal *j = NULL;
        int r;

        r = open_for(exec_id, &j);
        if (r < 0)
                return r;
        for (unsigned i = 0; i < RECORDS_MAX && sd_journal_previous(j) > 0; i++) {
                if (get_field(j, "EXEC_RECORD", ret, ret_size) >= 0)
                        return 0;
        }
        return -ENOENT;
}

static void read_record(int socket, void *exec_id)
{
        char *record = NULL;
        size_t size = 0;
        int r = find_record(exec_id, &record, &size);

        fetch_answer(socket, r, size);
        if (r >= 0)
                fetch_write(socket, record, size);
}

int journal_fetch_record(JournalReader *reader, HelperPool *p, const char *exec_id, uid_t uid,
                         const FetchEvents *events, void *userdata, Fetch **ret, Refusal *reterr)
{
        const FetchJob job = {.run = read_record, .userdata = (void *) exec_id, .uid = uid};
        int r = journal_may_search(reader, uid, reterr);

        return r < 0 ? r : fetch_new(p, &job, events, userdata, ret, reterr);
}

static void append_line(Buf *b, bool raw, bool is_stderr, const char *line, size_t size)
{
        uint8_t header[FRAME_HEADER_SIZE];

        frame_header_write(header, is_stderr ? FRAME_STDERR : FRAME_STDOUT, (uint32_t) size + 1);
        if (!raw)
                buf_append(b, header, sizeof(header));
        buf_append(b, line, size);
        buf_puts(b, "\n");
}

/* Goes back from the newest line until there are enough, so that the forward pass has no more than that. */
static void seek_back(sd_journal *j, size_t max)
{
        size_t bytes = 0;

        while (bytes < max && sd_journal_previous(j) > 0) {
                const void *data;
                size_t size;

                if (sd_journal_get_data(j, "MESSAGE", &data, &size) >= 0)
                        bytes += size + FRAME_HEADER_SIZE;
        }
}

static int open_output(const char *exec_id, sd_journal **ret)
{
        _cleanup_(journal_closep) sd_journal *j = NULL;
        char unit[80];
        int r;

        r = open_for(exec_id, &j);
        /* Its runner wrote it, from the scope of the exec. */
        snprintf(unit, sizeof(unit), "exec-%.64s.scope", exec_id);
        if (r >= 0)
                r = add_match(j, "_SYSTEMD_UNIT", unit);
        if (r >= 0)
                r = add_match(j, "_UID", "0");
        if (r >= 0)
                r = add_match(j, "MESSAGE_ID", RUNNER_LOG_MESSAGE_ID);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(j);
        return 0;
}

static int read_lines(const JournalOutput *o, Buf *ret)
{
        _cleanup_(journal_closep) sd_journal *j = NULL;
        bool more = true;
        int r;

        r = open_output(o->exec_id, &j);
        if (r < 0)
                return r;
        seek_back(j, o->max);
        for (; more; more = sd_journal_next(j) > 0) {
                _cleanup_free_ char *line = NULL, *stream = NULL;
                size_t size, n_stream;
                bool is_stderr;

                if (get_field(j, "MESSAGE", &line, &size) < 0 ||
                    get_field(j, "EXEC_STREAM", &stream, &n_stream) < 0)
                        continue;
                is_stderr = strcmp(stream, "stderr") == 0;
                if (is_stderr ? o->want_stderr : o->want_stdout)
                        append_line(ret, o->raw, is_stderr, line, size);
        }
        return buf_error(ret);
}

void journal_read_output(int socket, void *output)
{
        _cleanup_buf_ Buf lines = BUF_INIT;
        int r = read_lines(output, &lines);

        fetch_answer(socket, r, buf_length(&lines));
        if (r >= 0 && buf_length(&lines) > 0)
                fetch_write(socket, buf_head(&lines), buf_length(&lines));
}
