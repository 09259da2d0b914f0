/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The payload of hostile containers, and a few tools of the tests around them. One static program;
 * each attack writes its results to a file that the test reads, one line for each.
 */

#include <stdio.h>
#include <sys/resource.h>
#include <sys/types.h>

/* Opens the report for appending, line buffered; ends the program when that cannot be. */
FILE *report_open(const char *path);

/* Does nothing until SIGTERM, reaping what falls to PID 1. */
int wait_for_end(void);

int exe_writer(const char *report_path);
int grabber(const char *report_path);
int filter_payload(const char *kind, int count);
int traced_leader(const char *kind);
int vforked_leader(const char *kind);
int http_client(const char *socket_path, const char *request_path);
int key_holder(const char *description, char **argv);
int all_keys(uid_t uid);
int in_flight(uid_t uid, rlim_t count);
int device_programs(const char *cgroup);
int fuse_hang(const char *target);
int fuse_program(const char *target, const char *program, const char *quiet);
int fuse_memory(const char *target, const char *asked);
int fuse_flush(const char *target, const char *asked, char *const *argv);
int leaver(const char *directory);
int unshared(void);
int many_groups(void);
