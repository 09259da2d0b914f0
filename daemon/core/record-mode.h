/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The execs that the configuration wants to be recorded. */

typedef enum RecordMode {
        RECORD_OFF,
        RECORD_REQUESTED, /* those that ask for it */
        RECORD_ALWAYS,    /* whatever runs */
        _RECORD_MODE_MAX,
} RecordMode;

const char *record_mode_to_string(RecordMode m); /* "off", "requested", "always" */
int record_mode_from_string(const char *s);      /* or -EINVAL */
