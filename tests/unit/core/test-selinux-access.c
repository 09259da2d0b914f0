/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* core/selinux-access: in any doubt the answer is no, unless SELinux only watches; each decision is recorded. SELinux
 * is the test. */

#include "core/selinux-access.h"

#include <linux/magic.h>
#include <selinux/avc.h>
#include <selinux/selinux.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>

#include "unit/core/world.h"

static struct {
        bool enabled, read_only, no_label, no_status;
        int enforce;      /* negative: it cannot be read */
        int deny_unknown; /* the same */
        bool knows_class, knows_permission;
        bool denies;
} selinux;

/* The last question of execd. */
static struct {
        unsigned n;
        char source[64], target[64], class[32], permission[32];
} asked;

static union selinux_callback callbacks[8];
static const char *buffer_text; /* of the fields of the last record */
static size_t buffer_size = 1024;

int is_selinux_enabled(void)
{
        return selinux.enabled;
}

int security_getenforce(void)
{
        return selinux.enforce;
}

int security_deny_unknown(void)
{
        return selinux.deny_unknown;
}

security_class_t string_to_security_class(const char *name)
{
        return selinux.knows_class && strcmp(name, "containerexec") == 0 ? 7 : 0;
}

access_vector_t string_to_av_perm(security_class_t class, const char *name)
{
        return selinux.knows_permission && class == 7 ? 1 : 0;
}

int getcon_raw(char **ret)
{
        *ret = selinux.no_label ? NULL : strdup("execd_t");
        if (!*ret)
                errno = EACCES;
        return *ret ? 0 : -1;
}

void freecon(char *label)
{
        free(label);
}

/* The file system that is mounted at /sys/fs/selinux. */
int __wrap_statfs64(const char *path, struct statfs *ret);
int __wrap_statfs64(const char *path, struct statfs *ret)
{
        *ret = (struct statfs){.f_type = selinux.enabled || selinux.read_only ? SELINUX_MAGIC : SYSFS_MAGIC};
        return 0;
}

int __wrap_statvfs64(const char *path, struct statvfs *ret);
int __wrap_statvfs64(const char *path, struct statvfs *ret)
{
        *ret = (struct statvfs){.f_flag = selinux.read_only ? ST_RDONLY : 0};
        return 0;
}

/* Its declaration is another one in each version. */
int __wrap_avc_open(const struct selinux_opt *options, unsigned n);
int __wrap_avc_open(const struct selinux_opt *options, unsigned n)
{
        errno = ENOENT;
        return selinux.no_status ? -1 : 0;
}

void avc_destroy(void)
{
}

void selinux_set_callback(int type, union selinux_callback callback)
{
        NEED(type >= 0 && type < (int) ELEMENTSOF(callbacks));
        callbacks[type] = callback;
}

int selinux_status_updated(void)
{
        return 0;
}

/* As libselinux: the fields of the record are written with the callback, and then the record is. */
int selinux_check_access(const char *source, const char *target, const char *class, const char *permission,
                         void *data)
{
        static char text[2048];

        asked.n++;
        snprintf(asked.source, sizeof(asked.source), "%s", source);
        snprintf(asked.target, sizeof(asked.target), "%s", target);
        snprintf(asked.class, sizeof(asked.class), "%s", class);
        snprintf(asked.permission, sizeof(asked.permission), "%s", permission);
        memset(text, 0, sizeof(text));
        memset(text + buffer_size, 1, 16);
        (void) callbacks[SELINUX_CB_AUDIT].func_audit(data, 7, text, buffer_size);
        for (size_t i = 0; i < 16; i++)
                CHECK(text[buffer_size + i] == 1);
        text[buffer_size] = 0;
        buffer_text = text;
        if (!selinux.denies)
                return 0;
        callbacks[SELINUX_CB_LOG].func_log(SELINUX_AVC, "avc:  denied  { %s } for  %s\nnext", permission,
                                           text);
        errno = EACCES;
        return -1;
}

static void reopen(void)
{
        selinux_access_close();
        NEED(selinux_access_open() == 0);
}

static int ask(World *w, const Peer *peer, const ContainerInfo *c, SelinuxPermission permission,
               const char *command_line, Refusal *reterr)
{
        asked.n = 0;
        return selinux_access_check(w->manager.spawner, peer, c, permission, command_line, reterr);
}

static const struct {
        const char *name;
        bool off, no_class, no_permission, unlabeled, nameless, denies;
        int enforce, deny_unknown;
        bool allowed, is_asked;
} rows[] = {
        {"allowed", .enforce = 1, .allowed = true, .is_asked = true},
        {"denied", .enforce = 1, .denies = true, .is_asked = true},
        {"off", .off = true, .denies = true, .allowed = true},

        {"no module", .enforce = 1, .no_class = true, .allowed = true},
        {"no module, unknown is denied", .enforce = 1, .no_class = true, .deny_unknown = 1},
        {"no module, and what of it is not known", .enforce = 1, .no_class = true, .deny_unknown = -1},
        {"no module, permissive", .no_class = true, .deny_unknown = 1, .allowed = true},

        {"no such permission", .enforce = 1, .no_permission = true},
        {"no such permission, permissive", .no_permission = true, .allowed = true},
        {"no such permission, whether it enforces is not known", .enforce = -1, .no_permission = true},
        {"the caller has no label", .enforce = 1, .unlabeled = true},
        {"the caller has no label, permissive", .unlabeled = true, .allowed = true},
        {"the caller has no label, whether it enforces is not known", .enforce = -1, .unlabeled = true},
        {"the container has no label", .enforce = 1, .nameless = true},
        {"the container has no label, permissive", .nameless = true, .allowed = true},
};

static void test_answers(World *w)
{
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
                const Peer caller = {.pid = 77,
                                     .pidfd = -EBADF,
                                     .loginuid = UINT32_MAX,
                                     .label = rows[i].unlabeled ? NULL : (char *) "user_t"};
                const ContainerInfo c = {.name = (char *) "web",
                                         .label = (char *) (rows[i].nameless ? "" : "container_t")};
                int r;

                selinux.enabled = !rows[i].off;
                selinux.enforce = rows[i].enforce;
                selinux.deny_unknown = rows[i].deny_unknown;
                selinux.knows_class = !rows[i].no_class;
                selinux.knows_permission = !rows[i].no_permission;
                selinux.denies = rows[i].denies;
                reopen();
                r = ask(w, &caller, &c, SELINUX_EXEC, "id", &refusal);
                CHECK_ROW(rows[i].name, (r >= 0) == rows[i].allowed);
                CHECK_ROW(rows[i].name, refusal.kind == (rows[i].allowed ? REFUSAL_NONE : REFUSAL_DENIED));
                CHECK_ROW(rows[i].name, asked.n == (rows[i].is_asked ? 1 : 0));
                if (!rows[i].allowed)
                        CHECK_ROW(rows[i].name, strstr(refusal.message ?: "", "exec"));
        }
}

static void enforce(bool denies)
{
        memset(&selinux, 0, sizeof(selinux));
        selinux.enabled = selinux.knows_class = selinux.knows_permission = true;
        selinux.enforce = 1;
        selinux.denies = denies;
        reopen();
}

static void test_question(World *w)
{
        static const struct {
                SelinuxPermission permission;
                const char *name;
        } permissions[] = {
                {SELINUX_LIST, "list"},
                {SELINUX_EXEC, "exec"},
                {SELINUX_EXEC_PRIVILEGED, "exec_privileged"},
                {SELINUX_EXEC_SERVICE, "exec_service"},
                {SELINUX_ATTACH, "attach"},
                {SELINUX_KILL, "kill"},
        };
        const Peer caller = {.pidfd = -EBADF, .loginuid = UINT32_MAX, .label = (char *) "user_t"};
        const ContainerInfo labeled = {.name = (char *) "web", .label = (char *) "container_t"},
                            remembered = {.name = (char *) "web"};

        _Static_assert(ELEMENTSOF(permissions) == _SELINUX_PERMISSION_MAX, "a row for each permission");
        enforce(false);
        for (size_t i = 0; i < ELEMENTSOF(permissions); i++) {
                CHECK(ask(w, &caller, &labeled, permissions[i].permission, NULL, NULL) == 0);
                CHECK_TEXT(permissions[i].name, asked.permission, permissions[i].name);
                CHECK_TEXT(permissions[i].name, asked.class, "containerexec");
                CHECK_TEXT(permissions[i].name, asked.source, "user_t");
                CHECK_TEXT(permissions[i].name, asked.target, "container_t");
        }
        CHECK(ask(w, &caller, &remembered, SELINUX_KILL, NULL, NULL) == 0);
        CHECK_TEXT("only remembered", asked.target, "execd_t");
        CHECK(ask(w, &caller, NULL, SELINUX_LIST, NULL, NULL) == 0);
        CHECK_TEXT("no container", asked.target, "execd_t");
}

/* A policy without the class is loaded while execd runs. */
static void test_other_policy(World *w)
{
        const Peer caller = {.pidfd = -EBADF, .loginuid = UINT32_MAX, .label = (char *) "user_t"};
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;

        enforce(true);
        selinux.deny_unknown = 1;
        selinux.knows_class = false;
        CHECK(ask(w, &caller, NULL, SELINUX_LIST, NULL, &refusal) < 0 && asked.n == 0);
        CHECK(strstr(refusal.message ?: "", "the policy has no such class"));
        refusal_done(&refusal);
        selinux.knows_class = true;
        CHECK(ask(w, &caller, NULL, SELINUX_LIST, NULL, &refusal) < 0 && asked.n == 1);
        CHECK(strstr(refusal.message ?: "", "SELinux does not allow list"));
}

static void test_open(void)
{
        /* libselinux takes that for disabled. */
        enforce(false);
        selinux_access_close();
        selinux.enabled = false;
        selinux.read_only = true;
        CHECK(selinux_access_open() == -EROFS);
        /* SELinux is on and cannot be asked. */
        for (int enforce_now = -1; enforce_now <= 1; enforce_now++) {
                enforce(false);
                selinux_access_close();
                selinux.enforce = enforce_now;
                selinux.no_status = true;
                CHECK((selinux_access_open() == 0) == (enforce_now == 0));
                selinux.no_status = false;
                selinux.no_label = true;
                CHECK((selinux_access_open() == 0) == (enforce_now == 0));
        }
}

static void test_fields(World *w)
{
        static const struct {
                const char *command_line, *fields;
        } lines[] = {
                {NULL, ""},
                {"", " cmdline=\"\""},
                {"/bin/sh", " cmdline=\"/bin/sh\""},
                {"a b", " cmdline=612062"},
                {"a\" scontext=root", " cmdline=61222073636F6E746578743D726F6F74"},
                {"a\nb", " cmdline=610A62"},
                {"\xff", " cmdline=FF"},
        };
        const Peer caller = {.pid = 77,
                             .uid = 1000,
                             .gid = 100,
                             .pidfd = -EBADF,
                             .loginuid = 1001,
                             .label = (char *) "user_t"};
        const ContainerInfo c = {.name = (char *) "web", .label = (char *) "container_t"};
        char expected[512], longest[1024];

        enforce(false);
        for (size_t i = 0; i < ELEMENTSOF(lines); i++) {
                CHECK(ask(w, &caller, &c, SELINUX_EXEC, lines[i].command_line, NULL) == 0);
                snprintf(expected, sizeof(expected), "pid=77 auid=1001 uid=1000 gid=100 container=web%s",
                         lines[i].fields);
                CHECK_TEXT(lines[i].command_line ?: "none", buffer_text, expected);
        }
        /* Each has a bound, and the buffer has one, too. */
        for (size_t spaces = 0; spaces < 2; spaces++) {
                memset(longest, spaces ? ' ' : 'x', sizeof(longest) - 1);
                longest[sizeof(longest) - 1] = 0;
                for (buffer_size = 1; buffer_size < 400; buffer_size++)
                        CHECK(ask(w, &caller, &c, SELINUX_EXEC, longest, NULL) == 0);
                CHECK(strlen(buffer_text) < 380 && strlen(strstr(buffer_text, "cmdline=")) > 128);
        }
        buffer_size = 1024;
}

/* In the journal and with who writes the audit log; without what follows a line break. */
static void test_record(World *w)
{
        const Peer caller = {.pid = 77, .pidfd = -EBADF, .loginuid = UINT32_MAX, .label = (char *) "user_t"};
        const char *record;

        enforce(true);
        world_settle(w);
        while (*world_record(w))
                ;
        w->calls[0] = 0;
        selinux_access_record_to(w->manager.journal);
        CHECK(ask(w, &caller, NULL, SELINUX_KILL, NULL, NULL) < 0);
        record = world_record(w);
        CHECK(strstr(record, "MESSAGE=USER_AVC avc:  denied  { kill } for  pid=77 auid=unset") == record);
        CHECK(strstr(record, "container=-\n") && !strstr(record, "next"));
        WORLD_UNTIL(w, world_was_called(w, "RecordDecision avc:  denied"));
        /* All else is no decision. */
        callbacks[SELINUX_CB_LOG].func_log(SELINUX_WARNING, "%s", "nothing");
        callbacks[SELINUX_CB_LOG].func_log(SELINUX_AVC, "%s", "avc:  of nobody");
        world_settle(w);
        CHECK(world_find_record(w, "of nobody"));
        CHECK(world_count_calls(w, "RecordDecision") == 1);
        selinux_access_record_to(NULL);
}

int main(void)
{
        World *w = world_new();

        test_answers(w);
        test_question(w);
        test_other_policy(w);
        test_fields(w);
        test_record(w);
        test_open();
        selinux_access_close();
        world_free(w);
        return test_finish("selinux-access");
}
