/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/selinux-access.h"

#include <linux/magic.h>
#include <selinux/avc.h>
#include <selinux/selinux.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>

#include "base/log.h"

#define SELINUX_ROOT  "/sys/fs/selinux"
#define CLASS_NAME    "containerexec"
#define MESSAGE_MAX   4096
#define UNTRUSTED_MAX 128 /* libselinux has a kilobyte for all of a record */

static const char *const permission_names[_SELINUX_PERMISSION_MAX] = {
        [SELINUX_LIST] = "list",
        [SELINUX_EXEC] = "exec",
        [SELINUX_EXEC_PRIVILEGED] = "exec_privileged",
        [SELINUX_EXEC_SERVICE] = "exec_service",
        [SELINUX_ATTACH] = "attach",
        [SELINUX_KILL] = "kill",
};

/* The fields of a record besides the labels. */
typedef struct Question {
        const Peer *peer;
        const ContainerInfo *container;
        const char *command_line;
} Question;

static bool is_open;
static bool class_is_known;
static char *own_label;
static SpawnerLink *recorder; /* weak; while a question is asked */
static JournalQueue *journal; /* weak */

/* Looked up anew where the policy may have changed. Says so when there is nothing to ask, or something
 * again.
 */
static void look_at_policy(bool at_start)
{
        bool known = string_to_security_class(CLASS_NAME) != 0;

        if (!known && (at_start || class_is_known))
                log_warning("SELinux checks inactive: the policy has no class " CLASS_NAME
                            ", execd's policy module is not installed");
        else if (known && !at_start && !class_is_known)
                log_message(LOG_NOTICE, "SELinux checks active: the policy has class " CLASS_NAME);
        class_is_known = known;
}

static int on_policyload(int number)
{
        look_at_policy(false);
        return 0;
}

static int on_setenforce(int enforcing)
{
        log_message(LOG_NOTICE, "SELinux is now %s", enforcing ? "enforcing" : "permissive");
        return 0;
}

static void record_decision(const char *text)
{
        _cleanup_buf_ Buf record = BUF_INIT;

        if (!journal)
                return;
        journal_addf(&record, "MESSAGE", "USER_AVC %s", text);
        journal_addf(&record, "PRIORITY", "%d", LOG_WARNING);
        journal_addf(&record, "SYSLOG_IDENTIFIER", "execd");
        (void) journal_queue_add(journal, &record, true);
}

static int on_log(int type, const char *format, ...) _printf_(2, 3);

/* A decision is a record and goes whole to the journal and the audit log; all else that libselinux says is a
 * diagnostic. */
static int on_log(int type, const char *format, ...)
{
        char text[MESSAGE_MAX];
        va_list ap;

        va_start(ap, format);
        vsnprintf(text, sizeof(text), format, ap);
        va_end(ap);
        text[strcspn(text, "\n")] = 0;

        if (type == SELINUX_AVC) {
                record_decision(text);
                if (recorder)
                        spawner_record_decision(recorder, text);
        } else
                log_message(type == SELINUX_ERROR ? LOG_ERR : LOG_DEBUG, "SELinux: %s", text);
        return 0;
}

/* As the audit system has texts of strangers: in quotes, or in hexadecimal where anything in it could be
 * taken for another field. */
static void append_untrusted(char *buffer, size_t size, const char *field, const char *text)
{
        static const char plain[] =
                "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:+,@%";
        size_t n = strnlen(text, UNTRUSTED_MAX), at;

        if (text[strspn(text, plain)] == 0) {
                snprintf(buffer, size, " %s=\"%.*s\"", field, (int) n, text);
                return;
        }
        at = (size_t) snprintf(buffer, size, " %s=", field);
        for (size_t i = 0; i < n && at + 2 < size; i++, at += 2)
                snprintf(buffer + at, size - at, "%02X", (unsigned char) text[i]);
}

/* The part of a record between the permission and the labels. */
static int on_audit(void *data, security_class_t class, char *buffer, size_t size)
{
        const Question *q = data;
        char auid[16] = "unset";
        int n;

        if (!q || size == 0)
                return 0;
        if (q->peer->loginuid != UINT32_MAX)
                snprintf(auid, sizeof(auid), "%u", (unsigned) q->peer->loginuid);
        n = snprintf(buffer, size, "pid=%d auid=%s uid=%u gid=%u container=%s", (int) q->peer->pid, auid,
                     (unsigned) q->peer->uid, (unsigned) q->peer->gid,
                     q->container ? q->container->name : "-");
        if (n > 0 && (size_t) n < size && q->command_line)
                append_untrusted(buffer + n, size - (size_t) n, "cmdline", q->command_line);
        return 0;
}

void selinux_access_record_to(JournalQueue *q)
{
        journal = q;
}

/* libselinux takes SELinux for disabled then, and nothing would be checked. */
static bool is_read_only(void)
{
        struct statvfs flags;
        struct statfs fs;

        return statfs(SELINUX_ROOT, &fs) >= 0 && fs.f_type == SELINUX_MAGIC &&
               statvfs(SELINUX_ROOT, &flags) >= 0 && (flags.f_flag & ST_RDONLY);
}

int selinux_access_open(void)
{
        int r;

        if (is_selinux_enabled() <= 0) {
                if (!is_read_only())
                        return 0;
                log_error(SELINUX_ROOT " is read-only");
                return -EROFS;
        }

        selinux_set_callback(SELINUX_CB_LOG, (union selinux_callback){.func_log = on_log});
        selinux_set_callback(SELINUX_CB_AUDIT, (union selinux_callback){.func_audit = on_audit});
        selinux_set_callback(SELINUX_CB_POLICYLOAD,
                             (union selinux_callback){.func_policyload = on_policyload});
        selinux_set_callback(SELINUX_CB_SETENFORCE,
                             (union selinux_callback){.func_setenforce = on_setenforce});
        if (getcon_raw(&own_label) >= 0 && avc_open(NULL, 0) >= 0) {
                is_open = true;
                look_at_policy(true);
                return 0;
        }

        r = errno > 0 ? -errno : -EIO;
        selinux_access_close();
        if (security_getenforce() != 0)
                return r;
        log_warning("SELinux checks inactive: failed to access SELinux: %s", strerrordesc_np(-r));
        return 0;
}

void selinux_access_close(void)
{
        if (is_open)
                avc_destroy();
        is_open = false;
        freecon(own_label);
        own_label = NULL;
}

/* Something that should be known is not. Where SELinux only watches, this is only said. */
static int doubt(SelinuxPermission permission, Refusal *reterr, const char *what)
{
        log_warning("Failed to check SELinux permission %s: %s", permission_names[permission], what);
        if (security_getenforce() == 0)
                return 0;
        return refuse(reterr, REFUSAL_DENIED, EACCES,
                      "access denied: failed to check SELinux permission %s: %s",
                      permission_names[permission], what);
}

int selinux_access_check(SpawnerLink *link, const Peer *peer, const ContainerInfo *container,
                         SelinuxPermission permission, const char *command_line, Refusal *reterr)
{
        Question q = {.peer = peer, .container = container, .command_line = command_line};
        const char *target = container && container->label ? container->label : own_label;
        const char *name = permission_names[permission];
        security_class_t class;
        int r;

        if (!is_open)
                return 0;
        /* Reports a policy that was loaded since, through the callback above. */
        (void) selinux_status_updated();
        class = string_to_security_class(CLASS_NAME);
        if ((class != 0) != class_is_known)
                look_at_policy(false);
        if (class == 0) {
                if (security_deny_unknown() == 0)
                        return 0;
                return doubt(permission, reterr, "the policy has no such class");
        }
        if (string_to_av_perm(class, name) == 0)
                return doubt(permission, reterr, "the policy has no such permission");
        if (!peer->label)
                return doubt(permission, reterr, "the caller's label is not known");
        if (!*target)
                return doubt(permission, reterr, "the container's label is not known");
        recorder = link;
        r = selinux_check_access(peer->label, target, CLASS_NAME, name, &q);
        recorder = NULL;
        if (r < 0)
                return refuse(reterr, REFUSAL_DENIED, EACCES, "access denied: SELinux does not allow %s",
                              name);
        return 0;
}
