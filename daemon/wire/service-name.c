/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "wire/service-name.h"

#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/strv.h"

#define SUFFIX  ".service"

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS  "0123456789"

bool service_name_is_valid(const char *text)
{
        static const char valid[] = LETTERS DIGITS ":-_.\\@";
        size_t n = strlen(text), suffix = strlen(SUFFIX);

        if (n <= suffix || n > SERVICE_NAME_MAX || strcmp(text + n - suffix, SUFFIX) != 0)
                return false;
        return text[strspn(text, valid)] == 0 && text[0] != '@' && text[n - suffix - 1] != '@';
}

void service_id_make(const uint8_t invocation[static SERVICE_INVOCATION], char ret[static SERVICE_ID_SIZE])
{
        for (size_t i = 0; i < SERVICE_INVOCATION; i++)
                snprintf(ret + 2 * i, 3, "%02x", invocation[i]);
        for (size_t i = 0; i < 2; i++)
                snprintf(ret + 32 + 16 * i, 17, "%016llx",
                         (unsigned long long) hash_mix(HASH_START + i, invocation, SERVICE_INVOCATION));
}

static int digit(char c)
{
        if (c >= '0' && c <= '9')
                return c - '0';
        return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int service_id_parse(const char *id, uint8_t ret[static SERVICE_INVOCATION])
{
        char same[SERVICE_ID_SIZE];

        if (strlen(id) != SERVICE_ID_SIZE - 1)
                return -EINVAL;
        for (size_t i = 0; i < SERVICE_INVOCATION; i++) {
                int high = digit(id[2 * i]), low = digit(id[2 * i + 1]);

                if (high < 0 || low < 0)
                        return -EINVAL;
                ret[i] = (uint8_t) (high << 4 | low);
        }
        service_id_make(ret, same);
        return strcmp(same, id) == 0 ? 0 : -EINVAL;
}

/* The variables that systemd sets for one process only. A name that ends with "_" is the beginning of
 * several. */
static bool is_private(const char *name, size_t n)
{
        static const char *const names[] = {
                "NOTIFY_SOCKET",    "LISTEN_",          "WATCHDOG_", "INVOCATION_ID", "JOURNAL_STREAM",
                "SYSTEMD_EXEC_PID", "MEMORY_PRESSURE_", "MAINPID",   "MANAGERPID",    "FDSTORE",
        };

        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                size_t m = strlen(names[i]);
                bool is_prefix = names[i][m - 1] == '_';

                if (n >= m && strncmp(name, names[i], m) == 0 && (is_prefix || n == m))
                        return true;
        }
        return false;
}

static bool is_variable(const char *text, size_t n)
{
        size_t name = strcspn(text, "=");

        return name > 0 && name < n && strspn(text, LETTERS DIGITS "_") == name &&
               !strchr(DIGITS, text[0]) && !is_private(text, name);
}

int service_environment_parse(const char *data, size_t size, char ***ret)
{
        _cleanup_strv_ char **found = NULL;
        size_t n_found = 0, room = 0;

        for (size_t at = 0; at < size;) {
                size_t n = strnlen(data + at, size - at);
                _cleanup_free_ char *text = memdup_text(data + at, n);
                int r;

                if (!text)
                        return -ENOMEM;
                at += n + 1;
                if (!is_variable(text, n))
                        continue;
                if (n_found >= SERVICE_ENV_ITEMS_MAX)
                        return -E2BIG;
                r = strv_append_counted(&found, &n_found, &room, text);
                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(found);
        return 0;
}
