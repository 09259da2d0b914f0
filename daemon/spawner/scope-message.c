/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "spawner/scope-message.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/time.h"
#include "spawner/systemd.h"
#include "wire/scope-property.h"

/* After `systemctl stop`: a shell at a terminal does not exit on SIGTERM, and a minute would be too long to
 * wait. */
#define STOP_TIMEOUT_USEC (10 * USEC_PER_SEC)

void scope_description(const char *text, char ret[static SCOPE_DESCRIPTION_SIZE])
{
        size_t n = strnlen(text, SCOPE_DESCRIPTION_SIZE - 1);

        if (text[n])
                while (n > 0 && ((unsigned char) text[n] & 0xc0) == 0x80)
                        n--;
        memcpy(ret, text, n);
        ret[n] = 0;
        for (char *p = ret; *p; p++)
                if ((unsigned char) *p < ' ' || *p == 0x7f)
                        *p = ' ';
}

static int append_property(sd_bus_message *m, const ScopeProperty *p)
{
        int r;

        switch (p->type) {
        case SCOPE_PROPERTY_U64:
                return sd_bus_message_append(m, "(sv)", p->bus_name, "t", p->number);
        case SCOPE_PROPERTY_U32:
                return sd_bus_message_append(m, "(sv)", p->bus_name, "u", (uint32_t) p->number);
        case SCOPE_PROPERTY_STRING:
                return sd_bus_message_append(m, "(sv)", p->bus_name, "s", p->string);
        case SCOPE_PROPERTY_BYTES:
                r = sd_bus_message_open_container(m, 'r', "sv");
                if (r >= 0)
                        r = sd_bus_message_append(m, "s", p->bus_name);
                if (r >= 0)
                        r = sd_bus_message_open_container(m, 'v', "ay");
                if (r >= 0)
                        r = sd_bus_message_append_array(m, 'y', p->bytes, p->n_bytes);
                if (r >= 0)
                        r = sd_bus_message_close_container(m);
                return r < 0 ? r : sd_bus_message_close_container(m);
        }
        return -EINVAL;
}

/* The limits of the client, within the container's. */
static int append_properties(sd_bus_message *m, const ScopeRequest *q, Refusal *reterr)
{
        ScopeProperty asked[SCOPE_PROPERTIES_MAX] = {0};
        size_t n = 0;
        int r = 0;

        for (char *const *p = q->properties; p && p[0] && p[1] && r >= 0; p += 2) {
                if (n >= ELEMENTSOF(asked)) {
                        r = -E2BIG;
                        break;
                }
                r = scope_property_parse(p[0], p[1], &asked[n], reterr);
                if (r < 0)
                        break;
                limits_apply(&q->slice->wanted, &asked[n]);
                r = append_property(m, &asked[n++]);
        }
        if (r >= 0)
                r = limits_append_tasks(&q->slice->wanted, asked, n, m);
        for (size_t i = 0; i < n; i++)
                scope_property_done(&asked[i]);
        return r;
}

/* Commands in a service end with it, at once: another service may get its user a moment later. */
static int append_bound(sd_bus_message *m, const ScopeRequest *q)
{
        int r = 0;

        if (!q->bound_to)
                return 0;
        r = sd_bus_message_append(m, "(sv)(sv)", "BindsTo", "as", 1, q->bound_to, "KillSignal", "i",
                                  SIGKILL);
        /* systemd refuses to start it after a unit that is not up. */
        if (r >= 0 && q->is_after_bound)
                r = sd_bus_message_append(m, "(sv)", "After", "as", 1, q->bound_to);
        return r;
}

static int append_unit(sd_bus_message *m, bool takes_pidfds, const char *slice, const ScopeRequest *q,
                       Refusal *reterr)
{
        char description[SCOPE_DESCRIPTION_SIZE];
        int r;

        scope_description(q->description, description);
        r = sd_bus_message_append(m, "(sv)(sv)(sv)(sv)", "Description", "s", description, "Slice", "s",
                                  slice, "CollectMode", "s", "inactive-or-failed", "TimeoutStopUSec", "t",
                                  STOP_TIMEOUT_USEC);
        /* The runner has its number as long as it is not reaped: see scope_abandon(). */
        if (r >= 0)
                r = takes_pidfds
                            ? sd_bus_message_append(m, "(sv)", "PIDFDs", "ah", 1, q->runner->pidfd)
                            : sd_bus_message_append(m, "(sv)", "PIDs", "au", 1, (uint32_t) q->runner->pid);
        if (r >= 0)
                r = append_bound(m, q);
        return r < 0 ? r : append_properties(m, q, reterr);
}

int scope_message_new(sd_bus *bus, bool takes_pidfds, const char *name, const char *slice,
                      const ScopeRequest *q, sd_bus_message **ret, Refusal *reterr)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = sd_bus_message_new_method_call(bus, &m, SYSTEMD_NAME, SYSTEMD_PATH, SYSTEMD_MANAGER,
                                           "StartTransientUnit");
        /* To be bound to a service must not start that again when it has been stopped meanwhile. To be ordered after it
         * counts when it is stopped: while it reloads, the scope does not wait for it. */
        if (r >= 0)
                r = sd_bus_message_append(m, "ss", name, q->bound_to ? "ignore-dependencies" : "fail");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "(sv)");
        if (r >= 0)
                r = append_unit(m, takes_pidfds, slice, q, reterr);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(m);
        return 0;
}

/* The properties of a slice; without limits for one below it, which has them already. */
static int append_slice(sd_bus_message *m, const Slice *slice, bool with_limits)
{
        char text[SCOPE_DESCRIPTION_SIZE + 64], description[SCOPE_DESCRIPTION_SIZE];
        const Container *c = slice->container;
        int r;

        snprintf(text, sizeof(text), "Execs in %s %s", c->kind, c->name);
        scope_description(text, description);
        r = sd_bus_message_open_container(m, 'a', "(sv)");
        if (r >= 0)
                r = sd_bus_message_append(m, "(sv)(sv)", "Description", "s", description, "CollectMode", "s",
                                          "inactive-or-failed");
        if (r >= 0 && with_limits)
                r = limits_append(&slice->wanted, false, m);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

int scope_message_finish(sd_bus_message *m, const Slice *slice)
{
        int r = sd_bus_message_open_container(m, 'a', "(sa(sv))");

        if (r >= 0 && slice) {
                r = sd_bus_message_open_container(m, 'r', "sa(sv)");
                if (r >= 0)
                        r = sd_bus_message_append(m, "s", slice->name);
                if (r >= 0)
                        r = append_slice(m, slice, true);
                if (r >= 0)
                        r = sd_bus_message_close_container(m);
        }
        return r < 0 ? r : sd_bus_message_close_container(m);
}

int scope_message_send_slice(sd_bus *bus, const char *name, const Slice *slice, bool with_limits)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = sd_bus_message_new_method_call(bus, &m, SYSTEMD_NAME, SYSTEMD_PATH, SYSTEMD_MANAGER,
                                           "StartTransientUnit");
        if (r >= 0)
                r = sd_bus_message_append(m, "ss", name, "fail");
        if (r >= 0)
                r = append_slice(m, slice, with_limits);
        if (r >= 0)
                r = sd_bus_message_append(m, "a(sa(sv))", 0);
        return r < 0 ? r : sd_bus_send(bus, m, NULL);
}

int scope_message_copy(sd_bus *bus, sd_bus_message *m, bool whole, sd_bus_message **ret)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *copy = NULL;
        int r;

        /* It has been, if it was sent. */
        (void) sd_bus_message_seal(m, 1, 0);
        r = sd_bus_message_rewind(m, true);
        if (r >= 0)
                r = sd_bus_message_new_method_call(bus, &copy, SYSTEMD_NAME, SYSTEMD_PATH, SYSTEMD_MANAGER,
                                                   sd_bus_message_get_member(m));
        if (r >= 0 && whole)
                r = sd_bus_message_copy(copy, m, true);
        for (int i = 0; r >= 0 && !whole && i < 3; i++)
                r = sd_bus_message_copy(copy, m, false);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(copy);
        return 0;
}
