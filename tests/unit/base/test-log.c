/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One message is one line with its priority, whatever it quotes: a client's text must not forge a record. */

#include "base/log.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>

#include "unit/test.h"

/* The text written to standard error since `log_begin()`. */
static int saved = -1, file = -1;

static void log_begin(void)
{
        char path[] = "/tmp/execd-test-log-XXXXXX";

        fflush(stderr);
        file = mkstemp(path);
        unlink(path);
        saved = dup(2);
        dup2(file, 2);
}

static const char *log_end(void)
{
        static char text[8192];
        ssize_t n;

        fflush(stderr);
        dup2(saved, 2);
        saved = fd_close(saved);
        n = pread(file, text, sizeof(text) - 1, 0);
        file = fd_close(file);
        text[n > 0 ? n : 0] = '\0';
        return text;
}

/* A journal that does not read delays no caller: lines are dropped and counted. */
static void test_full(void)
{
        int pair[2], buffer = 4096;
        char text[8192];
        ssize_t n = 0;

        CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
        CHECK(setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer)) == 0);
        fflush(stderr);
        saved = dup(2);
        dup2(pair[0], 2);
        for (int i = 0; i < 1000; i++)
                log_info("line %d", i);
        while (recv(pair[1], text, sizeof(text), MSG_DONTWAIT) > 0)
                ;
        log_info("again");
        dup2(saved, 2);
        saved = fd_close(saved);
        n = recv(pair[1], text, sizeof(text) - 1, MSG_DONTWAIT);
        text[MAX(n, (ssize_t) 0)] = 0;
        CHECK(strncmp(text, "<4>Lost ", 8) == 0 && strstr(text, " log messages\n"));
        n = recv(pair[1], text, sizeof(text) - 1, MSG_DONTWAIT);
        CHECK(strstr(text, "<6>again\n") || (n > 0 && strncmp(text, "<6>again\n", 9) == 0));
        fd_close(pair[0]);
        fd_close(pair[1]);
}

int main(void)
{
        char large[4096];
        const char *text;
        int r;

        log_begin();
        log_warning("one %d", 1);
        CHECK_TEXT("message", log_end(), "<4>one 1\n");

        log_begin();
        log_debug("not at this level");
        CHECK_TEXT("level", log_end(), "");

        log_begin();
        log_set_max_level(LOG_DEBUG);
        log_debug("now");
        log_set_max_level(LOG_INFO);
        CHECK_TEXT("level", log_end(), "<7>now\n");

        log_begin();
        log_error("a\n<0>b\r\x1b[0m\x7f");
        text = log_end();
        CHECK(strchr(text, '\n') == text + strlen(text) - 1);
        CHECK(!strpbrk(text, "\r\x1b\x7f"));

        log_begin();
        r = log_error_errno(ENOENT, "open");
        CHECK(r == -ENOENT && log_errno(LOG_DEBUG, -EPERM, "silent") == -EPERM);
        CHECK_TEXT("errno", log_end(), "<3>open: No such file or directory\n");

        CHECK_TEXT("level", log_level_to_string(LOG_DEBUG), "debug");
        for (int i = LOG_EMERG; i <= LOG_DEBUG; i++)
                CHECK(log_level_from_string(log_level_to_string(i)) == i);
        CHECK(log_level_from_string("0") == LOG_EMERG && log_level_from_string("7") == LOG_DEBUG);
        CHECK(log_level_from_string("8") == -EINVAL && log_level_from_string("33") == -EINVAL);
        CHECK(log_level_from_string("") == -EINVAL && log_level_from_string("Info") == -EINVAL);

        memset(large, 'x', sizeof(large) - 1);
        large[sizeof(large) - 1] = '\0';
        log_begin();
        log_info("%s", large);
        text = log_end();
        CHECK(strlen(text) < sizeof(large) && strncmp(text, "<6>xxx", 6) == 0 &&
              text[strlen(text) - 1] == '\n');
        test_full();
        return test_finish("log");
}
