/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The rounds in which providers look for containers: the waits for a round, and the errors for missing
 * containers. */

#include "spawner/provider.h"

#include "unit/spawner/container-child.h"

#define ID_A "aa11000000000000000000000000000000000000000000000000000000000000"
#define ID_B "bb00000000000000000000000000000000000000000000000000000000000000"

/* A provider that does what the test says. */
typedef struct Fake {
        Provider provider;
        unsigned n_refreshed;
        bool is_slow; /* ends its refresh when the test says so */
        const char *failure;
        const char *rejected;
        int error;
        Container *found; /* weak */
} Fake;

static Fake *fakes[2];
static size_t n_fakes;

static int fake_new(Providers *all, Provider **ret)
{
        Fake *f = calloc(1, sizeof(*f));

        NEED(f && n_fakes < ELEMENTSOF(fakes));
        fakes[n_fakes++] = f;
        *ret = &f->provider;
        return 0;
}

static Provider *fake_free(Provider *p)
{
        free(p);
        return NULL;
}

static void fake_finish(Fake *f)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT, failure = REFUSAL_INIT;

        if (f->found && !f->found->table)
                NEED(provider_add(&f->provider, f->found) == 0);
        if (f->rejected) {
                if (f->error == -EAGAIN)
                        refuse(&refusal, REFUSAL_NOT_RUNNING, EAGAIN, "the container is starting");
                provider_reject(&f->provider, f->rejected, f->error, &refusal);
        }
        if (f->failure)
                refuse(&failure, REFUSAL_UNAVAILABLE, EIO, "%s", f->failure);
        provider_refreshed(&f->provider, &failure);
}

static void fake_refresh(Provider *p)
{
        Fake *f = (Fake *) p;

        f->n_refreshed++;
        if (!f->is_slow)
                fake_finish(f);
}

static const ProviderType fake = {"fake", fake_new, fake_free, fake_refresh};
static const ProviderType *const types[] = {&fake, &fake};

typedef struct World {
        sd_event *event;
        ContainerTable table;
        Providers *providers;
        unsigned n_new;
} World;

static void on_new(void *userdata, Container *c)
{
        ((World *) userdata)->n_new++;
}

static void on_removed(void *userdata, Container *c)
{
}

static const ContainerEvents events = {on_new, on_removed};

static void world_up(World *w)
{
        n_fakes = 0;
        *w = (World){0};
        NEED(sd_event_new(&w->event) >= 0);
        w->table = (ContainerTable){.event = w->event, .events = &events, .userdata = w};
        NEED(providers_new(types, 2, NULL, w->event, &w->table, &w->providers) == 0);
}

static void world_down(World *w)
{
        providers_free(w->providers);
        container_table_clear(&w->table);
        sd_event_unref(w->event);
}

static void count(void *userdata)
{
        ++*(unsigned *) userdata;
}

static void run_until(World *w, const unsigned *n, unsigned wanted)
{
        while (*n < wanted)
                NEED(sd_event_run(w->event, UINT64_MAX) >= 0);
}

static void look(World *w)
{
        unsigned n = 0;

        NEED(providers_refresh(w->providers, count, &n) == 0 && n == 0);
        run_until(w, &n, 1);
}

/* Those that were there before us are not new, for each provider by itself. */
static void test_first_refresh(void)
{
        Container *c[2];
        pid_t pids[2];
        World w;

        c[0] = make_container("machine", ID_A, "a", &pids[0]);
        c[1] = make_container("other", ID_B, "b", &pids[1]);
        world_up(&w);
        NEED(fakes[0]->n_refreshed == 1 && providers_are_primed(w.providers));
        fakes[0]->found = c[0];
        look(&w);
        NEED(w.n_new == 1);
        world_down(&w);

        world_up(&w);
        fakes[1]->provider.is_primed = false; /* as if it had not looked yet */
        NEED(!providers_are_primed(w.providers));
        fakes[1]->failure = "out of order";
        fakes[1]->found = c[1];
        look(&w);
        NEED(w.n_new == 0 && !providers_are_primed(w.providers));
        fakes[1]->failure = NULL;
        look(&w);
        NEED(w.n_new == 0 && providers_are_primed(w.providers));
        world_down(&w);
        for (int i = 0; i < 2; i++) {
                container_unref(c[i]);
                end_child(pids[i]);
        }
}

/* A request during a round waits for the next one. */
static void test_rounds(void)
{
        unsigned first = 0, second = 0, given_up = 0;
        World w;

        world_up(&w);
        NEED(sd_event_run(w.event, 0) >= 0);
        fakes[0]->is_slow = true;
        NEED(providers_refresh(w.providers, count, &first) == 0);
        NEED(fakes[0]->n_refreshed == 2 && fakes[1]->n_refreshed == 2);
        NEED(providers_refresh(w.providers, count, &second) == 0);
        NEED(providers_refresh(w.providers, count, &given_up) == 0);
        providers_cancel(w.providers, &given_up);
        NEED(sd_event_run(w.event, 0) == 0 && first == 0);
        fake_finish(fakes[0]);
        NEED(first == 1 && second == 0 && fakes[0]->n_refreshed == 3);
        fake_finish(fakes[0]);
        NEED(first == 1 && second == 1 && given_up == 0 && fakes[0]->n_refreshed == 3);
        /* After a change there is a new look. */
        provider_changed(&fakes[1]->provider);
        NEED(fakes[1]->n_refreshed == 4);
        world_down(&w);
}

static void test_failure(void)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        Container *c;
        pid_t pid;
        World w;

        c = make_container("machine", ID_A, "web", &pid);
        world_up(&w);
        fakes[0]->failure = "out of order";
        fakes[1]->found = c;
        look(&w);
        /* Only what is the failing one's own is missing. */
        NEED(container_table_find(&w.table, "web", NULL) == c);
        NEED(providers_why_not(w.providers, "db", &refusal) < 0 && refusal.kind == REFUSAL_UNAVAILABLE);
        NEED(same_text(refusal.message, "out of order"));
        fakes[0]->failure = NULL;
        look(&w);
        refusal_done(&refusal);
        refusal = REFUSAL_INIT;
        NEED(providers_why_not(w.providers, "db", &refusal) == 0 && refusal.kind == REFUSAL_NONE);
        world_down(&w);
        container_unref(c);
        end_child(pid);
}

static void test_rejected(void)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        unsigned n = 0, n_refreshed;
        World w;

        world_up(&w);
        fakes[1]->rejected = "web";
        fakes[1]->error = -ESRCH;
        look(&w);
        NEED(providers_why_not(w.providers, "web", &refusal) == -ESRCH);
        NEED(refusal.kind == REFUSAL_NOT_RUNNING);
        NEED(same_text(refusal.message, "web: failed to inspect: No such process"));
        NEED(providers_refresh_later(w.providers, count, &n) == -EAGAIN);

        /* One that is starting is looked at again, whoever it belongs to. */
        fakes[1]->error = -EAGAIN;
        look(&w);
        NEED(providers_why_not(w.providers, "web", &refusal) == -EAGAIN);
        NEED(same_text(refusal.message, "web: the container is starting"));
        n_refreshed = fakes[1]->n_refreshed;
        NEED(providers_refresh_later(w.providers, count, &n) == 0);
        fakes[1]->rejected = NULL;
        run_until(&w, &n, 1);
        NEED(fakes[1]->n_refreshed == n_refreshed + 1);
        NEED(providers_why_not(w.providers, "web", &refusal) == 0);
        NEED(providers_refresh_later(w.providers, count, &n) == -EAGAIN);

        /* Another round may come first, and has looked at what was asked for. */
        fakes[1]->rejected = "web";
        look(&w);
        n = 0;
        NEED(providers_refresh_later(w.providers, count, &n) == 0);
        look(&w);
        NEED(n == 1);
        world_down(&w);
}

int main(void)
{
        test_first_refresh();
        test_rounds();
        test_failure();
        test_rejected();
        return 0;
}
