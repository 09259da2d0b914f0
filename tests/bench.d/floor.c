/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The minimal cost of an exec: fork, join the leader's namespaces, fork, execute /bin/true, wait;
 * with "scope", each in a transient scope whose job is awaited as well.
 *
 *   floor PID plain|scope N        N lines: milliseconds
 */

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <systemd/sd-bus.h>
#include <time.h>
#include <unistd.h>

#define NAMESPACES \
        (CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET | CLONE_NEWCGROUP)

static char done_unit[256];

static double now_msec(void)
{
        struct timespec ts;

        clock_gettime(CLOCK_MONOTONIC, &ts);
        return (double) ts.tv_sec * 1e3 + (double) ts.tv_nsec / 1e6;
}

static int on_job_removed(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        const char *unit;

        (void) userdata;
        (void) error;
        if (sd_bus_message_read(m, "uoss", NULL, NULL, &unit, NULL) >= 0)
                snprintf(done_unit, sizeof(done_unit), "%s", unit);
        return 0;
}

static void make_scope(sd_bus *bus, pid_t pid, const char *unit)
{
        sd_bus_error error = SD_BUS_ERROR_NULL;
        int r;

        r = sd_bus_call_method(bus, "org.freedesktop.systemd1", "/org/freedesktop/systemd1",
                               "org.freedesktop.systemd1.Manager", "StartTransientUnit", &error, NULL,
                               "ssa(sv)a(sa(sv))", unit, "fail", 2, "PIDs", "au", 1, (uint32_t) pid,
                               "CollectMode", "s", "inactive-or-failed", 0);
        if (r < 0) {
                fprintf(stderr, "floor: StartTransientUnit: %s\n", error.message);
                exit(1);
        }
        while (strcmp(done_unit, unit) != 0) {
                r = sd_bus_process(bus, NULL);
                if (r == 0)
                        r = sd_bus_wait(bus, UINT64_MAX);
                if (r < 0)
                        exit(1);
        }
}

static void child(int leader, int gate)
{
        char c;
        pid_t pid;

        (void) !read(gate, &c, 1);
        if (setns(leader, NAMESPACES) < 0)
                _exit(1);
        pid = fork();
        if (pid == 0) {
                execl("/bin/true", "true", NULL);
                _exit(127);
        }
        waitpid(pid, NULL, 0);
        _exit(0);
}

int main(int argc, char **argv)
{
        sd_bus *bus = NULL;
        int leader, n;

        if (argc != 4) {
                fprintf(stderr, "usage: floor PID plain|scope N\n");
                return 2;
        }
        leader = (int) syscall(SYS_pidfd_open, atoi(argv[1]), 0);
        n = atoi(argv[3]);
        if (leader < 0)
                return 1;
        if (strcmp(argv[2], "scope") == 0 &&
            (sd_bus_open_system(&bus) < 0 ||
             sd_bus_match_signal(bus, NULL, "org.freedesktop.systemd1", "/org/freedesktop/systemd1",
                                 "org.freedesktop.systemd1.Manager", "JobRemoved", on_job_removed,
                                 NULL) < 0 ||
             sd_bus_call_method(bus, "org.freedesktop.systemd1", "/org/freedesktop/systemd1",
                                "org.freedesktop.systemd1.Manager", "Subscribe", NULL, NULL, NULL) < 0))
                return 1;
        for (int i = 0; i < n; i++) {
                double began = now_msec();
                char unit[64];
                int gate[2];
                pid_t pid;

                if (pipe(gate) < 0)
                        return 1;
                pid = fork();
                if (pid == 0) {
                        close(gate[1]);
                        child(leader, gate[0]);
                }
                close(gate[0]);
                snprintf(unit, sizeof(unit), "floor-%d-%d.scope", (int) getpid(), i);
                if (bus)
                        make_scope(bus, pid, unit);
                close(gate[1]);
                waitpid(pid, NULL, 0);
                printf("%.3f\n", now_msec() - began);
        }
        return 0;
}
