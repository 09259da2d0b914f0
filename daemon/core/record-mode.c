/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/record-mode.h"

#include "base/strv.h"

static const char *const names[_RECORD_MODE_MAX] = {
        [RECORD_OFF] = "off",
        [RECORD_REQUESTED] = "requested",
        [RECORD_ALWAYS] = "always",
};

const char *record_mode_to_string(RecordMode m)
{
        return (unsigned) m < _RECORD_MODE_MAX ? names[m] : NULL;
}

int record_mode_from_string(const char *s)
{
        return NAMES_FIND(names, s);
}
