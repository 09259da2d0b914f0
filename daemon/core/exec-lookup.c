/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/exec-lookup.h"

#include <string.h>

#include "base/log.h"
#include "core/exec-restore.h"

struct ExecLookup {
        Manager *manager; /* weak */
        char id[EXEC_ID_SIZE];
        Fetch *fetch;
        uint64_t size;
        Buf record;
        exec_found_t found;
        void *userdata;
};

ExecLookup *exec_lookup_free(ExecLookup *l)
{
        if (!l)
                return NULL;
        fetch_free(l->fetch);
        buf_done(&l->record);
        return mfree(l);
}

/* Frees it. */
static void lookup_end(ExecLookup *l, Exec *e, const Refusal *refusal)
{
        exec_found_t found = l->found;
        void *userdata = l->userdata;

        exec_lookup_free(l);
        found(userdata, e, refusal);
}

static void lookup_fail(ExecLookup *l, int error)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;

        log_errno(LOG_WARNING, error, "Failed to look for exec %.12s in the journal", l->id);
        (void) refuse(&refusal, REFUSAL_BUSY, error, "failed to look for exec %s in the journal: %s", l->id,
                      strerror(-error));
        lookup_end(l, NULL, &refusal);
}

/* Meanwhile another lookup may have found it. */
static void lookup_finish(ExecLookup *l)
{
        Exec *e = manager_find_exec(l->manager, l->id);

        buf_append(&l->record, "", 1);
        if (!e && buf_error(&l->record) < 0) {
                lookup_fail(l, -ENOMEM);
                return;
        }
        lookup_end(l, e ?: exec_restore_ended(l->manager, l->id, buf_head(&l->record)), NULL);
}

static void on_data(void *userdata)
{
        ExecLookup *l = userdata;
        int r = fetch_collect(l->fetch, &l->record, l->size);

        if (r < 0)
                lookup_fail(l, r);
        else if (r > 0)
                lookup_finish(l);
}

static void on_answer(void *userdata, int error, uint64_t size)
{
        ExecLookup *l = userdata;

        if (error == -ENOENT) {
                journal_set_unknown(&l->manager->journal_reader, l->id);
                lookup_end(l, manager_find_exec(l->manager, l->id), NULL);
        } else if (error < 0 || size > JOURNAL_RECORD_MAX)
                lookup_fail(l, error < 0 ? error : -EFBIG);
        else {
                l->size = size;
                on_data(l);
        }
}

int exec_lookup(Manager *m, const char *id, uid_t uid, exec_found_t found, void *userdata, Exec **ret_exec,
                ExecLookup **ret, Refusal *reterr)
{
        static const FetchEvents events = {.on_answer = on_answer, .on_data = on_data};
        _cleanup_(exec_lookup_freep) ExecLookup *l = NULL;
        int r;

        *ret = NULL;
        *ret_exec = manager_find_exec(m, id);
        if (*ret_exec || !exec_id_is_valid(id) || journal_is_unknown(&m->journal_reader, id))
                return 0;
        l = calloc(1, sizeof(ExecLookup));
        if (!l)
                return -ENOMEM;
        *l = (ExecLookup){.manager = m, .found = found, .userdata = userdata};
        strcpy(l->id, id);
        r = journal_fetch_record(&m->journal_reader, m->helpers, id, uid, &events, l, &l->fetch, reterr);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(l);
        return 0;
}
