/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "api/dbus-identity.h"

#include <fcntl.h>
#include <string.h>
#include <systemd/sd-event.h>

#include "base/fd.h"
#include "base/list.h"
#include "base/log.h"
#include "base/time.h"

/* In which execd reads what the bus has for it. */
#define PAUSE_USEC (20 * USEC_PER_MSEC)
/* As long as a call of sd-bus takes at most. */
#define GIVE_UP_USEC (25 * USEC_PER_SEC)

struct DbusIdentities {
        sd_bus *bus;     /* weak */
        BusWatch *watch; /* weak */
        List waiting;    /* DbusIdentity, the oldest first */
        unsigned n_asked;
        sd_event_source *pause; /* none is asked before it is over */
};

struct DbusIdentity {
        ListNode node; /* while it waits */
        DbusIdentities *all;
        const char *sender; /* weak */
        DbusIdentified on_identified;
        void *userdata;
        uint64_t until;
        sd_bus_slot *slot; /* while it is asked */
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

static int read_credential(sd_bus_message *m, const char *key, Peer *p, bool *have_uid)
{
        uint32_t value;
        int r;

        if (strcmp(key, "ProcessFD") == 0)
                return read_process_fd(m, p);
        if (strcmp(key, "LinuxSecurityLabel") == 0)
                return read_label(m, p);
        if (strcmp(key, "UnixUserID") != 0 && strcmp(key, "ProcessID") != 0)
                return sd_bus_message_skip(m, "v");
        r = sd_bus_message_read(m, "v", "u", &value);
        if (r < 0)
                return r;
        if (strcmp(key, "ProcessID") == 0)
                p->pid = (pid_t) value;
        else {
                p->uid = value;
                *have_uid = true;
        }
        return 0;
}

/* a{sv} of GetConnectionCredentials. Only what the bus itself vouches for is used. */
static int peer_from_credentials(sd_bus_message *m, const char *sender, Peer **ret)
{
        _cleanup_(peer_unrefp) Peer *p = peer_new_from_bus(sender);
        bool have_uid = false;
        const char *key;
        int r;

        if (!p)
                return -ENOMEM;
        r = sd_bus_message_enter_container(m, 'a', "{sv}");
        while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                r = sd_bus_message_read(m, "s", &key);
                if (r >= 0)
                        r = read_credential(m, key, p, &have_uid);
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
        }
        if (r < 0)
                return r;
        if (!have_uid)
                return -ENODATA;
        peer_add_details(p);
        *ret = TAKE_PTR(p);
        return 0;
}

/* The sender has left the bus, or never was there. All else is no answer about it. */
static bool is_rejection(sd_bus_message *m)
{
        return sd_bus_message_is_method_error(m, NULL) &&
               !sd_bus_message_is_method_error(m, SD_BUS_ERROR_NAME_HAS_NO_OWNER) &&
               !sd_bus_message_is_method_error(m, SD_BUS_ERROR_UNKNOWN_METHOD);
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

/* Asks it again, after those that wait. */
static int ask_again(DbusIdentity *i, const char *why)
{
        int r;

        log_debug("The bus did not answer who %s is: %s", i->sender, why ?: "");
        bus_watch_doubt(i->all->watch);
        if (now_usec(CLOCK_MONOTONIC) >= i->until)
                return -ETIMEDOUT;
        r = begin_pause(i->all, PAUSE_USEC);
        if (r >= 0)
                list_append(&i->all->waiting, &i->node);
        return r;
}

static int on_answer(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        DbusIdentity *i = userdata;
        DbusIdentities *all = i->all;
        Peer *p = NULL;

        i->slot = sd_bus_slot_unref(i->slot);
        all->n_asked--;
        if (is_rejection(m) && ask_again(i, sd_bus_message_get_error(m)->message) >= 0)
                return 0;
        if (!sd_bus_message_is_method_error(m, NULL))
                (void) peer_from_credentials(m, i->sender, &p);
        i->on_identified(i->userdata, p);
        serve(all);
        return 0;
}

static int ask(DbusIdentity *i)
{
        int r = sd_bus_call_method_async(i->all->bus, &i->slot, "org.freedesktop.DBus",
                                         "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                         "GetConnectionCredentials", on_answer, i, "s", i->sender);

        if (r >= 0)
                i->all->n_asked++;
        return r;
}

/* One that cannot be asked, or has waited for too long, is answered. */
static void serve(DbusIdentities *all)
{
        uint64_t now = now_usec(CLOCK_MONOTONIC);

        while (all->waiting.first && !all->pause && all->n_asked < IDENTITIES_ASKED_MAX) {
                DbusIdentity *i = LIST_ENTRY(all->waiting.first, DbusIdentity, node);

                list_remove(&all->waiting, &i->node);
                if (now >= i->until || ask(i) < 0)
                        i->on_identified(i->userdata, NULL);
        }
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
        return mfree(all);
}

int dbus_identity_new(DbusIdentities *all, const char *sender, DbusIdentified on_identified, void *userdata,
                      DbusIdentity **ret)
{
        DbusIdentity *i = calloc(1, sizeof(*i));
        int r = 0;

        if (!i)
                return -ENOMEM;
        *i = (DbusIdentity){
                .all = all,
                .sender = sender,
                .on_identified = on_identified,
                .userdata = userdata,
                .until = now_usec(CLOCK_MONOTONIC) + GIVE_UP_USEC,
        };
        if (all->waiting.first || all->pause || all->n_asked >= IDENTITIES_ASKED_MAX)
                list_append(&all->waiting, &i->node);
        else
                r = ask(i);
        if (r < 0) {
                free(i);
                return r;
        }
        *ret = i;
        return 0;
}

DbusIdentity *dbus_identity_free(DbusIdentity *i)
{
        DbusIdentities *all;
        int r = 0;

        if (!i)
                return NULL;
        all = i->all;
        list_remove(&all->waiting, &i->node);
        if (i->slot) {
                sd_bus_slot_unref(i->slot);
                all->n_asked--;
                /* A bus that reads nothing is not noticed by callers who leave before it should have answered. */
                bus_watch_doubt(all->watch);
                r = begin_pause(all, 0);
        }
        if (r < 0 && r != -ESTALE) /* the loop is over */
                log_error_errno(r, "Failed to set a timer");
        return mfree(i);
}
