/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* How containers are found, and the notifications of new and ended ones. */

#include <fcntl.h>

#include "unit/spawner/container-child.h"

#define ID_A "aa11000000000000000000000000000000000000000000000000000000000000"
#define ID_B "bb00000000000000000000000000000000000000000000000000000000000000"
#define ID_C "cc00000000000000000000000000000000000000000000000000000000000000"
#define ID_D "dd00000000000000000000000000000000000000000000000000000000000000"
#define ID_E "ee00000000000000000000000000000000000000000000000000000000000000"

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
                c[i] = make_container("machine", ids[i], names[i], &pids[i]);
                NEED(container_table_add(&t, c[i], true) == 0);
        }
        NEED(container_table_find(&t, ids[1], NULL) == c[1]);
        NEED(container_table_find(&t, "web", NULL) == c[0]);
        NEED(container_table_find(&t, "aa2", NULL) == c[1]);
        /* A name goes before a prefix. */
        NEED(container_table_find(&t, "aa11", NULL) == c[2]);
        NEED(container_table_find(&t, "aa110", NULL) == c[0]);

        NEED(!container_table_find(&t, "aa", &refusal) && refusal.kind == REFUSAL_BAD_REQUEST);
        NEED(same_text(refusal.message, "multiple IDs found with provided prefix: aa"));
        NEED(!container_table_find(&t, "cc", &refusal) && refusal.kind == REFUSAL_NO_CONTAINER);
        NEED(same_text(refusal.message, "No such container: cc"));
        NEED(!container_table_find(&t, "", &refusal) && refusal.kind == REFUSAL_NO_CONTAINER);

        /* An ended container is not found, and does not make a prefix ambiguous. */
        end_child(pids[0]);
        NEED(!container_table_find(&t, "web", NULL) && container_table_find(&t, "aa", NULL) == c[1]);

        container_table_clear(&t);
        for (int i = 0; i < 3; i++) {
                NEED(c[i]->n_ref == 1);
                container_unref(c[i]);
        }
        for (int i = 1; i < 3; i++)
                end_child(pids[i]);
}

/* Users may choose a name that is another container's, or the first digits of its ID. */
static void test_names_of_users(void)
{
        static const char *const ids[] = {ID_A, ID_B, ID_C, ID_D, ID_E};
        static const char *const names[] = {"web", "web", "aa1100000000", "bb0", "own"};
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        ContainerTable t = {0};
        Container *c[5];
        pid_t pids[5];

        for (int i = 0; i < 5; i++) {
                c[i] = make_container(i == 0 ? "docker" : "machine", ids[i], names[i], &pids[i]);
                c[i]->leader->found.maker = i == 0 ? 0 : 1000;
                NEED(container_table_add(&t, c[i], true) == 0);
        }
        NEED(container_table_find(&t, "web", &refusal) == c[0]);
        NEED(container_table_find(&t, "aa1100000000", &refusal) == c[0]);
        NEED(container_table_find(&t, "aa11", &refusal) == c[0]);
        NEED(container_table_find(&t, "own", &refusal) == c[4] && refusal.kind == REFUSAL_NONE);
        NEED(!container_table_find(&t, "bb0", &refusal) && refusal.kind == REFUSAL_CONFLICT);
        NEED(same_text(refusal.message,
                       "bb0 is the name of a container and the beginning of the ID of another: use the ID"));
        /* Without root's, the users' have their names. */
        end_child(pids[0]);
        NEED(container_table_find(&t, "web", NULL) == c[1]);
        NEED(container_table_find(&t, "aa1100000000", NULL) == c[2]);

        container_table_clear(&t);
        for (int i = 0; i < 5; i++)
                container_unref(c[i]);
        for (int i = 1; i < 5; i++)
                end_child(pids[i]);
}

/* A name is a container's own only within its kind. */
static void test_ambiguous_name(void)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        ContainerTable t = {0};
        Container *machine, *other;
        pid_t pids[2];

        machine = make_container("machine", ID_A, "web", &pids[0]);
        other = make_container("other", ID_B, "web", &pids[1]);
        NEED(container_table_add(&t, machine, true) == 0 && container_table_add(&t, other, true) == 0);
        NEED(container_table_by_name(&t, "machine", "web") == machine);
        NEED(container_table_by_name(&t, "other", "web") == other);
        NEED(!container_table_find(&t, "web", &refusal) && refusal.kind == REFUSAL_CONFLICT);
        NEED(same_text(refusal.message, "multiple containers have the name web (machine aa1100000000, other "
                                        "bb0000000000): use the ID"));
        NEED(container_table_find(&t, ID_A, NULL) == machine);
        NEED(container_table_find(&t, "bb0000000000", NULL) == other);
        /* A container that has ended no longer has a name. */
        end_child(pids[0]);
        NEED(container_table_find(&t, "web", NULL) == other);
        container_table_clear(&t);
        container_unref(machine);
        container_unref(other);
        end_child(pids[1]);
}

typedef struct Told {
        Container *new, *removed; /* as in the last notification, weak */
        unsigned n_new, n_removed;
} Told;

static void on_new(void *userdata, Container *c)
{
        Told *told = userdata;

        told->new = c;
        told->n_new++;
}

static void on_removed(void *userdata, Container *c)
{
        Told *told = userdata;

        NEED(!c->table && !c->on_death && c->name);
        told->removed = c;
        told->n_removed++;
}

static const ContainerEvents events = {on_new, on_removed};

static void test_events(void)
{
        Told told = {0};
        ContainerTable t = {.events = &events, .userdata = &told};
        Container *old, *new;
        pid_t pids[2];

        old = make_container("machine", ID_A, "old", &pids[0]);
        new = make_container("machine", ID_B, "new", &pids[1]);
        NEED(container_table_add(&t, old, false) == 0 && told.n_new == 0);
        NEED(container_table_add(&t, new, true) == 0 && told.n_new == 1 && told.new == new);
        container_table_forget_dead(&t);
        NEED(told.n_removed == 0);
        end_child(pids[0]);
        container_table_forget_dead(&t);
        NEED(told.n_removed == 1 && told.removed == old && old->n_ref == 1);
        container_table_forget(&t, new);
        NEED(told.n_removed == 2 && told.removed == new &&new->n_ref == 1);
        NEED(list_is_empty(&t.containers));
        end_child(pids[1]);
        container_unref(old);
        container_unref(new);
}

/* The namespaces of a container that is gone end, except for references of a start that is under way. */
static void test_namespaces(void)
{
        NamespaceFds fds = NAMESPACE_FDS_INIT;
        NamespaceSet *of_start;
        ContainerTable t = {0};
        Container *c;
        pid_t pid;

        c = make_container("machine", ID_A, "old", &pid);
        NEED(container_table_add(&t, c, false) == 0);
        fds.fds[NS_MNT] = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
        NEED(fds.fds[NS_MNT] >= 0);
        c->leader->namespaces = namespace_set_new(&fds);
        NEED(c->leader->namespaces && fds.fds[NS_MNT] < 0);
        of_start = namespace_set_ref(c->leader->namespaces);
        container_table_forget(&t, c);
        NEED(!c->leader->namespaces && of_start->n_ref == 1);
        NEED(fcntl(of_start->files.fds[NS_MNT], F_GETFD) >= 0);
        NEED(!namespace_set_unref(of_start));
        end_child(pid);
        container_unref(c);
}

/* A leader that dies takes its container along, without anybody asking. */
static void test_dead_leader(void)
{
        Told told = {0};
        ContainerTable t = {.events = &events, .userdata = &told};
        Container *c[2];
        pid_t pids[2];

        NEED(sd_event_new(&t.event) >= 0);
        c[0] = make_container("machine", ID_A, "a", &pids[0]);
        c[1] = make_container("machine", ID_B, "b", &pids[1]);
        for (int i = 0; i < 2; i++)
                NEED(container_table_add(&t, c[i], false) == 0);
        NEED(sd_event_run(t.event, 0) == 0);
        end_child(pids[0]);
        while (told.n_removed == 0)
                NEED(sd_event_run(t.event, UINT64_MAX) >= 0);
        NEED(told.removed == c[0] && !container_table_by_id(&t, ID_A) && container_table_by_id(&t, ID_B));
        /* Cleared, it no longer watches and informs anything. */
        container_table_clear(&t);
        end_child(pids[1]);
        NEED(sd_event_run(t.event, 0) == 0 && told.n_removed == 1);
        container_unref(c[0]);
        container_unref(c[1]);
        sd_event_unref(t.event);
}

int main(void)
{
        test_find();
        test_names_of_users();
        test_ambiguous_name();
        test_events();
        test_namespaces();
        test_dead_leader();
        return 0;
}
