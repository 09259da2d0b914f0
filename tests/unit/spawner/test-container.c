/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The id of a container: the same for the same run, another for each other one; and how containers are
 * found. */

#include <fcntl.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "spawner/container.h"
#include "unit/spawner/check.h"

#define BOOT "3f1b1c0e-6e2d-4a58-8a36-1f0d6e1c2b3a\n"

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
        CHECK(strlen(id) == 64 && id[strspn(id, "0123456789abcdef")] == 0);
        /* Written down: an id must not change with a new build while the container runs. */
        CHECK(same_text(id, "b47fc5ff92b690c1962d3fec210b30985859346d3e56bc800f091c54553f1dc7"));
        for (size_t i = 0; i < ELEMENTSOF(others); i++) {
                size_t n = 0;

                container_make_id(others[i].boot, others[i].kind, others[i].name, others[i].pid,
                                  others[i].start, other);
                for (int k = 0; k < 64; k++)
                        n += id[k] == other[k];
                /* Prefixes tell them apart. */
                CHECK_ROW(others[i].name, strncmp(id, other, 12) != 0 && n < 24);
        }
}

/* A container around a child of ours. */
static Container *make_container(const char *id, const char *name, pid_t *ret_pid)
{
        Container *c = calloc(1, sizeof(*c));

        CHECK(c);
        *ret_pid = fork();
        CHECK(*ret_pid >= 0);
        if (*ret_pid == 0)
                for (;;)
                        pause();
        c->n_ref = 1;
        memcpy(c->id, id, strlen(id) + 1);
        c->kind = "machine";
        c->name = strdup(name);
        c->leader = calloc(1, sizeof(Leader));
        CHECK(c->name && c->leader);
        *c->leader =
                (Leader){.n_ref = 1, .pid = *ret_pid, .pidfd = pidfd_open_pid(*ret_pid), .proc_fd = -EBADF};
        CHECK(c->leader->pidfd >= 0);
        return c;
}

static void test_find(void)
{
        static const char *const ids[] = {
                "aa11000000000000000000000000000000000000000000000000000000000000",
                "aa22000000000000000000000000000000000000000000000000000000000000",
                "bb00000000000000000000000000000000000000000000000000000000000000",
        };
        static const char *const names[] = {"web", "db", "aa11"};
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        ContainerTable t = {0};
        Container *c[3];
        pid_t pids[3];

        for (int i = 0; i < 3; i++) {
                c[i] = make_container(ids[i], names[i], &pids[i]);
                container_table_add(&t, c[i]);
        }
        CHECK(container_table_find(&t, ids[1], NULL) == c[1]);
        CHECK(container_table_find(&t, "web", NULL) == c[0]);
        CHECK(container_table_find(&t, "aa2", NULL) == c[1]);
        /* A name goes before a prefix. */
        CHECK(container_table_find(&t, "aa11", NULL) == c[2]);
        CHECK(container_table_find(&t, "aa110", NULL) == c[0]);

        CHECK(!container_table_find(&t, "aa", &refusal) && refusal.kind == REFUSAL_BAD_REQUEST);
        CHECK(same_text(refusal.message, "multiple IDs found with provided prefix: aa"));
        CHECK(!container_table_find(&t, "cc", &refusal) && refusal.kind == REFUSAL_NO_CONTAINER);
        CHECK(same_text(refusal.message, "No such container: cc"));
        CHECK(!container_table_find(&t, "", &refusal) && refusal.kind == REFUSAL_NO_CONTAINER);

        /* What has ended is not found, and does not make a prefix ambiguous. */
        kill(pids[0], SIGKILL);
        CHECK(waitpid(pids[0], NULL, 0) == pids[0]);
        CHECK(!container_table_find(&t, "web", NULL) && container_table_find(&t, "aa", NULL) == c[1]);

        container_table_clear(&t);
        for (int i = 0; i < 3; i++) {
                CHECK(c[i]->n_ref == 1);
                container_unref(c[i]);
        }
        for (int i = 1; i < 3; i++) {
                kill(pids[i], SIGKILL);
                waitpid(pids[i], NULL, 0);
        }
}

/* A process of the host is no container, whatever anybody registered it as. */
static void test_leader_of_host(void)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        Leader *l = NULL;

        /* A root with less than PID 1 has may not look at it. */
        if (leader_init_host() == -EACCES)
                return;
        CHECK(leader_open(getpid(), &l, &refusal) < 0 && !l && refusal.kind == REFUSAL_DENIED);
        CHECK(leader_open_machine(getpid(), &l, &refusal) < 0 && !l && refusal.kind == REFUSAL_DENIED);
}

int main(void)
{
        test_id();
        test_find();
        if (geteuid() == 0)
                test_leader_of_host();
        return 0;
}
