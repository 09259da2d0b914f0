/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Names, ids and environments of services. */

#include "base/strv.h"
#include "unit/need.h"
#include "wire/service-name.h"

static void test_names(void)
{
        static const struct {
                const char *name;
                bool valid;
        } rows[] = {
                {"nginx.service", true},
                {"foo@bar.service", true},
                {"a\\x2db.service", true},
                {"foo.bar:1.service", true},
                {"nginx", false},
                {".service", false},
                {"nginx.socket", false},
                {"nginx.service ", false},
                {"foo@.service", false},
                {"@bar.service", false},
                {"a/b.service", false},
                {"a b.service", false},
                {"a*.service", false},
                {"\xc3\xa4.service", false},
                {"", false},
        };
        char longest[SERVICE_NAME_MAX + 2];

        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                NEED_ROW(rows[i].name, service_name_is_valid(rows[i].name) == rows[i].valid);
        memset(longest, 'a', sizeof(longest));
        strcpy(longest + SERVICE_NAME_MAX - 8, ".service");
        NEED(service_name_is_valid(longest));
        longest[SERVICE_NAME_MAX - 8] = 'a';
        strcpy(longest + SERVICE_NAME_MAX - 7, ".service");
        NEED(!service_name_is_valid(longest));
}

/* The id says which run it is, and no other id is taken for one. */
static void test_ids(void)
{
        uint8_t run[SERVICE_INVOCATION] = {0x00, 0x01, 0xff, 0xab}, found[SERVICE_INVOCATION];
        char id[SERVICE_ID_SIZE], other[SERVICE_ID_SIZE];

        service_id_make(run, id);
        NEED(strlen(id) == 64 && strncmp(id, "0001ffab", 8) == 0);
        NEED(id[strspn(id, "0123456789abcdef")] == 0);
        NEED(service_id_parse(id, found) == 0 && memcmp(found, run, sizeof(run)) == 0);
        for (size_t i = 0; i < 64; i++) {
                strcpy(other, id);
                other[i] = other[i] == '0' ? '1' : '0';
                NEED_ROW(other, service_id_parse(other, found) == -EINVAL);
                other[i] = 'F';
                NEED_ROW(other, service_id_parse(other, found) == -EINVAL);
        }
        id[63] = 0;
        NEED(service_id_parse(id, found) == -EINVAL && service_id_parse("", found) == -EINVAL);
}

static void test_environment(void)
{
        static const char given[] =
                "PATH=/bin\0FOO=a=b\0EMPTY=\0NOTIFY_SOCKET=/run/x\0LISTEN_FDS=1\0LISTEN_PID=2\0"
                "WATCHDOG_USEC=1\0INVOCATION_ID=1\0JOURNAL_STREAM=1:2\0SYSTEMD_EXEC_PID=1\0MAINPID=1\0"
                "MEMORY_PRESSURE_WATCH=x\0FDSTORE=1\0MANAGERPID=1\0STATE_DIRECTORY=/var/lib/x\0"
                "CREDENTIALS_DIRECTORY=/run/c\0MAINPID_FILE=kept\0"
                "postgres: checkpointer\0\0\0=x\0 a=b\0a-b=c\0001=x\0cut=of";
        static const char *const expected[] = {
                "PATH=/bin",
                "FOO=a=b",
                "EMPTY=",
                "STATE_DIRECTORY=/var/lib/x",
                "CREDENTIALS_DIRECTORY=/run/c",
                "MAINPID_FILE=kept",
                "cut=of",
        };
        char many[3 * (SERVICE_ENV_ITEMS_MAX + 1)];
        _cleanup_strv_ char **found = NULL, **none = NULL, **all = NULL;

        NEED(service_environment_parse(given, sizeof(given) - 1, &found) == 0);
        NEED(strv_length(found) == ELEMENTSOF(expected));
        for (size_t i = 0; i < ELEMENTSOF(expected); i++)
                NEED_ROW(expected[i], strcmp(found[i], expected[i]) == 0);
        NEED(service_environment_parse("", 0, &none) == 0 && strv_length(none) == 0);

        for (size_t i = 0; i <= SERVICE_ENV_ITEMS_MAX; i++)
                memcpy(many + 3 * i, "A=", 3);
        NEED(service_environment_parse(many, (size_t) 3 * (SERVICE_ENV_ITEMS_MAX + 1), &all) == -E2BIG);
        NEED(service_environment_parse(many, (size_t) 3 * SERVICE_ENV_ITEMS_MAX, &all) == 0);
        NEED(strv_length(all) == SERVICE_ENV_ITEMS_MAX);
}

int main(void)
{
        test_names();
        test_ids();
        test_environment();
        return 0;
}
