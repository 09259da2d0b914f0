/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* systemd's text forms of resource settings, and their values on its bus. */

#include <errno.h>
#include <inttypes.h>

#include "unit/test.h"
#include "wire/scope-property.h"

#define INFINITE UINT64_MAX
#define SECOND   UINT64_C(1000000)
#define GIB      (UINT64_C(1) << 30)

static const struct {
        const char *name, *text;
        const char *bus_name; /* NULL: refused */
        uint64_t number;
} numbers[] = {
        {"MemoryMax", "1G", "MemoryMax", GIB},
        {"MemoryMax", "1", "MemoryMax", 1},
        {"MemoryMax", "1073741824", "MemoryMax", GIB},
        {"MemoryMax", "512B", "MemoryMax", 512},
        {"MemoryMax", "4K", "MemoryMax", 4096},
        {"MemoryMax", "1.5M", "MemoryMax", 1536 * 1024},
        {"MemoryMax", "2T", "MemoryMax", 2048 * GIB},
        {"MemoryMax", "1P", "MemoryMax", UINT64_C(1) << 50},
        {"MemoryMax", "15E", "MemoryMax", UINT64_C(15) << 60},
        {"MemoryMax", "infinity", "MemoryMax", INFINITE},
        {"MemoryMax", "50%", "MemoryMaxScale", 2147483648},
        {"MemoryMax", "100%", "MemoryMaxScale", UINT32_MAX},
        {"MemoryMax", "0.01%", "MemoryMaxScale", 429497},
        {"MemoryMax", "12.5%", "MemoryMaxScale", 536870912},
        {"MemoryMax", "0", NULL, 0},
        {"MemoryMax", "0%", NULL, 0},
        {"MemoryMax", "100.01%", NULL, 0},
        {"MemoryMax", "1.001%", NULL, 0},
        {"MemoryMax", "16E", NULL, 0},
        {"MemoryMax", "18446744073709551615", NULL, 0}, /* would be infinity */
        {"MemoryMax", "18446744073709551616", NULL, 0},
        {"MemoryMax", "1.5", NULL, 0},
        {"MemoryMax", "1.G", NULL, 0},
        {"MemoryMax", ".5G", NULL, 0},
        {"MemoryMax", "1g", NULL, 0},
        {"MemoryMax", "1GB", NULL, 0},
        {"MemoryMax", "1 G", NULL, 0},
        {"MemoryMax", " 1G", NULL, 0},
        {"MemoryMax", "-1", NULL, 0},
        {"MemoryMax", "+1", NULL, 0},
        {"MemoryMax", "0x10", NULL, 0},
        {"MemoryMax", "1e9", NULL, 0},
        {"MemoryMax", "", NULL, 0},
        {"MemoryMax", "%", NULL, 0},
        {"MemoryMax", "-1%", NULL, 0},
        {"MemoryMax", "Infinity", NULL, 0},
        {"MemoryMin", "0", "MemoryMin", 0},
        {"MemoryLow", "10%", "MemoryLowScale", 429496730},
        {"MemoryHigh", "1M", "MemoryHigh", 1048576},
        {"MemoryHigh", "0", NULL, 0},
        {"MemorySwapMax", "0", "MemorySwapMax", 0},
        {"MemorySwapMax", "0%", "MemorySwapMaxScale", 0},

        {"TasksMax", "1", "TasksMax", 1},
        {"TasksMax", "4096", "TasksMax", 4096},
        {"TasksMax", "infinity", "TasksMax", INFINITE},
        {"TasksMax", "25%", "TasksMaxScale", 1073741824},
        {"TasksMax", "0", NULL, 0},
        {"TasksMax", "1K", NULL, 0},
        {"TasksMax", "1.5", NULL, 0},
        {"TasksMax", "many", NULL, 0},

        {"CPUQuota", "100%", "CPUQuotaPerSecUSec", SECOND},
        {"CPUQuota", "50%", "CPUQuotaPerSecUSec", SECOND / 2},
        {"CPUQuota", "250%", "CPUQuotaPerSecUSec", SECOND * 5 / 2},
        {"CPUQuota", "0.01%", "CPUQuotaPerSecUSec", 100},
        {"CPUQuota", "33.33%", "CPUQuotaPerSecUSec", 333300},
        {"CPUQuota", "21474836.47%", "CPUQuotaPerSecUSec", UINT64_C(214748364700)},
        {"CPUQuota", "21474836.48%", NULL, 0},
        {"CPUQuota", "0%", NULL, 0},
        {"CPUQuota", "50", NULL, 0},
        {"CPUQuota", "infinity", NULL, 0},
        {"CPUQuota", "99999999999999999999%", NULL, 0},

        {"CPUWeight", "1", "CPUWeight", 1},
        {"CPUWeight", "10000", "CPUWeight", 10000},
        {"CPUWeight", "idle", "CPUWeight", 0},
        {"CPUWeight", "0", NULL, 0},
        {"CPUWeight", "10001", NULL, 0},
        {"CPUWeight", "50%", NULL, 0},
        {"IOWeight", "100", "IOWeight", 100},
        {"IOWeight", "idle", NULL, 0},
        {"IOWeight", "0", NULL, 0},

        {"RuntimeMaxSec", "2", "RuntimeMaxUSec", 2 * SECOND},
        {"RuntimeMaxSec", "2s", "RuntimeMaxUSec", 2 * SECOND},
        {"RuntimeMaxSec", "1.5", "RuntimeMaxUSec", SECOND * 3 / 2},
        {"RuntimeMaxSec", "100ms", "RuntimeMaxUSec", SECOND / 10},
        {"RuntimeMaxSec", "1us", "RuntimeMaxUSec", 1},
        {"RuntimeMaxSec", "7\xc2\xb5s", "RuntimeMaxUSec", 7},
        {"RuntimeMaxSec", "7\xce\xbcs", "RuntimeMaxUSec", 7},
        {"RuntimeMaxSec", "2m", "RuntimeMaxUSec", 120 * SECOND},
        {"RuntimeMaxSec", "1min 30s", "RuntimeMaxUSec", 90 * SECOND},
        {"RuntimeMaxSec", "1min30s", "RuntimeMaxUSec", 90 * SECOND},
        {"RuntimeMaxSec", "1 min 30", "RuntimeMaxUSec", 90 * SECOND},
        {"RuntimeMaxSec", "1.5h", "RuntimeMaxUSec", 5400 * SECOND},
        {"RuntimeMaxSec", "2hours 3 days", "RuntimeMaxUSec", (7200 + 3 * 86400) * SECOND},
        {"RuntimeMaxSec", "1w", "RuntimeMaxUSec", 604800 * SECOND},
        {"RuntimeMaxSec", "1M", "RuntimeMaxUSec", 2629800 * SECOND},
        {"RuntimeMaxSec", "1year", "RuntimeMaxUSec", 31557600 * SECOND},
        {"RuntimeMaxSec", "infinity", "RuntimeMaxUSec", INFINITE},
        {"RuntimeMaxSec", "0", NULL, 0},
        {"RuntimeMaxSec", "0s", NULL, 0},
        {"RuntimeMaxSec", "", NULL, 0},
        {"RuntimeMaxSec", "s", NULL, 0},
        {"RuntimeMaxSec", "-1", NULL, 0},
        {"RuntimeMaxSec", "2x", NULL, 0},
        {"RuntimeMaxSec", "2S", NULL, 0},
        {"RuntimeMaxSec", "2 s x", NULL, 0},
        {"RuntimeMaxSec", "1..5s", NULL, 0},
        {"RuntimeMaxSec", "1.", NULL, 0},
        {"RuntimeMaxSec", "600000y", NULL, 0},
        {"RuntimeMaxSec", "infinity 1s", NULL, 0},
};

static const struct {
        const char *text;
        int n; /* -1: refused */
        uint8_t bytes[8];
} masks[] = {
        {"0", 1, {0x01}},
        {"7", 1, {0x80}},
        {"8", 2, {0x00, 0x01}},
        {"0-3,5", 1, {0x2f}},
        {"0-3 5", 1, {0x2f}},
        {"5,0-3", 1, {0x2f}},
        {"0-0", 1, {0x01}},
        {"1,,2", 1, {0x06}},
        {"4-11", 2, {0xf0, 0x0f}},
        {"3-1", -1, {0}},
        {"", -1, {0}},
        {",", -1, {0}},
        {"-1", -1, {0}},
        {"1-", -1, {0}},
        {"1-2-3", -1, {0}},
        {"a", -1, {0}},
        {"1a", -1, {0}},
        {"1024", -1, {0}},
        {"0-1024", -1, {0}},
        {"0-18446744073709551615", -1, {0}},
        {"99999999999999999999999", -1, {0}},
};

/* The text that the refusal has to name. */
static void check_refusal(const char *name, const char *text, int r, const Refusal *e)
{
        char place[64];

        snprintf(place, sizeof(place), "Properties.%s", name);
        CHECK_ROW(text, r == -EINVAL && e->kind == REFUSAL_BAD_REQUEST);
        CHECK_ROW(text, e->message && strstr(e->message, place));
}

static void test_numbers(void)
{
        for (size_t i = 0; i < ELEMENTSOF(numbers); i++) {
                _cleanup_refusal_ Refusal e = REFUSAL_INIT;
                ScopeProperty p = {0};
                int r = scope_property_parse(numbers[i].name, numbers[i].text, &p, &e);

                if (!numbers[i].bus_name) {
                        check_refusal(numbers[i].name, numbers[i].text, r, &e);
                        CHECK_ROW(numbers[i].text, !p.name);
                        continue;
                }
                CHECK_ROW(numbers[i].text, r == 0);
                CHECK_TEXT(numbers[i].text, p.bus_name, numbers[i].bus_name);
                CHECK_TEXT(numbers[i].text, p.name, numbers[i].name);
                CHECK_TEXT(numbers[i].text, p.text, numbers[i].text);
                if (p.number != numbers[i].number)
                        fprintf(stderr, "%s=%s: %" PRIu64 "\n", numbers[i].name, numbers[i].text, p.number);
                CHECK_ROW(numbers[i].text, p.number == numbers[i].number);
                CHECK_ROW(numbers[i].text,
                          p.type == (strstr(numbers[i].bus_name, "Scale") ? SCOPE_PROPERTY_U32
                                                                          : SCOPE_PROPERTY_U64));
                scope_property_done(&p);
        }
}

/* Of a property, each list of execs has the text. */
static void test_long_text(void)
{
        char text[SCOPE_PROPERTY_TEXT_MAX + 2] = "1";
        _cleanup_refusal_ Refusal e = REFUSAL_INIT;
        ScopeProperty p = {0};

        memset(text + 1, ' ', SCOPE_PROPERTY_TEXT_MAX - 1);
        CHECK(scope_property_parse("AllowedCPUs", text, &p, NULL) >= 0);
        CHECK(scope_properties_size(&p, 1) == sizeof(p) + strlen("AllowedCPUs") + SCOPE_PROPERTY_TEXT_MAX);
        scope_property_done(&p);
        text[SCOPE_PROPERTY_TEXT_MAX] = ' ';
        CHECK(scope_property_parse("AllowedCPUs", text, &p, &e) == -E2BIG && e.kind == REFUSAL_TOO_LARGE);
        CHECK_TEXT("long", e.message, "Properties.AllowedCPUs is longer than 512 bytes, which is the limit");
}

static void test_masks(void)
{
        static const char *const names[] = {"AllowedCPUs", "AllowedMemoryNodes"};

        for (size_t i = 0; i < ELEMENTSOF(masks) * 2; i++) {
                _cleanup_refusal_ Refusal e = REFUSAL_INIT;
                const char *name = names[i % 2], *text = masks[i / 2].text;
                ScopeProperty p = {0};
                int r = scope_property_parse(name, text, &p, &e);

                if (masks[i / 2].n < 0) {
                        check_refusal(name, text, r, &e);
                        continue;
                }
                CHECK_ROW(text, r == 0 && p.type == SCOPE_PROPERTY_BYTES && strcmp(p.bus_name, name) == 0);
                CHECK_ROW(text, p.n_bytes == (size_t) masks[i / 2].n);
                CHECK_ROW(text, memcmp(p.bytes, masks[i / 2].bytes, p.n_bytes) == 0);
                scope_property_done(&p);
        }
}

static void test_full_mask(void)
{
        ScopeProperty p = {0};

        CHECK(scope_property_parse("AllowedCPUs", "0-1023", &p, NULL) == 0);
        CHECK(p.n_bytes == 128 && p.bytes[0] == 0xff && p.bytes[127] == 0xff);
        scope_property_done(&p);
}

static void test_names(void)
{
        static const char *const policies[] = {"continue", "stop", "kill"};
        static const char *const unknown[] = {
                "",          "memorymax", "MemoryMaxScale", "CPUQuotaPerSecUSec", "Slice", "DevicePolicy",
                "ExecStart", "PIDs",      "Delegate",       "MemoryMax "};

        for (size_t i = 0; i < ELEMENTSOF(policies); i++) {
                ScopeProperty p = {0};

                CHECK(scope_property_parse("OOMPolicy", policies[i], &p, NULL) == 0);
                CHECK(p.type == SCOPE_PROPERTY_STRING);
                CHECK_TEXT(policies[i], p.string, policies[i]);
                CHECK_TEXT(policies[i], p.bus_name, "OOMPolicy");
                scope_property_done(&p);
        }
        for (size_t i = 0; i < ELEMENTSOF(unknown); i++) {
                _cleanup_refusal_ Refusal e = REFUSAL_INIT;
                ScopeProperty p = {0};

                check_refusal(unknown[i], "1", scope_property_parse(unknown[i], "1", &p, &e), &e);
        }
        {
                _cleanup_refusal_ Refusal e = REFUSAL_INIT;
                ScopeProperty p = {0};

                check_refusal("OOMPolicy", "Kill", scope_property_parse("OOMPolicy", "Kill", &p, &e), &e);
        }
}

static void test_lists(void)
{
        _cleanup_(scope_property_list_done) ScopePropertyList a = {0}, b = {0};
        _cleanup_refusal_ Refusal e = REFUSAL_INIT;
        size_t n = 0;

        CHECK(scope_property_lists_equal(&a, &b) && !scope_property_list_find(&a, "TasksMax"));
        CHECK(scope_property_list_set(&a, "TasksMax", "5", NULL) == 0);
        CHECK(scope_property_list_set(&a, "MemoryMax", "1G", NULL) == 0);
        CHECK(!scope_property_lists_equal(&a, &b));
        CHECK(scope_property_list_copy(&a, &b) == 0 && scope_property_lists_equal(&a, &b));
        CHECK(scope_property_list_set(&a, "TasksMax", "6", NULL) == 0);
        CHECK(a.n == 2 && scope_property_list_find(&a, "TasksMax")->number == 6 && b.items[0].number == 5);
        CHECK(!scope_property_lists_equal(&a, &b));
        CHECK(scope_property_list_set(&a, "TasksMax", "x", &e) == -EINVAL && e.message);
        CHECK(a.n == 2 && scope_property_list_find(&a, "TasksMax")->number == 6);
        while (scope_property_name(n))
                n++;
        CHECK(n == 13);
}

int main(void)
{
        test_lists();
        test_numbers();
        test_long_text();
        test_masks();
        test_full_mask();
        test_names();
        return test_finish("scope-property");
}
