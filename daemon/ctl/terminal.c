/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "ctl/terminal.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "base/decimal.h"

static struct termios saved;
static int saved_fd = -1;

/* A process that is in the background of a terminal must leave it alone, and the kernel stops it if it does
 * not. */
static bool is_in_background(int fd)
{
        pid_t group = tcgetpgrp(fd);

        return group > 0 && group != getpgrp();
}

int terminal_await(int fd)
{
        struct termios mode;

        if (!is_in_background(fd) || tcgetattr(fd, &mode) < 0)
                return 0;
        return tcsetattr(fd, TCSADRAIN, &mode) < 0 ? -errno : 0;
}

void terminal_restore(void)
{
        if (saved_fd < 0 || is_in_background(saved_fd))
                return;
        (void) tcsetattr(saved_fd, TCSADRAIN, &saved);
        saved_fd = -1;
}

int terminal_raw(int fd, bool watch)
{
        static bool registered;
        struct termios raw;

        if (saved_fd < 0) {
                if (tcgetattr(fd, &saved) < 0)
                        return -errno;
                if (!registered && atexit(terminal_restore) != 0)
                        return -ENOMEM;
                registered = true;
                saved_fd = fd;
        }
        if (is_in_background(fd))
                return 0;
        raw = saved;
        cfmakeraw(&raw);
        /* A user who only watches can still exit with ^C. */
        if (watch)
                raw.c_lflag |= ISIG;
        return tcsetattr(fd, TCSADRAIN, &raw) < 0 ? -errno : 0;
}

static volatile sig_atomic_t stop_signal;

static void on_stop(int number)
{
        stop_signal = number;
}

void terminal_catch_stops(void)
{
        const struct sigaction action = {.sa_handler = on_stop}; /* without SA_RESTART */

        (void) sigaction(SIGTTIN, &action, NULL);
        (void) sigaction(SIGTTOU, &action, NULL);
}

void terminal_ignore_stops(void)
{
        (void) signal(SIGTTIN, SIG_IGN);
        (void) signal(SIGTTOU, SIG_IGN);
        stop_signal = 0;
}

bool terminal_wants_stop(void)
{
        return stop_signal != 0;
}

void terminal_stop(void)
{
        int number = stop_signal;

        stop_signal = 0;
        (void) signal(number, SIG_DFL);
        (void) raise(number);
        terminal_catch_stops();
}

bool terminal_size(uint16_t *ret_rows, uint16_t *ret_columns)
{
        static const int fds[] = {STDOUT_FILENO, STDIN_FILENO, STDERR_FILENO};

        for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
                struct winsize w;

                if (ioctl(fds[i], TIOCGWINSZ, &w) < 0 || w.ws_row == 0 || w.ws_col == 0)
                        continue;
                *ret_rows = w.ws_row;
                *ret_columns = w.ws_col;
                return true;
        }
        return false;
}

size_t terminal_columns(void)
{
        const char *text = getenv("COLUMNS");
        uint16_t rows, columns;
        uint64_t n;

        if (text && decimal_parse(text, 9999, &n) >= 0 && n > 0)
                return n;
        return terminal_size(&rows, &columns) ? columns : 80;
}
