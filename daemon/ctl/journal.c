/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "ctl/journal.h"

#include <string.h>

#define FIELD_SIZE_MAX (256 * 1024)

void journal_closep(sd_journal **j)
{
        if (*j)
                sd_journal_close(*j);
}

int journal_open(sd_journal **ret)
{
        _cleanup_journal_ sd_journal *j = NULL;
        int r;

        r = sd_journal_open(&j, SD_JOURNAL_LOCAL_ONLY | SD_JOURNAL_SYSTEM);
        if (r >= 0)
                r = sd_journal_set_data_threshold(j, FIELD_SIZE_MAX);
        if (r >= 0)
                *ret = TAKE_PTR(j);
        return r;
}

bool journal_is_readable(sd_journal *j)
{
        return sd_journal_has_persistent_files(j) > 0 || sd_journal_has_runtime_files(j) > 0;
}

bool journal_get_field(sd_journal *j, const char *field, const char **ret, size_t *ret_size)
{
        size_t prefix = strlen(field) + 1;
        const void *data;
        size_t size;

        if (sd_journal_get_data(j, field, &data, &size) < 0 || size < prefix)
                return false;
        *ret = (const char *) data + prefix;
        *ret_size = size - prefix;
        return true;
}
