/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The kernel's texts about processes: a real text of each kind, and texts that must not be taken for one.
 */

#include "base/strv.h"
#include "spawner/proc-parse.h"
#include "unit/need.h"

#define STATUS_HEAD                                                                        \
        "Name:\tsh\nUmask:\t0027\nState:\tS "                                              \
        "(sleeping)\nTgid:\t77\nNgid:\t0\nPid:\t77\nPPid:\t70\nTracerPid:\t0\n"            \
        "Uid:\t524288\t524289\t524288\t524288\nGid:\t1\t2\t3\t4\nFDSize:\t64\nGroups:\t0 " \
        "\nNStgid:\t77\t1\n"                                                               \
        "NSpid:\t77\t1\nNSpgid:\t77\t1\nNSsid:\t77\t1\nKthread:\t0\nVmPeak:\t4 kB\n"
#define STATUS_CAPS                                                                         \
        "CapInh:\t0000000000000001\nCapPrm:\t000001ffffffffff\nCapEff:\t0000000000000003\n" \
        "CapBnd:\t00000000fdecbfff\nCapAmb:\t0000000000000004\n"
#define STATUS_TAIL \
        "NoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t5\nSpeculation_Store_Bypass:\tvulnerable\n"

static void test_status(void)
{
        ProcStatus s;

        NEED(proc_status_parse(STATUS_HEAD STATUS_CAPS STATUS_TAIL, &s) == 0);
        NEED(s.state == 'S' && s.ppid == 70 && s.ns_pid == 1 && s.n_pid_namespaces == 2 && s.umask == 0027);
        NEED(s.uid == 524289 && s.gid == 2 && s.ids_differ);
        NEED(s.cap_inheritable == 1 && s.cap_permitted == UINT64_C(0x1ffffffffff) && s.cap_effective == 3);
        NEED(s.cap_bounding == 0xfdecbfff && s.cap_ambient == 4);
        NEED(s.no_new_privs && s.seccomp_mode == 2 && s.seccomp_filters == 5);
        /* A kernel that does not count filters. */
        NEED(proc_status_parse(STATUS_HEAD STATUS_CAPS "NoNewPrivs:\t0\nSeccomp:\t0\n", &s) == 0);
        NEED(s.seccomp_filters == UINT32_MAX && !s.no_new_privs);
}

static void test_bad_status(void)
{
        static const char *const texts[] = {
                "",
                "Name:\tsh\n",
                STATUS_HEAD,
                STATUS_HEAD STATUS_CAPS,
                STATUS_CAPS STATUS_TAIL,
                STATUS_HEAD STATUS_CAPS "NoNewPrivs:\t2\nSeccomp:\t2\n",
                STATUS_HEAD STATUS_CAPS "NoNewPrivs:\t1\nSeccomp:\t3\n",
                STATUS_HEAD STATUS_CAPS "NoNewPrivs:\t\nSeccomp:\t2\n",
                STATUS_HEAD "CapInh:\tzz\n" STATUS_TAIL,
                STATUS_HEAD
                "CapInh:\t0\nCapPrm:\t10000000000000000\nCapEff:\t0\nCapBnd:\t0\nCapAmb:\t0\n" STATUS_TAIL,
                /* A field's name counts at the start of a line only. */
                STATUS_HEAD " CapInh:\t0\n CapPrm:\t0\n CapEff:\t0\n CapBnd:\t0\n CapAmb:\t0\n" STATUS_TAIL,
                STATUS_HEAD STATUS_CAPS "NoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t-1\n",
        };
        ProcStatus s;

        for (size_t i = 0; i < ELEMENTSOF(texts); i++)
                NEED_ROW(texts[i], proc_status_parse(texts[i], &s) == -EBADMSG);
}

static void test_mapped_ids(void)
{
        static const IdMapping uids[] = {{0, 524288, 65536}}, gids[] = {{0, 1, 4}};
        static const char groups_elsewhere[] =
                "Uid:\t524288\t524288\t524288\t524288\nGid:\t1\t1\t1\t1\nGroups:\t0 \n";
        static const struct {
                const char *text;
                bool mapped;
        } rows[] = {
                {"Uid:\t524288\t524289\t589823\t524288\nGid:\t1\t2\t3\t4\nGroups:\t1 4 \n", true},
                {"Uid:\t524288\t524289\t524288\t524288\nGid:\t1\t2\t3\t4\nGroups:\t \n", true},
                {"Uid:\t0\t524289\t524288\t524288\nGid:\t1\t2\t3\t4\nGroups:\t \n", false},
                {"Uid:\t524288\t524289\t524288\t589824\nGid:\t1\t2\t3\t4\nGroups:\t \n", false},
                {"Uid:\t524288\t524289\t524288\t524288\nGid:\t1\t2\t0\t4\nGroups:\t \n", false},
                {"Uid:\t524288\t524289\t524288\t524288\nGid:\t1\t2\t3\t4\nGroups:\t1 0 \n", false},
                {"Uid:\t524288\t524289\t524288\t524288\nGid:\t1\t2\t3\t4\n", false},
                {"Uid:\t524288\t524289\nGid:\t1\t2\t3\t4\nGroups:\t \n", false},
                {"Uid:\tx\nGid:\t1\t2\t3\t4\nGroups:\t \n", false},
                {"", false},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                NEED_ROW(rows[i].text,
                         proc_status_ids_are_mapped(rows[i].text, uids, 1, gids, 1, true) == rows[i].mapped);
        NEED(!proc_status_ids_are_mapped(groups_elsewhere, uids, 1, gids, 1, true));
        NEED(proc_status_ids_are_mapped(groups_elsewhere, uids, 1, gids, 1, false));
}

static void test_groups(void)
{
        static const struct {
                const char *text;
                int result;
                size_t n;
        } rows[] = {
                {"Groups:\t\n", 0, 0},
                {"Groups:\t4 20 65534 \n", 0, 3},
                {"Groups:\t7", 0, 1},
                {"Groups:\t4 x \n", -EBADMSG, 0},
                {"Groups:\t4294967296 \n", -EBADMSG, 0},
                {"Uid:\t1\n", -EBADMSG, 0},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_free_ uint32_t *groups = NULL;
                size_t n = 0;

                NEED_ROW(rows[i].text, proc_status_groups(rows[i].text, &groups, &n) == rows[i].result);
                NEED_ROW(rows[i].text, n == rows[i].n && (n != 3 || groups[2] == 65534));
        }
}

static void test_id_map(void)
{
        IdMapping m[3];
        int n = proc_id_map_parse("         0     524288      65536\n     70000          5          1\n", m,
                                  3);

        NEED(n == 2 && m[0].inside == 0 && m[0].outside == 524288 && m[0].count == 65536);
        NEED(id_map_to_inside(m, 2, 524288) == 0 && id_map_to_inside(m, 2, 524288 + 65535) == 65535);
        NEED(id_map_to_inside(m, 2, 524288 + 65536) == PROC_ID_INVALID &&
             id_map_to_inside(m, 2, 0) == PROC_ID_INVALID);
        NEED(id_map_to_inside(m, 2, 5) == 70000 && id_map_to_outside(m, 2, 70000) == 5);
        NEED(id_map_to_outside(m, 2, 70001) == PROC_ID_INVALID && id_map_to_outside(m, 2, 65535) == 589823);
        n = proc_id_map_parse("         0          0 4294967295\n", m, 3);
        NEED(n == 1 && id_map_to_inside(m, 1, 4294967294) == 4294967294);
        NEED(id_map_to_inside(m, 1, PROC_ID_INVALID) == PROC_ID_INVALID);
        NEED(proc_id_map_parse("", m, 3) == 0 && id_map_to_inside(m, 0, 0) == PROC_ID_INVALID);

        NEED(proc_id_map_parse("0 0\n", m, 3) == -EBADMSG);
        NEED(proc_id_map_parse("0 0 1 1\n", m, 3) == -EBADMSG);
        NEED(proc_id_map_parse("0 0 0\n", m, 3) == -EBADMSG);
        NEED(proc_id_map_parse("-1 0 1\n", m, 3) == -EBADMSG);
        NEED(proc_id_map_parse("0 0 4294967296\n", m, 3) == -EBADMSG);
        NEED(proc_id_map_parse("4294967295 0 2\n", m, 3) == -EBADMSG);
        NEED(proc_id_map_parse("0 4294967295 2\n", m, 3) == -EBADMSG);
        NEED(proc_id_map_parse("0 0 1\n1 1 1\n2 2 1\n3 3 1\n", m, 3) == -EBADMSG);
        NEED(proc_id_map_parse("0 a 1\n", m, 3) == -EBADMSG);
}

static void test_cgroup(void)
{
        static const struct {
                const char *path, *slice, *unit;
        } rows[] = {
                {"/machine.slice/systemd-nspawn@web.service/payload", "machine.slice",
                 "systemd-nspawn@web.service"},
                {"/machine.slice/machine-a.slice/x.scope", "machine-a.slice", "x.scope"},
                {"/system.slice/docker-0123.scope", "system.slice", "docker-0123.scope"},
                {"/user.slice/user-1000.slice/user@1000.service/app.slice/y.service", "user-1000.slice",
                 "user@1000.service"},
                {"/init.scope", "-.slice", "init.scope"},
                {"/", "-.slice", NULL},
                {"/machine.slice", "machine.slice", NULL},
                {"/machine.slice/payload", "machine.slice", NULL},
                {"/.slice/x.scope", "-.slice", NULL},
                {"/a.slicer/x.scope", "-.slice", NULL},
        };
        char *path = NULL;

        NEED(proc_cgroup_parse("9:name=systemd:/x\n0::/machine.slice/a\n", &path) == 0);
        NEED(same_text(path, "/machine.slice/a"));
        free(path);
        NEED(proc_cgroup_parse("9:name=systemd:/x\n1:cpu:0::/y\n", &path) == -ENODATA);
        NEED(proc_cgroup_parse("0::relative\n", &path) == -ENODATA);

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_free_ char *slice = NULL, *unit = NULL;

                NEED_ROW(rows[i].path, cgroup_path_slice(rows[i].path, &slice) == 0);
                NEED_ROW(rows[i].path, same_text(slice, rows[i].slice));
                NEED_ROW(rows[i].path,
                         cgroup_path_unit(rows[i].path, &unit) == (rows[i].unit ? 0 : -ENODATA));
                NEED_ROW(rows[i].path, same_text(unit, rows[i].unit));
        }
}

static void test_cgroup_of_unit(void)
{
        static const struct {
                const char *path, *init, *unit;
                bool is_in;
        } rows[] = {
                {"/machine.slice/machine-a.scope", "/init.scope", "machine-a.scope", true},
                {"/machine.slice/systemd-nspawn@a.service/payload", "/init.scope",
                 "systemd-nspawn@a.service", true},
                {"/user.slice/user-0.slice/session-1.scope", "/init.scope", "session-1.scope", true},
                {"/machine-a.scope", "/init.scope", "machine-a.scope", true},
                {"/machine.slice/_cpu.scope", "/init.scope", "cpu.scope", true},
                {"/machine.slice/_cpu.scope", "/init.scope", "_cpu.scope", true},
                {"/docker/1/machine.slice/a.service/b", "/docker/1/init.scope", "a.service", true},
                /* Names that others have given. */
                {"/user.slice/user-1.slice/user@1.service/machine-a.scope", "/init.scope", "machine-a.scope",
                 false},
                {"/system.slice/b.service/machine.slice/machine-a.scope", "/init.scope", "machine-a.scope",
                 false},
                {"/docker/1/machine-a.scope", "/init.scope", "machine-a.scope", false},
                {"/docker/2/machine.slice/a.service", "/docker/1/init.scope", "a.service", false},
                {"/docker/1/docker/2/a.service", "/docker/1/init.scope", "a.service", false},
                {"/machine.slice/machine-a.scope2", "/init.scope", "machine-a.scope", false},
                {"/machine.slice/machine-a.scope", "/init.scope", "", false},
                {"/machine.slice", "/init.scope", "machine.slice", false},
                {"/machine.slice", "/init.scope", "", false},
                {"/", "/init.scope", "a.service", false},
                {"", "/docker/1/init.scope", "a.service", false},
                {"/machine.slice/a.service", "/", "a.service", true},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                NEED_ROW(rows[i].path,
                         cgroup_path_is_in_unit(rows[i].path, rows[i].init, rows[i].unit) == rows[i].is_in);
}

#define LIMITS_HEAD                                                                        \
        "Limit                     Soft Limit           Hard Limit           Units     \n" \
        "Max cpu time              unlimited            unlimited            seconds   \n" \
        "Max file size             1                    2                    bytes     \n" \
        "Max data size             unlimited            unlimited            bytes     \n" \
        "Max stack size            8388608              unlimited            bytes     \n" \
        "Max core file size        0                    unlimited            bytes     \n" \
        "Max resident set          unlimited            unlimited            bytes     \n" \
        "Max processes             95919                95919                processes \n" \
        "Max open files            1024                 524288               files     \n" \
        "Max locked memory         3156963328           3156963328           bytes     \n" \
        "Max address space         unlimited            unlimited            bytes     \n" \
        "Max file locks            unlimited            unlimited            locks     \n" \
        "Max pending signals       95919                95919                signals   \n" \
        "Max msgqueue size         819200               819200               bytes     \n" \
        "Max nice priority         0                    0                    \n"           \
        "Max realtime priority     7                    9                    \n"
#define LIMITS_TAIL "Max realtime timeout      unlimited            unlimited            us        \n"

static void test_limits(void)
{
        uint64_t l[PROC_N_RLIMITS][2];

        NEED(proc_limits_parse(LIMITS_HEAD LIMITS_TAIL, l) == 0);
        NEED(l[0][0] == UINT64_MAX && l[1][0] == 1 && l[1][1] == 2 && l[3][0] == 8388608 &&
             l[3][1] == UINT64_MAX);
        NEED(l[7][0] == 1024 && l[7][1] == 524288 && l[14][0] == 7 && l[14][1] == 9 &&
             l[15][1] == UINT64_MAX);
        NEED(proc_limits_parse(LIMITS_HEAD, l) == -EBADMSG);
        NEED(proc_limits_parse("", l) == -EBADMSG);
        NEED(proc_limits_parse(LIMITS_HEAD "Max realtime timeout      9   8   us\n", l) == -EBADMSG);
        NEED(proc_limits_parse(LIMITS_HEAD "Max realtime timeout      x   8   us\n", l) == -EBADMSG);
        NEED(proc_limits_parse(LIMITS_HEAD "Max realtime timeout      1\n", l) == -EBADMSG);
}

static void test_labels(void)
{
        static const struct {
                const char *text, *profile;
        } rows[] = {
                {"unconfined\n", NULL},
                {"docker-default (enforce)\n", "docker-default"},
                {"a b (complain)\n", "a b"},
                {"unconfined_thing (enforce)\n", "unconfined_thing"},
                {"unconfined (enforce)\n", "unconfined"},
                {"plain\n", "plain"},
                {"odd(enforce)\n", "odd(enforce)"},
        };
        char *label = NULL;

        NEED(proc_label_parse("system_u:system_r:container_t:s0:c1,c2", &label) == 0);
        NEED(same_text(label, "system_u:system_r:container_t:s0:c1,c2"));
        free(label);
        NEED(proc_label_parse("", &label) == -ENODATA && proc_label_parse("\n", &label) == -ENODATA);
        NEED(proc_label_parse("a\tb", &label) == -EBADMSG);
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_free_ char *profile = NULL;

                NEED_ROW(rows[i].text, proc_apparmor_parse(rows[i].text, &profile) == 0);
                NEED_ROW(rows[i].text, same_text(profile, rows[i].profile));
        }
        NEED(proc_apparmor_parse("", &label) == -ENODATA);
}

static void test_stat(void)
{
        static const char tail[] =
                " S 70 77 77 34817 77 4194560 120 0 0 0 11 22 0 0 20 -5 1 0 12345 2293760 180 1 2 3 4 "
                "5 6 0 0 0 0 0 0 0 17 1 3 1 0 0 0\n";
        char text[1024];
        ProcStat s;

        /* A name may contain any text, also one that looks like the fields after it. */
        snprintf(text, sizeof(text), "77 (a) R 1 (b\n)%s", tail);
        NEED(proc_stat_parse(text, &s) == 0);
        NEED(same_text(s.comm, "a) R 1 (b?"));
        NEED(s.state == 'S' && s.pgrp == 77 && s.session == 77 && s.tty_pgrp == 77 && s.priority == 20);
        NEED(s.ppid == 70 && s.tty == 34817 && s.utime == 11 && s.stime == 22 && s.start_time == 12345);
        NEED(s.nice == -5 && s.rt_priority == 3 && s.policy == 1 && !s.exiting && !s.unexecuted &&
             s.threads == 1);
        snprintf(text, sizeof(text), "77 (sh) Z%s", tail + 2);
        NEED(proc_stat_parse(text, &s) == 0 && s.exiting);
        snprintf(text, sizeof(text), "77 (sh) R 70 77 77 34817 77 4%s", strstr(tail, " 120 0"));
        NEED(proc_stat_parse(text, &s) == 0 && s.exiting);
        NEED(proc_stat_parse("", &s) == -EBADMSG && proc_stat_parse("77 (sh", &s) == -EBADMSG);
        NEED(proc_stat_parse("77 (sh)", &s) == -EBADMSG && proc_stat_parse("77 (sh) S 1 2", &s) == -EBADMSG);
        NEED(proc_stat_parse("77 )sh( S 1 2", &s) == -EBADMSG);
}

static void test_number(void)
{
        static const char *const odd[] = {"",          "\n",    "-1\n",         "0x\n", "50000 \n",
                                          "50000\n\n", "1 2\n", "4294967296\n", "x"};
        uint64_t v;

        NEED(proc_number_parse("50000\n", 10, UINT64_MAX, &v) == 0 && v == 50000);
        NEED(proc_number_parse("00000033\n", 16, UINT32_MAX, &v) == 0 && v == 0x33);
        NEED(proc_number_parse("ffffffff", 16, UINT32_MAX, &v) == 0 && v == UINT32_MAX);
        for (size_t i = 0; i < ELEMENTSOF(odd); i++)
                NEED(proc_number_parse(odd[i], 10, UINT32_MAX, &v) == -EBADMSG);
        NEED(proc_number_parse("33", 10, 32, &v) == -EBADMSG);
}

static void test_cmdline(void)
{
        _cleanup_strv_ char **argv = NULL, **none = NULL;

        NEED(proc_cmdline_parse("sh\0-c\0\0a\nb", 10, &argv) == 0);
        NEED(strv_length(argv) == 4 && same_text(argv[0], "sh") && same_text(argv[2], "") &&
             same_text(argv[3], "a?b"));
        NEED(proc_cmdline_parse("", 0, &none) == 0 && strv_length(none) == 0);
}

int main(void)
{
        test_status();
        test_bad_status();
        test_id_map();
        test_mapped_ids();
        test_groups();
        test_cgroup();
        test_cgroup_of_unit();
        test_limits();
        test_labels();
        test_stat();
        test_number();
        test_cmdline();
        return 0;
}
