/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The facts of a process as bytes, for memory that a scout shares with us. */

#include "spawner/leader-facts.h"

typedef struct FactsImage {
        Namespaces namespaces;
        ProcStatus status;
        bool setgroups_denied;
        uint32_t maker;
        uint32_t n_groups;
        uint32_t sizes[4]; /* of the texts, with their ends; 0: NULL */
        char data[];       /* groups and texts */
} FactsImage;

/* `max` is the size of all of the image. -E2BIG when that is too small. */
int facts_image_write(const LeaderFacts *f, FactsImage *ret, size_t max);
int facts_image_read(const FactsImage *image, size_t max, LeaderFacts *ret);
