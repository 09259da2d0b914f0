/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* core/stream-input: the input from clients that reaches the command, and the end of its input. */

#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <termios.h>

#include "unit/core/stream-world.h"

static void test_input_and_half_close(void)
{
        uint8_t buf[64];
        World w;
        int c;
        StreamClientOptions o = {.want_stdout = true, .want_stderr = true, .primary = true, .writer = true};

        buf_append(&o.input, "early ", 6);
        world_new(&w);
        c = client(&w, o);
        NEED(write(c, "late", 4) == 4);
        NEED(shutdown(c, SHUT_WR) == 0);
        world_pipes(&w);
        turn(&w);
        NEED(drain(w.in[0], buf, sizeof(buf)) == 10 && memcmp(buf, "early late", 10) == 0);
        NEED(read(w.in[0], buf, 1) == 0); /* the end, and no sooner */
        NEED(w.gone == 0);
        NEED(write(w.out[1], "still", 5) == 5);
        turn(&w);
        NEED(drain(c, buf, sizeof(buf)) == 5 + FRAME_HEADER_SIZE);
        close(c);
        world_done(&w);
}

static void test_input_reaches_after_full_close(void)
{
        uint8_t buf[64];
        World w;
        int c;

        world_new(&w);
        c = client(&w, (StreamClientOptions){.want_stdout = true, .primary = true, .writer = true});
        NEED(write(c, "all of it", 9) == 9);
        close(c);
        world_pipes(&w);
        turn(&w);
        NEED(drain(w.in[0], buf, sizeof(buf)) == 9);
        NEED(read(w.in[0], buf, 1) == 0);
        NEED(w.gone == 1);
        world_done(&w);
}

static void test_tty_detach(void)
{
        DetachKeys none = {.n_keys = 0};
        int master, slave, c;
        size_t got = 0;
        uint8_t buf[256];
        World w;

        world_new(&w);
        c = client(&w,
                   (StreamClientOptions){.raw = true, .want_stdout = true, .primary = true, .writer = true});
        NEED(openpty(&master, &slave, NULL, NULL, NULL) == 0);
        NEED(stream_set_tty(w.stream, master, &none) >= 0);
        stream_begin(w.stream);
        NEED(stream_resize(w.stream, 33, 99) == 0);
        NEED(write(c, "x\n", 2) == 2);
        /* The kernel echoes when it finds the time. */
        for (unsigned tries = 0; got < 3 && tries < 1000; tries++) {
                turn(&w);
                got += drain(c, buf + got, 3 - got);
        }
        NEED(got == 3 && memcmp(buf, "x\r\n", 3) == 0); /* without frames */
        NEED(write(c, "\x10", 1) == 1);
        turn(&w);
        NEED(w.detached == 0);
        NEED(write(c, "\x11", 1) == 1);
        turn(&w);
        NEED(w.detached == 1);
        while (drain(c, buf, sizeof(buf)) > 0)
                ;
        NEED(read(c, buf, 1) == 0);
        NEED(w.gone == 0 && w.ended == 0); /* the command lives on */
        close(c);
        turn(&w);
        c = client(&w,
                   (StreamClientOptions){.raw = true, .want_stdout = true, .replay = true, .writer = true});
        turn(&w);
        NEED(drain(c, buf, sizeof(buf)) >= 3);
        close(c);
        close(slave);
        world_done(&w);
}

/* The end of a tty's input ends the client's stream; a client that closes is gone. Neither hangs up. */
static void test_tty_half_close(void)
{
        DetachKeys none = {.n_keys = 0};
        StreamClientOptions o = {.raw = true, .want_stdout = true, .primary = true, .writer = true};
        int master, slave, c;
        uint8_t buf[16];

        for (int whole = 0; whole < 2; whole++) {
                World w;

                world_new(&w);
                c = client(&w, o);
                NEED(openpty(&master, &slave, NULL, NULL, NULL) == 0);
                NEED(stream_set_tty(w.stream, master, &none) >= 0);
                stream_begin(w.stream);
                if (whole)
                        close(c);
                else
                        NEED(shutdown(c, SHUT_WR) == 0);
                turn(&w);
                NEED(w.gone == whole && w.ended == 0);
                if (!whole) {
                        NEED(read(c, buf, 1) == 0);
                        close(c);
                }
                turn(&w);
                NEED(stream_count_clients(w.stream) == 0);
                stream_hang_up(w.stream);
                NEED(w.ended == 1);
                close(slave);
                world_done(&w);
        }
}

/* Others are attached to look on: nothing that they send is the command's, nor is their end its end. */
static void test_only_the_writer(void)
{
        StreamClientOptions o = {.want_stdout = true, .primary = true, .writer = true};
        uint8_t buf[64];
        World w;
        int writer, other;

        world_new(&w);
        writer = client(&w, o);
        o.primary = o.writer = false;
        other = client(&w, o);
        world_pipes(&w);
        NEED(write(other, "rm -r /\n", 8) == 8 && shutdown(other, SHUT_WR) == 0);
        turn(&w);
        NEED(write(writer, "ls\n", 3) == 3);
        turn(&w);
        NEED(drain(w.in[0], buf, sizeof(buf)) == 3 && memcmp(buf, "ls\n", 3) == 0);
        close(other);
        turn(&w);
        NEED(read(w.in[0], buf, 1) < 0 && errno == EAGAIN);
        NEED(stream_has_writer(w.stream) && w.gone == 0);
        close(writer);
        turn(&w);
        NEED(read(w.in[0], buf, 1) == 0 && w.gone == 1);
        world_done(&w);
}

/* A command that does not read holds its client up, and not execd; when it reads, it gets all. */
static void test_slow_command(void)
{
        static uint8_t data[4 * 1024 * 1024], got[sizeof(data)];
        size_t sent = 0, received = 0, held;
        World w;
        int c;

        for (size_t i = 0; i < sizeof(data); i++)
                data[i] = (uint8_t) (i * 7 + i / 251);
        world_new(&w);
        c = client(&w, (StreamClientOptions){.want_stdout = true, .primary = true, .writer = true});
        world_pipes(&w);
        for (unsigned idle = 0; idle < 20;) {
                ssize_t n = write(c, data + sent, sizeof(data) - sent);

                idle = n > 0 ? 0 : idle + 1;
                sent += n > 0 ? (size_t) n : 0;
                turn(&w);
        }
        held = sent;
        /* The pipe, the buffers of the socket, and no memory of execd. */
        NEED(held < sizeof(data));
        for (unsigned idle = 0; idle < 50 && received < sizeof(data);) {
                ssize_t n = sent < sizeof(data) ? write(c, data + sent, sizeof(data) - sent) : 0;
                size_t k = drain(w.in[0], got + received, sizeof(got) - received);

                sent += n > 0 ? (size_t) n : 0;
                received += k;
                turn(&w);
                idle = n > 0 || k > 0 ? 0 : idle + 1;
        }
        NEED(received == sizeof(data) && memcmp(data, got, sizeof(data)) == 0);
        close(c);
        world_done(&w);
}

/* The command has closed its stdin: its client is not stuck with what it still sends, and sees the output. */
static void test_command_closes_stdin(void)
{
        static const uint8_t data[256 * 1024];
        uint8_t buf[64];
        size_t sent = 0;
        World w;
        int c;

        (void) signal(SIGPIPE, SIG_IGN);
        world_new(&w);
        c = client(&w, (StreamClientOptions){.want_stdout = true, .primary = true, .writer = true});
        world_pipes(&w);
        close(w.in[0]);
        for (unsigned tries = 0; sent < 8 * sizeof(data) && tries < 1000; tries++) {
                ssize_t n = write(c, data, sizeof(data));

                sent += n > 0 ? (size_t) n : 0;
                turn(&w);
        }
        NEED(sent >= 8 * sizeof(data));
        NEED(write(w.out[1], "out", 3) == 3);
        turn(&w);
        NEED(drain(c, buf, sizeof(buf)) == 3 + FRAME_HEADER_SIZE && w.gone == 0);
        close(c);
        turn(&w);
        NEED(w.gone == 1);
        world_done(&w);
}

/* The beginning of the detach keys is kept back, and is the command's after all when it goes on otherwise; in
 * whatever pieces it comes. */
static void test_detach_keys_in_pieces(void)
{
        DetachKeys none = {.n_keys = 0};
        struct termios raw;
        int master, slave, c;
        uint8_t buf[16];
        World w;

        world_new(&w);
        c = client(&w,
                   (StreamClientOptions){.raw = true, .want_stdout = true, .primary = true, .writer = true});
        NEED(openpty(&master, &slave, NULL, NULL, NULL) == 0 && tcgetattr(slave, &raw) == 0);
        cfmakeraw(&raw);
        NEED(tcsetattr(slave, TCSANOW, &raw) == 0 && fd_set_nonblock(slave, true) >= 0);
        NEED(stream_set_tty(w.stream, master, &none) >= 0);
        stream_begin(w.stream);
        NEED(write(c, "a\x10", 2) == 2);
        turn(&w);
        NEED(drain(slave, buf, sizeof(buf)) == 1 && buf[0] == 'a');
        NEED(write(c, "\x10", 1) == 1);
        turn(&w);
        NEED(drain(slave, buf, sizeof(buf)) == 2 && buf[0] == 0x10 && buf[1] == 0x10 && w.detached == 0);
        NEED(write(c, "\x10", 1) == 1);
        turn(&w);
        NEED(drain(slave, buf, sizeof(buf)) == 0 && w.detached == 0);
        NEED(write(c, "b", 1) == 1);
        turn(&w);
        NEED(drain(slave, buf, sizeof(buf)) == 2 && buf[0] == 0x10 && buf[1] == 'b' && w.detached == 0);
        /* Bytes after them are dropped. */
        NEED(write(c, "c\x10\x11rm", 5) == 5);
        turn(&w);
        NEED(w.detached == 1 && !stream_has_writer(w.stream));
        NEED(drain(slave, buf, sizeof(buf)) == 1 && buf[0] == 'c');
        close(c);
        close(slave);
        world_done(&w);
}

/* True if the loop comes to rest. */
static bool rests(World *w)
{
        unsigned n = 0;

        while (n < 500 && sd_event_run(w->event, 0) > 0)
                n++;
        return n < 500;
}

/* The kernel counts an urgent byte among the bytes that wait, and returns it only to a reader that asks for it. */
static void test_urgent_byte(void)
{
        uint8_t buf[64];
        size_t n;
        World w;
        int c;

        world_new(&w);
        c = client(&w, (StreamClientOptions){.want_stdout = true, .primary = true, .writer = true});
        world_pipes(&w);
        if (send(c, "one!", 4, MSG_OOB) != 4)
                return; /* a kernel without them */
        NEED(rests(&w));
        NEED(write(c, " two", 4) == 4);
        NEED(rests(&w));
        n = drain(w.in[0], buf, sizeof(buf));
        NEED(n >= 7 && memcmp(buf, "one", 3) == 0 && memcmp(buf + n - 4, " two", 4) == 0);
        NEED(shutdown(c, SHUT_WR) == 0);
        NEED(rests(&w));
        NEED(read(w.in[0], buf, 1) == 0);
        close(c);
        world_done(&w);
}

/* The client has sent its last byte, and there is no room for another one. */
static void test_full_at_the_end(bool closed)
{
        uint8_t buf[64];
        World w;
        int c;

        world_new(&w);
        c = client(&w, (StreamClientOptions){.want_stdout = true, .primary = true, .writer = true});
        world_pipes(&w);
        NEED(fcntl(w.in[1], F_SETPIPE_SZ, 4096) == 4096);
        NEED(write(c, "x", 1) == 1);
        NEED(rests(&w));
        NEED(closed ? close(c) == 0 : shutdown(c, SHUT_WR) == 0);
        NEED(rests(&w));
        NEED(drain(w.in[0], buf, sizeof(buf)) == 1);
        NEED(rests(&w));
        NEED(read(w.in[0], buf, 1) == 0 && w.gone == closed);
        if (!closed)
                close(c);
        world_done(&w);
}

int main(void)
{
        alarm(60);
        test_input_and_half_close();
        test_input_reaches_after_full_close();
        test_tty_detach();
        test_tty_half_close();
        test_only_the_writer();
        test_slow_command();
        test_urgent_byte();
        test_full_at_the_end(false);
        test_full_at_the_end(true);
        test_command_closes_stdin();
        test_detach_keys_in_pieces();
        return 0;
}
