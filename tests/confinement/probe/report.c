/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "probe.h"

/* Newer than the headers of Debian 12. */
#ifndef PR_GET_MDWE
#define PR_GET_MDWE 66
#endif
#ifndef PR_GET_MEMORY_MERGE
#define PR_GET_MEMORY_MERGE 68
#endif
#ifndef __NR_lsm_get_self_attr
#define __NR_lsm_get_self_attr 459
#define __NR_lsm_list_modules  461
#endif

/* Fields that differ between any two processes, or count memory. All other fields are compared.
 */
static const char *const volatile_fields[] = {
        "Name",  "State",  "Pid", "Tgid", "Ngid",    "PPid",      "NStgid",       "NSpid", "NSpgid",
        "NSsid", "FDSize", "Vm",  "Rss",  "Hugetlb", "voluntary", "nonvoluntary", "SigQ",
};

static int is_volatile(const char *field)
{
        for (size_t i = 0; i < sizeof(volatile_fields) / sizeof(volatile_fields[0]); i++) {
                const char *v = volatile_fields[i];
                int is_prefix = strcmp(v, "Vm") == 0 || strcmp(v, "Rss") == 0;

                if (is_prefix ? strncmp(field, v, strlen(v)) == 0 : strncmp(field, v, strlen(v) + 1) == 0)
                        return 1;
                if (strncmp(v, "voluntary", 9) == 0 && strncmp(field, v, 9) == 0)
                        return 1;
                if (strncmp(v, "nonvol", 6) == 0 && strncmp(field, v, 6) == 0)
                        return 1;
                if (strncmp(v, "Hugetlb", 7) == 0 && strncmp(field, v, 7) == 0)
                        return 1;
        }
        return 0;
}

static char buffer[1 << 20];

void report_status(void)
{
        char *save = NULL;
        long size = read_whole("/proc/self/status", buffer, sizeof(buffer));

        if (size < 0) {
                emit("status", "unreadable: %s", errno_name((int) -size));
        } else {
                for (char *line = strtok_r(buffer, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
                        char *colon = strchr(line, ':'), key[96], field[64];

                        if (!colon)
                                continue;
                        snprintf(field, sizeof(field), "%.*s", (int) (colon - line), line);
                        if (is_volatile(field))
                                continue;
                        snprintf(key, sizeof(key), "status.%s", field);
                        emit(key, "%s", colon + 1 + strspn(colon + 1, "\t "));
                }
        }
        /* By system calls too, which no false /proc can answer. */
        uid_t r, e, s;
        gid_t groups[4096];
        int n = getgroups(4096, groups), at = 0;
        char text[4096 * 12];

        getresuid(&r, &e, &s);
        emit("id.uid", "%u %u %u", r, e, s);
        getresgid(&r, &e, &s);
        emit("id.gid", "%u %u %u", r, e, s);
        text[0] = 0;
        for (int i = 0; i < n; i++)
                at += sprintf(text + at, "%s%u", i > 0 ? " " : "", groups[i]);
        emit("id.groups", "%s", text);

        struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
        struct __user_cap_data_struct data[2] = {0};
        uint64_t bounding = 0, ambient = 0;

        syscall(SYS_capget, &header, data);
        for (int cap = 0; cap < 64; cap++) {
                if (prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 1)
                        bounding |= UINT64_C(1) << cap;
                if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, cap, 0, 0) == 1)
                        ambient |= UINT64_C(1) << cap;
        }
        emit("cap.effective", "%08x%08x", data[1].effective, data[0].effective);
        emit("cap.permitted", "%08x%08x", data[1].permitted, data[0].permitted);
        emit("cap.inheritable", "%08x%08x", data[1].inheritable, data[0].inheritable);
        emit("cap.bounding", "%016llx", (unsigned long long) bounding);
        emit("cap.ambient", "%016llx", (unsigned long long) ambient);
}

void report_namespaces(void)
{
        struct dirent *entry;
        DIR *dir = opendir("/proc/self/ns");

        if (!dir) {
                emit("ns", "unreadable: %s", errno_name(errno));
                return;
        }
        while ((entry = readdir(dir))) {
                char key[300], target[128] = "";
                ssize_t n;

                if (entry->d_name[0] == '.')
                        continue;
                snprintf(key, sizeof(key), "ns.%s", entry->d_name);
                n = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);
                if (n < 0)
                        snprintf(target, sizeof(target), "%s", errno_name(errno));
                emit(key, "%s", target);
        }
        closedir(dir);
}

static void emit_limit(const char *prefix, const char *name, uint64_t soft, uint64_t hard)
{
        char key[64];

        snprintf(key, sizeof(key), "%s.%s", prefix, name);
        emit(key, "%lld %lld", (long long) soft, (long long) hard);
}

void report_limits(void)
{
        static const char *const names[] = {
                "cpu",     "fsize", "data",  "stack",      "core",     "rss",  "nproc",  "nofile",
                "memlock", "as",    "locks", "sigpending", "msgqueue", "nice", "rtprio", "rttime",
        };

        for (int i = 0; i < 16; i++) {
                struct rlimit limit;

                if (prlimit(0, i, NULL, &limit) == 0)
                        emit_limit("limit", names[i], limit.rlim_cur, limit.rlim_max);
                /* The container's init, which is what execd takes them from. */
                if (prlimit(1, i, NULL, &limit) == 0)
                        emit_limit("init-limit", names[i], limit.rlim_cur, limit.rlim_max);
        }
}

void report_proc_files(void)
{
        static const char *const files[] = {
                "oom_score_adj",
                "oom_adj",
                "personality",
                "coredump_filter",
                "timerslack_ns",
                "loginuid",
                "sessionid",
                "uid_map",
                "gid_map",
                "projid_map",
                "setgroups",
                "cgroup",
                "cpuset",
                "timers",
                "autogroup",
                "timens_offsets",
                "cpu_resctrl_groups",
        };

        for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
                char path[128], key[128];
                long size;

                snprintf(path, sizeof(path), "/proc/self/%s", files[i]);
                snprintf(key, sizeof(key), "proc.%s", files[i]);
                size = read_whole(path, buffer, sizeof(buffer));
                if (size < 0)
                        emit(key, "unreadable: %s", errno_name((int) -size));
                else
                        emit_bytes(key, buffer, (size_t) size);
        }
}

void report_prctl(void)
{
        static const struct {
                const char *name;
                int option;
                unsigned long argument;
                int by_pointer;
        } settings[] = {
                {"dumpable", PR_GET_DUMPABLE, 0, 0},
                {"keepcaps", PR_GET_KEEPCAPS, 0, 0},
                {"securebits", PR_GET_SECUREBITS, 0, 0},
                {"no_new_privs", PR_GET_NO_NEW_PRIVS, 0, 0},
                {"timerslack", PR_GET_TIMERSLACK, 0, 0},
                {"timing", PR_GET_TIMING, 0, 0},
                {"thp_disable", PR_GET_THP_DISABLE, 0, 0},
                {"mdwe", PR_GET_MDWE, 0, 0},
                {"memory_merge", PR_GET_MEMORY_MERGE, 0, 0},
                {"io_flusher", PR_GET_IO_FLUSHER, 0, 0},
                {"mce_kill", PR_MCE_KILL_GET, 0, 0},
                {"speculation.store_bypass", PR_GET_SPECULATION_CTRL, 0, 0},
                {"speculation.indirect_branch", PR_GET_SPECULATION_CTRL, 1, 0},
                {"speculation.l1d_flush", PR_GET_SPECULATION_CTRL, 2, 0},
                {"death_signal", PR_GET_PDEATHSIG, 0, 1},
                {"subreaper", PR_GET_CHILD_SUBREAPER, 0, 1},
                {"tsc", PR_GET_TSC, 0, 1},
        };

        for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
                char key[64];
                int value = 0, n;
                unsigned long first = settings[i].by_pointer ? (unsigned long) &value : settings[i].argument;

                snprintf(key, sizeof(key), "prctl.%s", settings[i].name);
                n = prctl(settings[i].option, first, 0, 0, 0);
                if (n < 0)
                        emit(key, "%s", errno_name(errno));
                else
                        emit(key, "%d", settings[i].by_pointer ? value : n);
        }

        unsigned long long cookie = 0;

        if (prctl(PR_SCHED_CORE, PR_SCHED_CORE_GET, 0, 0, &cookie) == 0)
                emit("prctl.core_cookie", "%llx", cookie);
        else
                emit("prctl.core_cookie", "%s", errno_name(errno));
        emit("auxv.secure", "%lu", getauxval(AT_SECURE));
}

void report_scheduling(void)
{
        struct {
                uint32_t size, policy;
                uint64_t flags;
                int32_t nice;
                uint32_t priority;
                uint64_t runtime, deadline, period;
                uint32_t util_min, util_max;
        } attributes = {.size = sizeof(attributes)};
        unsigned char cpus[1024] = {0};
        int mode = 0;
        long n;

        if (syscall(SYS_sched_getattr, 0, &attributes, sizeof(attributes), 0) == 0)
                emit("sched.attributes", "policy %u flags %llu nice %d priority %u util %u-%u",
                     attributes.policy, (unsigned long long) attributes.flags, attributes.nice,
                     attributes.priority, attributes.util_min, attributes.util_max);
        else
                emit("sched.attributes", "%s", errno_name(errno));
        n = syscall(SYS_sched_getaffinity, 0, sizeof(cpus), cpus);
        if (n > 0) {
                int count = 0;

                for (long i = 0; i < n; i++)
                        count += __builtin_popcount(cpus[i]);
                emit("sched.cpus", "%d", count);
        }
        emit("sched.ioprio", "%ld", syscall(SYS_ioprio_get, 1, 0));
        if (syscall(SYS_get_mempolicy, &mode, NULL, 0, NULL, 0) == 0)
                emit("sched.mempolicy", "%d", mode);
        else
                emit("sched.mempolicy", "%s", errno_name(errno));

        static const char *const timers[] = {"real", "virtual", "prof"};

        for (int i = 0; i < 3; i++) {
                struct itimerval value;
                char key[32];

                snprintf(key, sizeof(key), "itimer.%s", timers[i]);
                if (getitimer(i, &value) == 0)
                        emit(key, "%s", value.it_value.tv_sec || value.it_value.tv_usec ? "armed" : "none");
        }
}

void report_relations(void)
{
        pid_t n = waitpid(-1, NULL, WNOHANG);

        emit("relation.parent", "%s", getppid() == 0 ? "outside" : "inside");
        emit("relation.session_leader", "%d", getsid(0) == getpid());
        emit("relation.group_leader", "%d", getpgrp() == getpid());
        emit("relation.children", "%s", n < 0 ? errno_name(errno) : "some");
}

static void emit_key(const char *name, int special)
{
        char key[64];
        long id = syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, special, 0), n;

        snprintf(key, sizeof(key), "keyring.%s", name);
        if (id < 0) {
                emit(key, "%s", errno_name(errno));
                return;
        }
        n = syscall(SYS_keyctl, KEYCTL_DESCRIBE, id, buffer, sizeof(buffer));
        emit(key, "%s", n < 0 ? errno_name(errno) : buffer);
        snprintf(key, sizeof(key), "keyring.%s.keys", name);
        n = syscall(SYS_keyctl, KEYCTL_READ, id, buffer, sizeof(buffer));
        if (n < 0)
                emit(key, "%s", errno_name(errno));
        else
                emit(key, "%ld", n / (long) sizeof(int32_t));
        for (long i = 0; n > 0 && i < n / (long) sizeof(int32_t); i++) {
                char description[512] = "";
                int32_t member;

                memcpy(&member, buffer + i * (long) sizeof(member), sizeof(member));
                snprintf(key, sizeof(key), "keyring.%s.key.%ld", name, i);
                if (syscall(SYS_keyctl, KEYCTL_DESCRIBE, member, description, sizeof(description) - 1) < 0)
                        snprintf(description, sizeof(description), "%s", errno_name(errno));
                emit(key, "%s", description);
        }
        snprintf(key, sizeof(key), "keyring.%s.security", name);
        n = syscall(SYS_keyctl, KEYCTL_GET_SECURITY, id, buffer, sizeof(buffer));
        emit(key, "%s", n < 0 ? errno_name(errno) : buffer);
}

void report_keyrings(void)
{
        emit_key("session", KEY_SPEC_SESSION_KEYRING);
        emit_key("process", KEY_SPEC_PROCESS_KEYRING);
        emit_key("thread", KEY_SPEC_THREAD_KEYRING);
}

void report_labels(void)
{
        static const char *const files[] = {"current", "exec",       "fscreate",         "keycreate",
                                            "prev",    "sockcreate", "apparmor/current", "apparmor/exec"};
        uint64_t modules[32];
        uint32_t size = sizeof(modules);
        long n;

        for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
                char path[128], key[128];

                snprintf(path, sizeof(path), "/proc/self/attr/%s", files[i]);
                snprintf(key, sizeof(key), "label.%s", files[i]);
                n = read_whole(path, buffer, sizeof(buffer));
                if (n < 0)
                        emit(key, "unreadable: %s", errno_name((int) -n));
                else
                        emit_bytes(key, buffer, (size_t) n);
        }
        n = syscall(__NR_lsm_list_modules, modules, &size, 0);
        emit("label.modules", "%ld", n < 0 ? -1L : n);
        size = 4096;
        n = syscall(__NR_lsm_get_self_attr, 100, buffer, &size, 0);
        if (n < 0)
                emit("label.lsm_current", "%s", errno_name(errno));
        else
                emit_bytes("label.lsm_current", buffer, size);
}

static int compare_lines(const void *a, const void *b)
{
        return strcmp(*(char *const *) a, *(char *const *) b);
}

/* Without what differs by order only: the mount's and its parent's number, and peer groups. */
void report_mounts(void)
{
        static char *mounts[8192];
        size_t count = 0;
        uint64_t hash = UINT64_C(0xcbf29ce484222325);
        char *save = NULL;
        long size = read_whole("/proc/self/mountinfo", buffer, sizeof(buffer));

        if (size < 0) {
                emit("mounts", "unreadable: %s", errno_name((int) -size));
                return;
        }
        for (char *line = strtok_r(buffer, "\n", &save); line && count < 8192;
             line = strtok_r(NULL, "\n", &save)) {
                char *rest = line, *dash;

                for (int skip = 0; skip < 2 && rest; skip++)
                        rest = strchr(rest + 1, ' ');
                if (!rest)
                        continue;
                /* Digits of shared:N and master:N name peer groups: numbers of the host's. */
                dash = strstr(rest, " - ");
                for (char *c = rest; dash && c < dash; c++)
                        if (*c == ':' && c > rest && c[-1] >= 'a' && c[-1] <= 'z')
                                for (char *digit = c + 1; digit < dash && *digit >= '0' && *digit <= '9';
                                     digit++)
                                        *digit = '#';
                mounts[count++] = rest;
        }
        qsort(mounts, count, sizeof(mounts[0]), compare_lines);
        for (size_t i = 0; i < count; i++)
                for (const char *c = mounts[i]; *c; c++)
                        hash = (hash ^ (unsigned char) *c) * UINT64_C(0x100000001b3);
        emit("mounts.count", "%zu", count);
        emit("mounts.hash", "%016llx", (unsigned long long) hash);
}

void report_places(void)
{
        struct stat root = {0}, cwd = {0};
        struct utsname name;
        char path[4096];
        long n = syscall(SYS_getcwd, path, sizeof(path));

        emit("place.cwd", "%s", n < 0 ? errno_name(errno) : path);
        n = readlink("/proc/self/root", path, sizeof(path) - 1);
        path[n < 0 ? 0 : n] = 0;
        emit("place.root", "%s", n < 0 ? errno_name(errno) : path);
        stat("/", &root);
        stat(".", &cwd);
        emit("place.root_inode", "%llx:%llu", (unsigned long long) root.st_dev,
             (unsigned long long) root.st_ino);
        emit("place.cwd_inode", "%llx:%llu", (unsigned long long) cwd.st_dev,
             (unsigned long long) cwd.st_ino);
        uname(&name);
        emit("place.hostname", "%s", name.nodename);
        emit("place.domainname", "%s", name.domainname);
}

void report_environment(char **environment)
{
        for (size_t i = 0; environment[i]; i++) {
                const char *equals = strchr(environment[i], '=');
                char key[512];

                if (!equals) {
                        emit("env-broken", "%s", environment[i]);
                        continue;
                }
                snprintf(key, sizeof(key), "env.%.*s", (int) (equals - environment[i]), environment[i]);
                emit(key, "%s", equals + 1);
        }
}
