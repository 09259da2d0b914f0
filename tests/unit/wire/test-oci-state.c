/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Files of runtimes and engines about their containers: the values taken from them, and refused files. */

#include "wire/oci-state.h"

#include <errno.h>
#include <stdlib.h>

#include "base/time.h"
#include "unit/test.h"

#define ID      "acc7d5d41f24c5ccf4e7d3f2d148af05df731c3def7721935f27a1851148c27d"
#define CREATED "\"created\":\"2026-11-24T16:36:42.25250796Z\""
#define USEC    UINT64_C(1795538202252507)

static bool is_text(const char *a, const char *b)
{
        return a && b ? strcmp(a, b) == 0 : a == b;
}

static void test_names(void)
{
        char longest[OCI_NAME_MAX + 2];

        CHECK(oci_name_is_valid("web") && oci_name_is_valid(ID) && oci_name_is_valid("_a.b-c+d"));
        CHECK(!oci_name_is_valid("") && !oci_name_is_valid(".") && !oci_name_is_valid("..") &&
              !oci_name_is_valid(".a") && !oci_name_is_valid("-a"));
        CHECK(!oci_name_is_valid("a/b") && !oci_name_is_valid("a b") && !oci_name_is_valid("a\nb") &&
              !oci_name_is_valid("\xc3\xa4"));
        memset(longest, 'a', sizeof(longest) - 1);
        longest[sizeof(longest) - 1] = 0;
        CHECK(!oci_name_is_valid(longest) && oci_name_is_valid(longest + 1));
}

#define RUNC(id, pid, start, created, cgroups, labels)                                          \
        "{\"id\":" id ",\"init_process_pid\":" pid ",\"init_process_start\":" start "," created \
        ",\"cgroup_paths\":{" cgroups "},\"config\":{\"labels\":[" labels "]}}"
#define CGROUP "\"\":\"/sys/fs/cgroup/machine.slice/libpod-a.scope\""
#define BUNDLE "\"bundle=/var/lib/b\""

static void test_runc(void)
{
        static const char good[] = RUNC("\"" ID "\"", "2443", "2972134", CREATED, CGROUP,
                                        "\"a=b\",\"io.container.manager=libpod\"," BUNDLE);
        static const char hybrid[] =
                RUNC("\"a\"", "2", "1", CREATED,
                     "\"devices\":\"/sys/fs/cgroup/devices/a\",\"\":\"/sys/fs/cgroup/unified/a\"",
                     "\"bundle=/annotated\"," BUNDLE);
        static const struct {
                const char *what, *json;
        } bad[] = {
                {"", ""},
                {"the value is missing or not valid", "[]"},
                {"id is", RUNC("\"../a\"", "2", "1", CREATED, CGROUP, BUNDLE)},
                {"id is", RUNC("7", "2", "1", CREATED, CGROUP, BUNDLE)},
                {"id is", RUNC("\"a\\u0000\"", "2", "1", CREATED, CGROUP, BUNDLE)},
                {"init_process_pid is", RUNC("\"a\"", "1", "1", CREATED, CGROUP, BUNDLE)},
                {"init_process_pid is", RUNC("\"a\"", "0", "1", CREATED, CGROUP, BUNDLE)},
                {"init_process_pid is", RUNC("\"a\"", "-5", "1", CREATED, CGROUP, BUNDLE)},
                {"init_process_pid is", RUNC("\"a\"", "2.5", "1", CREATED, CGROUP, BUNDLE)},
                {"init_process_pid is", RUNC("\"a\"", "2147483648", "1", CREATED, CGROUP, BUNDLE)},
                {"init_process_pid is", RUNC("\"a\"", "\"2\"", "1", CREATED, CGROUP, BUNDLE)},
                {"init_process_start is", RUNC("\"a\"", "2", "0", CREATED, CGROUP, BUNDLE)},
                {"init_process_start is",
                 RUNC("\"a\"", "2", "18446744073709551616", CREATED, CGROUP, BUNDLE)},
                {"created is", RUNC("\"a\"", "2", "1", "\"created\":\"yesterday\"", CGROUP, BUNDLE)},
                {"cgroup_paths is",
                 RUNC("\"a\"", "2", "1", CREATED, "\"devices\":\"/sys/fs/cgroup/devices/a\"", BUNDLE)},
                {"cgroup_paths is", RUNC("\"a\"", "2", "1", CREATED, "\"\":\"/etc\"", BUNDLE)},
                {"cgroup_paths is",
                 RUNC("\"a\"", "2", "1", CREATED, "\"\":\"/sys/fs/cgroup/../../a\"", BUNDLE)},
                {"cgroup_paths is", RUNC("\"a\"", "2", "1", CREATED, "\"\":\"/sys/fs/cgroup/\"", BUNDLE)},
                {"cgroup_paths is",
                 RUNC("\"a\"", "2", "1", CREATED, "\"\":\"/sys/fs/cgroup/unified/\"", BUNDLE)},
                {"config.labels is", RUNC("\"a\"", "2", "1", CREATED, CGROUP, "7")},
                {"the bundle in config.labels is", RUNC("\"a\"", "2", "1", CREATED, CGROUP, "")},
                {"the bundle in config.labels is", RUNC("\"a\"", "2", "1", CREATED, CGROUP, "\"bundle=b\"")},
                {"the bundle in config.labels is",
                 RUNC("\"a\"", "2", "1", CREATED, CGROUP, "\"bundle=/a/..\"")},
        };
        OciState s = {0};

        CHECK(oci_runc_state_parse(good, strlen(good), &s, NULL) == 0);
        CHECK(is_text(s.id, ID) && s.pid == 2443 && s.start_time == 2972134 && s.created_usec == USEC);
        CHECK(is_text(s.cgroup, "/machine.slice/libpod-a.scope") && is_text(s.bundle, "/var/lib/b"));
        CHECK(s.is_podmans);
        oci_state_done(&s);

        CHECK(oci_runc_state_parse(hybrid, strlen(hybrid), &s, NULL) == 0);
        CHECK(is_text(s.cgroup, "/a") && is_text(s.bundle, "/var/lib/b") && !s.is_podmans);
        oci_state_done(&s);

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;

                CHECK_ROW(bad[i].json,
                          oci_runc_state_parse(bad[i].json, strlen(bad[i].json), &s, &refusal) == -EBADMSG);
                CHECK_ROW(bad[i].json, strstr(refusal.message, bad[i].what) && !s.id && !s.bundle);
        }
}

#define OTHER "0000000000000000000000000000000000000000000000000000000000000000"
#define MOUNTED(mounts)                                                               \
        "{\"id\":\"" ID "\",\"init_process_pid\":2,\"init_process_start\":1," CREATED \
        ",\"cgroup_paths\":{" CGROUP "},\"config\":{\"labels\":[" BUNDLE "],\"mounts\":" mounts "}}"
#define MOUNT(from, to) "{\"source\":\"" from "\",\"destination\":\"" to "\"}"

/* Where Docker's data is: the directory of what it mounts, of the container itself before another. */
static void test_docker_mounts(void)
{
        static const struct {
                const char *directory, *json;
        } rows[] = {
                {"/d/containers", MOUNTED("[" MOUNT("/d/containers/" ID "/hosts", "/etc/hosts") "]")},
                {"/d", MOUNTED("[" MOUNT("/d/" ID "/hostname", "/etc/hostname") "]")},
                {"/d", MOUNTED("[" MOUNT("/d/" ID "/resolv.conf", "/etc/resolv.conf") "]")},
                {"/other", MOUNTED("[" MOUNT("/other/" OTHER "/hosts", "/etc/hosts") "]")},
                {"/d", MOUNTED("[" MOUNT("/other/" OTHER "/hosts", "/etc/hosts") "," MOUNT(
                               "/d/" ID "/hostname", "/etc/hostname") "]")},
                {"/d", MOUNTED("[" MOUNT("/d/" ID "/hostname", "/etc/hostname") "," MOUNT(
                               "/other/" OTHER "/hosts", "/etc/hosts") "]")},
                {"/d",
                 MOUNTED("[7,{},{\"source\":7,\"destination\":\"/etc/hosts\"},{\"source\":\"/d\"}," MOUNT(
                         "/d/" ID "/hosts", "/etc/hosts") "]")},
                {NULL, MOUNTED("[" MOUNT("/d/" ID "/hosts", "/etc/hostname") "]")},
                {NULL, MOUNTED("[" MOUNT("/d/" ID "/passwd", "/etc/passwd") "]")},
                {NULL, MOUNTED("[" MOUNT("/d/" ID "0/hosts", "/etc/hosts") "]")},
                {NULL, MOUNTED("[" MOUNT("/d/web/hosts", "/etc/hosts") "]")},
                {NULL, MOUNTED("[" MOUNT("/" ID "/hosts", "/etc/hosts") "]")},
                {NULL, MOUNTED("[" MOUNT("d/" ID "/hosts", "/etc/hosts") "]")},
                {NULL, MOUNTED("[" MOUNT("/d/../e/" ID "/hosts", "/etc/hosts") "]")},
                {NULL, MOUNTED("[" MOUNT("/d\\u0000/" ID "/hosts", "/etc/hosts") "]")},
                {NULL, MOUNTED("[" MOUNT("", "") "," MOUNT("/", "/e") "]")},
                {NULL, MOUNTED("[]")},
                {NULL, MOUNTED("{}")},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                OciState s = {0};

                CHECK_ROW(rows[i].json,
                          oci_runc_state_parse(rows[i].json, strlen(rows[i].json), &s, NULL) == 0);
                CHECK_ROW(rows[i].json, is_text(s.docker, rows[i].directory));
                oci_state_done(&s);
        }
}

#define CRUN(pid, start, created, cgroup, bundle)                                               \
        "{\n \"pid\": " pid ",\n \"process-start-time\": " start ",\n \"cgroup-path\": " cgroup \
        ",\n \"bundle\": " bundle ",\n " created "}"

static void test_crun(void)
{
        static const char good[] = CRUN("2465", "2972181", CREATED, "\"/machine.slice/a.scope\"", "\"/b\"");
        static const char none[] = CRUN("2465", "2972181", CREATED, "\"\"", "\"/b\"");
        static const char *const bad[] = {
                "{}",
                CRUN("1", "1", CREATED, "\"\"", "\"/b\""),
                CRUN("2", "null", CREATED, "\"\"", "\"/b\""),
                CRUN("2", "1", "\"created\":7", "\"\"", "\"/b\""),
                CRUN("2", "1", CREATED, "null", "\"/b\""),
                CRUN("2", "1", CREATED, "\"a\"", "\"/b\""),
                CRUN("2", "1", CREATED, "\"/\"", "\"/b\""),
                CRUN("2", "1", CREATED, "\"/a/../b\"", "\"/b\""),
                CRUN("2", "1", CREATED, "\"\"", "\"\""),
        };
        OciState s = {0};

        CHECK(oci_crun_status_parse(good, strlen(good), &s, NULL) == 0);
        CHECK(!s.id && s.pid == 2465 && s.start_time == 2972181 && s.created_usec == USEC);
        CHECK(is_text(s.cgroup, "/machine.slice/a.scope") && is_text(s.bundle, "/b"));
        oci_state_done(&s);
        CHECK(oci_crun_status_parse(none, strlen(none), &s, NULL) == 0 && !s.cgroup);
        oci_state_done(&s);
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;

                CHECK_ROW(bad[i], oci_crun_status_parse(bad[i], strlen(bad[i]), &s, &refusal) == -EBADMSG);
                CHECK_ROW(bad[i], refusal.message && !s.bundle && !s.cgroup);
        }
}

static void test_times(void)
{
        static const struct {
                const char *text;
                uint64_t usec; /* UINT64_MAX: refused */
        } rows[] = {
                {"1970-01-01T00:00:00Z", 0},
                {"2026-11-24T16:36:42Z", UINT64_C(1795538202) * USEC_PER_SEC},
                {"2026-11-24T16:36:42.5Z", UINT64_C(1795538202) * USEC_PER_SEC + 500000},
                {"2026-11-24T16:36:42.000000999Z", UINT64_C(1795538202) * USEC_PER_SEC},
                {"2026-11-24T18:06:42+01:30", UINT64_C(1795538202) * USEC_PER_SEC},
                {"2026-11-24T15:36:42.0-01:00", UINT64_C(1795538202) * USEC_PER_SEC},
                {"1970-01-01T00:00:00+01:00", UINT64_MAX},
                {"0001-01-01T00:00:00Z", UINT64_MAX},
                {"2026-13-24T16:36:42Z", UINT64_MAX},
                {"2026-11-24T24:36:42Z", UINT64_MAX},
                {"2026-11-24T-1:36:42Z", UINT64_MAX},
                {"2026-11-24 16:36:42Z", UINT64_MAX},
                {"2026-11-24T16:36:42", UINT64_MAX},
                {"2026-11-24T16:36:42Zulu", UINT64_MAX},
                {"2026-11-24T16:36:42+1:30", UINT64_MAX},
                {"2026-11-24T16:36:42+25:00", UINT64_MAX},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                char json[256];
                OciState s = {0};
                int r;

                snprintf(json, sizeof(json),
                         "{\"pid\":2,\"process-start-time\":1,\"cgroup-path\":\"\",\"bundle\":\"/b\","
                         "\"created\":\"%s\"}",
                         rows[i].text);
                r = oci_crun_status_parse(json, strlen(json), &s, NULL);
                CHECK_ROW(rows[i].text, (r < 0) == (rows[i].usec == UINT64_MAX));
                CHECK_ROW(rows[i].text, r < 0 || s.created_usec == rows[i].usec);
                oci_state_done(&s);
        }
}

/* The user of an exec that names none. */
static void test_process_user(void)
{
        static const struct {
                const char *user, *expected; /* NULL: root */
        } rows[] = {
                {"{}", NULL},
                {"null", NULL},
                {"{\"uid\":0,\"gid\":0,\"additionalGids\":[0,10]}", NULL},
                {"{\"uid\":1000,\"gid\":1000}", "1000:1000"},
                {"{\"uid\":1000}", "1000:0"},
                {"{\"gid\":5}", "0:5"},
                {"{\"uid\":1000,\"gid\":1000,\"additionalGids\":[1000]}", "1000:1000"},
                {"{\"uid\":1000,\"gid\":1000,\"additionalGids\":[10,1000]}", "1000"},
        };
        static const char *const bad[] = {
                "{\"uid\":4294967295}",
                "{\"uid\":-1}",
                "{\"gid\":1.5}",
                "{\"additionalGids\":[\"x\"]}",
        };
        char json[256];

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_oci_config_ OciConfig c = {0};

                snprintf(json, sizeof(json), "{\"process\":{\"user\":%s,\"cwd\":\"/srv\"}}", rows[i].user);
                CHECK_ROW(json, oci_bundle_config_parse(json, strlen(json), &c, NULL) == 0);
                CHECK_ROW(json, is_text(c.user, rows[i].expected) && is_text(c.working_dir, "/srv"));
        }
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                OciConfig c = {0};

                snprintf(json, sizeof(json), "{\"process\":{\"user\":%s}}", bad[i]);
                CHECK_ROW(json, oci_bundle_config_parse(json, strlen(json), &c, NULL) == -EBADMSG);
        }
}

static void test_bundle(void)
{
        static const char podmans[] = "{\"process\":{\"env\":[\"A=b\",\"C=\"]},\"annotations\":"
                                      "{\"io.container.manager\":\"libpod\"}}";
        static const char others[] = "{\"process\":{},\"annotations\":{\"io.container.manager\":\"other\"}}";
        static const char *const bad[] = {
                "{}",
                "{\"process\":{\"env\":[\"A\"]}}",
                "{\"process\":{\"env\":[\"=A\"]}}",
                "{\"process\":{\"env\":[\"A=\\u0000\"]}}",
                "{\"process\":{\"env\":[7]}}",
        };
        OciConfig c = {0};

        CHECK(oci_bundle_config_parse(podmans, strlen(podmans), &c, NULL) == 0 && c.is_podmans);
        CHECK(is_text(c.environment[0], "A=b") && is_text(c.environment[1], "C=") && !c.environment[2]);
        oci_config_done(&c);
        CHECK(oci_bundle_config_parse(others, strlen(others), &c, NULL) == 0 && !c.is_podmans);
        CHECK(c.environment && !c.environment[0]);
        oci_config_done(&c);
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                CHECK_ROW(bad[i], oci_bundle_config_parse(bad[i], strlen(bad[i]), &c, NULL) == -EBADMSG);
                CHECK_ROW(bad[i], !c.environment);
        }
}

#define DOCKER(name, env)                       \
        "{\"ID\":\"" ID "\",\"Name\":" name "," \
        "\"Created\":\"2026-11-24T16:36:42Z\",\"Config\":{\"Image\":\"bb\",\"Env\":" env "}}"

static void test_docker(void)
{
        static const char good[] = DOCKER("\"/web\"", "[\"A=b\"],\"User\":\"app\",\"WorkingDir\":\"/srv\"");
        static const char least[] = DOCKER("\"/web\"", "null,\"User\":\"\",\"WorkingDir\":\"\"");
        static const char *const bad[] = {
                "{}",
                DOCKER("\"web\"", "[]"),
                DOCKER("\"/\"", "[]"),
                DOCKER("\"/a/b\"", "[]"),
                DOCKER("\"/web\"", "[\"A\"]"),
                DOCKER("\"/web\"", "[],\"User\":\"\\u0000\""),
        };
        OciConfig c = {0};

        CHECK(oci_docker_config_parse(good, strlen(good), &c, NULL) == 0);
        CHECK(is_text(c.id, ID) && is_text(c.name, "web") && is_text(c.image, "bb"));
        CHECK(is_text(c.environment[0], "A=b") && c.created_usec == UINT64_C(1795538202) * USEC_PER_SEC);
        CHECK(is_text(c.user, "app") && is_text(c.working_dir, "/srv"));
        oci_config_done(&c);
        CHECK(oci_docker_config_parse(least, strlen(least), &c, NULL) == 0 && !c.user && !c.working_dir);
        CHECK(c.environment && !c.environment[0]);
        oci_config_done(&c);
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                CHECK_ROW(bad[i], oci_docker_config_parse(bad[i], strlen(bad[i]), &c, NULL) == -EBADMSG);
                CHECK_ROW(bad[i], !c.id && !c.name);
        }
}

static void test_storage(void)
{
        static const char json[] =
                "[{\"id\":\"" ID "\",\"names\":[\"web\",\"also\"],\"image\":\"f00\",\"metadata\":"
                "\"{\\\"image-name\\\":\\\"localhost/bb\\\"}\",\"created\":\"2026-11-24T16:36:42Z\"},"
                "7,{\"id\":\"a\",\"names\":[\"a/b\"],\"image\":\"i\",\"created\":\"2026-11-24T16:36:42Z\"},"
                "{\"id\":\"b\",\"names\":[],\"image\":\"i\",\"created\":\"2026-11-24T16:36:42Z\"},"
                "{\"id\":\"c\",\"names\":[\"n\"],\"image\":\"i\",\"metadata\":\"[\","
                "\"created\":\"2026-11-24T16:36:42Z\"}]";
        const OciConfig *c;
        OciStorage s = {0};

        CHECK(oci_storage_parse(json, strlen(json), &s, NULL) == 0 && s.n == 2);
        c = oci_storage_find(&s, ID);
        CHECK(c && is_text(c->name, "web") && is_text(c->image, "localhost/bb"));
        c = oci_storage_find(&s, "c");
        CHECK(c && is_text(c->name, "n") && is_text(c->image, "i"));
        CHECK(!oci_storage_find(&s, "a") && !oci_storage_find(&s, "b"));
        oci_storage_done(&s);
        CHECK(oci_storage_parse("{}", 2, &s, NULL) == -EBADMSG && !s.items);
}

static void test_too_large(void)
{
        _cleanup_free_ char *json = malloc(OCI_STATE_MAX + 2);
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        OciState s = {0};

        CHECK(json);
        memset(json, ' ', OCI_STATE_MAX + 1);
        CHECK(oci_runc_state_parse(json, OCI_STATE_MAX + 1, &s, &refusal) == -EFBIG);
        CHECK(is_text(refusal.message, "has more than 1048576 bytes"));
}

int main(void)
{
        test_names();
        test_runc();
        test_docker_mounts();
        test_crun();
        test_times();
        test_process_user();
        test_bundle();
        test_docker();
        test_storage();
        test_too_large();
        return 0;
}
