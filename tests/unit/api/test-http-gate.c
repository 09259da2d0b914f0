/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* api/http-gate: clients that may lose output that comes with the head, and clients of a proxy. */

#include "api/http-gate.h"

#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "core/exec.h"
#include "unit/need.h"
#include "unit/test.h"

static void test_hosts(void)
{
        static const char *const local[] = {"",       "localhost",          "LOCALHOST",
                                            "docker", "api.moby.localhost", "d"},
                                 *const others[] = {"localhost:2375", "example.org", "127.0.0.1", "x",
                                                    "localhost.example"};

        CHECK(http_host_is_local(NULL));
        for (size_t i = 0; i < ELEMENTSOF(local); i++)
                CHECK_ROW(local[i], http_host_is_local(local[i]));
        for (size_t i = 0; i < ELEMENTSOF(others); i++)
                CHECK_ROW(others[i], !http_host_is_local(others[i]));
}

static HttpRequest *request(const char *headers)
{
        HttpRequest *r = NULL;
        HttpParseError error;
        char text[512];
        int n;

        n = snprintf(text, sizeof(text), "POST /exec/1/start HTTP/1.1\r\n%s\r\n", headers);
        NEED(http_request_parse(text, (size_t) n, &r, &error) == n);
        return r;
}

static void test_clients(void)
{
        static const struct {
                const char *headers;
                bool needs;
        } rows[] = {
                {"Host: d\r\n", true},
                {"Host: d\r\nUser-Agent: docker-sdk-python/7.0.0\r\n", true},
                {"Host: d\r\nUser-Agent: Go-http-client/1.1\r\n", true},
                {"Host: d\r\nUser-Agent: x Docker-Client/27.0\r\n", true},
                {"Host: d\r\nUser-Agent: Docker-Client/27.0 (linux)\r\n", false},
                {"Host: d\r\nuser-agent: curl/8.5.0\r\n", false},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_(http_request_freep) HttpRequest *r = request(rows[i].headers);
                HttpExchange x = {.request = r};

                CHECK_ROW(rows[i].headers, http_gate_is_needed(&x) == rows[i].needs);
        }
}

/* The time that the gate waits, for a client that starts an exec so long after it got the ID. */
static uint64_t gate_usec(const char *headers, const char *program, pid_t creator_pid, uint64_t late)
{
        _cleanup_(http_request_freep) HttpRequest *r = request(headers);
        _cleanup_free_ Manager *m = calloc(1, sizeof(Manager));
        Peer peer = {.pid = getpid(), .pidfd = (int) syscall(SYS_pidfd_open, getpid(), 0)},
             creator = {.pid = creator_pid};
        HttpExchange x = {.request = r, .manager = m, .peer = &peer};
        Exec e = {.creator = &creator, .answered_monotonic = now_usec(CLOCK_MONOTONIC) - late};
        uint64_t usec;

        NEED(m && peer.pidfd >= 0 && prctl(PR_SET_NAME, program) == 0);
        usec = http_gate_usec(&x, &e);
        fd_close(peer.pidfd);
        return usec;
}

static void test_proxies(void)
{
        static const char *const proxies[] = {"sshd", "socat", "nginx", "haproxy"};
        const uint64_t late = 20 * USEC_PER_MSEC, longest = 200 * USEC_PER_MSEC;

        CHECK(gate_usec("Host: localhost\r\n", "python3", getpid(), late) == 0);
        CHECK(gate_usec("Host: example.org\r\n", "python3", getpid(), late) >= 3 * late);
        CHECK(gate_usec("Host: localhost\r\n", "python3", getpid() + 1, late) >= 3 * late);
        for (size_t i = 0; i < ELEMENTSOF(proxies); i++)
                CHECK_ROW(proxies[i],
                          gate_usec("Host: localhost\r\n", proxies[i], getpid(), late) >= 3 * late);
        CHECK(gate_usec("Host: example.org\r\n", "python3", getpid(), 10 * USEC_PER_SEC) == longest);
}

/* Without a measurement, no client waits. */
static void test_never_answered(void)
{
        _cleanup_(http_request_freep) HttpRequest *r = request("Host: example.org\r\n");
        Exec e = {0};

        CHECK(http_gate_usec(&(HttpExchange){.request = r}, &e) == 0);
}

int main(void)
{
        test_hosts();
        test_clients();
        test_proxies();
        test_never_answered();
        return test_finish("http-gate");
}
