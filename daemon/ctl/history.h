/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The history of containers from the journal: a row for each exec, composed of the records of its creation,
 * its start and its end, and a row for each other act and each refusal.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/strv.h"

typedef enum HistoryAct {
        ACT_RUN,
        ACT_ATTACH,
        ACT_REPLAY,
        ACT_RESIZE,
        ACT_KILL,
        ACT_DENIED,
        _ACT_MAX,
} HistoryAct;

typedef enum HistoryField {
        FIELD_EXEC_ID,
        FIELD_CONTAINER_NAME,
        FIELD_CONTAINER_ID,
        FIELD_CONTAINER_KIND,
        FIELD_EXEC_USER,
        FIELD_EXEC_CMDLINE,
        FIELD_CALLER_UID,
        FIELD_CALLER_USER,
        FIELD_CALLER_LOGINUID,
        FIELD_CALLER_LOGINUSER,
        FIELD_DETAIL,
        FIELD_ACTION,
        FIELD_VERB,
        FIELD_REASON,
        FIELD_N_DENIALS, /* of refusals that have no records of their own */
        FIELD_EXIT_CODE,
        FIELD_EXIT_SIGNAL,
        FIELD_EXEC_TIMED_OUT,
        FIELD_DURATION_USEC,
        FIELD_RECORDING_PATH,
        _FIELD_MAX,
} HistoryField;

typedef struct HistoryRow {
        HistoryAct act;
        uint64_t time_usec;                   /* CLOCK_REALTIME: when it was asked for */
        char *fields[_FIELD_MAX];             /* NULL: not recorded */
        char **labels;                        /* each "NAME=VALUE" */
        bool created, started, ended, failed; /* of an exec: the records that were read */
} HistoryRow;

/* The filter; NULL and 0 match everything. */
typedef struct HistoryFilter {
        uint64_t since_usec, until_usec; /* CLOCK_REALTIME */
        const char *container;           /* its name, or the beginning of its ID */
        const char *user;                /* name or uid, of the caller or of the user who had logged in */
        char *const *labels;             /* each "NAME=VALUE" or "NAME"; all have to be there */
        char *const *ids;                /* of execs */
        size_t last;                     /* only the last ones, for which the journal is read from its end */
} HistoryFilter;

typedef struct History {
        HistoryRow **rows; /* the oldest first */
        size_t n, allocated;
        void *execs; /* of tsearch(3): the rows of execs, by ID */
} History;

void history_done(History *h);
/* Reads the journal. There may be more rows than the last ones that were asked for. 0, -errno, or -EACCES if
 * this user may not read it. */
int history_read(History *h, const HistoryFilter *filter);
