/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The form: a magic word and the version; then the fields in the order of runner_spec_write(), little endian. A
 * string is its length (u32; UINT32_MAX is NULL) and its bytes without NUL; a list is the number of its
 * strings (u32) and the strings. Filters come last, each padded to eight bytes so that their instructions
 * can be used where they lie. A reader accepts exactly what a writer makes: nothing may be missing, nothing
 * left over.
 */

#include "wire/runner-spec.h"

#include <endian.h>
#include <linux/filter.h>
#include <sched.h>
#include <string.h>

#include "base/strv.h"

#define SPEC_MAGIC       UINT32_C(0x65786563)
#define STRING_NULL      UINT32_MAX
#define INSTRUCTIONS_MAX 65536

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

const uint64_t runner_namespaces[RUNNER_N_NAMESPACES] = {
        CLONE_NEWCGROUP, CLONE_NEWIPC,  CLONE_NEWUTS, CLONE_NEWNET,
        CLONE_NEWPID,    CLONE_NEWTIME, CLONE_NEWNS,  CLONE_NEWUSER,
};

void runner_spec_done(RunnerSpec *s)
{
        strv_free(s->argv);
        strv_free(s->env_container);
        strv_free(s->env_request);
        strv_free(s->groups);
        free(s->user);
        free(s->working_dir);
        free(s->audit);
        free(s->leader_groups);
        free(s->label);
        free(s->apparmor);
        free(s->filters);
        free(s->data);
        *s = (RunnerSpec){0};
}

static void put_u32(Buf *b, uint32_t v)
{
        v = htole32(v);
        buf_append(b, &v, sizeof(v));
}

static void put_u64(Buf *b, uint64_t v)
{
        v = htole64(v);
        buf_append(b, &v, sizeof(v));
}

static void put_string(Buf *b, const char *s)
{
        if (!s) {
                put_u32(b, STRING_NULL);
                return;
        }
        put_u32(b, (uint32_t) strlen(s));
        buf_append(b, s, strlen(s));
}

static void put_list(Buf *b, char *const *list)
{
        size_t n = strv_length(list);

        put_u32(b, (uint32_t) n);
        for (size_t i = 0; i < n; i++)
                put_string(b, list[i]);
}

static void put_filters(Buf *b, const RunnerSpec *s)
{
        static const char padding[8];

        put_u32(b, s->n_filters);
        for (uint32_t i = 0; i < s->n_filters; i++) {
                put_u32(b, s->filters[i].n_instructions);
                put_u32(b, s->filters[i].log);
                buf_append(b, padding, -buf_length(b) % sizeof(padding));
                buf_append(b, s->filters[i].instructions,
                           s->filters[i].n_instructions * sizeof(struct sock_filter));
        }
}

static void put_service(Buf *b, const RunnerSpec *s)
{
        put_u32(b, s->service);
        put_u32(b, s->denies_exec_memory);
        put_u32(b, s->check_root);
        put_u32(b, s->leader_pid);
        put_u32(b, s->host_root_uid);
        put_u32(b, s->n_leader_groups);
        for (uint32_t i = 0; i < s->n_leader_groups; i++)
                put_u32(b, s->leader_groups[i]);
}

int runner_spec_write(const RunnerSpec *s, Buf *ret)
{
        put_u32(ret, SPEC_MAGIC);
        put_u32(ret, RUNNER_SPEC_VERSION);
        put_list(ret, s->argv);
        put_list(ret, s->env_container);
        put_list(ret, s->env_request);
        put_string(ret, s->user);
        put_list(ret, s->groups);
        put_string(ret, s->working_dir);
        put_u32(ret, s->rows);
        put_u32(ret, s->columns);
        put_u32(ret, s->tty);
        put_u32(ret, s->privileged);
        put_u64(ret, s->cap_privileged);
        put_u32(ret, s->as_leader);
        put_u32(ret, s->is_root_refused);
        put_u32(ret, s->null_stdin);
        put_u32(ret, s->own_pipes);
        put_u32(ret, s->login_uid);
        put_string(ret, s->audit);
        put_service(ret, s);
        put_u64(ret, s->namespaces);
        put_u32(ret, s->leader_uid);
        put_u32(ret, s->leader_gid);
        put_u64(ret, s->cap_bounding);
        put_u64(ret, s->cap_effective);
        put_u64(ret, s->cap_permitted);
        put_u64(ret, s->cap_ambient);
        put_u32(ret, s->no_new_privs);
        put_u32(ret, s->setgroups_denied);
        put_u32(ret, (uint32_t) s->oom_score_adj);
        put_u32(ret, (uint32_t) s->nice);
        put_u32(ret, (uint32_t) s->sched_policy);
        put_u32(ret, (uint32_t) s->sched_priority);
        put_u32(ret, s->ioprio);
        put_u32(ret, s->personality);
        put_u32(ret, s->coredump_filter);
        put_u32(ret, s->umask);
        put_u32(ret, s->rlimits_set);
        for (size_t i = 0; i < RUNNER_N_RLIMITS; i++) {
                put_u64(ret, s->rlimits[i][0]);
                put_u64(ret, s->rlimits[i][1]);
        }
        put_string(ret, s->label);
        put_string(ret, s->apparmor);
        put_filters(ret, s);
        return buf_error(ret);
}

/* The unread rest. Errors are sticky: every take after an error returns 0 or NULL. */
typedef struct Reader {
        char *start;
        size_t at, size;
        int error;
} Reader;

static const char *take(Reader *r, size_t n)
{
        const char *p = r->start + r->at;

        if (r->error == 0 && n > r->size - r->at)
                r->error = -EBADMSG;
        if (r->error != 0)
                return NULL;
        r->at += n;
        return p;
}

static uint32_t take_u32(Reader *r)
{
        const char *p = take(r, sizeof(uint32_t));
        uint32_t v = 0;

        if (p)
                memcpy(&v, p, sizeof(v));
        return le32toh(v);
}

static uint64_t take_u64(Reader *r)
{
        const char *p = take(r, sizeof(uint64_t));
        uint64_t v = 0;

        if (p)
                memcpy(&v, p, sizeof(v));
        return le64toh(v);
}

static bool take_bool(Reader *r)
{
        uint32_t v = take_u32(r);

        if (v > 1 && r->error == 0)
                r->error = -EBADMSG;
        return v == 1;
}

static uint16_t take_u16(Reader *r)
{
        uint32_t v = take_u32(r);

        if (v > UINT16_MAX && r->error == 0)
                r->error = -EBADMSG;
        return (uint16_t) v;
}

static char *take_string(Reader *r)
{
        uint32_t n = take_u32(r);
        const char *p;
        char *s;

        if (r->error != 0 || n == STRING_NULL)
                return NULL;
        p = take(r, n);
        if (!p)
                return NULL;
        if (memchr(p, 0, n)) {
                r->error = -EBADMSG;
                return NULL;
        }
        s = memdup_text(p, n);
        if (!s)
                r->error = -ENOMEM;
        return s;
}

static char **take_list(Reader *r)
{
        uint32_t n = take_u32(r);
        char **list;

        /* Each string takes four bytes at least. */
        if (r->error == 0 && n > (r->size - r->at) / sizeof(uint32_t))
                r->error = -EBADMSG;
        if (r->error != 0)
                return NULL;

        list = calloc((size_t) n + 1, sizeof(char *));
        if (!list) {
                r->error = -ENOMEM;
                return NULL;
        }
        for (uint32_t i = 0; i < n; i++) {
                list[i] = take_string(r);
                if (!list[i]) {
                        if (r->error == 0)
                                r->error = -EBADMSG;
                        break;
                }
        }
        return list;
}

static void take_padding(Reader *r)
{
        static const char zeros[8];
        size_t n = -r->at % sizeof(zeros);
        const char *p = take(r, n);

        if (p && memcmp(p, zeros, n) != 0)
                r->error = -EBADMSG;
}

static void take_filters(Reader *r, RunnerSpec *s)
{
        uint32_t n = take_u32(r);

        if (r->error == 0 && n > RUNNER_FILTERS_MAX)
                r->error = -EBADMSG;
        if (r->error != 0 || n == 0)
                return;

        s->filters = calloc(n, sizeof(RunnerFilter));
        if (!s->filters) {
                r->error = -ENOMEM;
                return;
        }
        for (uint32_t i = 0; i < n && r->error == 0; i++) {
                RunnerFilter *f = &s->filters[i];

                f->n_instructions = take_u32(r);
                f->log = take_bool(r);
                if (f->n_instructions == 0 || f->n_instructions > INSTRUCTIONS_MAX) {
                        r->error = r->error ?: -EBADMSG;
                        return;
                }
                take_padding(r);
                f->instructions = take(r, f->n_instructions * sizeof(struct sock_filter));
        }
        s->n_filters = n;
}

static void take_service(Reader *r, RunnerSpec *s)
{
        uint32_t n;

        s->service = take_bool(r);
        s->denies_exec_memory = take_bool(r);
        s->check_root = take_bool(r);
        s->leader_pid = take_u32(r);
        s->host_root_uid = take_u32(r);
        n = take_u32(r);
        if (r->error == 0 && (n > RUNNER_GROUPS_MAX || n > (r->size - r->at) / sizeof(uint32_t)))
                r->error = -EBADMSG;
        if (r->error != 0 || n == 0)
                return;
        s->leader_groups = calloc(n, sizeof(uint32_t));
        if (!s->leader_groups) {
                r->error = -ENOMEM;
                return;
        }
        s->n_leader_groups = n;
        for (uint32_t i = 0; i < n; i++)
                s->leader_groups[i] = take_u32(r);
}

static void take_leader(Reader *r, RunnerSpec *s)
{
        take_service(r, s);
        s->namespaces = take_u64(r);
        s->leader_uid = take_u32(r);
        s->leader_gid = take_u32(r);
        s->cap_bounding = take_u64(r);
        s->cap_effective = take_u64(r);
        s->cap_permitted = take_u64(r);
        s->cap_ambient = take_u64(r);
        s->no_new_privs = take_bool(r);
        s->setgroups_denied = take_bool(r);
        s->oom_score_adj = (int32_t) take_u32(r);
        s->nice = (int32_t) take_u32(r);
        s->sched_policy = (int32_t) take_u32(r);
        s->sched_priority = (int32_t) take_u32(r);
        s->ioprio = take_u32(r);
        s->personality = take_u32(r);
        s->coredump_filter = take_u32(r);
        s->umask = take_u32(r);
        s->rlimits_set = take_bool(r);
        for (size_t i = 0; i < RUNNER_N_RLIMITS; i++) {
                s->rlimits[i][0] = take_u64(r);
                s->rlimits[i][1] = take_u64(r);
        }
        s->label = take_string(r);
        s->apparmor = take_string(r);
        take_filters(r, s);
}

int runner_spec_read(char *data, size_t size, RunnerSpec *ret)
{
        Reader r = {.start = data, .size = size};
        RunnerSpec s = {0};

        if (size > RUNNER_SPEC_MAX || take_u32(&r) != SPEC_MAGIC || take_u32(&r) != RUNNER_SPEC_VERSION)
                return -EBADMSG;

        s.argv = take_list(&r);
        s.env_container = take_list(&r);
        s.env_request = take_list(&r);
        s.user = take_string(&r);
        s.groups = take_list(&r);
        s.working_dir = take_string(&r);
        s.rows = take_u16(&r);
        s.columns = take_u16(&r);
        s.tty = take_bool(&r);
        s.privileged = take_bool(&r);
        s.cap_privileged = take_u64(&r);
        s.as_leader = take_bool(&r);
        s.is_root_refused = take_bool(&r);
        s.null_stdin = take_bool(&r);
        s.own_pipes = take_bool(&r);
        s.login_uid = take_u32(&r);
        s.audit = take_string(&r);
        take_leader(&r, &s);

        if (r.error == 0 && r.at != r.size)
                r.error = -EBADMSG;
        if (r.error != 0) {
                runner_spec_done(&s);
                return r.error;
        }

        s.data = data;
        *ret = s;
        return 0;
}

int runner_report_check(const RunnerReport *r, size_t size)
{
        if (size != sizeof(*r) || r->version != RUNNER_REPORT_VERSION)
                return -EBADMSG;
        if (r->type < RUNNER_STARTED || r->type > RUNNER_CHECKED)
                return -EBADMSG;
        if (r->type == RUNNER_STARTED && r->pid <= 0)
                return -EBADMSG;
        if (r->type == RUNNER_FAILED && (r->kind == REFUSAL_NONE || r->kind >= _REFUSAL_MAX))
                return -EBADMSG;
        if (!memchr(r->text, 0, sizeof(r->text)))
                return -EBADMSG;
        return 0;
}

static bool text_is_plain(const char *text, size_t size)
{
        const char *end = memchr(text, 0, size);

        if (!end || end == text)
                return false;
        for (const char *p = text; p < end; p++)
                if ((unsigned char) *p < 0x20 || *p == 0x7f)
                        return false;
        return true;
}

int runner_log_check(const RunnerLog *l, size_t size)
{
        return size == sizeof(*l) && l->version == RUNNER_SPEC_VERSION &&
                               text_is_plain(l->exec_id, sizeof(l->exec_id)) &&
                               text_is_plain(l->container_name, sizeof(l->container_name)) &&
                               text_is_plain(l->container_id, sizeof(l->container_id)) &&
                               text_is_plain(l->container_kind, sizeof(l->container_kind))
                       ? 0
                       : -EBADMSG;
}
