/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The id of a container: the same for the same run, another for each other one; and what is none. */

#include "spawner/container.h"

#include <fcntl.h>

#include "unit/spawner/container-child.h"

#define OTHER "aa11000000000000000000000000000000000000000000000000000000000000"
#define BOOT  "3f1b1c0e-6e2d-4a58-8a36-1f0d6e1c2b3a\n"

static void test_id(void)
{
        static const struct {
                const char *boot, *kind, *name;
                pid_t pid;
                uint64_t start;
        } others[] = {
                {"4f1b1c0e-6e2d-4a58-8a36-1f0d6e1c2b3a\n", "machine", "web", 77, 12345},
                {BOOT, "docker", "web", 77, 12345},
                {BOOT, "machine", "wec", 77, 12345},
                {BOOT, "machine", "we", 77, 12345},
                {BOOT, "machinew", "eb", 77, 12345}, /* the same letters, cut elsewhere */
                {BOOT, "machine", "web", 78, 12345},
                {BOOT, "machine", "web", 77, 12346},
                {BOOT, "machine", "web", 7, 712345},
        };
        char id[CONTAINER_ID_SIZE], other[CONTAINER_ID_SIZE];

        container_make_id(BOOT, "machine", "web", 77, 12345, id);
        NEED(strlen(id) == 64 && id[strspn(id, "0123456789abcdef")] == 0);
        /* Written down: an id must not change with a new build while the container runs. */
        NEED(same_text(id, "b47fc5ff92b690c1962d3fec210b30985859346d3e56bc800f091c54553f1dc7"));
        for (size_t i = 0; i < ELEMENTSOF(others); i++) {
                size_t n = 0;

                container_make_id(others[i].boot, others[i].kind, others[i].name, others[i].pid,
                                  others[i].start, other);
                for (int k = 0; k < 64; k++)
                        n += id[k] == other[k];
                /* Prefixes tell them apart. */
                NEED_ROW(others[i].name, strncmp(id, other, 12) != 0 && n < 24);
        }
}

/* A process of the host is no container, whatever anybody registered it as. */
static void test_leader_of_host(void)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        Leader *l = NULL;

        /* A root with less than PID 1 has may not look at it. */
        if (namespaces_init() == -EACCES)
                return;
        NEED(leader_open(getpid(), NULL, &l, &refusal) < 0 && !l && refusal.kind == REFUSAL_DENIED);
        NEED(leader_open_machine(getpid(), &l, &refusal) < 0 && !l && refusal.kind == REFUSAL_DENIED);
}

/* Another process has its number by now: here the test. */
static void test_number_of_another(void)
{
        pid_t pid;
        Container *c = make_container("machine", OTHER, "web", &pid);

        NEED(leader_is_alive(c->leader));
        end_child(pid);
        c->leader->pid = getpid();
        c->leader->proc_fd = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
        NEED(!leader_is_alive(c->leader) && !container_is_alive(c));
        container_unref(c);
}

int main(void)
{
        test_id();
        test_number_of_another();
        if (geteuid() == 0)
                test_leader_of_host();
        return 0;
}
