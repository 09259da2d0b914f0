/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Files of runtimes and engines about their containers. The first byte says which file it is. */

#include "base/strv.h"
#include "fuzz/fuzz.h"
#include "wire/oci-state.h"

static void check_state(const OciState *s)
{
        PROMISE(s->pid > 1 && s->start_time > 0);
        PROMISE(!s->id || oci_name_is_valid(s->id));
        PROMISE(s->bundle && s->bundle[0] == '/' && !strstr(s->bundle, "/../"));
        PROMISE(!s->cgroup || (s->cgroup[0] == '/' && s->cgroup[1] && !strstr(s->cgroup, "/../")));
}

static void check_environment(char **environment)
{
        PROMISE(environment);
        STRV_FOREACH (e, environment)
                PROMISE(strchr(*e, '=') > *e);
}

static void try_state(char kind, const char *text, size_t size)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        _cleanup_oci_state_ OciState s = {0};
        int r = kind == 'r' ? oci_runc_state_parse(text, size, &s, &refusal)
                            : oci_crun_status_parse(text, size, &s, &refusal);

        PROMISE((r < 0) == (refusal.kind != REFUSAL_NONE));
        if (r < 0)
                PROMISE(!s.id && !s.cgroup && !s.bundle && s.pid == 0);
        else
                check_state(&s);
}

static void try_config(char kind, const char *text, size_t size)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        _cleanup_oci_config_ OciConfig c = {0};
        int r = kind == 'b' ? oci_bundle_config_parse(text, size, &c, &refusal)
                            : oci_docker_config_parse(text, size, &c, &refusal);

        PROMISE((r < 0) == (refusal.kind != REFUSAL_NONE));
        if (r < 0) {
                PROMISE(!c.id && !c.name && !c.image && !c.environment && !c.user && !c.working_dir);
                return;
        }
        check_environment(c.environment);
        PROMISE((!c.user || *c.user) && (!c.working_dir || *c.working_dir));
        PROMISE(kind == 'b' || (c.id && c.image && oci_name_is_valid(c.name)));
}

static void try_storage(const char *text, size_t size)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        _cleanup_oci_storage_ OciStorage s = {0};
        int r = oci_storage_parse(text, size, &s, &refusal);

        PROMISE((r < 0) == (refusal.kind != REFUSAL_NONE));
        PROMISE(r >= 0 || (s.n == 0 && !s.items));
        for (size_t i = 0; i < s.n; i++) {
                const OciConfig *found = oci_storage_find(&s, s.items[i].id);

                PROMISE(oci_name_is_valid(s.items[i].name) && s.items[i].image);
                PROMISE(found && strcmp(found->id, s.items[i].id) == 0);
        }
        PROMISE(!oci_storage_find(&s, ""));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        FuzzInput in = {data, size};
        char kind = (char) fuzz_byte(&in);
        _cleanup_free_ char *text = fuzz_copy(in.data, in.size);

        if (kind == 'r' || kind == 'c')
                try_state(kind, text, in.size);
        else if (kind == 'b' || kind == 'd')
                try_config(kind, text, in.size);
        else
                try_storage(text, in.size);
        return 0;
}
