/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* spawner/freezer: a unit is frozen and thawed with a cgroup, one call at a time, and the last change counts. The test is
 * systemd, and provides the cgroup. */

#include "spawner/freezer.h"

#include "spawner/cgroup-watch.h"
#include "spawner/systemd.h"
#include "unit/bus-pair.h"
#include "unit/count-fds.h"
#include "unit/test.h"

#define CALLS_MAX 16

typedef struct World {
        sd_event *event;
        sd_bus *bus, *systemd;
        Freezer *freezer;
        CgroupChanged on_change;
        void *userdata;
        bool is_frozen, is_watched;
        char calls[CALLS_MAX]; /* F and T */
        size_t n_calls;
        sd_bus_message *call; /* owned: without an answer */
        unsigned n_pongs;
} World;

static World w;

int __wrap_cgroup_watch_new(sd_event *event, const char *cgroup, CgroupChanged callback, void *userdata,
                            CgroupWatch **ret, CgroupEvents *ret_now);
int __wrap_cgroup_watch_new(sd_event *event, const char *cgroup, CgroupChanged callback, void *userdata,
                            CgroupWatch **ret, CgroupEvents *ret_now)
{
        NEED(same_text(cgroup, "/machine.slice/web"));
        w.on_change = callback;
        w.userdata = userdata;
        w.is_watched = true;
        *ret = (CgroupWatch *) &w;
        *ret_now = (CgroupEvents){.is_populated = true, .is_frozen = w.is_frozen};
        return 0;
}

CgroupWatch *__wrap_cgroup_watch_free(CgroupWatch *watch);
CgroupWatch *__wrap_cgroup_watch_free(CgroupWatch *watch)
{
        if (watch)
                w.is_watched = false;
        return NULL;
}

static int on_call(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        bool freezes = sd_bus_message_is_method_call(m, SYSTEMD_MANAGER, "FreezeUnit");
        const char *unit;

        if (!freezes && !sd_bus_message_is_method_call(m, SYSTEMD_MANAGER, "ThawUnit"))
                return 0;
        NEED(!w.call && w.n_calls < CALLS_MAX - 1);
        NEED(sd_bus_message_read(m, "s", &unit) > 0 && same_text(unit, "web.slice"));
        w.calls[w.n_calls++] = freezes ? 'F' : 'T';
        w.call = sd_bus_message_ref(m);
        return 1;
}

static void connect_systemd(void)
{
        int ends[2];

        bus_socket(ends);
        w.systemd = bus_serve(ends[1], w.event, on_call, NULL);
        w.bus = bus_connect(ends[0], w.event);
}

static void turn(void)
{
        NEED(sd_event_run(w.event, UINT64_MAX) >= 0);
}

static int on_pong(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        w.n_pongs++;
        return 0;
}

/* Each side handles all messages so far, and what they cause. */
static void settle(void)
{
        for (w.n_pongs = 0; w.n_pongs < 2;) {
                unsigned n = w.n_pongs;

                NEED(sd_bus_call_method_async(w.bus, NULL, NULL, SYSTEMD_PATH, "org.freedesktop.DBus.Peer",
                                              "Ping", on_pong, NULL, NULL) >= 0);
                while (w.n_pongs == n)
                        turn();
        }
}

static void answer(bool ok)
{
        while (!w.call)
                turn();
        NEED((ok ? sd_bus_reply_method_return(w.call, NULL)
                 : sd_bus_reply_method_errorf(w.call, SD_BUS_ERROR_FAILED, "the unit has a job")) >= 0);
        w.call = sd_bus_message_unref(w.call);
}

/* The other side is gone, with its answer. */
static void move(void)
{
        sd_bus *bus = w.bus, *systemd = w.systemd;

        while (!w.call)
                turn();
        w.call = sd_bus_message_unref(w.call);
        connect_systemd();
        freezer_move(w.freezer, w.bus);
        sd_bus_close_unref(bus);
        sd_bus_close_unref(systemd);
}

static void step(char c)
{
        switch (c) {
        case 'f':
        case 't':
        case 'g':
                NEED(w.is_watched);
                w.on_change(w.userdata, &(CgroupEvents){.is_frozen = c != 't', .is_gone = c == 'g'});
                break;
        case 'o':
        case 'e':
                answer(c == 'o');
                break;
        case 'm':
                move();
                break;
        case 'x':
                freezer_end(w.freezer);
                CHECK(!w.is_watched);
                break;
        default:
                NEED(c == 's');
                settle();
        }
}

typedef struct Row {
        const char *name;
        bool is_frozen, unit_is_frozen; /* at the beginning */
        /* The cgroup is frozen, thawed, gone (f, t, g); systemd answers or refuses (o, e); another bus takes its
         * place (m); the container has ended (x); all is handled (s). */
        const char *steps;
        const char *calls;
} Row;

static void check_row(const Row *row)
{
        w = (World){.event = w.event, .is_frozen = row->is_frozen};
        connect_systemd();
        NEED(freezer_new(w.bus, "/machine.slice/web", "web.slice", row->unit_is_frozen, &w.freezer) == 0);
        for (const char *p = row->steps; *p; p++)
                step(*p);
        settle();
        CHECK_TEXT(row->name, w.calls, row->calls);
        CHECK_ROW(row->name, !w.call);
        freezer_free(w.freezer);
        CHECK_ROW(row->name, !w.is_watched);
        sd_bus_close_unref(w.bus);
        sd_bus_close_unref(w.systemd);
}

int main(void)
{
        static const Row rows[] = {
                {"nothing happens", false, false, "", ""},
                {"both are frozen", true, true, "", ""},
                {"frozen at the beginning", true, false, "o", "F"},
                {"frozen earlier", false, true, "o", "T"},
                {"frozen and thawed", false, false, "foto", "FT"},
                {"thawed during the call", false, false, "ftoo", "FT"},
                {"frozen again during the call", false, false, "ftfo", "F"},
                {"refused", false, false, "feo", "FF"},
                {"refused several times", false, false, "feeeo", "FFFF"},
                {"refused, and thawed before", false, false, "fte", "F"},
                {"gone", false, false, "fosgo", "FT"},
                {"the container has ended", false, false, "fosxo", "FT"},
                {"it has ended during the call", false, false, "fxoo", "FT"},
                {"another bus", false, false, "fmo", "FF"},
                {"another bus during a call to thaw", true, true, "tmo", "TT"},
        };
        size_t n_fds;

        NEED(sd_event_new(&w.event) >= 0);
        check_row(&rows[0]);
        check_row(&rows[7]); /* with a timer */
        n_fds = count_fds();
        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                check_row(&rows[i]);
        CHECK(count_fds() == n_fds);
        sd_event_unref(w.event);
        return test_finish("freezer");
}
