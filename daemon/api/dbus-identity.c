/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "api/dbus-identity.h"

#include <fcntl.h>
#include <string.h>
#include <systemd/sd-event.h>

#include "base/bus-dict.h"
#include "base/event-turn.h"
#include "base/fd.h"
#include "base/list.h"
#include "base/log.h"
#include "base/time.h"

/* The time for execd to read the messages that wait at the bus. */
#define PAUSE_USEC (20 * USEC_PER_MSEC)
/* The default timeout of a call of sd-bus. */
#define GIVE_UP_USEC (25 * USEC_PER_SEC)

/* Calls that go on in a turn, before others have theirs. */
#define CALLS_IN_TURN 16

struct DbusIdentities {
        sd_bus *bus;     /* weak */
        BusWatch *watch; /* weak */
        List waiting;    /* Sender, the oldest first */
        List asked;
        List answered; /* with calls that have yet to go on, in turn */
        unsigned n_asked;
        sd_event_source *pause; /* none is asked before it is over */
        sd_event_source *turn;
};

/* One question for all calls that come before its answer. What is answered later is newer than each of them. */
typedef struct Sender {
        ListNode node;
        List *in; /* of these, where it is */
        DbusIdentities *all;
        char *name;
        List calls; /* DbusIdentity, the oldest first */
        size_t n, size;
        uint64_t until;
        sd_bus_slot *slot; /* while it is asked */
        Peer *peer;        /* the answer */
} Sender;

struct DbusIdentity {
        ListNode node;
        Sender *sender; /* NULL: its callback was called */
        size_t size;
        DbusIdentified on_identified;
        void *userdata;
};

/* If the bus knows the process by a pidfd, its PID cannot be reused. */
static int read_process_fd(sd_bus_message *m, Peer *p)
{
        int fd, r;

        r = sd_bus_message_read(m, "v", "h", &fd);
        if (r < 0)
                return r;
        fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        if (fd < 0)
                return -errno;
        fd_close(p->pidfd);
        p->pidfd = fd;
        return 0;
}

static int read_label(sd_bus_message *m, Peer *p)
{
        const void *label;
        size_t size;
        int r;

        r = sd_bus_message_enter_container(m, 'v', "ay");
        if (r >= 0)
                r = sd_bus_message_read_array(m, 'y', &label, &size);
        if (r >= 0)
                r = sd_bus_message_exit_container(m);
        if (r < 0)
                return r;
        free(p->label);
        p->label = strndup(label, size);
        return p->label ? 0 : -ENOMEM;
}

typedef struct Credentials {
        Peer *peer; /* weak */
        bool have_uid;
} Credentials;

static int read_credential(sd_bus_message *m, const char *key, void *userdata)
{
        Credentials *c = userdata;
        uint32_t value;
        int r;

        if (strcmp(key, "ProcessFD") == 0)
                return read_process_fd(m, c->peer);
        if (strcmp(key, "LinuxSecurityLabel") == 0)
                return read_label(m, c->peer);
        if (strcmp(key, "UnixUserID") != 0 && strcmp(key, "ProcessID") != 0)
                return sd_bus_message_skip(m, "v");
        r = sd_bus_message_read(m, "v", "u", &value);
        if (r < 0)
                return r;
        if (strcmp(key, "ProcessID") == 0)
                c->peer->pid = (pid_t) value;
        else {
                c->peer->uid = value;
                c->have_uid = true;
        }
        return 0;
}

/* From GetConnectionCredentials. Only what the bus itself vouches for is used. */
static int peer_from_credentials(sd_bus_message *m, const char *sender, Peer **ret)
{
        _cleanup_(peer_unrefp) Peer *p = peer_new_from_bus(sender);
        Credentials c = {.peer = p};
        int r = p ? bus_read_dict(m, read_credential, &c) : -ENOMEM;

        if (r < 0)
                return r;
        if (!c.have_uid)
                return -ENODATA;
        peer_add_details(p);
        *ret = TAKE_PTR(p);
        return 0;
}

/* A sender that has left the bus, or never was there, is an answer. All other errors are rejections. */
static bool is_rejection(sd_bus_message *m)
{
        return sd_bus_message_is_method_error(m, NULL) &&
               !sd_bus_message_is_method_error(m, SD_BUS_ERROR_NAME_HAS_NO_OWNER) &&
               !sd_bus_message_is_method_error(m, SD_BUS_ERROR_UNKNOWN_METHOD);
}

static Sender *sender_free(Sender *s)
{
        if (!s)
                return NULL;
        list_move(&s->in, NULL, &s->node);
        sd_bus_slot_unref(s->slot);
        peer_unref(s->peer);
        free(s->name);
        return mfree(s);
}

static Sender *sender_new(DbusIdentities *all, const char *name)
{
        Sender *s = calloc(1, sizeof(*s));

        if (!s)
                return NULL;
        *s = (Sender){
                .all = all,
                .name = strdup(name),
                .until = now_usec(CLOCK_MONOTONIC) + GIVE_UP_USEC,
        };
        return s->name ? s : sender_free(s);
}

static void detach(DbusIdentity *i)
{
        Sender *s = i->sender;

        list_remove(&s->calls, &i->node);
        s->n--;
        s->size -= i->size;
        i->sender = NULL;
}

/* The senders take turns. */
static void tell_one(DbusIdentities *all)
{
        Sender *s = LIST_ENTRY(all->answered.first, Sender, node);
        DbusIdentity *i = LIST_ENTRY(s->calls.first, DbusIdentity, node);
        Peer *p = s->peer ? peer_ref(s->peer) : NULL;

        detach(i);
        if (s->n > 0)
                list_move(&s->in, &all->answered, &s->node);
        else
                sender_free(s);
        i->on_identified(i->userdata, p);
}

static int on_turn(sd_event_source *source, void *userdata);

static void tell_some(DbusIdentities *all)
{
        for (unsigned n = 0; n < CALLS_IN_TURN && all->answered.first; n++)
                tell_one(all);
        while (all->answered.first && event_turn(sd_bus_get_event(all->bus), &all->turn, on_turn, all) < 0)
                tell_one(all);
}

static int on_turn(sd_event_source *source, void *userdata)
{
        tell_some(userdata);
        return 0;
}

static void serve(DbusIdentities *all);

static int on_pause_over(sd_event_source *source, uint64_t usec, void *userdata)
{
        DbusIdentities *all = userdata;

        all->pause = sd_event_source_disable_unref(all->pause);
        serve(all);
        return 0;
}

static int begin_pause(DbusIdentities *all, uint64_t usec)
{
        if (all->pause)
                return 0;
        return sd_event_add_time_relative(sd_bus_get_event(all->bus), &all->pause, CLOCK_MONOTONIC, usec, 0,
                                          on_pause_over, all);
}

/* Puts the question at the end of the queue again. */
static int ask_again(Sender *s, const char *why)
{
        int r;

        log_debug("The bus did not answer who %s is: %s", s->name, why ?: "");
        bus_watch_doubt(s->all->watch);
        if (now_usec(CLOCK_MONOTONIC) >= s->until)
                return -ETIMEDOUT;
        r = begin_pause(s->all, PAUSE_USEC);
        if (r >= 0)
                list_move(&s->in, &s->all->waiting, &s->node);
        return r;
}

static int on_answer(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        Sender *s = userdata;
        DbusIdentities *all = s->all;

        s->slot = sd_bus_slot_unref(s->slot);
        all->n_asked--;
        if (is_rejection(m) && ask_again(s, sd_bus_message_get_error(m)->message) >= 0)
                return 0;
        if (!sd_bus_message_is_method_error(m, NULL))
                (void) peer_from_credentials(m, s->name, &s->peer);
        list_move(&s->in, &all->answered, &s->node);
        serve(all);
        return 0;
}

static int ask(Sender *s)
{
        int r = sd_bus_call_method_async(s->all->bus, &s->slot, "org.freedesktop.DBus",
                                         "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                         "GetConnectionCredentials", on_answer, s, "s", s->name);

        if (r < 0)
                return r;
        list_move(&s->in, &s->all->asked, &s->node);
        s->all->n_asked++;
        return 0;
}

/* Sends waiting questions. A question that cannot be sent, or has waited for too long, gets an answer without a peer. */
static void serve(DbusIdentities *all)
{
        uint64_t now = now_usec(CLOCK_MONOTONIC);

        while (all->waiting.first && !all->pause && all->n_asked < IDENTITIES_ASKED_MAX) {
                Sender *s = LIST_ENTRY(all->waiting.first, Sender, node);

                if (now >= s->until || ask(s) < 0)
                        list_move(&s->in, &all->answered, &s->node);
        }
        tell_some(all);
}

DbusIdentities *dbus_identities_new(sd_bus *bus, BusWatch *watch)
{
        DbusIdentities *all = calloc(1, sizeof(*all));

        if (all)
                *all = (DbusIdentities){.bus = bus, .watch = watch};
        return all;
}

DbusIdentities *dbus_identities_free(DbusIdentities *all)
{
        if (!all)
                return NULL;
        sd_event_source_disable_unref(all->pause);
        sd_event_source_disable_unref(all->turn);
        return mfree(all);
}

static Sender *find_unanswered(DbusIdentities *all, const char *name)
{
        return LIST_FIND(Sender, s, &all->asked, node, strcmp(s->name, name) == 0)
                       ?: LIST_FIND(Sender, s, &all->waiting, node, strcmp(s->name, name) == 0);
}

static int add_sender(DbusIdentities *all, const char *name, Sender **ret)
{
        Sender *s = sender_new(all, name);
        int r = s ? 0 : -ENOMEM;

        if (r >= 0 && (all->waiting.first || all->pause || all->n_asked >= IDENTITIES_ASKED_MAX))
                list_move(&s->in, &all->waiting, &s->node);
        else if (r >= 0)
                r = ask(s);
        if (r < 0) {
                sender_free(s);
                return r;
        }
        *ret = s;
        return 0;
}

int dbus_identity_new(DbusIdentities *all, const char *sender, size_t size, DbusIdentified on_identified,
                      void *userdata, DbusIdentity **ret)
{
        DbusIdentity *i = calloc(1, sizeof(*i));
        Sender *s = find_unanswered(all, sender);
        int r = !i ? -ENOMEM : s ? 0 : add_sender(all, sender, &s);

        if (r < 0) {
                free(i);
                return r;
        }
        *i = (DbusIdentity){.sender = s, .size = size, .on_identified = on_identified, .userdata = userdata};
        list_append(&s->calls, &i->node);
        s->n++;
        s->size += size;
        *ret = i;
        return 0;
}

/* The question is no longer needed. */
static void sender_give_up(Sender *s)
{
        DbusIdentities *all = s->all;
        bool is_asked = s->slot;
        int r = 0;

        sender_free(s);
        if (is_asked) {
                all->n_asked--;
                /* Callers who leave before the timeout do not notice a bus that reads nothing. */
                bus_watch_doubt(all->watch);
                r = begin_pause(all, 0);
        }
        if (r < 0 && r != -ESTALE) /* the loop is over */
                log_error_errno(r, "Failed to set a timer");
}

DbusIdentity *dbus_identity_free(DbusIdentity *i)
{
        Sender *s = i ? i->sender : NULL;

        if (s) {
                detach(i);
                if (s->n == 0)
                        sender_give_up(s);
        }
        return i ? mfree(i) : NULL;
}

static size_t held_by(const Sender *s, bool by_size)
{
        return by_size ? s->size : s->n;
}

void *dbus_identities_most(const DbusIdentities *all, const char *sender, size_t size, bool by_size)
{
        const List *lists[] = {&all->waiting, &all->asked, &all->answered};
        size_t own = by_size ? size : 1;
        const Sender *most = NULL;

        for (size_t i = 0; i < ELEMENTSOF(lists); i++)
                LIST_FOREACH (const Sender, s, lists[i], node) {
                        if (strcmp(s->name, sender) == 0)
                                own += held_by(s, by_size);
                        else if (!most || held_by(s, by_size) > held_by(most, by_size))
                                most = s;
                }
        return most && held_by(most, by_size) > own
                       ? LIST_ENTRY(most->calls.last, DbusIdentity, node)->userdata
                       : NULL;
}
