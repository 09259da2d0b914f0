/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* api/stats-json: usage in Docker's form; unknown figures are omitted, or zero if clients rely on them. */

#include "api/stats-json.h"
#include "base/time.h"
#include "unit/need.h"
#include "unit/test.h"
#include "wire/json-build.h"

static const ContainerInfo container = {.id = (char *) "0123", .name = (char *) "web"};

static const char *written(struct json_object *o)
{
        static char text[8192];
        _cleanup_buf_ Buf b = BUF_INIT;

        json_write(&b, o);
        json_object_put(o);
        NEED(buf_length(&b) < sizeof(text));
        memcpy(text, buf_head(&b), buf_length(&b));
        text[buf_length(&b)] = 0;
        return text;
}

static void test_known(void)
{
        StatsSample now = {.taken_usec = 3 * USEC_PER_SEC, .uptime_usec = 5}, before = {0};
        const char *text;

        for (UsageField f = 0; f < _USAGE_MAX; f++)
                now.usage.values[f] = 100 + (uint64_t) f;
        text = written(stats_json(&container, &now, &before));
        CHECK(strstr(text, "\"name\":\"/web\"") && strstr(text, "\"id\":\"0123\""));
        CHECK(strstr(text, "\"read\":\"1970-01-01T00:00:03") &&
              strstr(text, "\"preread\":\"0001-01-01T00:00:00Z\""));
        CHECK(strstr(text,
                     "\"memory_stats\":{\"usage\":100,\"stats\":{\"inactive_file\":101},\"limit\":102}"));
        CHECK(strstr(text, "\"pids_stats\":{\"current\":103,\"limit\":104}"));
        /* In nanoseconds. */
        CHECK(strstr(text,
                     "\"total_usage\":105000,\"usage_in_kernelmode\":107000,\"usage_in_usermode\":106000"));
        CHECK(strstr(text, "\"op\":\"read\",\"value\":111") &&
              strstr(text, "\"op\":\"write\",\"value\":112"));
        /* There was no sample before. */
        CHECK(strstr(text, "\"precpu_stats\":{\"cpu_usage\":{\"total_usage\":0"));
        CHECK(!strstr(strstr(text, "\"precpu_stats\""), "system_cpu_usage"));
}

static void test_unknown(void)
{
        StatsSample now = {.taken_usec = 1}, before = {.taken_usec = 1};
        const char *text;

        usage_clear(&now.usage);
        usage_clear(&before.usage);
        text = written(stats_json(&container, &now, &before));
        CHECK(strstr(text, "\"memory_stats\":{}") && strstr(text, "\"pids_stats\":{}"));
        CHECK(strstr(text, "\"io_service_bytes_recursive\":null"));
        CHECK(strstr(text, "\"total_usage\":0") && !strstr(text, "18446744073709551615"));
        CHECK_TEXT("of an exec", written(stats_exec_json("ab", &now.usage)), "{\"id\":\"ab\"}");

        /* Without a limit, the limit is the host's. */
        now.usage.values[USAGE_MEMORY] = 7;
        text = written(stats_json(&container, &now, &before));
        CHECK(strstr(text, "\"usage\":7") && strstr(text, "\"limit\":") && !strstr(text, "\"limit\":-1"));
}

static void test_exec(void)
{
        Usage u;

        usage_clear(&u);
        u.values[USAGE_MEMORY] = 4096;
        u.values[USAGE_CPU_USEC] = 2;
        CHECK_TEXT("exec", written(stats_exec_json("ab", &u)),
                   "{\"id\":\"ab\",\"memory\":4096,\"cpu_total\":2000}");
}

static void test_stamp(void)
{
        StatsSample s = {0};

        stats_sample_stamp(&s);
        CHECK(s.taken_usec > 0 && s.uptime_usec > 0);
}

int main(void)
{
        test_known();
        test_unknown();
        test_exec();
        test_stamp();
        return test_finish("stats-json");
}
