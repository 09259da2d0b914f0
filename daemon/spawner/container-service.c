/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A service is known once a request has named it: a round looks at the services that are wanted by then. */

#include "spawner/container-service.h"

#include <string.h>

#include "base/strv.h"
#include "spawner/service-look.h"
#include "wire/service-name.h"

#define SYSTEMD_NAME    "org.freedesktop.systemd1"
#define SYSTEMD_PATH    "/org/freedesktop/systemd1"
#define SYSTEMD_MANAGER "org.freedesktop.systemd1.Manager"

typedef struct Services {
        Provider provider;
        sd_bus *bus; /* weak */
        bool is_all_wanted;
        char **wanted;      /* names and ids, for the next round */
        ServiceLooks looks; /* of this one */
        sd_bus_slot *slot_list;
        Refusal failure; /* the same */
} Services;

static void refresh_maybe_done(Services *s)
{
        if (s->provider.is_running && !s->slot_list && service_looks_are_done(&s->looks))
                provider_refreshed(&s->provider, &s->failure);
}

static void on_looks_done(Provider *p)
{
        refresh_maybe_done((Services *) p);
}

static void run_looks(Services *s)
{
        service_looks_run(&s->looks);
        refresh_maybe_done(s);
}

static int take_units(Services *s, sd_bus_message *reply)
{
        const char *name, *path;
        int r;

        r = sd_bus_message_enter_container(reply, 'a', "(ssssssouso)");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_read(reply, "(ssssssouso)", &name, NULL, NULL, NULL, NULL, NULL, &path,
                                        NULL, NULL, NULL)) > 0) {
                if (!service_name_is_valid(name))
                        continue;
                r = service_looks_add(&s->looks, NULL, path);
                if (r < 0)
                        return r;
        }
        return r;
}

static int on_list(sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        const sd_bus_error *e = sd_bus_message_get_error(reply);
        Services *s = userdata;
        int r = 0;

        s->slot_list = sd_bus_slot_unref(s->slot_list);
        if (e)
                refuse(&s->failure, REFUSAL_UNAVAILABLE, EIO, "systemd does not answer: %s",
                       e->message ?: e->name);
        else
                r = take_units(s, reply);
        if (r < 0)
                refuse(&s->failure, REFUSAL_UNAVAILABLE, r, "invalid reply from systemd");
        run_looks(s);
        return 0;
}

static int list_units(Services *s)
{
        return sd_bus_call_method_async(s->bus, &s->slot_list, SYSTEMD_NAME, SYSTEMD_PATH, SYSTEMD_MANAGER,
                                        "ListUnitsByPatterns", on_list, s, "asas", 3, "active", "reloading",
                                        "activating", 1, "*.service");
}

static void want(Services *s, const char *reference)
{
        STRV_FOREACH (other, s->wanted)
                if (strcmp(*other, reference) == 0)
                        return;
        (void) strv_append(&s->wanted, reference);
}

static void services_refresh(Provider *p)
{
        Services *s = (Services *) p;
        _cleanup_strv_ char **again = TAKE_PTR(s->looks.again);
        int r;

        STRV_FOREACH (reference, again)
                want(s, *reference);
        /* Without memory one is not found. */
        STRV_FOREACH (reference, s->wanted)
                (void) service_looks_add(&s->looks, *reference, NULL);
        s->wanted = strv_free(s->wanted);
        if (s->is_all_wanted) {
                s->is_all_wanted = false;
                r = list_units(s);
                if (r < 0)
                        refuse(&s->failure, REFUSAL_UNAVAILABLE, r, "not connected to the system bus: %s",
                               strerrordesc_np(-r));
        }
        run_looks(s);
}

static Services *services_of(Providers *all)
{
        for (size_t i = 0; i < all->n_providers; i++)
                if (all->providers[i]->type == &service_provider)
                        return (Services *) all->providers[i];
        return NULL;
}

bool service_want(Providers *all, const char *reference)
{
        uint8_t invocation[SERVICE_INVOCATION];
        Services *s = services_of(all);

        if (!s || (!service_name_is_valid(reference) && service_id_parse(reference, invocation) < 0))
                return false;
        want(s, reference);
        return true;
}

void service_want_all(Providers *all)
{
        Services *s = services_of(all);

        if (s)
                s->is_all_wanted = true;
}

static Provider *services_free(Provider *p)
{
        Services *s = (Services *) p;

        if (!s)
                return NULL;
        sd_bus_slot_unref(s->slot_list);
        service_looks_clear(&s->looks);
        strv_free(s->wanted);
        refusal_done(&s->failure);
        free(s);
        return NULL;
}

static int services_new(Providers *all, Provider **ret)
{
        Services *s = calloc(1, sizeof(*s));

        if (!s)
                return -ENOMEM;
        s->bus = all->bus;
        s->looks = (ServiceLooks){.provider = &s->provider, .on_done = on_looks_done};
        *ret = &s->provider;
        return 0;
}

const ProviderType service_provider = {
        .name = "systemd",
        .new = services_new,
        .free = services_free,
        .refresh = services_refresh,
};
