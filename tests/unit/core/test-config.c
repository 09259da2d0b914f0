/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The search for files, the table of keys, and the messages about mistakes. In a directory of its own. */

#include "core/config.h"

#include <stdio.h>
#include <sys/stat.h>
#include <syslog.h>

#include "../test.h"
#include "core/config-type.h"
#include "core/spare-runners.h"
#include "wire/config-file.h"
#include "wire/units.h"

static char root[] = "/tmp/execd-test-config-XXXXXX";
static Buf told;

static void tell(const char *text)
{
        const char *path = strncmp(text, root, strlen(root)) == 0 ? text + strlen(root) : text;

        buf_printf(&told, "%s\n", path);
}

static const char *told_text(void)
{
        buf_append(&told, "", 1);
        return buf_head(&told);
}

/* NULL text: a link to /dev/null. */
static void put(const char *path, const char *text)
{
        char full[4096], command[8192];
        FILE *f;

        snprintf(full, sizeof(full), "%s%s", root, path);
        snprintf(command, sizeof(command), "mkdir -p $(dirname %s)", full);
        CHECK(system(command) == 0);
        (void) unlink(full);
        if (!text) {
                CHECK(symlink("/dev/null", full) == 0);
                return;
        }
        f = fopen(full, "w");
        CHECK(f && fputs(text, f) >= 0);
        if (f)
                fclose(f);
}

static void clear(void)
{
        char command[4096];

        snprintf(command, sizeof(command), "rm -rf %s && mkdir %s", root, root);
        CHECK(system(command) == 0);
}

static Config load_with(const ManagerConfig *previous, char *const *files)
{
        const ConfigLoadOptions o = {.root = root, .tell = tell, .previous = previous, .files = files};
        Config c = {0};

        buf_done(&told);
        buf_puts(&told, "");
        CHECK(config_load(&o, &c) == 0);
        return c;
}

static Config load(void)
{
        return load_with(NULL, NULL);
}

static void check_retention(const char *row, uint64_t minutes)
{
        _cleanup_(config_done) Config c = load();

        CHECK_ROW(row, c.values.retention_usec == minutes * 60 * USEC_PER_SEC);
        CHECK_ROW(row, c.n_invalid == 0 && c.n_unknown == 0);
        CHECK_TEXT(row, told_text(), "");
}

#define RETAIN(minutes) "[Retention]\nRetentionSec=" #minutes "min\n"

static void test_precedence(void)
{
        clear();
        check_retention("nothing at all", 10);
        put("/usr/lib/execd/execd.conf", RETAIN(11));
        check_retention("vendor", 11);
        put("/usr/local/lib/execd/execd.conf", RETAIN(12));
        check_retention("local", 12);
        put("/run/execd/execd.conf", RETAIN(13));
        check_retention("run", 13);
        put("/etc/execd/execd.conf", RETAIN(14));
        check_retention("etc", 14);
        put("/etc/execd/execd.conf", "");
        check_retention("an empty one hides the others", 10);
        put("/etc/execd/execd.conf", NULL);
        check_retention("masked", 10);
        put("/usr/lib/execd/execd.conf.d/50-a.conf", RETAIN(20));
        check_retention("a drop-in after all", 20);
        put("/etc/execd/execd.conf", RETAIN(14));
        check_retention("a drop-in of the vendor is after etc's main file", 20);
        put("/etc/execd/execd.conf.d/40-b.conf", RETAIN(21));
        check_retention("sorted by name, not by directory", 20);
        put("/run/execd/execd.conf.d/60-c.conf", RETAIN(22));
        check_retention("the last name", 22);
        put("/etc/execd/execd.conf.d/60-c.conf", RETAIN(23));
        check_retention("the same name in etc", 23);
        put("/etc/execd/execd.conf.d/60-c.conf", NULL);
        check_retention("masked by etc", 20);
        put("/run/execd/execd.conf.d/50-a.conf", "");
        check_retention("hidden by an empty file", 21);
        put("/etc/execd/execd.conf.d/70-d.conf~", RETAIN(30));
        put("/etc/execd/execd.conf.d/.70-e.conf", RETAIN(30));
        put("/etc/execd/execd.conf.d/70-f", RETAIN(30));
        check_retention("other names", 21);
        put("/etc/execd/execd.conf.d/80-g.conf", "[Retention]\nRetentionSec=\n");
        check_retention("set to nothing", 10);
}

/* Each key with two values that it may have, and what it is not. */
static const struct {
        const char *section, *name, *good, *shown, *bad;
} keys[] = {
        {"Daemon", "LogLevel", "3", "err", "loud"},
        {"Daemon", "IdleTimeoutSec", "infinity", "infinity", "999ms"},
        {"Daemon", "IdleTimeoutMaxSec", "0", "0", "61min"},
        {"Daemon", "AuthorizationTimeoutSec", "1000ms", "1s", "0"},
        {"Daemon", "InteractiveAuthorizationTimeoutSec", "90", "1min 30s", "infinity"},
        {"Daemon", "AuthorizationsMax", "100", "100", "101"},
        {"Daemon", "AuthorizationsPerUserMax", "1", "1", "0"},
        {"Daemon", "RequestMemoryMax", "1G", "1G", "1023K"},
        {"Daemon", "RequestMemoryPerUserMax", "1M", "1M", "0"},
        {"Daemon", "ListServices", "on", "yes", "maybe"},
        {"HTTP", "ConnectionsMax", "32768", "32768", "32769"},
        {"HTTP", "ConnectionsPerUserMax", "1", "1", "0"},
        {"HTTP", "HeadTimeoutSec", "100ms", "100ms", "99ms"},
        {"HTTP", "BodyTimeoutSec", "1h", "1h", "1h 1us"},
        {"Exec", "ExecsMax", "8192", "8192", "-1"},
        {"Exec", "ExecsPerUserMax", "10", "10", "ten"},
        {"Exec", "CreatedTimeoutSec", "1d", "1d", "soon"},
        {"Exec", "DrainTimeoutSec", "0", "0", "2h"},
        {"Exec", "ReadyRunnersMax", "0", "0", "1025"},
        {"Exec", "SpareRunnersMax", "64", "64", "65"},
        {"Exec", "OutputBufferSize", "1M", "1M", "64K"},
        {"Exec", "OutputMemoryMax", "1M", "1M", "1023K"},
        {"Exec", "OutputMemoryPerUserMax", "1G", "1G", "0"},
        {"Exec", "DefaultOnDisconnect", "kill", "kill", "Kill"},
        {"Exec", "DefaultDetachKeys", "ctrl-a,d,DEL", "ctrl-a,d,DEL", "ctrl-A"},
        {"Exec", "DefaultProperty", "MemoryMax=1G", "MemoryMax=1G", "MemoryMax"},
        {"Exec", "UnenforceableLimits", "refuse", "refuse", "ignore"},
        {"Exec", "AllowedProperties", "TasksMax  MemoryMax", "MemoryMax TasksMax", "TasksMax,MemoryMax"},
        {"Exec", "PrivilegedCapabilities", "CAP_SYS_PTRACE\tCAP_NET_ADMIN", "CAP_NET_ADMIN CAP_SYS_PTRACE",
         "cap_sys_ptrace"},
        {"Retention", "RetentionSec", "7d", "1w", "9s"},
        {"Retention", "EndedExecsMax", "64", "64", "63"},
        {"Retention", "EndedOutputMax", "0", "0", "513M"},
        {"Recording", "Record", "always", "always", "yes"},
        {"Recording", "RecordingDirectory", "/srv/casts", "/srv/casts", "srv"},
        {"Recording", "RecordingSizeMax", "0", "0", "2T"},
        {"Recording", "RecordingsTotalMax", "1T", "1T", "-1"},
};

static char *print(const ConfigKey *k, const ManagerConfig *c)
{
        Buf b = BUF_INIT;

        config_key_print(k, c, &b);
        buf_append(&b, "", 1);
        return b.data;
}

static void test_keys(void)
{
        for (size_t i = 0; i < ELEMENTSOF(keys); i++) {
                _cleanup_free_ char *text = NULL, *wanted = NULL, *shown = NULL, *value = NULL;
                const ConfigKey *k = config_key_find(keys[i].section, keys[i].name);

                CHECK_ROW(keys[i].name, k && k == config_key_at(i));
                clear();
                CHECK(asprintf(&text, "[%s]\n%s=%s\n%s=%s\n", keys[i].section, keys[i].name, keys[i].good,
                               keys[i].name, keys[i].bad) > 0);
                CHECK(asprintf(&wanted, "/etc/execd/execd.conf:3: %s=%s is ignored: ", keys[i].name,
                               keys[i].bad) > 0);
                CHECK(asprintf(&shown, "%s=%s\n", keys[i].name, keys[i].shown) > 0);
                put("/etc/execd/execd.conf", text);

                _cleanup_(config_done) Config c = load();

                CHECK_ROW(keys[i].name, c.n_invalid == 1 && c.n_unknown == 0);
                CHECK_ROW(keys[i].name, strncmp(told_text(), wanted, strlen(wanted)) == 0);
                /* It keeps its earlier value. */
                value = print(k, &c.values);
                CHECK_TEXT(keys[i].name, value, shown);
                CHECK_ROW(keys[i].name, c.origins[i].line == 2);
        }
        CHECK(!config_key_at(ELEMENTSOF(keys)));
}

/* Sets the key; the error for an invalid value names the limits, and nothing changes. */
static void check_limit(const ConfigKey *k, uint64_t value, bool allowed)
{
        char text[UNITS_TEXT_SIZE], least[UNITS_TEXT_SIZE];
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        ManagerConfig c = manager_config_default;
        const uint64_t *found = (const uint64_t *) ((const char *) &c + k->offset);
        uint64_t before = *found;
        int r;

        (void) k->type->format(text, value);
        (void) k->type->format(least, k->minimum);
        r = config_key_set(k, text, &c, &refusal);
        CHECK_ROW(k->name, (r >= 0) == allowed && *found == (allowed ? value : before));
        CHECK_ROW(k->name, allowed || (r == -EINVAL && refusal.kind == REFUSAL_BAD_REQUEST));
        CHECK_ROW(k->name, allowed || strstr(refusal.message ?: "", least));
}

/* Of each number the first and the last value that is allowed, and those beside them. */
static void test_limits(void)
{
        const ConfigKey *k;
        unsigned n = 0;

        for (size_t i = 0; (k = config_key_at(i)); i++) {
                if (!k->type->read)
                        continue;
                n++;
                check_limit(k, k->minimum, true);
                check_limit(k, k->maximum, true);
                if (k->minimum > 0)
                        check_limit(k, k->minimum - 1, false);
                if (k->maximum != UNITS_INFINITY)
                        check_limit(k, k->maximum + 1, false);
        }
        CHECK(n > 20);
}

/* A key that is set to nothing is at its default again, whatever it was. */
static void test_defaults(void)
{
        for (size_t i = 0; i < ELEMENTSOF(keys); i++) {
                const ConfigKey *k = config_key_at(i);
                _cleanup_free_ char *is = NULL, *was = NULL, *should = print(k, &manager_config_default);
                ManagerConfig c = manager_config_default;

                CHECK_ROW(k->name, config_key_set(k, keys[i].good, &c, NULL) >= 0);
                was = print(k, &c);
                CHECK_ROW(k->name, strcmp(was, should) != 0);
                CHECK_ROW(k->name, config_key_set(k, "", &c, NULL) >= 0);
                is = print(k, &c);
                CHECK_TEXT(k->name, is, should);
                manager_config_done(&c);
        }
}

static void test_messages(void)
{
        static const struct {
                const char *text, *told;
                unsigned invalid, unknown;
        } rows[] = {
                {"[Daemon]\nIdleTimeoutSec=banana\n",
                 ":2: IdleTimeoutSec=banana is ignored: expected a time span of at least 1s (such as 45s or "
                 "15min), or "
                 "infinity\n",
                 1, 0},
                {"[HTTP]\nHeadTimeoutSec=2h\n",
                 ":2: HeadTimeoutSec=2h is ignored: expected a time span from 100ms to 1h (such as 45s or "
                 "15min)\n",
                 1, 0},
                {"[Exec]\n\n# c\nExecsMax=\\\n  0\n",
                 ":4: ExecsMax=0 is ignored: expected a number from 1 to 8192\n", 1, 0},
                {"[Exec]\nOutputBufferSize=1\n",
                 ":2: OutputBufferSize=1 is ignored: expected a number of bytes from 128K to 16M (such as 512K "
                 "or "
                 "64M)\n",
                 1, 0},
                {"[Exec]\nDefaultOnDisconnect=a\x01\x1b[1mb\n",
                 ":2: DefaultOnDisconnect=a??[1mb is ignored: expected keep, hangup or kill\n", 1, 0},
                {"[Exec]\nDefaultProperty=MemoryMax=lots\n",
                 ":2: DefaultProperty=MemoryMax=lots is ignored: Properties.MemoryMax: invalid value "
                 "\"lots\", "
                 "expected bytes (such as 512M or 1G), a percentage up to 100%, or infinity\n",
                 1, 0},
                {"[Exec]\nDefaultProperty=MemoryMax\n",
                 ":2: DefaultProperty=MemoryMax is ignored: expected NAME=VALUE (such as MemoryMax=1G)\n", 1,
                 0},
                {"[Daemon]\nIdleTimeout=5\nidletimeoutsec=5\n",
                 ":2: unknown key IdleTimeout= in section [Daemon], ignoring\n"
                 "/etc/execd/execd.conf:3: unknown key idletimeoutsec= in section [Daemon], ignoring\n",
                 0, 2},
                {"[Exec]\nIdleTimeoutSec=5\n",
                 ":2: unknown key IdleTimeoutSec= in section [Exec], ignoring\n", 0, 1},
                {"[Deamon]\nIdleTimeoutSec=x\nOther=5\n", ":1: unknown section [Deamon], ignoring\n", 0, 1},
                {"[X-Other]\nIdleTimeoutSec=x\n[Daemon]\nX-Mine=1\n", "", 0, 0},
                {"IdleTimeoutSec=5\n", ":1: the line is ignored: it is not in a section\n", 1, 0},
                {"[Daemon\nIdleTimeoutSec=5\n", ":1: the line is ignored: a section is written [Name]\n", 1,
                 0},
                {"[Daemon]\nIdleTimeoutSec 5\n", ":2: the line is ignored: there is no \"=\" in it\n", 1, 0},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_free_ char *wanted = NULL;

                clear();
                put("/etc/execd/execd.conf", rows[i].text);
                CHECK(asprintf(&wanted, "%s%s", *rows[i].told ? "/etc/execd/execd.conf" : "",
                               rows[i].told) >= 0);

                _cleanup_(config_done) Config c = load();

                CHECK_TEXT(rows[i].text, told_text(), wanted);
                CHECK_ROW(rows[i].text, c.n_invalid == rows[i].invalid && c.n_unknown == rows[i].unknown);
                CHECK_ROW(rows[i].text, c.values.idle_usec == IDLE_USEC);
        }
}

static void test_unreadable(void)
{
        char *large = calloc(1, CONFIG_FILE_MAX + 2);
        char missing[4096];
        char *files[] = {missing, NULL};

        clear();
        memset(large, '\n', CONFIG_FILE_MAX + 1);
        put("/etc/execd/execd.conf", large);
        free(large);
        put("/etc/execd/execd.conf.d/10-a.conf/b", "");
        put("/etc/execd/execd.conf.d/20-b.conf", RETAIN(44));
        {
                _cleanup_(config_done) Config c = load();

                CHECK_TEXT("unreadable", told_text(),
                           "/etc/execd/execd.conf: the file is ignored: it is larger than 1048576 bytes\n"
                           "/etc/execd/execd.conf.d/10-a.conf: failed to read: Is a directory\n");
                CHECK(c.n_invalid == 2 && c.values.retention_usec == 44 * 60 * USEC_PER_SEC);
        }
        snprintf(missing, sizeof(missing), "%s/nosuch", root);

        _cleanup_(config_done) Config c = load_with(NULL, files);

        CHECK_TEXT("missing", told_text(), "/nosuch: failed to read: No such file or directory\n");
        CHECK(c.n_invalid == 1 && c.values.retention_usec == RETENTION_USEC);
}

static void test_lists(void)
{
        clear();
        put("/etc/execd/execd.conf",
            "[Exec]\nDefaultProperty=MemoryMax=1G\nDefaultProperty=RuntimeMaxSec=1min 30s\n"
            "DefaultProperty=MemoryMax=2G\n");
        put("/etc/execd/execd.conf.d/a.conf", "[Exec]\nDefaultProperty=TasksMax=5\n");
        {
                _cleanup_(config_done) Config c = load();
                _cleanup_free_ char *shown = print(config_key_find("Exec", "DefaultProperty"), &c.values);

                CHECK_TEXT("list", shown,
                           "DefaultProperty=MemoryMax=2G\nDefaultProperty=RuntimeMaxSec=1min 30s\n"
                           "DefaultProperty=TasksMax=5\n");
        }
        put("/etc/execd/execd.conf.d/a.conf", "[Exec]\nDefaultProperty=\nDefaultProperty=TasksMax=5\n");
        {
                _cleanup_(config_done) Config c = load();
                _cleanup_free_ char *shown = print(config_key_find("Exec", "DefaultProperty"), &c.values);

                CHECK_TEXT("forgotten", shown, "DefaultProperty=TasksMax=5\n");
        }
        put("/etc/execd/execd.conf", "[Exec]\nAllowedProperties=none\n");

        _cleanup_(config_done) Config c = load();

        CHECK(c.values.allowed_properties == 0);
}

/* On a reload. */
static void test_previous(void)
{
        clear();
        put("/etc/execd/execd.conf", "[Retention]\nRetentionSec=42min\nEndedExecsMax=100\n"
                                     "[Exec]\nDefaultProperty=TasksMax=7\n");

        _cleanup_(config_done) Config before = load();

        put("/etc/execd/execd.conf", "[Retention]\nRetentionSec=long\n[Exec]\nDefaultProperty=TasksMax=x\n");

        _cleanup_(config_done) Config after = load_with(&before.values, NULL);
        _cleanup_free_ char *shown = print(config_key_find("Exec", "DefaultProperty"), &after.values);

        CHECK(after.values.retention_usec == 42 * 60 * USEC_PER_SEC);
        CHECK(after.values.ended_max == ENDED_MAX); /* no longer mentioned */
        CHECK_TEXT("the list", shown, "DefaultProperty=TasksMax=7\n");
        CHECK(before.values.properties.items != after.values.properties.items);
}

/* The printed configuration is read back unchanged. */
static void test_dump(void)
{
        _cleanup_buf_ Buf first = BUF_INIT, second = BUF_INIT;
        Buf text = BUF_INIT;
        char path[4096];
        char *files[] = {path, NULL};

        for (size_t i = 0; i < ELEMENTSOF(keys); i++)
                buf_printf(&text, "[%s]\n%s=%s\n", keys[i].section, keys[i].name, keys[i].good);
        buf_append(&text, "", 1);
        clear();
        put("/some.conf", buf_head(&text));
        buf_done(&text);
        snprintf(path, sizeof(path), "%s/some.conf", root);
        {
                _cleanup_(config_done) Config c = load_with(NULL, files);

                CHECK(config_override(&c, "Daemon", "IdleTimeoutSec", "7s") == 0);
                CHECK(config_override(&c, "Daemon", "IdleTimeoutSec", "0s") == -EINVAL);
                CHECK(config_override(&c, "Daemon", "Nonsense", "7s") == -EINVAL);
                CHECK(c.values.idle_usec == 7 * USEC_PER_SEC);
                config_dump(&c, &first);
                buf_append(&first, "", 1);
        }
        CHECK(strstr(buf_head(&first), "[Daemon]\n# ") == buf_head(&first));
        CHECK(strstr(buf_head(&first), "/some.conf:2\nLogLevel=err\n# command line\nIdleTimeoutSec=7s\n"));
        put("/some.conf", buf_head(&first));

        _cleanup_(config_done) Config c = load_with(NULL, files);

        CHECK(c.n_invalid == 0 && c.n_unknown == 0);
        for (size_t i = 0; config_key_at(i); i++)
                config_key_print(config_key_at(i), &c.values, &second);
        buf_append(&second, "", 1);
        for (char *line = strtok(buf_head(&second), "\n"); line; line = strtok(NULL, "\n"))
                CHECK_ROW(line, strstr(buf_head(&first), line));
}

/* The file that is installed says what the defaults are. */
static void test_shipped(const char *path)
{
        _cleanup_buf_ Buf text = BUF_INIT;
        char line[1024];
        char uncommented[4096];
        char *files[] = {uncommented, NULL};
        FILE *f = fopen(path, "r");
        size_t n = 0;

        CHECK(f);
        while (f && fgets(line, sizeof(line), f)) {
                bool key = line[0] == '#' && line[1] != ' ' && strchr(line, '=');

                n += key;
                buf_puts(&text, key ? line + 1 : line);
        }
        if (f)
                fclose(f);
        CHECK(n == ELEMENTSOF(keys));
        buf_append(&text, "", 1);
        clear();
        put("/shipped.conf", buf_head(&text));
        snprintf(uncommented, sizeof(uncommented), "%s/shipped.conf", root);

        _cleanup_(config_done) Config c = load_with(NULL, files);

        CHECK_TEXT("shipped", told_text(), "");
        for (size_t i = 0; config_key_at(i); i++) {
                const ConfigKey *k = config_key_at(i);
                _cleanup_free_ char *is = print(k, &c.values), *should = print(k, &manager_config_default);

                CHECK_TEXT(k->name, is, should);
                CHECK_ROW(k->name, config_key_index(k) == i && c.origins[i].file);
        }
}

int main(int argc, char **argv)
{
        CHECK(mkdtemp(root));
        test_precedence();
        test_keys();
        test_limits();
        test_defaults();
        test_messages();
        test_unreadable();
        test_lists();
        test_previous();
        test_dump();
        if (argc > 1)
                test_shipped(argv[1]);
        clear();
        (void) rmdir(root);
        buf_done(&told);
        return test_finish("config");
}
