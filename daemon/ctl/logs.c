/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The output of execs without a client is in the journal: lines with EXEC_STREAM. */

#include "ctl/logs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/characters.h"
#include "ctl/bus.h"
#include "ctl/journal.h"

/* Anybody may write EXEC_ID=…; the fields that journald adds cannot be forged. The records are
 * execd's, the output comes from the unit of the exec. */
static int open_journal(const char *id, sd_journal **ret)
{
        _cleanup_journal_ sd_journal *j = NULL;
        char match[16 + EXEC_ID_LENGTH], unit[EXEC_UNIT_SIZE], unit_match[32 + EXEC_ID_LENGTH];
        int r;

        snprintf(match, sizeof(match), "EXEC_ID=%s", id);
        exec_id_unit(id, unit);
        snprintf(unit_match, sizeof(unit_match), "_SYSTEMD_UNIT=%s", unit);
        r = journal_open(&j);
        if (r >= 0)
                r = sd_journal_add_match(j, match, 0);
        if (r >= 0)
                r = sd_journal_add_match(j, JOURNAL_UNIT_MATCH, 0);
        if (r >= 0)
                r = sd_journal_add_match(j, unit_match, 0);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(j);
        return 0;
}

/* Of many lines that came together one record has several. */
static size_t count_lines(const char *text, size_t size)
{
        size_t n = 1;

        for (const char *p = text; (p = memchr(p, '\n', size - (size_t) (p - text))); p++)
                n++;
        return n;
}

static void print_line(FILE *out, const LogsView *view, const char *line, size_t size)
{
        _cleanup_buf_ Buf escaped = BUF_INIT;

        if (view->indent) {
                _cleanup_free_ char *text = memdup_text(line, size);
                _cleanup_free_ char *clean = text ? text_clean(text) : NULL;

                fprintf(out, "%s%s\n", view->indent, clean ?: "");
                return;
        }
        if (out == stderr ? view->escape_stderr : view->escape_stdout) {
                characters_escape(&escaped, line, size);
                line = buf_error(&escaped) < 0 || !escaped.data ? "" : buf_head(&escaped);
                size = buf_error(&escaped) < 0 ? 0 : buf_length(&escaped);
        }
        fwrite(line, 1, size, out);
        fputc('\n', out);
}

/* The lines of the current entry, without the first ones, if it is output. Counts the lines that it prints. */
static void print_entry(sd_journal *j, const LogsView *view, size_t skip, size_t *printed)
{
        const char *stream, *text, *end;
        size_t stream_size, size, n = 0;
        FILE *out = stdout;

        if (!journal_get_field(j, "EXEC_STREAM", &stream, &stream_size))
                return;
        if (!view->indent && stream_size == 6 && memcmp(stream, "stderr", 6) == 0)
                out = stderr;
        /* Of lines that end up in one file, none overtakes another. */
        if (out == stderr)
                fflush(stdout);
        if (!journal_get_field(j, "MESSAGE", &text, &size))
                return;
        if (view->indent && *printed == 0)
                fputc('\n', out);
        end = text + size;
        for (const char *line = text; line <= end; n++) {
                const char *newline = memchr(line, '\n', (size_t) (end - line)) ?: end;

                if (n >= skip)
                        print_line(out, view, line, (size_t) (newline - line));
                line = newline + 1;
        }
        *printed += n > skip ? n - skip : 0;
}

/* The record of the end. */
static bool is_end(sd_journal *j)
{
        const char *value;
        size_t size;

        return journal_get_field(j, "EXIT_CODE", &value, &size) ||
               journal_get_field(j, "EXEC_RECORD", &value, &size);
}

/* Seeks to the last `lines` lines. `ret_skip` is the number of lines of the first entry that precede them. */
static int seek(sd_journal *j, long lines, size_t *ret_skip)
{
        const char *value, *text;
        size_t size, text_size;
        int r;

        *ret_skip = 0;
        if (lines < 0)
                return sd_journal_seek_head(j);
        r = sd_journal_seek_tail(j);
        while (r >= 0 && (r = sd_journal_previous(j)) > 0) {
                size_t n;

                if (!journal_get_field(j, "EXEC_STREAM", &value, &size) ||
                    !journal_get_field(j, "MESSAGE", &text, &text_size))
                        continue;
                n = count_lines(text, text_size);
                if (n > (size_t) lines) {
                        *ret_skip = n - (size_t) lines;
                        return 1;
                }
                lines -= (long) n;
        }
        return r < 0 ? r : sd_journal_seek_head(j);
}

int logs_print(const char *id, long lines, bool follow, const LogsView *view, size_t *ret_printed)
{
        _cleanup_journal_ sd_journal *j = NULL;
        size_t printed = 0, skip = 0;
        bool ended = false;
        int r;

        r = open_journal(id, &j);
        if (r >= 0)
                r = seek(j, lines, &skip);
        if (r > 0) {
                print_entry(j, view, skip, &printed);
                ended = is_end(j);
        }
        while (r >= 0) {
                r = sd_journal_next(j);
                if (r > 0) {
                        print_entry(j, view, 0, &printed);
                        ended = ended || is_end(j);
                        continue;
                }
                if (r < 0 || !follow || ended || output_flush() != 0)
                        break;
                r = sd_journal_wait(j, UINT64_MAX);
        }
        if (ret_printed)
                *ret_printed = printed;
        return r;
}

int verb_logs(Ctl *c, int argc, char **argv)
{
        _cleanup_(exec_name_done) ExecName e = {0};
        bool raw = c->options.raw;
        LogsView view = {.escape_stdout = (c->on_terminal || ends_at_terminal(STDOUT_FILENO)) && !raw,
                         .escape_stderr = ends_at_terminal(STDERR_FILENO) && !raw};
        size_t printed;
        int r;

        if (c->options.host)
                /* A terminal there would join the two streams, which are apart here. */
                return remote_run(c, "logs", c->on_terminal && isatty(STDERR_FILENO), argc, argv);
        r = exec_find(c, argv[0], &e);
        if (r != 0)
                return r;
        if (!c->options.follow)
                pager_open(c);
        pager_take_stderr(c);
        r = logs_print(e.id, c->options.lines, c->options.follow, &view, &printed);
        if (r < 0)
                return fail_errno(r, "Failed to read the journal");
        if (printed == 0 && c->options.lines != 0)
                fprintf(stderr,
                        "No output in the journal. It has the output of execs that run without a client; only root and "
                        "the group systemd-journal may read it.\n");
        return 0;
}
