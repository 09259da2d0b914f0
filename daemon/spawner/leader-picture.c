/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "spawner/leader-picture.h"

#include <string.h>

#include "base/fd.h"
#include "base/time.h"
#include "spawner/facts-image.h"

#define STAT_MAX 4096

/* How long a leader is left alone: the first time, and each further time twice as long. */
#define ALONE_USEC  (3 * USEC_PER_SEC)
#define STRIKES_MAX 5

/* The answer of the scout. The namespaces are passed in the order of their types. */
typedef struct Found {
        bool is_known; /* given: the loop has the namespaces below open; found: the leader is in them */
        ProcStat stat;
        FactsImage facts;
} Found;

static int prepare(void *userdata, void *data)
{
        LeaderPicture *p = userdata;
        const Leader *l = p->leader;
        Found *given = data;

        p->namespaces = namespace_set_ref(l->namespaces);
        given->is_known = l->namespaces && leader_facts_are_mapped(&l->found);
        given->facts.namespaces = l->found.namespaces;
        return l->proc_fd;
}

static int read_stat(int proc_fd, ProcStat *ret)
{
        _cleanup_free_ char *text = NULL;
        int r = file_read_at(proc_fd, "stat", STAT_MAX, &text, NULL);

        return r < 0 ? r : proc_stat_parse(text, ret);
}

/* In the scout. */
static int run(void *data, int proc_fd, ScoutFindings *ret)
{
        _cleanup_(leader_facts_done) LeaderFacts facts = {0};
        _cleanup_namespace_fds_ NamespaceFds fds = NAMESPACE_FDS_INIT;
        Found *found = data;
        Namespaces known = found->facts.namespaces;
        uint64_t differing;
        int r;

        r = found->is_known ? leader_facts_read_again(proc_fd, &known, &facts, &ret->refusal) : 0;
        found->is_known = r > 0;
        if (r == 0)
                r = leader_facts_read(proc_fd, &facts, &fds, &ret->refusal);
        if (r >= 0)
                r = read_stat(proc_fd, &found->stat);
        if (r >= 0)
                r = facts_image_write(&facts, &found->facts, SCOUT_DATA_SIZE - offsetof(Found, facts));
        if (r < 0 || found->is_known)
                return r;
        differing = namespaces_to_join(&facts.namespaces);
        for (NamespaceType t = 0; t < _NS_MAX; t++)
                if (differing & namespace_flag(t))
                        ret->fds[ret->n_fds++] = TAKE_FD(fds.fds[t]);
        return 0;
}

static int take_namespaces(LeaderPicture *p, ScoutFindings *f)
{
        _cleanup_namespace_fds_ NamespaceFds fds = NAMESPACE_FDS_INIT;
        uint64_t differing = namespaces_to_join(&p->facts.namespaces);
        size_t n = 0;

        for (NamespaceType t = 0; t < _NS_MAX; t++) {
                if (!(differing & namespace_flag(t)))
                        continue;
                if (n >= f->n_fds)
                        return -EBADMSG;
                fds.fds[t] = TAKE_FD(f->fds[n]);
                n++;
        }
        if (n != f->n_fds)
                return -EBADMSG;
        namespace_set_unref(p->namespaces);
        p->namespaces = namespace_set_new(&fds);
        return p->namespaces ? 0 : -ENOMEM;
}

static int take_found(LeaderPicture *p, const Found *found, ScoutFindings *f)
{
        int r;

        r = facts_image_read(&found->facts, SCOUT_DATA_SIZE - offsetof(Found, facts), &p->facts);
        if (r < 0)
                return r;
        p->stat = found->stat;
        return found->is_known ? leader_facts_copy_mappings(&p->leader->found, &p->facts)
                               : take_namespaces(p, f);
}

static int refuse_busy(Refusal *reterr)
{
        return refuse(reterr, REFUSAL_UNAVAILABLE, EBUSY,
                      "the state of the container's first process cannot be read, try again later");
}

/* Only what it does itself counts, and not how busy the scouts are. */
static void judge(Leader *l, int error)
{
        if (error == -ETIMEDOUT) {
                l->picture_again = now_usec(CLOCK_MONOTONIC) + (ALONE_USEC << l->n_strikes);
                l->n_strikes = MIN(l->n_strikes + 1, STRIKES_MAX);
        } else if (error >= 0)
                l->n_strikes = 0;
}

static void on_done(void *userdata, int error, const void *data, ScoutFindings *found)
{
        LeaderPicture *p = userdata;
        Leader *l = p->leader;

        p->refusal = found->refusal;
        found->refusal = REFUSAL_INIT;
        p->error = error >= 0 ? take_found(p, data, found) : error;
        judge(l, error);
        if ((error == -ETIMEDOUT || error == -EBUSY) && p->refusal.kind == REFUSAL_NONE)
                p->error = refuse_busy(&p->refusal);
        l = leader_ref(l);
        l->picture = p;
        p->callback(p->userdata);
        l->picture = NULL;
        leader_unref(l);
}

int leader_picture_check(const Leader *l, Refusal *reterr)
{
        if (l->picture_again == 0 || now_usec(CLOCK_MONOTONIC) >= l->picture_again)
                return 0;
        return refuse_busy(reterr);
}

int leader_picture_take(LeaderPicture *p, Leader *l, uid_t caller, void (*callback)(void *userdata),
                        void *userdata, Refusal *reterr)
{
        static const ScoutWork work = {.prepare = prepare, .run = run, .on_done = on_done};
        int r;

        r = leader_picture_check(l, reterr);
        if (r < 0)
                return r;
        *p = (LeaderPicture){
                .leader = leader_ref(l),
                .callback = callback,
                .userdata = userdata,
        };
        return scout_job_start(&p->job, &work, p,
                               &(ScoutTarget){.group = l->pid, .process = l->pid, .caller = caller});
}

void leader_picture_done(LeaderPicture *p)
{
        if (!p->leader)
                return;
        scout_job_cancel(&p->job);
        refusal_done(&p->refusal);
        leader_facts_done(&p->facts);
        p->namespaces = namespace_set_unref(p->namespaces);
        p->leader = leader_unref(p->leader);
}
