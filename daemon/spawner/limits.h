/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The resource limits of a container, read from its cgroup, for the slice of its execs: all of them together
 * have them once more. A client may ask for less for the scope of one exec, never for more.
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

/* Reads the limits of a cgroup, of the controllers that are used in it. */
int limits_read(const char *cgroup, Limits *ret);

/* Lowers these limits of a cgroup to those that hold for a cgroup in it with the limits `below`. Weights remain those
 * of the upper cgroup. -E2BIG: too many devices. */
int limits_lower(Limits *l, const Limits *below);

/* The texts of single files; pure. */
int limits_parse_value(LimitType type, const char *text, uint64_t *ret);
int limits_parse_mask(const char *text, LimitMask *ret);
int limits_parse_io(const char *text, LimitIo *ret, size_t max, size_t *ret_n);

/* Lowers requested limits to the limits of the container. */
void limits_apply(const Limits *l, ScopeProperty *p);

bool limits_equal(const Limits *a, const Limits *b);

/* Whether the limits in a slice's cgroup are no higher than the limits that it should have. */
bool limits_are_within(const Limits *l, const Limits *bounds);

/* Appends them as properties, (sv), of a unit that is being made; with `all` also those that the container
 * does not have, for a unit that may have them. */
int limits_append(const Limits *l, bool all, sd_bus_message *m);

/* The number of tasks of a scope in such a slice, unless the client asks for one: systemd's default for
 * scopes is not meant for containers. */
int limits_append_tasks(const Limits *l, const ScopeProperty *asked, size_t n_asked, sd_bus_message *m);
