/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "api/top-column.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <sys/sysmacros.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/time.h"
#include "core/user-name.h"

static void put_name(const char *name, uint32_t number, char *out, size_t size)
{
        if (name)
                snprintf(out, size, "%s", name);
        else
                snprintf(out, size, "%" PRIu32, number);
}

static void column_user(const Process *p, char *out, size_t size)
{
        put_name(user_name(p->uid), p->uid, out, size);
}

static void column_group(const Process *p, char *out, size_t size)
{
        put_name(group_name(p->gid), p->gid, out, size);
}

#define NUMBER_COLUMN(name, format, value)                                  \
        static void column_##name(const Process *p, char *out, size_t size) \
        {                                                                   \
                snprintf(out, size, format, value);                         \
        }

NUMBER_COLUMN(uid, "%" PRIu32, p->uid)
NUMBER_COLUMN(gid, "%" PRIu32, p->gid)
NUMBER_COLUMN(pid, "%" PRIu32, p->pid)
NUMBER_COLUMN(parent, "%" PRIu32, p->parent)
NUMBER_COLUMN(pgid, "%" PRIu32, p->group)
NUMBER_COLUMN(sid, "%" PRIu32, p->session)
NUMBER_COLUMN(threads, "%" PRIu32, p->threads)
NUMBER_COLUMN(nice, "%" PRIi32, p->nice)
NUMBER_COLUMN(priority, "%" PRIi32, 39 - p->priority)
NUMBER_COLUMN(vsz, "%" PRIu64, p->vsize / 1024)
NUMBER_COLUMN(rss, "%" PRIu64, p->rss / 1024)
NUMBER_COLUMN(command, "%s", *p->command ? p->command : p->comm)
NUMBER_COLUMN(comm, "%s", p->comm)
NUMBER_COLUMN(state, "%c", p->state)

static uint64_t age_usec(const Process *p)
{
        uint64_t now = now_usec(CLOCK_REALTIME);

        return now > p->started_usec ? now - p->started_usec : 0;
}

/* In tenths of a percent of one processor, over the whole life of the process. */
static uint64_t cpu_share(const Process *p)
{
        uint64_t age = age_usec(p);

        return age == 0 ? 0 : p->cpu_usec * 1000 / age;
}

static void column_percent_cpu(const Process *p, char *out, size_t size)
{
        snprintf(out, size, "%" PRIu64 ".%" PRIu64, cpu_share(p) / 10, cpu_share(p) % 10);
}

static void column_c(const Process *p, char *out, size_t size)
{
        snprintf(out, size, "%" PRIu64, MIN(cpu_share(p) / 10, UINT64_C(99)));
}

static void column_percent_memory(const Process *p, char *out, size_t size)
{
        struct sysinfo si = {0};
        uint64_t total, share;

        (void) sysinfo(&si);
        total = (uint64_t) si.totalram * si.mem_unit;
        share = total == 0 ? 0 : p->rss / 1024 * 1000 / (total / 1024 + 1);
        snprintf(out, size, "%" PRIu64 ".%" PRIu64, share / 10, share % 10);
}

/* "Ss+": the state, high or low priority, leader of a session, many threads, in the foreground. */
static void column_stat(const Process *p, char *out, size_t size)
{
        snprintf(out, size, "%c%s%s%s%s", p->state,
                 p->nice < 0   ? "<"
                 : p->nice > 0 ? "N"
                               : "",
                 p->session == p->pid ? "s" : "", p->threads > 1 ? "l" : "",
                 p->tty_group == p->group ? "+" : "");
}

static void column_start(const Process *p, char *out, size_t size)
{
        time_t t = (time_t) (p->started_usec / USEC_PER_SEC), now = time(NULL);
        struct tm tm;

        if (!localtime_r(&t, &tm) || strftime(out, size, now - t < 86400 ? "%H:%M" : "%b%d", &tm) == 0)
                snprintf(out, size, "?");
}

static void column_long_start(const Process *p, char *out, size_t size)
{
        time_t t = (time_t) (p->started_usec / USEC_PER_SEC);
        struct tm tm;

        if (!localtime_r(&t, &tm) || strftime(out, size, "%a %b %e %H:%M:%S %Y", &tm) == 0)
                snprintf(out, size, "?");
}

static void column_tty(const Process *p, char *out, size_t size)
{
        if (p->tty == 0)
                snprintf(out, size, "?");
        else
                snprintf(out, size, "pts/%u",
                         minor(p->tty) + (major(p->tty) > 136 ? 256 * (major(p->tty) - 136) : 0));
}

/* "[DD-]HH:MM:SS" */
static void column_time(const Process *p, char *out, size_t size)
{
        uint64_t s = p->cpu_usec / USEC_PER_SEC;
        int n = 0;

        if (s >= 86400)
                n = snprintf(out, size, "%" PRIu64 "-", s / 86400);
        snprintf(out + n, size - (size_t) n, "%02" PRIu64 ":%02" PRIu64 ":%02" PRIu64, s / 3600 % 24,
                 s / 60 % 60, s % 60);
}

/* "MMM:SS" */
static void column_bsd_time(const Process *p, char *out, size_t size)
{
        uint64_t s = p->cpu_usec / USEC_PER_SEC;

        snprintf(out, size, "%" PRIu64 ":%02" PRIu64, s / 60, s % 60);
}

/* "[[DD-]HH:]MM:SS" */
static void column_age(const Process *p, char *out, size_t size)
{
        uint64_t s = age_usec(p) / USEC_PER_SEC;
        int n = 0;

        if (s >= 86400)
                n = snprintf(out, size, "%" PRIu64 "-", s / 86400);
        if (s >= 3600)
                n += snprintf(out + n, size - (size_t) n, "%02" PRIu64 ":", s / 3600 % 24);
        snprintf(out + n, size - (size_t) n, "%02" PRIu64 ":%02" PRIu64, s / 60 % 60, s % 60);
}

static void column_age_seconds(const Process *p, char *out, size_t size)
{
        snprintf(out, size, "%" PRIu64, age_usec(p) / USEC_PER_SEC);
}

static const Column columns[] = {
        {"user", "USER", column_user},
        {"euser", "EUSER", column_user},
        {"uname", "USER", column_user},
        {"uid", "UID", column_uid},
        {"euid", "EUID", column_uid},
        {"group", "GROUP", column_group},
        {"egroup", "EGROUP", column_group},
        {"gid", "GID", column_gid},
        {"egid", "EGID", column_gid},
        {"pid", "PID", column_pid},
        {"ppid", "PPID", column_parent},
        {"pgid", "PGID", column_pgid},
        {"pgrp", "PGRP", column_pgid},
        {"sid", "SID", column_sid},
        {"sess", "SESS", column_sid},
        {"session", "SESS", column_sid},
        {"nlwp", "NLWP", column_threads},
        {"thcount", "THCNT", column_threads},
        {"c", "C", column_c},
        {"%cpu", "%CPU", column_percent_cpu},
        {"pcpu", "%CPU", column_percent_cpu},
        {"%mem", "%MEM", column_percent_memory},
        {"pmem", "%MEM", column_percent_memory},
        {"vsz", "VSZ", column_vsz},
        {"vsize", "VSZ", column_vsz},
        {"rss", "RSS", column_rss},
        {"rssize", "RSS", column_rss},
        {"rsz", "RSZ", column_rss},
        {"stat", "STAT", column_stat},
        {"s", "S", column_state},
        {"state", "S", column_state},
        {"ni", "NI", column_nice},
        {"nice", "NI", column_nice},
        {"pri", "PRI", column_priority},
        {"stime", "STIME", column_start},
        {"start_time", "START", column_start},
        {"start", "STARTED", column_start},
        {"bsdstart", "START", column_start},
        {"lstart", "STARTED", column_long_start},
        {"tty", "TT", column_tty},
        {"tt", "TT", column_tty},
        {"tname", "TTY", column_tty},
        {"time", "TIME", column_time},
        {"cputime", "TIME", column_time},
        {"bsdtime", "TIME", column_bsd_time},
        {"etime", "ELAPSED", column_age},
        {"etimes", "ELAPSED", column_age_seconds},
        {"cmd", "CMD", column_command},
        {"args", "COMMAND", column_command},
        {"command", "COMMAND", column_command},
        {"comm", "COMMAND", column_comm},
        {"ucmd", "CMD", column_comm},
        {"ucomm", "COMMAND", column_comm},
};

static const Column full_columns[] = {
        {"user", "UID", column_user},  {"pid", "PID", column_pid},       {"ppid", "PPID", column_parent},
        {"c", "C", column_c},          {"stime", "STIME", column_start}, {"tty", "TTY", column_tty},
        {"time", "TIME", column_time}, {"cmd", "CMD", column_command},
};

static const Column user_columns[] = {
        {"user", "USER", column_user},
        {"pid", "PID", column_pid},
        {"%cpu", "%CPU", column_percent_cpu},
        {"%mem", "%MEM", column_percent_memory},
        {"vsz", "VSZ", column_vsz},
        {"rss", "RSS", column_rss},
        {"tty", "TTY", column_tty},
        {"stat", "STAT", column_stat},
        {"start_time", "START", column_start},
        {"bsdtime", "TIME", column_bsd_time},
        {"args", "COMMAND", column_command},
};

const Column *top_column_find(const char *name)
{
        return ARRAY_FIND(columns, ELEMENTSOF(columns), c, strcmp(c->name, name) == 0);
}

const Column *top_columns_full(size_t *ret_n)
{
        *ret_n = ELEMENTSOF(full_columns);
        return full_columns;
}

const Column *top_columns_user(size_t *ret_n)
{
        *ret_n = ELEMENTSOF(user_columns);
        return user_columns;
}
