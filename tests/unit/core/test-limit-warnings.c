/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Which limits need which controller, and what is said where it is missing. */

#include "core/limit-warnings.h"

#include <stdio.h>
#include <unistd.h>

#include "base/strv.h"
#include "unit/test.h"

#define ALL "cpuset cpu io memory pids\n"

static ScopePropertyList list_of(const char *name, const char *text)
{
        ScopePropertyList l = {0};

        CHECK_ROW(name, scope_property_list_set(&l, name, text, NULL) == 0);
        return l;
}

static void check(const char *name, const char *text, const char *controllers, const char *missing)
{
        _cleanup_(scope_property_list_done) ScopePropertyList l = list_of(name, text);
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        _cleanup_strv_ char **warnings = NULL;
        char wanted[512];

        CHECK_ROW(name, limit_warnings(&l, controllers, &warnings) == 0);
        CHECK_ROW(name, strv_length(warnings) == (missing ? 1 : 0));
        CHECK_ROW(name, (limit_refuse(&l, controllers, &refusal) < 0) == (missing != NULL));
        if (!missing || !warnings)
                return;
        snprintf(wanted, sizeof(wanted),
                 "%s: not enforced, since the kernel has no %s controller in the unified cgroup hierarchy",
                 name, missing);
        CHECK_TEXT(name, warnings[0], wanted);
        snprintf(
                wanted, sizeof(wanted),
                "Properties.%s: refused by UnenforceableLimits=refuse in execd.conf, since the kernel has no %s "
                "controller in the unified cgroup hierarchy",
                name, missing);
        CHECK_TEXT(name, refusal.message, wanted);
        CHECK_ROW(name, refusal.kind == REFUSAL_DENIED);
}

static void test_each(void)
{
        static const struct {
                const char *name, *text, *controller, *others;
        } rows[] = {
                {"MemoryMin", "1G", "memory", "cpuset cpu io pids"},
                {"MemoryLow", "50%", "memory", "cpuset cpu io pids"},
                {"MemoryLow", "infinity", "memory", "cpuset cpu io pids"},
                {"MemoryHigh", "1G", "memory", "cpuset cpu io pids"},
                {"MemoryMax", "1G", "memory", "cpuset cpu io pids"},
                {"MemoryMax", "50%", "memory", "cpuset cpu io pids"},
                {"MemorySwapMax", "0", "memory", "cpuset cpu io pids"},
                {"TasksMax", "30", "pids", "cpuset cpu io memory"},
                {"TasksMax", "10%", "pids", "cpuset cpu io memory"},
                {"CPUQuota", "20%", "cpu", "cpuset io memory pids"},
                {"CPUWeight", "idle", "cpu", "cpuset io memory pids"},
                {"IOWeight", "50", "io", "cpuset cpu memory pids"},
                {"AllowedCPUs", "0-1", "cpuset", "cpu io memory pids"},
                {"AllowedMemoryNodes", "0", "cpuset", "cpu io memory pids"},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                check(rows[i].name, rows[i].text, ALL, NULL);
                check(rows[i].name, rows[i].text, rows[i].others, rows[i].controller);
                check(rows[i].name, rows[i].text, "", rows[i].controller);
        }
}

/* They need no controller, or ask for nothing. */
static void test_none(void)
{
        static const char *const rows[][2] = {
                {"RuntimeMaxSec", "5min"},  {"RuntimeMaxSec", "infinity"},
                {"OOMPolicy", "kill"},      {"MemoryMax", "infinity"},
                {"MemoryHigh", "infinity"}, {"MemorySwapMax", "infinity"},
                {"TasksMax", "infinity"},   {"MemoryMin", "0"},
                {"MemoryLow", "0"},         {"MemoryMin", "0%"},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                check(rows[i][0], rows[i][1], "", NULL);
}

/* Each property of the table has been looked at: a new one needs a row above. */
static void test_all_names(void)
{
        static const char *const known[] = {
                "MemoryMin",          "MemoryLow",     "MemoryHigh", "MemoryMax", "MemorySwapMax",
                "TasksMax",           "CPUQuota",      "CPUWeight",  "IOWeight",  "AllowedCPUs",
                "AllowedMemoryNodes", "RuntimeMaxSec", "OOMPolicy"};
        size_t n = 0;

        for (; scope_property_name(n); n++)
                CHECK_TEXT("name", scope_property_name(n), n < ELEMENTSOF(known) ? known[n] : "");
        CHECK(n == ELEMENTSOF(known));
        CHECK(!scope_property_has_all_controllers(ALL " -io.weight"));
        CHECK(scope_property_has_all_controllers(ALL) && !scope_property_has_all_controllers("") &&
              !scope_property_has_all_controllers("cpuset io memory pids"));
}

/* The controller is there, and the file that the property needs is not. */
static void test_files(void)
{
        static const char *const rows[][3] = {
                {"MemorySwapMax", "0", "memory.swap.max"},
                {"CPUQuota", "20%", "cpu.max"},
                {"IOWeight", "50", "io.weight"},
        };
        static const char list[] = ALL " -memory.swap.max -cpu.max -io.weight";

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_(scope_property_list_done) ScopePropertyList l = list_of(rows[i][0], rows[i][1]);
                _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
                _cleanup_strv_ char **warnings = NULL;
                char wanted[256];

                snprintf(wanted, sizeof(wanted),
                         "%s: not enforced, since the kernel has no %s in the unified cgroup hierarchy",
                         rows[i][0], rows[i][2]);
                CHECK(limit_warnings(&l, list, &warnings) == 0 && strv_length(warnings) == 1);
                CHECK_TEXT(rows[i][0], warnings ? warnings[0] : "", wanted);
                CHECK(limit_refuse(&l, list, &refusal) == -EACCES && strstr(refusal.message, rows[i][2]));
                check(rows[i][0], rows[i][1], ALL, NULL);
        }
        check("MemoryMax", "1G", list, NULL);
        check("CPUWeight", "50", list, NULL);
        check("MemorySwapMax", "infinity", list, NULL);
}

static void test_several(void)
{
        _cleanup_(scope_property_list_done) ScopePropertyList l = list_of("RuntimeMaxSec", "5");
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        _cleanup_strv_ char **warnings = NULL;

        CHECK(scope_property_list_set(&l, "TasksMax", "5", NULL) == 0);
        CHECK(scope_property_list_set(&l, "CPUWeight", "5", NULL) == 0);
        CHECK(scope_property_list_set(&l, "IOWeight", "5", NULL) == 0);
        CHECK(limit_warnings(&l, "cpu", &warnings) == 0 && strv_length(warnings) == 2);
        CHECK(warnings && strncmp(warnings[0], "TasksMax: ", 10) == 0);
        CHECK(limit_refuse(&l, "cpu", &refusal) == -EACCES);
        CHECK(refusal.message && strstr(refusal.message, "Properties.TasksMax: "));
}

static void test_check(void)
{
        char path[] = "/tmp/execd-test-limits-XXXXXX";
        _cleanup_(scope_property_list_done) ScopePropertyList limit = list_of("TasksMax", "5"),
                                                              other = list_of("RuntimeMaxSec", "5");
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        char **warnings = NULL;
        int fd = mkstemp(path);

        CHECK(fd >= 0 && write(fd, "cpu\n", 4) == 4);
        CHECK(limit_check(LIMITS_WARN, &limit, path, &warnings, &refusal) == 0 &&
              strv_length(warnings) == 1);
        warnings = strv_free(warnings);
        CHECK(limit_check(LIMITS_REFUSE, &limit, path, &warnings, &refusal) < 0 && !warnings);
        CHECK(refusal.kind == REFUSAL_DENIED);
        CHECK(write(fd, "pids\n", 5) == 5);
        CHECK(limit_check(LIMITS_REFUSE, &limit, path, &warnings, &refusal) == 0 && !warnings);
        /* A list that cannot be read is none that limits could be judged by, and is not needed by others. */
        CHECK(limit_check(LIMITS_WARN, &limit, "/", &warnings, &refusal) < 0 && !warnings);
        CHECK(limit_check(LIMITS_REFUSE, &other, "/", &warnings, &refusal) == 0 && !warnings);
        CHECK(unlink(path) == 0 && close(fd) == 0);
}

int main(void)
{
        test_each();
        test_none();
        test_all_names();
        test_files();
        test_several();
        test_check();
        return test_finish("limit-warnings");
}
