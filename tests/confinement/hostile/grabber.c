/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Seizes every process that appears in this pid namespace at the first chance and writes down what it holds.
 * Pids are handed out in order, so the next ones are simply tried, as fast as a processor goes.
 *
 *   seized PID exe own|foreign:PATH      what it runs at this moment
 *   denied PID exe gone|own|foreign:PATH that it may not be traced, and what can be seen all the same
 *   caps PID PERMITTED EFFECTIVE BOUNDING
 *   label PID TEXT
 *   fd PID N TARGET
 *   map PID PATH                         a mapped file that is not its program
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hostile.h"

#define AHEAD 6

static FILE *report;

static void note_program(const char *word, pid_t pid)
{
        char link[64], path[4096] = "";
        struct stat there = {0}, here = {0};

        snprintf(link, sizeof(link), "/proc/%d/exe", (int) pid);
        if (readlink(link, path, sizeof(path) - 1) < 0 || stat(link, &there) < 0) {
                fprintf(report, "%s %d exe gone\n", word, (int) pid);
                return;
        }
        if (stat(path, &here) == 0 && here.st_dev == there.st_dev && here.st_ino == there.st_ino)
                fprintf(report, "%s %d exe own:%s\n", word, (int) pid, path);
        else
                fprintf(report, "%s %d exe foreign:%s\n", word, (int) pid, path);
}

static void note_status(pid_t pid)
{
        char path[64], line[512];
        unsigned long long permitted = 0, effective = 0, bounding = 0;
        FILE *f;

        snprintf(path, sizeof(path), "/proc/%d/status", (int) pid);
        f = fopen(path, "re");
        while (f && fgets(line, sizeof(line), f)) {
                (void) sscanf(line, "CapPrm: %llx", &permitted);
                (void) sscanf(line, "CapEff: %llx", &effective);
                (void) sscanf(line, "CapBnd: %llx", &bounding);
        }
        if (f)
                fclose(f);
        fprintf(report, "caps %d %016llx %016llx %016llx\n", (int) pid, permitted, effective, bounding);
        snprintf(path, sizeof(path), "/proc/%d/attr/current", (int) pid);
        f = fopen(path, "re");
        if (f && fgets(line, sizeof(line), f))
                fprintf(report, "label %d %.*s\n", (int) pid, (int) strcspn(line, "\n"), line);
        if (f)
                fclose(f);
}

static void note_fds(pid_t pid)
{
        char path[64];
        struct dirent *entry;
        DIR *dir;

        snprintf(path, sizeof(path), "/proc/%d/fd", (int) pid);
        dir = opendir(path);
        while (dir && (entry = readdir(dir))) {
                char target[4096] = "";

                if (entry->d_name[0] == '.')
                        continue;
                if (readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1) >= 0)
                        fprintf(report, "fd %d %s %s\n", (int) pid, entry->d_name, target);
        }
        if (dir)
                closedir(dir);
}

static void note_maps(pid_t pid)
{
        char path[64], line[4400], exe[4096] = "";
        FILE *f;

        snprintf(path, sizeof(path), "/proc/%d/exe", (int) pid);
        if (readlink(path, exe, sizeof(exe) - 1) < 0)
                return;
        snprintf(path, sizeof(path), "/proc/%d/maps", (int) pid);
        f = fopen(path, "re");
        while (f && fgets(line, sizeof(line), f)) {
                char *file = strchr(line, '/');

                if (!file)
                        continue;
                file[strcspn(file, "\n")] = 0;
                if (strcmp(file, exe) != 0)
                        fprintf(report, "map %d %s\n", (int) pid, file);
        }
        if (f)
                fclose(f);
}

static void look_at(pid_t pid)
{
        int status;

        if (ptrace(PTRACE_INTERRUPT, pid, NULL, NULL) < 0 || waitpid(pid, &status, __WALL) < 0)
                return;
        if (!WIFSTOPPED(status))
                return;
        note_program("seized", pid);
        note_status(pid);
        note_fds(pid);
        note_maps(pid);
        fprintf(report, "released %d\n", (int) pid);
        ptrace(PTRACE_DETACH, pid, NULL, NULL);
}

static pid_t last_pid(void)
{
        struct dirent *entry;
        pid_t last = 1;
        DIR *dir = opendir("/proc");

        while (dir && (entry = readdir(dir)))
                if (atoi(entry->d_name) > last)
                        last = atoi(entry->d_name);
        if (dir)
                closedir(dir);
        return last;
}

int grabber(const char *report_path)
{
        pid_t last, self;

        report = report_open(report_path);
        setvbuf(report, NULL, _IOFBF, 1 << 16);
        if (fork() != 0)
                return wait_for_end();
        self = getpid();
        last = last_pid();
        fprintf(report, "ready %d\n", (int) self);
        fflush(report);
        for (unsigned long round = 1;; round++) {
                for (pid_t pid = last + 1; pid <= last + AHEAD; pid++) {
                        if (ptrace(PTRACE_SEIZE, pid, NULL, NULL) == 0) {
                                look_at(pid);
                                fflush(report);
                        } else if (errno == EPERM && kill(pid, 0) == 0) {
                                /* A process that may not be traced may still be readable. */
                                note_program("denied", pid);
                                fflush(report);
                        } else {
                                continue;
                        }
                        last = pid;
                        break;
                }
                while (waitpid(-1, NULL, WNOHANG | __WALL) > 0)
                        ;
                /* The counter starts again at the end of the range; and a whole burst may have been missed.
                 */
                if (round % 4096 == 0 && kill(last, 0) < 0)
                        last = last_pid() > last || last > 4000000 ? last_pid() : last;
        }
}
