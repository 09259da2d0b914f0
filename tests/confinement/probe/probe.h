/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Prints everything that a process can see of what it was given, as sorted lines `key=value`. Run once by a
 * container's own init and once by execd, the two lists must be equal but for what parity.py names.
 */

#include <stddef.h>

/* Remembers one line. Control characters, non-ASCII and backslashes of the value are escaped. */
void emit(const char *key, const char *format, ...) __attribute__((format(printf, 2, 3)));
void emit_bytes(const char *key, const char *bytes, size_t size);

/* The whole file, at most `size` - 1 bytes, NUL-terminated: its length, or -errno. */
long read_whole(const char *path, char *buffer, size_t size);

/* "EPERM" for EPERM; a number where there is no short name here. */
const char *errno_name(int error);

/* report.c, report-fds.c: the facts that can be read without an attempt. */
void report_status(void);
void report_namespaces(void);
void report_limits(void);
void report_proc_files(void);
void report_prctl(void);
void report_scheduling(void);
void report_relations(void);
void report_keyrings(void);
void report_labels(void);
void report_mounts(void);
void report_places(void);
void report_environment(char **environment);
void report_fds(void);
void report_terminal(void);
void report_mappings(void);

/* active.c: the acts that the kernel permits. Each attempt is made in a child of its own. */
void report_attempts(void);

/* serve.c: the payload of a machine, running what request files say. */
int serve(const char *directory);
