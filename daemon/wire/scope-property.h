/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The properties of its scope that a client may set on an exec: a whitelist of resource settings. The text
 * forms are those of systemd.resource-control(5) and systemd.scope(5) ("1G", "50%", "infinity", "2s",
 * "0-3,5", "kill"). They travel as text pairs; the spawner parses them again before it hands them to
 * systemd.
 *
 * MemoryMin MemoryLow MemoryHigh MemoryMax MemorySwapMax (bytes, or a percentage where systemd has a
 * ...Scale form, or infinity), TasksMax (number, percentage or infinity), CPUQuota (percentage, more than
 * 100% allowed), CPUWeight IOWeight (1..10000; CPUWeight also idle), AllowedCPUs AllowedMemoryNodes
 * (ranges), RuntimeMaxSec (time span), OOMPolicy (continue, stop, kill).
 */

#include <stdint.h>

#include "base/refusal.h"

#define SCOPE_PROPERTIES_MAX 32

typedef enum ScopePropertyType {
        SCOPE_PROPERTY_U64,    /* D-Bus type t */
        SCOPE_PROPERTY_U32,    /* D-Bus type u */
        SCOPE_PROPERTY_STRING, /* D-Bus type s */
        SCOPE_PROPERTY_BYTES,  /* D-Bus type ay */
} ScopePropertyType;

typedef struct ScopeProperty {
        char *name;           /* as the client gave it, in systemd's spelling ("CPUQuota") */
        char *text;           /* as the client gave it ("50%") */
        const char *bus_name; /* static: what systemd's D-Bus interface calls it ("CPUQuotaPerSecUSec") */
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
