/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The processes of a container, as a reader (reader.h) finds them: those in its PID namespace. */

#include "spawner/container.h"
#include "spawner/proc-parse.h"
#include "spawner/reader.h"

#define PROCESSES_MAX 4096
#define COMMAND_MAX   1024
#define SKIPPED_MAX   4

typedef struct Process {
        int32_t pid;
        uint32_t uid, gid;
        ProcStat stat;
        char command[COMMAND_MAX]; /* "": the process has none, or it was not read */
} Process;

typedef struct ProcessTable {
        ReaderMemory memory;
        bool is_complete; /* all processes are there, and only command lines may be missing */
        int32_t current;  /* the one that is being looked at until then */
        uint32_t n;
        Process processes[PROCESSES_MAX];
} ProcessTable;

/* Processes that kept a reader waiting. */
typedef struct Skipped {
        int32_t pids[SKIPPED_MAX];
        size_t n;
} Skipped;

/* In the reader. */
int process_table_read(ProcessTable *t, const Container *c, const Skipped *skipped, bool with_commands);
