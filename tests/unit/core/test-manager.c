/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* core/manager: when execd exits for want of work, and what another configuration changes. There is no system
 * bus and no spawner. */

#include <ftw.h>

#include "core/manager.h"
#include "unit/need.h"
#include "unit/test.h"
#include "wire/units.h"

static char dir[] = "/tmp/execd-test-XXXXXX";

static ManagerConfig config_with(uint64_t idle_usec)
{
        ManagerConfig c = manager_config_default;

        c.spawner_socket = "/nonexistent/spawner";
        c.state_path = dir;
        c.record_path = strdup(dir);
        c.idle_usec = idle_usec;
        c.idle_usec_max = idle_usec;
        NEED(c.record_path);
        return c;
}

static Manager *make(uint64_t idle_usec)
{
        ManagerConfig c = config_with(idle_usec);
        Manager *m;

        NEED(manager_new(&c, &m) >= 0);
        /* It is the manager's now. */
        NEED(!c.record_path && m->config.record_path);
        return m;
}

static bool has_exited(const Manager *m)
{
        return sd_event_get_state(m->event) == SD_EVENT_FINISHED;
}

static void fire(sd_event_source *s)
{
        NEED(sd_event_source_set_time(s, 0) >= 0 && sd_event_source_set_enabled(s, SD_EVENT_ONESHOT) >= 0);
}

static void settle(Manager *m)
{
        while (!has_exited(m) && sd_event_run(m->event, 0) > 0)
                ;
}

static void test_idle(void)
{
        Manager *m = make(1);

        while (!has_exited(m))
                NEED(sd_event_run(m->event, UINT64_MAX) >= 0);
        manager_free(m);
}

/* The timer was armed before there was work, or an hour ago. */
static void test_busy(void)
{
        Manager *m = make(3600 * USEC_PER_SEC);

        manager_busy_begin(m);
        manager_busy_begin(m);
        m->last_busy = 1;
        fire(m->idle_timer);
        settle(m);
        CHECK(!has_exited(m));
        manager_busy_end(m);
        m->last_busy = 1;
        fire(m->idle_timer);
        settle(m);
        CHECK(!has_exited(m) && m->busy == 1);
        /* The end of the last one is the beginning of idleness. */
        manager_busy_end(m);
        fire(m->idle_timer);
        settle(m);
        CHECK(!has_exited(m));
        /* A running exec is work, even if no client is connected. */
        m->n_live = 1;
        m->last_busy = 1;
        fire(m->idle_timer);
        settle(m);
        CHECK(!has_exited(m));
        m->n_live = 0;
        fire(m->idle_timer);
        settle(m);
        CHECK(has_exited(m));
        manager_free(m);
}

static void test_never_idle(void)
{
        Manager *m = make(UNITS_INFINITY);
        int on = -1;

        NEED(sd_event_source_get_enabled(m->idle_timer, &on) >= 0);
        CHECK(on == SD_EVENT_OFF);
        manager_busy_begin(m);
        manager_busy_end(m);
        NEED(sd_event_source_get_enabled(m->idle_timer, &on) >= 0);
        CHECK(on == SD_EVENT_OFF);
        manager_free(m);
}

/* Running work stays counted, and keeps the settings with which it was started. */
static void test_reconfigure(void)
{
        Manager *m = make(3600 * USEC_PER_SEC);
        ManagerConfig c = config_with(UNITS_INFINITY);
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        int on = -1;

        for (int i = 0; i < 5; i++)
                NEED(budget_take(&m->execs_budget, 1000, 1));
        c.spawner_socket = "/another";
        c.state_path = "/another";
        c.execs_per_uid_max = 3;
        c.connections_max = 7;
        c.record_size_max = 4711;
        manager_reconfigure(m, &c);
        CHECK_TEXT("the spawner", m->config.spawner_socket, "/nonexistent/spawner");
        CHECK_TEXT("the state", m->config.state_path, dir);
        CHECK(m->execs_budget.used == 5 && budget_held(&m->execs_budget, 1000) == 5);
        CHECK(!budget_take(&m->execs_budget, 1000, 1) && budget_take(&m->execs_budget, 1001, 1));
        CHECK(m->connections_budget.max == 7 && m->config.record_size_max == 4711);
        NEED(sd_event_source_get_enabled(m->idle_timer, &on) >= 0);
        CHECK(on == SD_EVENT_OFF);
        CHECK(budget_refuse(&m->execs_budget, 1000, REFUSAL_LIMIT, &refusal) < 0 &&
              strstr(refusal.message, "ExecsPerUserMax"));
        budget_give(&m->execs_budget, 1000, 5);
        budget_give(&m->execs_budget, 1001, 1);
        manager_free(m);
}

/* Without a bus only the host's root is served. */
static void test_without_bus(void)
{
        Manager *m = make(3600 * USEC_PER_SEC);

        CHECK(!m->bus && !m->polkit && !m->callers && m->exec_env.config == &m->config);
        manager_free(m);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
        return remove(path);
}

int main(void)
{
        NEED(mkdtemp(dir) && setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent/bus", true) == 0);
        test_idle();
        test_busy();
        test_never_idle();
        test_reconfigure();
        test_without_bus();
        (void) nftw(dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
        return test_finish("manager");
}
