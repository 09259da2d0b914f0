/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * An exec as clients see it (GET /exec/{id}/json, Docker's keys first, then ours), and as it is remembered
 * across an exit of the daemon. Pure: a view in, text out, and back.
 */

#include <json-c/json.h>

#include "wire/exec-request.h"

typedef struct ExecView {
        const char *id;
        const char *status; /* "created", "running", "exited", "failed" */
        const char *container_id;
        const char *container_name;
        const char *container_kind;
        const char *unit;
        const char *failure;        /* NULL unless failed */
        const char *recording_path; /* NULL: there is none */
        const char *result; /* "success", "exit-code", "signal", "timeout", "failed"; NULL before the end */
        const ExecRequest *request;
        char *const *command, *const *labels; /* the shown ones of the request */
        bool has_exit_code;
        int exit_code;
        bool can_remove;
        int pid; /* 0 when there never was one */
        unsigned caller_uid;
        uint64_t created_usec, started_usec, finished_usec; /* 0: not yet */
} ExecView;

/* A new JSON object, or NULL. */
struct json_object *exec_view_to_json(const ExecView *v);

/* The record of an exec that has ended, or that runs while execd does not. Strings are owned. */
typedef struct ExecJson {
        char *id;
        char *container_id;
        char *container_name;
        char *container_kind;
        char *container_image, *container_label; /* of a running one */
        char *caller_bus_name;                   /* of one that has its caller's fds */
        char *failure;
        char *recording_path;
        ExecRequest *request; /* without Env */
        bool failed;
        bool running, detached;
        int exit_code;
        int wait_status;
        bool timed_out;
        int pid;
        unsigned caller_uid, caller_login_uid;   /* UINT32_MAX: none */
        int caller_pid;                          /* 0: not known */
        char *caller_session, *caller_program;   /* NULL: not known */
        unsigned starter_uid, starter_login_uid; /* of a running one */
        int starter_pid;
        unsigned leader; /* the same: of its container; 0: not known */
        uint64_t leader_start;
        /* CLOCK_MONOTONIC, so of this boot only; 0: not yet, or not known. */
        uint64_t asked_monotonic, started_monotonic, ended_monotonic;
        uint64_t created_usec, started_usec, finished_usec;
} ExecJson;

void exec_json_done(ExecJson *r);
/* One line of JSON, without a newline. */
int exec_json_write(const ExecJson *r, char **ret);
int exec_json_read(const char *line, ExecJson *ret);
