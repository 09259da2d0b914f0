/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hostile.h"

static volatile sig_atomic_t ended;

static void on_term(int signal_number)
{
        (void) signal_number;
        ended = 1;
}

FILE *report_open(const char *path)
{
        FILE *f = fopen(path, "ae");

        if (!f) {
                perror(path);
                exit(3);
        }
        setvbuf(f, NULL, _IOLBF, 0);
        return f;
}

int wait_for_end(void)
{
        struct sigaction action = {.sa_handler = on_term};

        sigaction(SIGTERM, &action, NULL);
        while (!ended) {
                while (waitpid(-1, NULL, WNOHANG) > 0)
                        ;
                usleep(100000); /* until it looks again */
        }
        return 0;
}

static int usage(void)
{
        fprintf(stderr,
                "usage: hostile exe-writer REPORT | grabber REPORT | filter KIND COUNT | traced KIND | "
                "vforked KIND |\n"
                "       http SOCKET REQUEST-FILE | with-key NAME CMD… | all-keys UID | in-flight UID COUNT |\n"
                "       device-programs CGROUP | fuse-hang FILE | fuse-program FILE PROGRAM QUIET |\n"
                "       fuse-memory FILE ASKED | fuse-flush FILE ASKED CMD… | leaver "
                "DIRECTORY | unshared | many-groups | sleep\n");
        return 2;
}

int main(int argc, char **argv)
{
        const char *what = argc > 1 ? argv[1] : "";

        if (strcmp(what, "exe-writer") == 0 && argc == 3)
                return exe_writer(argv[2]);
        if (strcmp(what, "grabber") == 0 && argc == 3)
                return grabber(argv[2]);
        if (strcmp(what, "filter") == 0 && argc == 4)
                return filter_payload(argv[2], atoi(argv[3]));
        if (strcmp(what, "traced") == 0 && argc == 3)
                return traced_leader(argv[2]);
        if (strcmp(what, "vforked") == 0 && argc == 3)
                return vforked_leader(argv[2]);
        if (strcmp(what, "http") == 0 && argc == 4)
                return http_client(argv[2], argv[3]);
        if (strcmp(what, "with-key") == 0 && argc > 3)
                return key_holder(argv[2], argv + 3);
        if (strcmp(what, "all-keys") == 0 && argc == 3)
                return all_keys((uid_t) atoi(argv[2]));
        if (strcmp(what, "in-flight") == 0 && argc == 4)
                return in_flight((uid_t) atoi(argv[2]), (rlim_t) atoll(argv[3]));
        if (strcmp(what, "device-programs") == 0 && argc == 3)
                return device_programs(argv[2]);
        if (strcmp(what, "fuse-hang") == 0 && argc == 3)
                return fuse_hang(argv[2]);
        if (strcmp(what, "fuse-program") == 0 && argc == 5)
                return fuse_program(argv[2], argv[3], argv[4]);
        if (strcmp(what, "fuse-memory") == 0 && argc == 4)
                return fuse_memory(argv[2], argv[3]);
        if (strcmp(what, "fuse-flush") == 0 && argc > 4)
                return fuse_flush(argv[2], argv[3], argv + 4);
        if (strcmp(what, "leaver") == 0 && argc == 3)
                return leaver(argv[2]);
        if (strcmp(what, "unshared") == 0)
                return unshared();
        if (strcmp(what, "many-groups") == 0)
                return many_groups();
        if (strcmp(what, "sleep") == 0)
                return wait_for_end();
        return usage();
}
