/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* events: a line for each change, as it happens. */

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/time.h"
#include "ctl/json-text.h"
#include "ctl/properties.h"

typedef struct Event {
        const char *name;
        const char *exec, *container, *container_id, *command, *labels_json;
        int32_t exit_status; /* negative: none */
} Event;

static const struct {
        const char *member, *name;
} events[] = {
        {"ExecNew", "exec-created"},       {"ExecStarted", "exec-started"},
        {"ExecExited", "exec-ended"},      {"ExecRemoved", "exec-removed"},
        {"ContainerNew", "container-new"}, {"ContainerRemoved", "container-removed"},
};

static void print_json_member(const char *name, const char *value)
{
        _cleanup_buf_ Buf b = BUF_INIT;
        _cleanup_free_ char *text = NULL;

        if (value)
                json_append_string(&b, value);
        else
                buf_puts(&b, "null");
        text = json_take(&b);
        printf(",\"%s\":%s", name, text ?: "null");
}

static void print_json(const Event *e)
{
        printf("{\"time\":%llu", (unsigned long long) now_usec(CLOCK_REALTIME));
        print_json_member("event", e->name);
        print_json_member("exec", e->exec);
        print_json_member("container", e->container);
        print_json_member("container_id", e->container_id);
        print_json_member("command", e->command);
        printf(",\"labels\":%s", e->labels_json ?: "null");
        if (e->exit_status >= 0)
                printf(",\"exit_status\":%d}\n", e->exit_status);
        else
                printf(",\"exit_status\":null}\n");
}

static void print_line(const Ctl *c, const Event *e)
{
        _cleanup_free_ char *command = text_clean(e->command ?: "");
        const char *id = e->exec ?: e->container_id;
        time_t t = time(NULL);
        char clock[32] = "";
        struct tm tm;

        if (localtime_r(&t, &tm))
                (void) strftime(clock, sizeof(clock), "%H:%M:%S", &tm);
        printf("%s %-17s %.*s %s", clock, e->name, c->options.full ? EXEC_ID_LENGTH : ID_SHOWN, id,
               e->container ?: "-");
        if (e->exit_status >= 0)
                printf(" (exit status %d)", e->exit_status);
        printf("%s%s\n", command && *command ? " " : "", command ?: "");
}

static void print_event(const Ctl *c, const Event *e)
{
        const char *wanted = c->options.container;

        if (wanted && !(e->container && strcmp(e->container, wanted) == 0) &&
            !(*wanted && e->container_id && strncmp(e->container_id, wanted, strlen(wanted)) == 0))
                return;
        if (c->options.json != JSON_OFF)
                print_json(e);
        else
                print_line(c, e);
        (void) output_flush();
}

/* A caller that may not see the exec gets its ID alone, as in the signal. */
static void on_exec(Ctl *c, sd_bus_message *m, Event *e)
{
        _cleanup_properties_ Properties p = {0};
        const Property *labels;
        const char *path;

        if (sd_bus_message_read(m, "so", &e->exec, &path) < 0)
                return;
        if (strcmp(e->name, "exec-ended") == 0 && sd_bus_message_read(m, "i", &e->exit_status) < 0)
                return;
        if (strcmp(e->name, "exec-removed") != 0 && properties_get_of_exec(c, path, &p) == 0) {
                labels = properties_find(&p, "Labels");
                e->container = properties_text(&p, "ContainerName");
                e->container_id = properties_text(&p, "ContainerId");
                e->command = properties_text(&p, "CommandLine");
                e->labels_json = labels ? labels->json : NULL;
        }
        print_event(c, e);
}

static int on_signal(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        const char *member = sd_bus_message_get_member(m);
        Event e = {.exit_status = -1};
        Ctl *c = userdata;

        for (size_t i = 0; i < ELEMENTSOF(events) && member; i++)
                if (strcmp(events[i].member, member) == 0)
                        e.name = events[i].name;
        if (!e.name)
                return 0;
        if (strncmp(e.name, "exec-", 5) == 0)
                on_exec(c, m, &e);
        else if (sd_bus_message_read(m, "ss", &e.container_id, &e.container) >= 0)
                print_event(c, &e);
        return 0;
}

/* execd watches containers for subscribers, and does not exit while there is one. Callers that may not list
 * containers get the signals that are for everyone. */
static int subscribe(Ctl *c)
{
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        int r;

        r = sd_bus_call_method(c->bus, BUS_NAME, MANAGER_PATH, MANAGER_INTERFACE, "Subscribe", &error, NULL,
                               "");

        return r < 0 && bus_lacks_execd(&error) ? bus_fail(&error, r) : 0;
}

int verb_events(Ctl *c, int argc, char **argv)
{
        int r;

        r = bus_connect(c);
        if (r != 0)
                return r;
        r = sd_bus_match_signal(c->bus, NULL, BUS_NAME, MANAGER_PATH, MANAGER_INTERFACE, NULL, on_signal, c);
        if (r < 0)
                return fail_errno(r, "Failed to receive signals of execd");
        r = subscribe(c);
        if (r != 0)
                return r;
        while (r >= 0 && !ferror(stdout)) {
                r = sd_bus_process(c->bus, NULL);
                if (r == 0)
                        r = sd_bus_wait(c->bus, UINT64_MAX);
        }
        return r < 0 ? fail_errno(r, "The connection to the system bus is lost") : 0;
}
