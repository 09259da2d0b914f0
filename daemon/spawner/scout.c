/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "spawner/scout.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/process-state.h"
#include "base/time.h"
#include "spawner/leftover.h"
#include "spawner/scout-process.h"
#include "spawner/suspects.h"

#define SCOUTS_MAX      16
#define IDLE_MAX        2
#define LEFTOVERS_MAX   64
#define OF_GROUP_MAX    2
#define OF_SUSPECTS_MAX (SCOUTS_MAX / 2)
#define FOR_ROOT        2
#define PATIENT_MAX     (SCOUTS_MAX / 4)
#define OF_DISKS_MAX    (SCOUTS_MAX / 4)

/* The interval at which working scouts are looked at, how often one may be found in the same wait of the kernel, and how
 * long a job may take: in the scout, and until a scout is free. A scout that waits for the processor or for memory is not
 * delayed by a process, and neither is one that waits for a process which waits for the processor; the latter are few,
 * because a process with several threads can look like that for any time. */
#define LOOK_USEC   (100 * USEC_PER_MSEC)
#define WAITS_MAX   10
#define WORK_USEC   (10 * USEC_PER_SEC)
#define QUEUED_USEC (5 * USEC_PER_SEC)

/* How long a file system may be busy without being called slow, and how long a job waits for its turn there. */
#define DISK_SLOW_USEC   USEC_PER_SEC
#define DISK_QUEUED_USEC (30 * USEC_PER_SEC)

struct Scout {
        ListNode node;
        pid_t pid;
        int pidfd, socket; /* owned */
        ScoutMemory *memory;
        sd_event_source *replies;
        ScoutJob *job; /* weak; NULL at work: it was canceled */
        bool is_at_work;
        ScoutTarget target;
        uint64_t since;
        uint64_t switches; /* how often it has waited when it was looked at last */
        unsigned n_waits;  /* how often it was found in this wait */
};

static struct {
        sd_event *event;
        sd_event_source *timer;
        bool timer_runs;
        List all, waiting;
        size_t n;
        unsigned n_left; /* killed ones that have not ended yet */
} scouts;

/* A scout whose job was cancelled works until it answers or ends. */
static void set_at_work(Scout *s, bool is_at_work)
{
        unsigned *n = s->target.n_at_work;

        if (n && s->is_at_work != is_at_work)
                *n = is_at_work ? *n + 1 : *n - 1;
        s->is_at_work = is_at_work;
}

/* The child ends at once as a rule. */
static Scout *scout_free(Scout *s)
{
        if (!s)
                return NULL;
        sd_event_source_disable_unref(s->replies);
        fd_close(s->socket);
        if (s->pid > 0) {
                int r;

                (void) kill(s->pid, SIGKILL);
                r = s->pidfd < 0
                            ? s->pidfd
                            : leftover_new(scouts.event,
                                           &(LeftoverOf){
                                                   .of_all = &scouts.n_left,
                                                   .of_caller = s->is_at_work ? s->target.n_stuck : NULL,
                                           },
                                           s->pid, s->pidfd);
                if (r >= 0)
                        s->pidfd = -EBADF;
                else if (r != -ESTALE)
                        log_error_errno(r, "Failed to watch scout %d", s->pid);
        }
        set_at_work(s, false);
        fd_close(s->pidfd);
        if (s->memory)
                munmap(s->memory, sizeof(*s->memory));
        free(s);
        return NULL;
}
DEFINE_CLEANUP(Scout, scout_free);

static int on_reply(sd_event_source *source, int fd, uint32_t events, void *userdata);

static int scout_new(Scout **ret)
{
        _cleanup_(scout_freep) Scout *s = NULL;
        int r;

        if (scouts.n >= SCOUTS_MAX || scouts.n_left >= LEFTOVERS_MAX)
                return -EBUSY;
        s = calloc(1, sizeof(*s));
        if (!s)
                return -ENOMEM;
        s->pidfd = s->socket = -EBADF;
        r = scout_process_start(&s->memory, &s->pid, &s->pidfd, &s->socket);
        if (r >= 0)
                r = sd_event_add_io(scouts.event, &s->replies, s->socket, EPOLLIN, on_reply, s);
        if (r < 0)
                return r;
        list_append(&scouts.all, &s->node);
        scouts.n++;
        *ret = TAKE_PTR(s);
        return 0;
}

static void scout_dismiss(Scout *s)
{
        list_remove(&scouts.all, &s->node);
        scouts.n--;
        scout_free(s);
}

static int scout_give(Scout *s, ScoutJob *j)
{
        const char order = 0;
        int fd, r;

        s->memory->work = j->work;
        fd = j->work->prepare(j->userdata, s->memory->data);
        r = fd_send_message(s->socket, &order, sizeof(order), &fd, fd >= 0 ? 1 : 0);
        if (r < 0)
                return r;
        list_remove(&scouts.waiting, &j->node);
        j->scout = s;
        s->job = j;
        s->target = j->target;
        set_at_work(s, true);
        s->since = now_usec(CLOCK_MONOTONIC);
        s->n_waits = 0;
        return 0;
}

/* Of those at work. */
typedef struct Shares {
        size_t n, n_suspects, n_slow, n_disks;
} Shares;

static bool reads_files(const ScoutTarget *t)
{
        return t->group < 0;
}

static Shares count_shares(void)
{
        Shares shares = {0};

        LIST_FOREACH (const Scout, s, &scouts.all, node) {
                if (!s->is_at_work)
                        continue;
                shares.n++;
                shares.n_suspects += suspects_have(s->target.group);
                shares.n_slow += s->memory->work->on_slow != NULL;
                shares.n_disks += reads_files(&s->target);
        }
        return shares;
}

static bool may_work(const ScoutJob *j, const Shares *shares)
{
        size_t n_group = 0, n_caller = 0;

        if (reads_files(&j->target) && shares->n_disks >= OF_DISKS_MAX)
                return false;

        LIST_FOREACH (const Scout, s, &scouts.all, node) {
                n_group += s->is_at_work && s->target.group == j->target.group;
                n_caller += s->is_at_work && s->target.caller == j->target.caller;
        }
        if (n_group >= OF_GROUP_MAX || (shares->n_slow >= OF_SUSPECTS_MAX && j->work->on_slow))
                return false;
        if (j->target.caller != 0 && n_caller + FOR_ROOT + shares->n >= SCOUTS_MAX)
                return false;
        return shares->n_suspects < OF_SUSPECTS_MAX || !suspects_have(j->target.group);
}

static Scout *idle_scout(void)
{
        Scout *s = LIST_FIND(Scout, idle, &scouts.all, node, !idle->is_at_work);
        int r;

        if (s)
                return s;
        r = scout_new(&s);
        if (r < 0 && r != -EBUSY)
                log_error_errno(r, "Failed to start a scout");
        return r < 0 ? NULL : s;
}

static void start_timer(void)
{
        if (scouts.timer_runs || sd_event_source_set_time_relative(scouts.timer, LOOK_USEC) < 0 ||
            sd_event_source_set_enabled(scouts.timer, SD_EVENT_ONESHOT) < 0)
                return;
        scouts.timer_runs = true;
}

/* Jobs without a free scout wait, and fail after a while. */
static void give_jobs(void)
{
        Shares shares = count_shares();
        ScoutJob *j;

        while ((j = LIST_FIND(ScoutJob, waiting, &scouts.waiting, node, may_work(waiting, &shares)))) {
                Scout *s = idle_scout();

                if (!s)
                        break;
                if (scout_give(s, j) < 0) {
                        scout_dismiss(s); /* it has ended */
                        break;
                }
                shares = count_shares();
        }
}

static void job_end(ScoutJob *j, int error, const void *data, ScoutFindings *found)
{
        const ScoutWork *work = TAKE_PTR(j->work);

        j->scout = NULL;
        list_remove(&scouts.waiting, &j->node);
        work->on_done(j->userdata, error, data, found);
        scout_findings_done(found);
}

static void job_fail(ScoutJob *j, int error)
{
        ScoutFindings none = {0};

        job_end(j, error, NULL, &none);
}

static void dismiss_idle(void)
{
        size_t n = 0;

        LIST_FOREACH (Scout, s, &scouts.all, node)
                if (!s->is_at_work && ++n > IDLE_MAX)
                        scout_dismiss(s);
}

/* The memory is the scout's findings until the job has ended. */
static int on_reply(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
        ScoutFindings found = {0};
        Scout *s = userdata;
        ScoutJob *j = s->job;
        char answer;
        ssize_t n;

        n = fd_recv_message(fd, &answer, sizeof(answer), found.fds, SCOUT_FDS_MAX, &found.n_fds);
        if (n == -EAGAIN)
                return 0;
        if (n <= 0) { /* it was killed */
                scout_dismiss(s);
                if (j)
                        job_fail(j, -EIO);
                give_jobs();
                return 0;
        }
        s->job = NULL;
        if (j) {
                const ScoutMemory *m = s->memory;

                if (m->refusal != REFUSAL_NONE)
                        refuse(&found.refusal, (RefusalKind) m->refusal, 0, "%s", m->message);
                job_end(j, m->error, m->data, &found);
        } else
                scout_findings_done(&found);
        set_at_work(s, false);
        give_jobs();
        return 0;
}

/* The kernel shows all of this about a scout at once. A scout that reads files often waits, and has time for that. */
static void look_at_scout(Scout *s)
{
        static const char state_key[] = "\nState:\t", switches_key[] = "\nvoluntary_ctxt_switches:\t";
        _cleanup_free_ char *text = NULL;
        const char *state, *switches;
        uint64_t n;
        char path[32];

        snprintf(path, sizeof(path), "/proc/%d/status", s->pid);
        if (reads_files(&s->target) || file_read_at(AT_FDCWD, path, PROCESS_STATUS_MAX, &text, NULL) < 0)
                return;
        state = strstr(text, state_key);
        switches = strstr(text, switches_key);
        n = switches ? strtoull(switches + strlen(switches_key), NULL, 10) : 0;
        if (state && state[strlen(state_key)] != 'D')
                s->n_waits = 0;
        else if (s->n_waits == 0 || n != s->switches)
                s->n_waits = 1;
        else if (!process_is_ready_to_run(s->target.process))
                s->n_waits++;
        s->switches = n;
}

/* The scout has waited for longer than is allowed for a process which does not run. */
static bool is_patient(const Scout *s, uint64_t now)
{
        return s->is_at_work && s->n_waits > 0 && now >= s->since + (WAITS_MAX + 1) * LOOK_USEC;
}

static size_t count_more_patient(const Scout *s, uint64_t now)
{
        size_t n = 0;

        LIST_FOREACH (const Scout, other, &scouts.all, node)
                n += other != s && is_patient(other, now) && other->since <= s->since;
        return n;
}

static bool is_over(const Scout *s, uint64_t now)
{
        return s->is_at_work && (s->n_waits > WAITS_MAX || now >= s->since + WORK_USEC ||
                                 (is_patient(s, now) && count_more_patient(s, now) >= PATIENT_MAX));
}

/* Each call may change the lists. */
static bool end_one(uint64_t now)
{
        LIST_FOREACH (Scout, s, &scouts.all, node) {
                ScoutJob *j = s->job;

                if (!is_over(s, now))
                        continue;
                suspects_add(s->target.group);
                scout_dismiss(s);
                if (j)
                        job_fail(j, -ETIMEDOUT);
                return true;
        }
        LIST_FOREACH (ScoutJob, j, &scouts.waiting, node) {
                bool hangs = j->target.n_stuck && *j->target.n_stuck > 0;

                if (!hangs && now < j->since + (reads_files(&j->target) ? DISK_QUEUED_USEC : QUEUED_USEC))
                        continue;
                job_fail(j, hangs ? -ETIMEDOUT : -EBUSY);
                return true;
        }
        return false;
}

static bool is_slow(const Scout *s, uint64_t now)
{
        return reads_files(&s->target) ? now >= s->job->since + DISK_SLOW_USEC : s->n_waits > 0;
}

/* The process or the file system keeps a scout waiting, or the job waits for a scout. */
static ScoutJob *find_slow(uint64_t now)
{
        const Scout *busy =
                LIST_FIND(const Scout, s, &scouts.all, node,
                          s->job && s->job->work->on_slow && !s->job->is_slow && is_slow(s, now));

        return busy ? busy->job
                    : LIST_FIND(ScoutJob, j, &scouts.waiting, node,
                                j->work->on_slow && !j->is_slow &&
                                        now >= j->since + (reads_files(&j->target) ? DISK_SLOW_USEC
                                                                                   : LOOK_USEC));
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
        uint64_t now = now_usec(CLOCK_MONOTONIC);
        bool is_busy = false;
        ScoutJob *slow;

        scouts.timer_runs = false;
        LIST_FOREACH (Scout, s, &scouts.all, node)
                if (s->is_at_work)
                        look_at_scout(s);
        while (end_one(now))
                ;
        while ((slow = find_slow(now))) {
                slow->is_slow = true;
                slow->work->on_slow(slow->userdata);
        }
        give_jobs();
        dismiss_idle();
        LIST_FOREACH (const Scout, s, &scouts.all, node)
                is_busy = is_busy || s->is_at_work;
        if (is_busy || !list_is_empty(&scouts.waiting))
                start_timer();
        return 0;
}

int scout_job_start(ScoutJob *j, const ScoutWork *work, void *userdata, const ScoutTarget *target)
{
        if (!scouts.event)
                return -EUNATCH;
        *j = (ScoutJob){
                .work = work,
                .userdata = userdata,
                .target = *target,
                .since = now_usec(CLOCK_MONOTONIC),
        };
        list_append(&scouts.waiting, &j->node);
        give_jobs();
        start_timer();
        return 0;
}

void scout_job_cancel(ScoutJob *j)
{
        if (!j->work)
                return;
        list_remove(&scouts.waiting, &j->node);
        if (j->scout)
                j->scout->job = NULL;
        *j = (ScoutJob){0};
}

int scouts_init(sd_event *event)
{
        Scout *first;
        int r;

        r = sd_event_add_time_relative(event, &scouts.timer, CLOCK_MONOTONIC, LOOK_USEC, USEC_PER_SEC / 100,
                                       on_timer, NULL);
        if (r >= 0)
                r = sd_event_source_set_enabled(scouts.timer, SD_EVENT_OFF);
        if (r < 0)
                return r;
        scouts.event = event;
        return scout_new(&first);
}

/* A scout that waits for a process may need a moment to end, and is not waited for. */
void scouts_done(void)
{
        LIST_FOREACH (Scout, s, &scouts.all, node) {
                if (!s->is_at_work) {
                        (void) kill(s->pid, SIGKILL);
                        (void) waitpid(s->pid, NULL, 0);
                        s->pid = 0;
                }
                scout_dismiss(s);
        }
        scouts.timer = sd_event_source_disable_unref(scouts.timer);
        scouts.event = NULL;
}
