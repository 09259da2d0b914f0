/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "ctl/targets.h"

#include <fnmatch.h>
#include <string.h>

#include "ctl/bus.h"
#include "wire/service-name.h"

void targets_done(Targets *t)
{
        for (size_t i = 0; i < t->n; i++) {
                free(t->items[i].name);
                free(t->items[i].reference);
        }
        t->items = mfree(t->items);
        t->n = 0;
}

bool targets_are_several(const char *text)
{
        return strpbrk(text, ",*?[");
}

static int add(Targets *t, const char *name, const char *reference)
{
        Target *items, k;

        for (size_t i = 0; i < t->n; i++)
                if (strcmp(t->items[i].name, name) == 0)
                        return 0;
        items = reallocarray(t->items, t->n + 1, sizeof(Target));
        if (!items)
                return fail_memory();
        t->items = items;
        k = (Target){strdup(name), strdup(reference)};
        if (!k.name || !k.reference) {
                free(k.name);
                free(k.reference);
                return fail_memory();
        }
        t->items[t->n++] = k;
        return 0;
}

/* Those that run and match. Services of the host are none of "all containers": they have to be named. The ID is of this run of the container: another one is not meant. */
static int add_matching(Targets *t, sd_bus_message *containers, const char *pattern)
{
        size_t before = t->n;
        bool any = false;
        int r, status = 0;

        r = sd_bus_message_rewind(containers, true);
        if (r >= 0)
                r = sd_bus_message_enter_container(containers, 'a', "(sssssut)");
        while (r >= 0 && status == 0) {
                const char *id, *name, *kind, *state;

                r = sd_bus_message_read(containers, "(sssssut)", &id, &name, &kind, &state, NULL, NULL,
                                        NULL);
                if (r <= 0)
                        break;
                if (strcmp(kind, SERVICE_KIND) == 0 || (pattern && fnmatch(pattern, name, 0) != 0) ||
                    strcmp(state, "running") != 0)
                        continue;
                any = true;
                status = add(t, name, id);
        }
        if (r < 0)
                return fail_errno(r, "Invalid reply from execd");
        if (status == 0 && !any && t->n == before)
                return pattern ? fail("No running container matches \"%s\".", pattern)
                               : fail("There is no running container.");
        return status;
}

int targets_read(Ctl *c, const char *text, Targets *ret)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *containers = NULL;
        _cleanup_free_ char *copy = strdup(text ?: "");
        char *rest = copy, *word;
        int r = 0;

        if (!copy)
                return fail_memory();
        if (!text || strpbrk(text, "*?["))
                r = bus_ask(c, "ListContainers", NULL, &containers);
        if (!text)
                return r ?: add_matching(ret, containers, NULL);
        while (r == 0 && (word = strsep(&rest, ",")))
                r = !*word                 ? fail("The list of containers \"%s\" has an empty name.", text)
                    : strpbrk(word, "*?[") ? add_matching(ret, containers, word)
                                           : add(ret, word, word);
        return r;
}
