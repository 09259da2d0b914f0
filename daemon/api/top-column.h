/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The columns of ps(1): the data of a process, as text. */

#include <stddef.h>
#include <stdint.h>

typedef struct Process {
        uint32_t pid, parent, uid;
        uint64_t cpu_usec, started_usec;
        uint32_t tty;
        const char *command;
        const char *comm;
        uint64_t vsize, rss; /* bytes */
        int32_t priority, nice;
        uint32_t threads, group, session, tty_group, gid;
        uint8_t state;
} Process;

typedef struct Column {
        const char *name; /* its name for `ps -o` */
        const char *title;
        void (*write)(const Process *p, char *out, size_t size);
} Column;

/* NULL for an unknown one. */
const Column *top_column_find(const char *name);

/* The columns of `ps -f`, which is Docker's default, of `ps u`, and of `ps -l`. */
const Column *top_columns_full(size_t *ret_n);
const Column *top_columns_user(size_t *ret_n);
