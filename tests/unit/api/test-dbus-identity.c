/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* api/dbus-identity: the number of pending questions, and questions that the bus rejects or whose answers are no longer
 * needed. The bus is the other end of a socket. */

#include "api/dbus-identity.h"

#include <stdio.h>
#include <systemd/sd-event.h>

#include "base/time.h"
#include "unit/bus-pair.h"
#include "unit/test.h"

#define ALL  (3 * IDENTITIES_ASKED_MAX)
#define MANY (10 * IDENTITIES_ASKED_MAX)

static sd_event *event;
static sd_bus *ours, *theirs;
static BusWatch *watch;
static DbusIdentities *identities;
static char names[MANY][16];
static DbusIdentity *asked[MANY];

/* The questions that the bus has got, and the results. */
static sd_bus_message *questions[4 * ALL];
static unsigned n_questions, n_answered, n_identified, n_unknown, n_pings;

static int on_call(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        n_pings += sd_bus_message_is_method_call(m, "org.freedesktop.DBus.Peer", "Ping") > 0;
        if (!sd_bus_message_is_method_call(m, "org.freedesktop.DBus", "GetConnectionCredentials"))
                return 0;
        NEED(n_questions < ELEMENTSOF(questions));
        questions[n_questions++] = sd_bus_message_ref(m);
        return 1;
}

static void on_lost(void *userdata, const char *why)
{
        NEED(!"lost");
}

static void on_identified(void *userdata, Peer *p)
{
        DbusIdentity **i = userdata;

        *i = dbus_identity_free(*i);
        if (p) {
                NEED(p->uid == 1234 && strcmp(p->bus_name, names[i - asked]) == 0);
                n_identified++;
        } else
                n_unknown++;
        peer_unref(p);
}

static void settle(void)
{
        while (sd_event_run(event, 0) > 0)
                ;
}

static void answer(unsigned n)
{
        for (; n > 0; n--, n_answered++)
                NEED(sd_bus_reply_method_return(questions[n_answered], "a{sv}", 1, "UnixUserID", "u",
                                                1234) >= 0);
        settle();
}

static void reject(unsigned n, const char *name)
{
        for (; n > 0; n--, n_answered++)
                NEED(sd_bus_reply_method_errorf(questions[n_answered], name, "no") >= 0);
        settle();
}

static void until_asked(unsigned n)
{
        uint64_t until = now_usec(CLOCK_MONOTONIC) + 30 * USEC_PER_SEC;

        while (n_questions < n) {
                NEED(now_usec(CLOCK_MONOTONIC) < until);
                NEED(sd_event_run(event, 100 * USEC_PER_MSEC) >= 0);
        }
        settle();
        NEED(n_questions == n);
}

/* So many calls, the first of them by one sender. */
static void open_world_of(unsigned n, unsigned n_first)
{
        int ends[2];

        n_questions = n_answered = n_identified = n_unknown = n_pings = 0;
        NEED(sd_event_new(&event) >= 0);
        bus_socket(ends);
        theirs = bus_serve(ends[0], event, on_call, NULL);
        ours = bus_connect(ends[1], event);
        settle();
        NEED(bus_watch_new(ours, on_lost, NULL, &watch) >= 0);
        NEED((identities = dbus_identities_new(ours, watch)));
        for (unsigned i = 0; i < n; i++) {
                snprintf(names[i], sizeof(names[i]), ":1.%u", i < n_first ? 0 : i);
                NEED(dbus_identity_new(identities, names[i], 1, on_identified, &asked[i], &asked[i]) >= 0);
        }
        settle();
}

static void open_world(unsigned n)
{
        open_world_of(n, 0);
}

static void close_world(void)
{
        for (unsigned i = 0; i < MANY; i++)
                asked[i] = dbus_identity_free(asked[i]);
        dbus_identities_free(identities);
        bus_watch_free(watch);
        for (unsigned i = 0; i < n_questions; i++)
                sd_bus_message_unref(questions[i]);
        sd_bus_detach_event(ours);
        ours = sd_bus_close_unref(ours);
        theirs = sd_bus_close_unref(theirs);
        event = sd_event_unref(event);
}

static void test_few_at_a_time(void)
{
        open_world(ALL);
        NEED(n_questions == IDENTITIES_ASKED_MAX);
        answer(1);
        NEED(n_questions == IDENTITIES_ASKED_MAX + 1 && n_identified == 1);
        answer(IDENTITIES_ASKED_MAX);
        NEED(n_questions == 2 * IDENTITIES_ASKED_MAX + 1);
        answer(IDENTITIES_ASKED_MAX);
        answer(IDENTITIES_ASKED_MAX - 1);
        NEED(n_questions == ALL && n_identified == ALL && n_unknown == 0 && n_pings == 0);
        close_world();
}

/* The bus has no room for an answer. Nothing is asked for a while, then it is asked again, after the others. */
static void test_rejected(void)
{
        open_world(IDENTITIES_ASKED_MAX + 1);
        reject(IDENTITIES_ASKED_MAX, SD_BUS_ERROR_LIMITS_EXCEEDED);
        NEED(n_unknown == 0 && n_identified == 0 && n_pings > 0);
        until_asked(2 * IDENTITIES_ASKED_MAX);
        answer(IDENTITIES_ASKED_MAX);
        until_asked(2 * IDENTITIES_ASKED_MAX + 1);
        answer(1);
        NEED(n_identified == IDENTITIES_ASKED_MAX + 1 && n_unknown == 0);
        close_world();
}

static void test_gone(void)
{
        open_world(1);
        reject(1, SD_BUS_ERROR_NAME_HAS_NO_OWNER);
        NEED(n_unknown == 1 && n_questions == 1);
        close_world();
}

/* Callers that leave make room, whether they were asked for or waited. That the bus has not answered is looked into. */
static void test_given_up(void)
{
        open_world(2 * IDENTITIES_ASKED_MAX);
        for (unsigned i = 0; i < IDENTITIES_ASKED_MAX + 2; i++)
                asked[i] = dbus_identity_free(asked[i]);
        settle();
        NEED(n_pings == 1);
        until_asked(2 * IDENTITIES_ASKED_MAX - 2);
        answer(IDENTITIES_ASKED_MAX);
        NEED(n_identified == 0);
        answer(IDENTITIES_ASKED_MAX - 2);
        NEED(n_identified == IDENTITIES_ASKED_MAX - 2 && n_unknown == 0);
        close_world();
}

/* One question for all calls that a sender makes before its answer, and another one for those after it. */
static void test_shared(void)
{
        open_world_of(7, 5);
        NEED(n_questions == 3);
        asked[2] = dbus_identity_free(asked[2]);
        asked[4] = dbus_identity_free(asked[4]);
        answer(1);
        NEED(n_identified == 3 && n_pings == 0);
        NEED(dbus_identity_new(identities, names[4], 1, on_identified, &asked[4], &asked[4]) >= 0);
        settle();
        NEED(n_questions == 4);
        answer(2);
        reject(1, SD_BUS_ERROR_NAME_HAS_NO_OWNER);
        NEED(n_identified == 5 && n_unknown == 1);
        close_world();
}

/* The calls of one sender do not go on all at once, and not before those of others who are identified later. */
static void test_turns(void)
{
        open_world_of(MANY, MANY - 1);
        NEED(n_questions == 2);
        NEED(sd_bus_reply_method_return(questions[0], "a{sv}", 1, "UnixUserID", "u", 1234) >= 0);
        while (n_identified == 0)
                NEED(sd_event_run(event, USEC_PER_SEC) > 0);
        NEED(n_identified < MANY / 2);
        NEED(sd_bus_reply_method_return(questions[1], "a{sv}", 1, "UnixUserID", "u", 1234) >= 0);
        while (asked[MANY - 1])
                NEED(sd_event_run(event, USEC_PER_SEC) > 0);
        NEED(n_identified < MANY);
        settle();
        NEED(n_identified == MANY);
        close_world();
}

/* The sender that gives way to a new call is never one that has no more of them. */
static void test_most(void)
{
        DbusIdentity *large = NULL;

        open_world_of(4, 3);
        NEED(dbus_identity_new(identities, ":1.9", 100, on_identified, &large, &large) >= 0);
        NEED(dbus_identities_most(identities, ":1.8", 0, false) == &asked[2]);
        NEED(dbus_identities_most(identities, ":1.3", 0, false) == &asked[2]);
        NEED(dbus_identities_most(identities, ":1.0", 0, false) == NULL);
        NEED(dbus_identities_most(identities, ":1.8", 99, true) == &large);
        NEED(dbus_identities_most(identities, ":1.8", 100, true) == NULL);
        NEED(dbus_identities_most(identities, ":1.9", 1, true) == NULL);
        asked[2] = dbus_identity_free(asked[2]);
        asked[1] = dbus_identity_free(asked[1]);
        NEED(dbus_identities_most(identities, ":1.8", 0, false) == NULL);
        dbus_identity_free(large);
        close_world();
}

int main(void)
{
        test_few_at_a_time();
        test_rejected();
        test_gone();
        test_given_up();
        test_shared();
        test_turns();
        test_most();
        return 0;
}
