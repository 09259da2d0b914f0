/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Points in time as people type them and as systemd.time(7) has them: "2026-11-29 18:30:00", with a T for
 * the blank, without seconds, without the time (midnight) or without the date (today), and with " UTC" or
 * "Z" at the end; "now", "today", "yesterday"; "-1h", "+10min", "1h ago"; "@1700000000".
 */

#include <stdint.h>

/* Microseconds since 1970; `now` likewise. 0, or -EINVAL. */
int timestamp_parse(const char *text, uint64_t now, uint64_t *ret);
