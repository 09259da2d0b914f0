/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The resource limits of a container, read from its cgroup, for the scopes of its execs. A scope is next to
 * the container, not in it: each has the limits for itself. What a client asks for may be less than them,
 * never more.
 */

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

#include "base/cleanup.h"
#include "wire/scope-property.h"

#define LIMIT_NONE        UINT64_MAX
#define LIMITS_MASK_BYTES 128
#define LIMITS_IO_MAX     32

typedef enum LimitType {
        LIMIT_MEMORY_MAX,
        LIMIT_MEMORY_HIGH,
        LIMIT_MEMORY_SWAP_MAX,
        LIMIT_MEMORY_LOW,
        LIMIT_MEMORY_MIN,
        LIMIT_TASKS_MAX,
        LIMIT_CPU_QUOTA, /* usec per second */
        LIMIT_CPU_WEIGHT,
        LIMIT_IO_WEIGHT,
        _LIMIT_MAX,
} LimitType;

typedef struct LimitMask {
        bool set;
        uint8_t bytes[LIMITS_MASK_BYTES]; /* least significant first */
} LimitMask;

typedef struct LimitIo {
        char device[32];    /* /dev/block/MAJOR:MINOR */
        uint64_t values[4]; /* rbps, wbps, riops, wiops */
} LimitIo;

typedef struct Limits {
        uint64_t values[_LIMIT_MAX]; /* LIMIT_NONE where there is none */
        LimitMask cpus, memory_nodes;
        LimitIo io[LIMITS_IO_MAX];
        size_t n_io;
} Limits;

/* Reads those of a cgroup; a file that is not there is a controller that is not used. */
int limits_read(const char *cgroup, Limits *ret);

/* None of them says more than a cgroup that was just made. */
bool limits_are_none(const Limits *l);

/* The texts of single files; pure. */
int limits_parse_value(LimitType type, const char *text, uint64_t *ret);
int limits_parse_mask(const char *text, LimitMask *ret);
int limits_parse_io(const char *text, LimitIo *ret, size_t max, size_t *ret_n);

/* Lowers what was asked for to what the container has. */
void limits_apply(const Limits *l, ScopeProperty *p);

/* Appends, as (sv), what the container has and the client said nothing about. */
int limits_append(const Limits *l, const ScopeProperty *asked, size_t n_asked, sd_bus_message *m);
