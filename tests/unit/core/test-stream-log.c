/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* core/stream-log: the output of a detached command is read as fast as its log takes it, in whole packets. */

#include <limits.h>
#include <signal.h>

#include "unit/core/stream-world.h"
#include "wire/runner-spec.h"

static uint8_t pattern(size_t i)
{
        return (uint8_t) (i * 7 + i / 251);
}

/* The end that the runner reads. */
static int log_of(World *w)
{
        int ends[2];

        NEED(pipe2(ends, O_CLOEXEC | O_DIRECT | O_NONBLOCK) == 0);
        (void) fcntl(ends[0], F_SETPIPE_SZ, 16 * 1024);
        NEED(stream_set_log(w->stream, ends[1], NULL) >= 0);
        return ends[0];
}

static void begin(World *w, int *ret_log)
{
        world_new(w);
        *ret_log = log_of(w);
        world_pipes(w);
}

static void test_packets(void)
{
        uint8_t packet[PIPE_BUF];
        World w;
        int log;

        begin(&w, &log);
        NEED(write(w.err[1], "oops\n", 5) == 5);
        turn(&w);
        NEED(read(log, packet, sizeof(packet)) == 6 && packet[0] == RUNNER_LOG_STDERR &&
             memcmp(packet + 1, "oops\n", 5) == 0);
        NEED(write(w.out[1], "out", 3) == 3);
        turn(&w);
        NEED(read(log, packet, sizeof(packet)) == 4 && packet[0] == FRAME_STDOUT);
        NEED(read(log, packet, sizeof(packet)) < 0 && errno == EAGAIN);
        close(log);
        world_done(&w);
}

/* The journal is slow: the command is held up, and nothing is lost, cut or kept in memory. Nor is the log looked at
 * again and again, whether the command has a stderr or not: turn_now() would not end. */
static void test_slow_reader(bool with_stderr)
{
        static uint8_t data[512 * 1024];
        size_t written = 0, received = 0, held;
        World w;
        int log;

        for (size_t i = 0; i < sizeof(data); i++)
                data[i] = pattern(i);
        begin(&w, &log);
        (void) fcntl(w.out[1], F_SETPIPE_SZ, 4096);
        if (!with_stderr)
                close(w.err[1]);
        for (unsigned idle = 0; idle < 20;) {
                ssize_t n = write(w.out[1], data + written, sizeof(data) - written);

                idle = n > 0 ? 0 : idle + 1;
                written += n > 0 ? (size_t) n : 0;
                turn(&w);
        }
        held = written;
        NEED(held < 128 * 1024);
        for (unsigned idle = 0; idle < 100 && received < sizeof(data); idle++) {
                uint8_t packet[PIPE_BUF + 1];
                ssize_t n = read(log, packet, sizeof(packet));

                for (ssize_t i = 1; i < n; i++)
                        NEED(packet[i] == pattern(received + (size_t) i - 1));
                NEED(n < 0 || (n > 1 && n <= PIPE_BUF && packet[0] == FRAME_STDOUT));
                if (n > 0) {
                        received += (size_t) n - 1;
                        idle = 0;
                }
                n = written < sizeof(data) ? write(w.out[1], data + written, sizeof(data) - written) : 0;
                written += n > 0 ? (size_t) n : 0;
                turn_now(&w);
                if (idle > 0)
                        turn(&w);
        }
        NEED(received == sizeof(data));
        close(log);
        world_done(&w);
}

/* The runner has been killed with all of its scope: it is not waited for, and a client that attaches sees the output. */
static void test_reader_gone(void)
{
        static const uint8_t data[64 * 1024];
        uint8_t buf[64];
        size_t written = 0;
        World w;
        int log, c;

        (void) signal(SIGPIPE, SIG_IGN);
        begin(&w, &log);
        while (written < 4 * sizeof(data)) {
                ssize_t n = write(w.out[1], data, sizeof(data));

                if (n <= 0)
                        break;
                written += (size_t) n;
                turn(&w);
        }
        close(log);
        turn(&w);
        for (unsigned tries = 0; written < 64 * sizeof(data) && tries < 1000; tries++) {
                ssize_t n = write(w.out[1], data, sizeof(data));

                written += n > 0 ? (size_t) n : 0;
                turn_now(&w);
        }
        NEED(written >= 64 * sizeof(data));
        c = client(&w, (StreamClientOptions){.want_stdout = true, .raw = true});
        NEED(write(w.out[1], "seen", 4) == 4);
        turn(&w);
        NEED(drain(c, buf, sizeof(buf)) == 4 && memcmp(buf, "seen", 4) == 0);
        close(c);
        world_done(&w);
}

/* A log takes the place of another one, which ends. */
static void test_another(void)
{
        uint8_t packet[PIPE_BUF];
        World w;
        int first, second;

        begin(&w, &first);
        second = log_of(&w);
        NEED(read(first, packet, sizeof(packet)) == 0);
        NEED(write(w.out[1], "x", 1) == 1);
        turn(&w);
        NEED(read(second, packet, sizeof(packet)) == 2);
        close(first);
        close(second);
        world_done(&w);
}

int main(void)
{
        alarm(60);
        test_packets();
        test_slow_reader(true);
        test_slow_reader(false);
        test_reader_gone();
        test_another();
        return 0;
}
