/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "api/http-gate.h"

#include <string.h>
#include <strings.h>
#include <sys/param.h>

/* The longest time to read an answer counts this often: the answer has to pass the proxy once more. */
#define GATE_FACTOR   3
#define GATE_USEC_MAX (200 * USEC_PER_MSEC)

bool http_gate_is_needed(const HttpExchange *x)
{
        const char *agent = http_request_header(x->request, "User-Agent");

        return !agent || (strncmp(agent, "Docker-Client/", strlen("Docker-Client/")) != 0 &&
                          strncmp(agent, "curl/", strlen("curl/")) != 0);
}

bool http_host_is_local(const char *host)
{
        /* The user agents of docker-py and Node.js, the docker command, podman. */
        static const char *const local[] = {"", "localhost", "docker", "api.moby.localhost", "d"};

        if (!host)
                return true;
        for (size_t i = 0; i < ELEMENTSOF(local); i++)
                if (strcasecmp(host, local[i]) == 0)
                        return true;
        return false;
}

/* A program that forwards requests of others. A wrong answer costs output or time, and nothing else. */
static bool peer_forwards(const Peer *p)
{
        static const char *const names[] = {"ssh",     "sshd",  "sshd-session", "socat", "nginx",
                                            "haproxy", "envoy", "traefik",      "caddy", "ncat"};
        char name[PEER_COMM_SIZE];

        return peer_comm(p, name) >= 0 && NAMES_FIND(names, name) >= 0;
}

/* execd listens on Unix sockets only, so a proxy in between has set the name of a host. A client of one
 * process, too, does not create in one and start in another. */
static bool is_forwarded(const HttpExchange *x, const Exec *e)
{
        return !http_host_is_local(http_request_header(x->request, "Host")) ||
               x->peer->pid != e->creator->pid || peer_forwards(x->peer);
}

uint64_t http_gate_usec(const HttpExchange *x, const Exec *e)
{
        uint64_t now = now_usec(CLOCK_MONOTONIC), usec;

        if (e->answered_monotonic == 0 || !is_forwarded(x, e))
                return 0;
        usec = think_time_add(&x->manager->think_times, peer_share(x->peer), now - e->answered_monotonic,
                              now);
        return MIN(GATE_FACTOR * usec, (uint64_t) GATE_USEC_MAX);
}
