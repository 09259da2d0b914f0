/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The resources that the execs of a container use. A child reads them (reader.h): there may be thousands of execs, and
 * the kernel adds figures up for each. Requests that wait for the same one get the same answer.
 */

#include "spawner/connection.h"
#include "spawner/slice.h"

/* Answers GetUsage, at once where no exec has been there lately: `slice` is NULL then. Returns 0, or -errno when it
 * does not. */
int usage_request(Connection *c, sd_bus_message *m, const Slice *slice, Refusal *reterr);
