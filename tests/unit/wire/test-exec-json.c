/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* An exec as clients see it, key by key in Docker's order; and as a line of the ring, there and back. */

#include <limits.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/strv.h"
#include "unit/test.h"
#include "unit/wire/request-dump.h"
#include "wire/exec-json.h"

#define VERSION 1051
#define ID      "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define CID     "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"

static const char full[] =
        "{\"Cmd\":[\"sh\",\"-c\",\"echo "
        "\\\"\\u00e4\\n\\\"\"],\"User\":\"app:wheel\",\"WorkingDir\":\"/srv\","
        "\"Tty\":true,\"Privileged\":true,\"AttachStdin\":true,\"AttachStdout\":true,"
        "\"AttachStderr\":true,\"Record\":true,\"DetachKeys\":\"ctrl-a,b,DEL\",\"OnDisconnect\":\"kill\","
        "\"Labels\":{\"a\":\"b=c\",\"d\":\"\"},\"Properties\":{\"MemoryMax\":\"1G\","
        "\"CPUQuota\":\"50%\",\"AllowedCPUs\":\"0-1\"},\"Env\":[\"SECRET=1\"]}";
static const char least[] = "{\"Cmd\":[\"id\"]}";

static ExecRequest *request_of(const char *json)
{
        ExecRequest *r = NULL;

        CHECK_ROW(json, exec_request_from_json(json, strlen(json), VERSION, &r, NULL) == 0);
        if (!r)
                exit(1);
        return r;
}

#define DOCKER_CREATED                                                                                     \
        "{\"ID\":\"" ID "\",\"Running\":false,\"ExitCode\":null,\"ProcessConfig\":{\"tty\":false,"         \
        "\"entrypoint\":\"id\",\"arguments\":[],\"privileged\":false},\"OpenStdin\":false,\"OpenStderr\":" \
        "false,"                                                                                           \
        "\"OpenStdout\":false,\"CanRemove\":false,\"ContainerID\":\"" CID                                  \
        "\",\"DetachKeys\":\"\",\"Pid\":0,"
#define DOCKER_EXITED                                                                                       \
        "{\"ID\":\"" ID "\",\"Running\":false,\"ExitCode\":137,\"ProcessConfig\":{\"tty\":true,"            \
        "\"entrypoint\":\"sh\",\"arguments\":[\"-c\",\"echo \\\"\xc3\xa4\\n\\\"\"],\"privileged\":true,"    \
        "\"user\":\"app:wheel\"},\"OpenStdin\":true,\"OpenStderr\":true,\"OpenStdout\":true,\"CanRemove\":" \
        "true,"                                                                                             \
        "\"ContainerID\":\"" CID "\",\"DetachKeys\":\"AWJ/\",\"Pid\":4242,"

static void test_view(void)
{
        _cleanup_(exec_request_freep) ExecRequest *small = request_of(least), *large = request_of(full);
        const struct {
                const char *name;
                ExecView view;
                const char *expected;
        } views[] = {
                {"created",
                 {.id = ID,
                  .status = "created",
                  .container_id = CID,
                  .container_name = "web",
                  .container_kind = "machine",
                  .request = small,
                  .caller_uid = 1000,
                  .created_usec = 1735689600000000},
                 DOCKER_CREATED
                 "\"ContainerName\":\"web\",\"ContainerKind\":\"machine\",\"State\":\"created\",\"Result\":"
                 "null,"
                 "\"Error\":null,\"Unit\":null,\"WorkingDir\":\"\",\"OnDisconnect\":\"keep\",\"Labels\":{},"
                 "\"Properties\":{},\"Record\":false,\"RecordingPath\":null,\"CallerUID\":1000,\"Created\":"
                 "\"2025-01-01T00:00:00.000000Z\","
                 "\"Started\":"
                 "null,"
                 "\"Finished\":null}"},
                {"exited",
                 {.id = ID,
                  .status = "exited",
                  .container_id = CID,
                  .container_name = "web",
                  .container_kind = "oci",
                  .unit = "exec-1.scope",
                  .result = "signal",
                  .recording_path = "/r/x.cast",
                  .request = large,
                  .command = large->argv,
                  .labels = large->labels,
                  .has_exit_code = true,
                  .exit_code = 137,
                  .can_remove = true,
                  .pid = 4242,
                  .caller_uid = UINT_MAX,
                  .created_usec = 1735689600000001,
                  .started_usec = 1735689601500000,
                  .finished_usec = 1735689602000000},
                 DOCKER_EXITED
                 "\"ContainerName\":\"web\",\"ContainerKind\":\"oci\",\"State\":\"exited\",\"Result\":"
                 "\"signal\","
                 "\"Error\":null,\"Unit\":\"exec-1.scope\",\"WorkingDir\":\"/"
                 "srv\",\"OnDisconnect\":\"kill\","
                 "\"Labels\":{\"a\":\"b=c\",\"d\":\"\"},"
                 "\"Properties\":{\"MemoryMax\":\"1G\",\"CPUQuota\":\"50%\",\"AllowedCPUs\":\"0-1\"},"
                 "\"Record\":true,\"RecordingPath\":\"/r/"
                 "x.cast\",\"CallerUID\":4294967295,\"Created\":\"2025-01-01T00:00:00.000001Z\","
                 "\"Started\":\"2025-01-01T00:00:01.500000Z\",\"Finished\":\"2025-01-01T00:00:02."
                 "000000Z\"}"},
        };

        for (size_t i = 0; i < ELEMENTSOF(views); i++) {
                struct json_object *o = exec_view_to_json(&views[i].view);

                CHECK_TEXT(views[i].name,
                           json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN |
                                                                     JSON_C_TO_STRING_NOSLASHESCAPE),
                           views[i].expected);
                json_object_put(o);
        }
}

static bool is_running(const char *status)
{
        _cleanup_(exec_request_freep) ExecRequest *r = request_of(least);
        ExecView view = {.id = ID, .status = status, .container_id = CID, .request = r, .exit_code = 5};
        struct json_object *o = exec_view_to_json(&view);
        bool running = json_object_get_boolean(json_object_object_get(o, "Running"));

        /* An exit code that does not exist yet is null, whatever is in the field. */
        CHECK(!json_object_object_get(o, "ExitCode"));
        json_object_put(o);
        return running;
}

static void test_base64(void)
{
        static const struct {
                const char *keys, *base64;
        } rows[] = {
                {"", ""},
                {"a", "YQ=="},
                {"a,b", "YWI="},
                {"a,b,c", "YWJj"},
                {"ctrl-p,ctrl-q", "EBE="},
                {"ctrl-@,DEL,\xff,\xfe", "AH///g=="},
                {"a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p", "YWJjZGVmZ2hpamtsbW5vcA=="},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_(exec_request_freep) ExecRequest *r = request_of(least);
                ExecView view = {.id = ID, .status = "created", .container_id = CID, .request = r};
                struct json_object *o;

                CHECK(detach_keys_parse(rows[i].keys, &r->detach_keys, NULL) == 0);
                o = exec_view_to_json(&view);
                CHECK_TEXT(rows[i].keys, json_object_get_string(json_object_object_get(o, "DetachKeys")),
                           rows[i].base64);
                json_object_put(o);
        }
}

static void same_record(const ExecJson *a, const ExecJson *b)
{
        _cleanup_free_ char *first = dump_request(a->request), *second = dump_request(b->request);

        CHECK_TEXT("id", b->id, a->id);
        CHECK_TEXT("container_id", b->container_id, a->container_id);
        CHECK_TEXT("container_name", b->container_name, a->container_name);
        CHECK_TEXT("container_kind", b->container_kind, a->container_kind);
        CHECK_TEXT("failure", b->failure, a->failure);
        CHECK_TEXT("recording_path", b->recording_path, a->recording_path);
        CHECK_TEXT("request", second, first);
        CHECK(a->failed == b->failed && a->timed_out == b->timed_out);
        CHECK(a->exit_code == b->exit_code && a->wait_status == b->wait_status);
        CHECK(a->pid == b->pid && a->caller_uid == b->caller_uid);
        CHECK(a->created_usec == b->created_usec && a->started_usec == b->started_usec);
        CHECK(a->finished_usec == b->finished_usec);
}

static void test_record(void)
{
        _cleanup_(exec_request_freep) ExecRequest *small = request_of(least), *large = request_of(full);
        const ExecJson records[] = {
                {.id = (char *) ID,
                 .container_id = (char *) CID,
                 .container_name = (char *) "web",
                 .container_kind = (char *) "machine",
                 .request = small,
                 .created_usec = 1},
                {.id = (char *) ID,
                 .container_id = (char *) CID,
                 .container_name = (char *) "\xc3\xa4 \xf0\xad\xa0\x80\xf0\x9f\x98\x80 \"\\\n",
                 .container_kind = (char *) "oci",
                 .failure = (char *) "no such\nuser",
                 .recording_path = (char *) "/var/lib/a b",
                 .request = large,
                 .failed = true,
                 .exit_code = 126,
                 .wait_status = 0x89,
                 .timed_out = true,
                 .pid = INT_MAX,
                 .caller_uid = UINT_MAX,
                 .created_usec = 1735689600000001,
                 .started_usec = 1735689601500000,
                 .finished_usec = UINT64_MAX},
        };

        for (size_t i = 0; i < ELEMENTSOF(records); i++) {
                _cleanup_free_ char *line = NULL;
                ExecJson back = {0};

                /* The environment may hold secrets and is not kept. */
                CHECK(exec_json_write(&records[i], &line) == 0);
                CHECK(line && !strchr(line, '\n') && !strstr(line, "SECRET"));
                CHECK(exec_json_read(line, &back) == 0);
                if (!back.request)
                        continue;
                strv_free(records[i].request->env);
                records[i].request->env = NULL;
                same_record(&records[i], &back);
                for (size_t p = 0; p < back.request->n_properties; p++)
                        CHECK(back.request->properties[p].number == large->properties[p].number);
                exec_json_done(&back);
                CHECK(!back.id && !back.request);
        }
}

#define FIELDS "\"container_id\":\"c\",\"container_name\":\"n\",\"container_kind\":\"k\""
#define START  "{\"id\":\"" ID "\"," FIELDS

static void test_read(void)
{
        static const struct {
                const char *line;
                int result;
        } lines[] = {
                {START ",\"argv\":[\"id\"]}", 0},
                {START ",\"argv\":[\"id\"],\"unknown\":{\"a\":[1]},\"flags\":63}", 0},
                {START ",\"argv\":[\"id\"],\"detach_keys\":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18]}",
                 0},
                {"", -EBADMSG},
                {"null", -EBADMSG},
                {"{}", -EBADMSG},
                {"[]", -EBADMSG},
                {"7", -EBADMSG},
                {"\"text\"", -EBADMSG},
                {"{\"id\":", -EBADMSG},
                {START ",\"argv\":[]}", -EBADMSG},
                {START ",\"argv\":\"id\"}", -EBADMSG},
                {START "}", -EBADMSG},
                {"{" FIELDS ",\"argv\":[\"id\"]}", -EBADMSG},
                {"{\"id\":\"abc\"," FIELDS ",\"argv\":[\"id\"]}", -EBADMSG},
                {"{\"id\":\"\xff"
                 "123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\"," FIELDS
                 ",\"argv\":[\"id\"]}",
                 -EBADMSG},
                {"{\"id\":7," FIELDS ",\"argv\":[\"id\"]}", -EBADMSG},
                {"{\"id\":\"" ID "\",\"argv\":[\"id\"]}", -EBADMSG},
                {START ",\"argv\":[\"id\"],\"on_disconnect\":\"never\"}", -EBADMSG},
                {START ",\"argv\":[\"id\"],\"properties\":{\"ExecStart\":\"x\"}}", -EBADMSG},
                {START ",\"argv\":[\"id\"],\"properties\":{\"MemoryMax\":\"x\"}}", -EBADMSG},
                {START ",\"argv\":[\"id\"],\"properties\":{\"MemoryMax\":null}}", -EBADMSG},
        };

        for (size_t i = 0; i < ELEMENTSOF(lines); i++) {
                ExecJson r = {.pid = 77};
                int k = exec_json_read(lines[i].line, &r);

                CHECK_ROW(lines[i].line, k == lines[i].result);
                if (k < 0)
                        CHECK_ROW(lines[i].line, r.pid == 77 && !r.id && !r.request);
                else {
                        CHECK_ROW(lines[i].line, r.request->detach_keys.n_keys <= DETACH_KEYS_MAX);
                        exec_json_done(&r);
                }
        }
}

/* No start of a line is a record. */
static void test_cut(void)
{
        static const char line[] = START ",\"argv\":[\"id\",\"x\"],\"flags\":3,\"labels\":[\"a=b\"]}";

        for (size_t n = 0; n < sizeof(line) - 1; n++) {
                _cleanup_free_ char *cut = strndup(line, n);
                ExecJson r = {0};

                CHECK_ROW(cut, exec_json_read(cut, &r) == -EBADMSG);
        }
}

int main(void)
{
        test_view();
        CHECK(is_running("running"));
        CHECK(!is_running("created"));
        CHECK(!is_running("failed"));
        test_base64();
        test_record();
        test_read();
        test_cut();
        return test_finish("exec-json");
}
