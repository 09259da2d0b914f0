/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The properties of its scope that a client may set on an exec: a whitelist of resource settings. The text
 * forms are described in systemd.resource-control(5) and systemd.scope(5) ("1G", "50%", "infinity", "2s",
 * "0-3,5", "kill"). They travel as text pairs; the spawner parses them again before it hands them to
 * systemd.
 *
 * MemoryMin MemoryLow MemoryHigh MemoryMax MemorySwapMax (bytes, or a percentage where systemd has a
 * ...Scale form, or infinity), TasksMax (number, percentage or infinity), CPUQuota (percentage, more than
 * 100% allowed), CPUWeight IOWeight (1..10000; CPUWeight also idle), AllowedCPUs AllowedMemoryNodes
 * (ranges), RuntimeMaxSec (time span), OOMPolicy (continue, stop, kill).
 *
 * To add a property, which systemd 252 must know: a row in `rules` of scope-property.c with a parser and the
 * controller that enforces it, its name in the message of scope_property_parse() and above. A D-Bus type other
 * than t, u, s and ay needs a ScopePropertyType and a case in the message of the scope
 * (spawner/scope-message.c). If the container can have such a limit itself, a row in `rules` of
 * spawner/limits.c, which lowers what an exec asks for to what its container has. Both manuals,
 * packaging/openapi.yaml, the three completions; tests/unit/wire/test-scope-property.c,
 * tests/unit/core/test-limit-warnings.c, test_openapi.py, SHOWN in test_extras.py, and a seed in
 * tests/fuzz/corpus/property.
 *
 * A scope has settings for resources only. What systemd sets when it forks (Nice=, OOMScoreAdjust=, LimitCORE=) is
 * a member of RunnerSpec, which has the values of the container's first process.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/refusal.h"

#define SCOPE_PROPERTIES_MAX    32
#define SCOPE_PROPERTY_TEXT_MAX 512 /* bytes, which each list of execs has of each of them */

typedef enum ScopePropertyType {
        SCOPE_PROPERTY_U64,    /* D-Bus type t */
        SCOPE_PROPERTY_U32,    /* D-Bus type u */
        SCOPE_PROPERTY_STRING, /* D-Bus type s */
        SCOPE_PROPERTY_BYTES,  /* D-Bus type ay */
} ScopePropertyType;

typedef struct ScopeProperty {
        char *name;           /* as the client gave it, in systemd's spelling ("CPUQuota") */
        char *text;           /* as the client gave it ("50%") */
        const char *bus_name; /* static: its name on systemd's D-Bus interface ("CPUQuotaPerSecUSec") */
        ScopePropertyType type;
        uint64_t number;    /* U64, U32 */
        char *string;       /* STRING, owned */
        uint8_t bytes[128]; /* BYTES: a bit mask, least significant byte first */
        size_t n_bytes;
} ScopeProperty;

/* Parses one pair. The refusal names the property as Properties.NAME and says what is allowed. */
int scope_property_parse(const char *name, const char *text, ScopeProperty *ret, Refusal *reterr);
void scope_property_done(ScopeProperty *p);
ScopeProperty *scope_properties_free(ScopeProperty *p, size_t n);
/* The bytes that they take, with their names and texts. */
size_t scope_properties_size(const ScopeProperty *p, size_t n);

/* The names of all properties; NULL after the last one. */
const char *scope_property_name(size_t i);

/* The cgroup controller that the kernel needs to enforce it; NULL if it needs none or if there is nothing to
 * enforce, as with "infinity". */
const char *scope_property_controller(const ScopeProperty *p);
/* The file of the controller that it needs and a kernel may lack; NULL if there is none. */
const char *scope_property_file(const ScopeProperty *p);
/* Whether a list of controllers (base/controllers.h) is enough for all properties. */
bool scope_property_has_all_controllers(const char *list);

typedef struct ScopePropertyList {
        ScopeProperty *items;
        size_t n;
} ScopePropertyList;

void scope_property_list_done(ScopePropertyList *l);
const ScopeProperty *scope_property_list_find(const ScopePropertyList *l, const char *name);
/* Adds one, or changes the one of that name. */
int scope_property_list_set(ScopePropertyList *l, const char *name, const char *text, Refusal *reterr);
/* Frees the previous contents of `to`. */
int scope_property_list_copy(const ScopePropertyList *from, ScopePropertyList *to);
bool scope_property_lists_equal(const ScopePropertyList *a, const ScopePropertyList *b);
