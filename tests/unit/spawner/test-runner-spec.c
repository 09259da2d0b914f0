/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A spec comes out as it went in, and nothing but a whole spec is taken for one. */

#include <linux/filter.h>

#include "base/strv.h"
#include "unit/need.h"
#include "wire/runner-spec.h"

static struct sock_filter first[] = {{0x06, 0, 0, 0x7fff0000}};
static struct sock_filter second[] = {{0x20, 0, 0, 4}, {0x15, 1, 0, 0xc000003e}, {0x06, 0, 0, 0}};

static void fill(RunnerSpec *s, RunnerFilter filters[2])
{
        static char *argv[] = {(char *) "sh", (char *) "-c", (char *) "", NULL};
        static char *container[] = {(char *) "container=x", NULL};
        static char *request[] = {NULL};

        static uint32_t groups[] = {4, UINT32_MAX - 1};

        filters[0] = (RunnerFilter){.n_instructions = 1, .log = 1, .instructions = first};
        filters[1] = (RunnerFilter){.n_instructions = 3, .instructions = second};
        *s = (RunnerSpec){
                .argv = argv,
                .env_container = container,
                .env_request = request,
                .user = NULL,
                .working_dir = (char *) "/a b",
                .rows = 65535,
                .columns = 1,
                .tty = true,
                .null_stdin = true,
                .as_leader = true,
                .service = true,
                .leader_pid = 77,
                .host_root_uid = UINT32_MAX,
                .leader_groups = groups,
                .n_leader_groups = 2,
                .namespaces = 0x7e020080,
                .leader_uid = UINT32_MAX,
                .leader_gid = 7,
                .cap_bounding = UINT64_C(0x1ffffffffff),
                .cap_ambient = 1,
                .cap_privileged = UINT64_C(1) << 40,
                .no_new_privs = true,
                .oom_score_adj = -1000,
                .nice = -20,
                .ioprio = 3 << 13,
                .personality = 8,
                .coredump_filter = 0x33,
                .umask = 0027,
                .rlimits_set = true,
                .login_uid = 1000,
                .audit = (char *) "op=exec",
                .label = (char *) "system_u:system_r:container_t:s0:c1,c2",
                .filters = filters,
                .n_filters = 2,
        };
        for (int i = 0; i < RUNNER_N_RLIMITS; i++) {
                s->rlimits[i][0] = (uint64_t) i;
                s->rlimits[i][1] = UINT64_MAX - (uint64_t) i;
        }
}

static char *copy_bytes(const Buf *b, size_t n)
{
        char *p = malloc(n ?: 1);

        NEED(p);
        memcpy(p, buf_head(b), n);
        return p;
}

static void test_round_trip(const RunnerSpec *in, const Buf *b)
{
        RunnerSpec out;

        NEED(runner_spec_read(copy_bytes(b, buf_length(b)), buf_length(b), &out) == 0);
        NEED(strv_length(out.argv) == 3 && same_text(out.argv[1], "-c") && same_text(out.argv[2], ""));
        NEED(strv_length(out.env_container) == 1 && strv_length(out.env_request) == 0);
        NEED(!out.user && same_text(out.working_dir, "/a b"));
        NEED(out.rows == 65535 && out.columns == 1 && out.tty && !out.privileged && out.null_stdin &&
             !out.own_pipes);
        NEED(out.as_leader && !out.is_root_refused && out.service && !out.denies_exec_memory);
        NEED(out.leader_pid == 77 && out.host_root_uid == UINT32_MAX && out.n_leader_groups == 2);
        NEED(out.leader_groups[0] == 4 && out.leader_groups[1] == UINT32_MAX - 1);
        NEED(out.namespaces == in->namespaces && out.leader_uid == UINT32_MAX && out.leader_gid == 7);
        NEED(out.cap_bounding == in->cap_bounding && out.cap_effective == 0 && out.cap_ambient == 1);
        NEED(out.cap_privileged == in->cap_privileged);
        NEED(out.no_new_privs && !out.setgroups_denied && out.oom_score_adj == -1000 && out.nice == -20);
        NEED(out.ioprio == 3 << 13 && out.personality == 8 && out.coredump_filter == 0x33);
        NEED(out.umask == 0027 && memcmp(out.rlimits, in->rlimits, sizeof(out.rlimits)) == 0);
        NEED(out.login_uid == 1000 && same_text(out.audit, "op=exec"));
        NEED(same_text(out.label, in->label) && !out.apparmor);
        NEED(out.n_filters == 2 && out.filters[0].log == 1 && out.filters[1].log == 0);
        NEED(out.filters[1].n_instructions == 3 && (uintptr_t) out.filters[1].instructions % 8 == 0);
        NEED(memcmp(out.filters[0].instructions, first, sizeof(first)) == 0);
        NEED(memcmp(out.filters[1].instructions, second, sizeof(second)) == 0);
        runner_spec_done(&out);
}

/* Every cut, and one byte too many. */
static void test_lengths(const Buf *b)
{
        for (size_t n = 0; n <= buf_length(b) + 1; n++) {
                char *p = malloc(n ?: 1);
                RunnerSpec out;

                NEED(p);
                memset(p, 0, n);
                memcpy(p, buf_head(b), MIN(n, buf_length(b)));
                if (n == buf_length(b)) {
                        NEED(runner_spec_read(p, n, &out) == 0);
                        runner_spec_done(&out);
                        continue;
                }
                NEED(runner_spec_read(p, n, &out) == -EBADMSG);
                free(p);
        }
}

/* Every byte changed in several ways: no crash, no read outside (the sanitizers see to that), and what is
 * accepted can be freed. */
static void test_mutations(const Buf *b)
{
        static const unsigned char values[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
        size_t accepted = 0, refused = 0;

        for (size_t at = 0; at < buf_length(b); at++)
                for (size_t v = 0; v < ELEMENTSOF(values); v++) {
                        char *p = copy_bytes(b, buf_length(b));
                        RunnerSpec out;

                        p[at] = (char) values[v];
                        if (runner_spec_read(p, buf_length(b), &out) == 0) {
                                runner_spec_done(&out);
                                accepted++;
                        } else {
                                free(p);
                                refused++;
                        }
                }
        /* Numbers may have any value; lengths, counts, flags and the magic may not. */
        NEED(accepted > 100 && refused > 100);
}

static void test_reports(void)
{
        RunnerReport good = {.version = RUNNER_REPORT_VERSION, .type = RUNNER_STARTED, .pid = 1}, r;

        NEED(runner_report_check(&good, sizeof(good)) == 0);
        NEED(runner_report_check(&good, sizeof(good) - 1) == -EBADMSG);
        r = good;
        r.version++;
        NEED(runner_report_check(&r, sizeof(r)) == -EBADMSG);
        r = good;
        r.type = 0;
        NEED(runner_report_check(&r, sizeof(r)) == -EBADMSG);
        r.type = RUNNER_CHECKED + 1;
        NEED(runner_report_check(&r, sizeof(r)) == -EBADMSG);
        r = good;
        r.pid = 0;
        NEED(runner_report_check(&r, sizeof(r)) == -EBADMSG);
        r = good;
        r.type = RUNNER_FAILED;
        NEED(runner_report_check(&r, sizeof(r)) == -EBADMSG);
        r.kind = REFUSAL_NOT_FOUND;
        NEED(runner_report_check(&r, sizeof(r)) == 0);
        memset(r.text, 'a', sizeof(r.text));
        NEED(runner_report_check(&r, sizeof(r)) == -EBADMSG);
}

int main(void)
{
        _cleanup_buf_ Buf b = BUF_INIT;
        RunnerFilter filters[2];
        RunnerSpec s;

        fill(&s, filters);
        NEED(runner_spec_write(&s, &b) == 0);
        test_round_trip(&s, &b);
        test_lengths(&b);
        test_mutations(&b);
        test_reports();
        return 0;
}
