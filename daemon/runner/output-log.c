/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The output of a detached exec, on its way from execd's packet pipe to the journal. The monitor is in the
 * exec's scope, so that journald knows the unit by itself and counts the records against it, and not against
 * execd. A journal that takes none makes the monitor wait; then the pipe fills, and the command waits.
 *
 * Each line is a record. journald drops what exceeds its rate limit, by default 10000 records of a unit in
 * 30 seconds; so where there are many lines, those that come together share a record, and records are no
 * more than the limit allows. A command that writes faster still waits, and loses nothing.
 */

#include <linux/sockios.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <syslog.h>

#include "base/fd.h"
#include "base/journal.h"
#include "base/time.h"
#include "runner/runner.h"

/* A longer line is cut into several records. */
#define LINE_SIZE_MAX (16 * 1024)

/* Lines that share a record. */
#define SHARED_SIZE_MAX (32 * 1024)

/* In a window so many lines have a record of their own. From then on, records keep a distance. Two windows
 * overlap one of journald's, which makes 2 * 2000 + 30 s / 6 ms = 9000 records. */
#define WINDOW_USEC   (30 * USEC_PER_SEC)
#define WINDOW_LINES  2000
#define DISTANCE_USEC (6 * USEC_PER_MSEC)

/* The size of the socket's queue: the largest record, or some tens of short ones, of the 512 that journald's
 * queue holds for all. */
#define SEND_BUFFER (24 * 1024)

#define PACKET_MAX  4096

/* While there is no journal. A command that has ended does not wait for one for ever: its scope would stay.
 */
#define RETRY_MSEC   500
#define GIVE_UP_USEC (60 * USEC_PER_SEC)

/* journald reads of the sender what it says of it, and that must still be there. */
#define LINGER_MSEC       2000
#define LINGER_AFTER_MSEC 20

typedef struct Line {
        char bytes[SHARED_SIZE_MAX + 1];
        size_t size;
        size_t whole; /* bytes of lines that are complete, with their ends, which wait to share a record */
} Line;

/* One for the whole process. */
static struct {
        bool expected; /* the pipe is yet to come */
        int pipe, journal;
        char packet[PACKET_MAX];
        size_t at, size; /* of the packet, what is not in a record yet */
        Line lines[2];   /* stdout, stderr */
        uint64_t window; /* when it began, CLOCK_MONOTONIC */
        unsigned n_lines;
        uint64_t next; /* no shared record before */
        Buf fields;    /* of each record */
        Buf record;    /* that waits for the journal */
} state = {.pipe = -EBADF, .journal = -EBADF};

/* The identifier cannot be execd's own, nor any that has no "exec-" before it. */
static void set_fields(const RunnerLog *l)
{
        Buf *b = &state.fields;

        journal_addf(b, "SYSLOG_IDENTIFIER", "exec-%s", l->container_name);
        journal_addf(b, "MESSAGE_ID", "%s", RUNNER_LOG_MESSAGE_ID);
        journal_addf(b, "EXEC_ID", "%s", l->exec_id);
        journal_addf(b, "EXEC_UNIT", "exec-%s.scope", l->exec_id);
        journal_addf(b, "CONTAINER_NAME", "%s", l->container_name);
        journal_addf(b, "CONTAINER_ID", "%s", l->container_id);
        journal_addf(b, "CONTAINER_KIND", "%s", l->container_kind);
}

static bool is_pipe(int fd)
{
        struct stat st;

        return fstat(fd, &st) >= 0 && S_ISFIFO(st.st_mode);
}

/* From execd. A malformed message is not a log, and the pipe is closed. */
static void take_pipe(void)
{
        RunnerLog log;
        size_t n_fds = 0;
        int fd = -EBADF;
        ssize_t n = fd_recv_message(RUNNER_CONTROL_FD, &log, sizeof(log), &fd, 1, &n_fds);

        if (n == -EAGAIN || n == -EINTR)
                return;
        state.expected = false;
        if (n_fds == 0)
                return;
        if (n < 0 || runner_log_check(&log, (size_t) n) < 0 || !is_pipe(fd) ||
            fd_set_nonblock(fd, true) < 0) {
                fd_close(fd);
                return;
        }
        set_fields(&log);
        state.pipe = fd;
}

/* False when the record still waits. */
static bool record_send(void)
{
        int r = 0;

        if (buf_length(&state.record) == 0)
                return true;
        if (state.journal < 0)
                r = state.journal = journal_open(JOURNAL_SOCKET, SEND_BUFFER);
        if (r >= 0)
                r = journal_send(state.journal, JOURNAL_SOCKET, buf_head(&state.record),
                                 buf_length(&state.record));
        if (r >= 0) {
                buf_done(&state.record);
                return true;
        }
        if (r != -EAGAIN)
                state.journal = fd_close(state.journal);
        return false;
}

static void record_make(unsigned which, const char *text, size_t size)
{
        if (size == 0)
                return;
        journal_add(&state.record, "MESSAGE", text, size);
        journal_addf(&state.record, "PRIORITY", "%d", which == 1 ? LOG_NOTICE : LOG_INFO);
        journal_addf(&state.record, "EXEC_STREAM", "%s", which == 1 ? "stderr" : "stdout");
        buf_append(&state.record, buf_head(&state.fields), buf_length(&state.fields));
        if (buf_error(&state.record) < 0)
                buf_done(&state.record);
}

/* Many lines have come in this window: the next ones share records. */
static bool shares(uint64_t now)
{
        if (now >= state.window + WINDOW_USEC) {
                state.window = now;
                state.n_lines = 0;
        }
        return state.n_lines >= WINDOW_LINES;
}

/* A record of all that the buffer has of whole lines, or of a line that is too long. */
static void line_flush(unsigned which, uint64_t now)
{
        Line *l = &state.lines[which];
        size_t size = l->whole > 0 ? l->whole : l->size;

        /* The end of a record is the end of its last line. */
        record_make(which, l->bytes, l->whole > 0 ? size - 1 : size);
        memmove(l->bytes, l->bytes + size, l->size - size);
        l->size -= size;
        l->whole = 0;
        state.n_lines++;
        state.next = now + DISTANCE_USEC;
}

static bool line_is_full(const Line *l)
{
        return l->size >= SHARED_SIZE_MAX || l->size - l->whole >= LINE_SIZE_MAX;
}

/* The line in the buffer is complete. */
static void line_end(unsigned which, uint64_t now)
{
        Line *l = &state.lines[which];

        /* A terminal ends its lines so. */
        if (l->size > l->whole && l->bytes[l->size - 1] == '\r')
                l->size--;
        if (l->whole == 0 && !shares(now)) {
                state.n_lines += l->size > 0;
                record_make(which, l->bytes, l->size);
                l->size = 0;
                return;
        }
        l->bytes[l->size++] = '\n';
        l->whole = l->size;
}

/* Takes bytes of the packet to the next line's end. False when there is no room for them. */
static bool packet_consume(uint64_t now)
{
        unsigned which = state.packet[0] == RUNNER_LOG_STDERR;
        Line *l = &state.lines[which];
        const char *data = state.packet + state.at, *newline;
        size_t piece = state.size - state.at;

        if (line_is_full(l)) {
                if ((l->whole > 0 || shares(now)) && now < state.next)
                        return false;
                line_flush(which, now);
                return true;
        }
        piece = MIN(piece, SHARED_SIZE_MAX - l->size);
        piece = MIN(piece, LINE_SIZE_MAX - (l->size - l->whole));
        newline = memchr(data, '\n', piece);
        if (newline)
                piece = (size_t) (newline - data);
        memcpy(l->bytes + l->size, data, piece);
        l->size += piece;
        state.at += piece + !!newline;
        if (newline)
                line_end(which, now);
        return true;
}

/* A stream whose lines wait to share a record, or -1. */
static int find_shared(void)
{
        for (int which = 0; which < 2; which++)
                if (state.lines[which].whole > 0)
                        return which;
        return -1;
}

/* Reads and writes until the pipe, the journal or the time has to be waited for. */
static void pump(void)
{
        while (record_send()) {
                uint64_t now = now_usec(CLOCK_MONOTONIC);
                int shared = find_shared();
                ssize_t n;

                if (shared >= 0 && now >= state.next) {
                        line_flush((unsigned) shared, now);
                        continue;
                }
                if (state.at < state.size) {
                        if (!packet_consume(now))
                                return;
                        continue;
                }
                if (state.pipe < 0)
                        return;
                n = read(state.pipe, state.packet, sizeof(state.packet));
                if (n < 0 && (errno == EAGAIN || errno == EINTR))
                        return;
                if (n <= 0)
                        state.pipe = fd_close(state.pipe);
                state.size = n > 0 ? (size_t) n : 0;
                state.at = MIN(state.size, (size_t) 1);
        }
}

/* How long to wait at most. */
static int turn_timeout(bool record_waits)
{
        uint64_t now = now_usec(CLOCK_MONOTONIC);

        if (record_waits)
                return state.journal < 0 ? RETRY_MSEC : -1;
        if (find_shared() < 0 && state.at == state.size)
                return -1;
        return now >= state.next ? 0 : (int) ((state.next - now) / USEC_PER_MSEC) + 1;
}

/* One turn. True when the pidfd, if it is one, says that the command has ended. */
static bool turn(int pidfd)
{
        bool waits = buf_length(&state.record) > 0;
        struct pollfd p[] = {
                {.fd = pidfd, .events = POLLIN},
                {.fd = state.expected ? RUNNER_CONTROL_FD : -1, .events = POLLIN},
                {.fd = waits || state.at < state.size ? -1 : state.pipe, .events = POLLIN},
                {.fd = waits ? state.journal : -1, .events = POLLOUT},
        };

        (void) poll(p, ELEMENTSOF(p), turn_timeout(waits));
        if (p[1].revents)
                take_pipe();
        pump();
        return p[0].revents != 0;
}

void output_log_run(int pidfd)
{
        state.expected = true;
        while (!turn(pidfd))
                ;
}

static bool has_work(void)
{
        return state.expected || state.pipe >= 0 || buf_length(&state.record) > 0 || state.at < state.size ||
               find_shared() >= 0;
}

/* Until journald has read the last record. */
static void linger(void)
{
        int unread = 0;

        if (state.journal < 0)
                return;
        for (int msec = 0; msec < LINGER_MSEC; msec++) {
                if (ioctl(state.journal, SIOCOUTQ, &unread) < 0 || unread == 0)
                        break;
                (void) poll(NULL, 0, 1);
        }
        (void) poll(NULL, 0, LINGER_AFTER_MSEC);
}

/* A turn after the end of the command. False when there has been no journal for too long. */
static bool turn_after_end(uint64_t *since)
{
        uint64_t now = now_usec(CLOCK_MONOTONIC);

        if (state.journal >= 0 || buf_length(&state.record) == 0)
                *since = now;
        else if (now - *since > GIVE_UP_USEC)
                return false;
        (void) turn(-1);
        return true;
}

void output_log_finish(void)
{
        uint64_t since = now_usec(CLOCK_MONOTONIC);
        bool goes_on = true;

        while (goes_on && has_work())
                goes_on = turn_after_end(&since);
        /* Lines that had no end. */
        for (unsigned which = 0; goes_on && which < 2; which++) {
                record_make(which, state.lines[which].bytes, state.lines[which].size);
                while (goes_on && !record_send())
                        goes_on = turn_after_end(&since);
        }
        fd_close(RUNNER_CONTROL_FD);
        linger();
}
