/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* show: properties of execs, of containers and of execd itself, for programs. */

#include <stdio.h>
#include <string.h>

#include "ctl/properties.h"

/* Is the name among those that --property lists? */
static bool is_wanted(const Options *o, const char *name)
{
        size_t n = strlen(name);

        if (!o->properties)
                return true;
        STRV_FOREACH (list, o->properties)
                for (const char *p = *list; *p;) {
                        size_t length = strcspn(p, ",");

                        if (length == n && strncasecmp(p, name, n) == 0)
                                return true;
                        p += length + (p[length] ? 1 : 0);
                }
        return false;
}

static void print_text(const Options *o, const Properties *p)
{
        for (size_t i = 0; i < p->n; i++) {
                const Property *k = &p->items[i];
                _cleanup_free_ char *clean = text_clean(k->text);

                if (!is_wanted(o, k->name))
                        continue;
                if (o->value)
                        printf("%s\n", clean ?: "");
                else
                        printf("%s=%s\n", k->name, clean ?: "");
        }
}

static void print_json(const Options *o, const Properties *p)
{
        bool pretty = o->json == JSON_PRETTY, first = true;

        printf("{");
        for (size_t i = 0; i < p->n; i++) {
                const Property *k = &p->items[i];

                if (!is_wanted(o, k->name))
                        continue;
                printf("%s%s\"%s\"%s%s", first ? "" : ",", pretty ? "\n\t" : "", k->name,
                       pretty ? " : " : ":", k->json);
                first = false;
        }
        printf("%s}\n", pretty && !first ? "\n" : "");
}

/* Reads the properties of the exec or the container with this name. An ID of an exec takes precedence. */
static int read_any(Ctl *c, const char *name, Properties *ret)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(exec_name_done) ExecName e = {0};
        int r;

        r = exec_find_any(c, name, &e);
        if (r < 0)
                return -r;
        if (r > 0)
                return properties_get_all(c, e.path, EXEC_INTERFACE, ret);
        r = bus_ask(c, "GetContainer", name, &reply);
        if (r != 0)
                return r;
        r = properties_read(ret, reply);
        return r < 0 ? fail_errno(r, "Invalid reply from execd") : 0;
}

/* An empty line separates the objects. */
static int show_one(Ctl *c, const char *name, bool *printed)
{
        _cleanup_properties_ Properties p = {0};
        int r = name ? read_any(c, name, &p) : properties_get_all(c, MANAGER_PATH, MANAGER_INTERFACE, &p);

        if (r != 0)
                return r;
        pager_open(c);
        if (c->options.json != JSON_OFF) {
                print_json(&c->options, &p);
                return 0;
        }
        if (*printed)
                printf("\n");
        *printed = true;
        print_text(&c->options, &p);
        return 0;
}

int verb_show(Ctl *c, int argc, char **argv)
{
        bool printed = false;
        int status = 0;

        if (argc == 0)
                return show_one(c, NULL, &printed);
        for (int i = 0; i < argc; i++)
                status = show_one(c, argv[i], &printed) ?: status;
        return status;
}
