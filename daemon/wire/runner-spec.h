/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The messages between the spawner and a runner. The runner is one static program; both sides are built from
 * the same tree and always installed together, but the form is versioned and checked all the same, since a
 * running runner may be older than an upgraded spawner.
 *
 * The runner is started with its control socket (SOCK_SEQPACKET) as fd 3 and parks in a read of it. When its
 * scope is there it may be sent RUNNER_PREPARE, and then does what can be done before the order. One message
 * releases it: RunnerOrder with fds [spec memfd (sealed), leader pidfd, the namespaces to join in
 * the order of runner_namespaces, then stdin, stdout, stderr unless a tty is to be made]. Everything else is
 * in the memfd. After RUNNER_STARTED the runner leaves the command unreaped until it was sent one byte (or
 * its peer is gone), so that the spawner can look at the command however short it ran.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/refusal.h"

/* Of the order and the spec, and of reports: a running runner may be older than the spawner, and its report
 * must still be understood. */
#define RUNNER_SPEC_VERSION    7
#define RUNNER_REPORT_VERSION  3

#define RUNNER_SPEC_MAX        (16 * 1024 * 1024)
#define RUNNER_CONTROL_FD      3
#define RUNNER_FILTERS_MAX     64
#define RUNNER_GROUPS_MAX      65536 /* the kernel's NGROUPS_MAX */
#define RUNNER_N_RLIMITS       16
#define RUNNER_SETUP_SEC_MAX   10 /* how long the container may keep a runner waiting in its set-up, */
#define RUNNER_STARVED_SEC_MAX 45 /* and how long the set-up may take where it waits for its share */
#define RUNNER_N_NAMESPACES    8
#define RUNNER_ORDER_FDS_MAX   (2 + RUNNER_N_NAMESPACES + 3)

typedef enum RunnerMode {
        RUNNER_MODE_EXEC = 1,  /* join, run the command, stay as its parent, report its end */
        RUNNER_MODE_CHECK = 2, /* join, look the user up, report, end */
} RunnerMode;

typedef struct RunnerOrder {
        uint32_t version; /* RUNNER_SPEC_VERSION */
        uint32_t mode;
        uint32_t n_namespaces; /* how many of the fds are namespaces */
} RunnerOrder;

/* The CLONE_NEW flags in the order of joining: the user namespace last, since namespaces that it does not
 * own are joined with the rights that joining it takes away. */
extern const uint64_t runner_namespaces[RUNNER_N_NAMESPACES];

typedef struct RunnerFilter {
        uint32_t n_instructions;  /* of struct sock_filter */
        uint32_t log;             /* SECCOMP_FILTER_FLAG_LOG was set */
        const void *instructions; /* weak when read: points into the spec's bytes */
} RunnerFilter;

#define RUNNER_NO_COREDUMP_FILTER UINT32_MAX /* the kernel dumps nothing */

/* In the spec every number is little endian and every string is length-prefixed; see runner-spec.c. Strings
 * and arrays of a spec that was read are owned by it. */
typedef struct RunnerSpec {
        /* The request. */
        char **argv;
        char **env_container; /* the container's own environment, after the base and before the request's */
        char **env_request;
        char *user;        /* NULL: default */
        char **groups;     /* further ones that the container's engine gives the user, by name or number */
        char *working_dir; /* NULL: "/" */
        uint16_t rows, columns;
        bool tty;
        bool privileged;
        uint64_t cap_privileged; /* such a command may have these beside cap_bounding */
        bool as_leader; /* of a service: the command has exactly the ids of the leader, and its environment */
        bool is_root_refused; /* of a service: only its own user may be the host's root */
        bool null_stdin; /* the command's stdin is the container's null device, not the fd that was passed */
        uint32_t login_uid; /* of the caller, for the kernel's audit; UINT32_MAX: none */
        char *audit;        /* the text of the kernel's audit record; NULL: no record */
        bool own_pipes; /* the stdio fds are pipes that the spawner made for this exec: the user may own them
                         */

        /* The template: the leader as the kernel describes it. fill_request() in spawner/launch-start.c may lower values
         * for the request. */
        bool service; /* it is the main process of a service: its root, working directory and processors count */
        bool denies_exec_memory; /* PR_SET_MDWE */
        bool check_root;         /* the leader has to be in the root directory of its mount namespace */
        uint32_t leader_pid;     /* as the host sees it, where the service or check_root is set */
        uint32_t host_root_uid;  /* the same: the host's uid 0 in the leader's user namespace */
        uint32_t *leader_groups; /* the same: its supplementary groups as the host sees them */
        uint32_t n_leader_groups;
        uint64_t namespaces;             /* CLONE_NEW* of those that differ from ours */
        uint32_t leader_uid, leader_gid; /* in the leader's user namespace, or UINT32_MAX if unmapped */
        uint64_t cap_bounding, cap_effective, cap_permitted, cap_ambient;
        bool no_new_privs;
        bool setgroups_denied;
        int32_t oom_score_adj;
        int32_t nice;
        int32_t sched_policy, sched_priority;
        uint32_t ioprio;          /* as of ioprio_get(2) */
        uint32_t personality;     /* as of personality(2) */
        uint32_t coredump_filter; /* as of /proc/PID/coredump_filter, or RUNNER_NO_COREDUMP_FILTER */
        uint32_t umask;
        bool rlimits_set;
        uint64_t rlimits[RUNNER_N_RLIMITS][2]; /* soft, hard; UINT64_MAX is infinity */
        char *label;                           /* SELinux context, NULL without SELinux */
        char *apparmor;                        /* profile, NULL when unconfined */
        RunnerFilter *filters;                 /* oldest first */
        uint32_t n_filters;

        char *data; /* owned bytes that filters point into; NULL in a spec being built */
} RunnerSpec;

void runner_spec_done(RunnerSpec *s);
int runner_spec_write(const RunnerSpec *s, Buf *ret);
/* Takes ownership of `data` on success. -EBADMSG for anything malformed. */
int runner_spec_read(char *data, size_t size, RunnerSpec *ret);

/* The reports of a runner, one datagram each. */
typedef enum RunnerReportType {
        RUNNER_STARTED = 1, /* fds: [pidfd of the command] or [pidfd, pty master] */
        RUNNER_FAILED = 2,  /* nothing ran; the runner ends */
        RUNNER_EXITED = 3,  /* the command ended; the runner ends */
        RUNNER_CHECKED = 4, /* RUNNER_MODE_CHECK: the user exists */
} RunnerReportType;

#define RUNNER_TEXT_MAX 4096

/* The byte for a runner that is parked in its scope: it forks the process that receives the order. */
#define RUNNER_PREPARE "p"

/* The byte by which execd says that it has the command, which was compared with its container: from then on
 * the runner may reap it. With _LOG, a RunnerLog follows. When the control socket ends without the byte, the
 * runner ends the command. */
#define RUNNER_TAKEN          "v"
#define RUNNER_TAKEN_LOG      "l"

#define RUNNER_LOG_TEXT_MAX   256
#define RUNNER_LOG_STDERR     2                                  /* the FrameType of it */
#define RUNNER_LOG_MESSAGE_ID "540294da27354062bee935f934660b86" /* of each line in the journal */

/* With the reading end of a packet pipe as its fd: output that is to go to the journal. Each packet has a
 * FrameType before its bytes. When the pipe is at its end and all is written, the runner closes the control
 * socket. Texts are NUL-terminated. */
typedef struct RunnerLog {
        uint32_t version;
        char exec_id[RUNNER_LOG_TEXT_MAX];
        char container_name[RUNNER_LOG_TEXT_MAX];
        char container_id[RUNNER_LOG_TEXT_MAX];
        char container_kind[RUNNER_LOG_TEXT_MAX];
} RunnerLog;

typedef struct RunnerReport {
        uint32_t version; /* RUNNER_REPORT_VERSION */
        uint32_t type;
        int32_t pid;                /* STARTED: as the host sees it */
        int32_t wait_status;        /* EXITED: of waitpid(2) */
        uint32_t kind;              /* FAILED: a RefusalKind */
        int32_t error;              /* FAILED: errno */
        uint64_t time_usec;         /* STARTED, EXITED: CLOCK_REALTIME */
        uint32_t cpu_usec;          /* EXITED: user + system time, saturating */
        uint32_t max_rss_kib;       /* EXITED */
        char text[RUNNER_TEXT_MAX]; /* FAILED: the error for the client, NUL-terminated */
} RunnerReport;

/* -EBADMSG unless the bytes are well-formed texts without control characters. */
int runner_log_check(const RunnerLog *l, size_t size);

/* -EBADMSG unless the bytes are a well-formed report. */
int runner_report_check(const RunnerReport *r, size_t size);
