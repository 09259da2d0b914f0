/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A property of a scope as "Name=value". An accepted value has one of systemd's types and is within its range.
 */

#include <stdbool.h>

#include "base/characters.h"
#include "fuzz/fuzz.h"
#include "wire/scope-property.h"

#define SHOWN_MAX 1024 /* bytes of a name that are compared */

static void check_property(const ScopeProperty *p, const char *name, const char *text)
{
        PROMISE(strcmp(p->name, name) == 0 && strcmp(p->text, text) == 0 && p->bus_name);
        switch (p->type) {
        case SCOPE_PROPERTY_U64:
                PROMISE(!p->string && p->n_bytes == 0);
                /* Where 0 is not a limit that anybody wants, it is none that is accepted. */
                if (strcmp(name, "MemoryMax") == 0 || strcmp(name, "TasksMax") == 0 ||
                    strcmp(name, "CPUQuota") == 0 || strcmp(name, "IOWeight") == 0 ||
                    strcmp(name, "RuntimeMaxSec") == 0)
                        PROMISE(p->number > 0);
                /* No limit is what was called so, never what came of an overflow. */
                if (p->number == UINT64_MAX)
                        PROMISE(strcmp(text, "infinity") == 0);
                break;
        case SCOPE_PROPERTY_U32:
                PROMISE(p->number <= UINT32_MAX && text[strlen(text) - 1] == '%');
                break;
        case SCOPE_PROPERTY_STRING:
                PROMISE(strcmp(p->string, text) == 0);
                break;
        case SCOPE_PROPERTY_BYTES:
                PROMISE(p->n_bytes > 0 && p->n_bytes <= sizeof(p->bytes) && p->bytes[p->n_bytes - 1] != 0);
                break;
        default:
                PROMISE(false);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_free_ char *name = fuzz_copy(data, size);
        _cleanup_(scope_property_done) ScopeProperty p = {0};
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        char *equals = strchr(name, '=');

        if (!equals)
                return 0;
        *equals = 0;
        if (scope_property_parse(name, equals + 1, &p, &refusal) < 0) {
                /* Invalid bytes are replaced in a message, and a long one is cut. */
                _cleanup_free_ char *shown = utf8_repaired(name);

                PROMISE(refusal.kind == REFUSAL_BAD_REQUEST || refusal.kind == REFUSAL_TOO_LARGE);
                PROMISE(strncmp(refusal.message, "Properties.", 11) == 0);
                PROMISE(strncmp(refusal.message + 11, shown, MIN(strlen(shown), (size_t) SHOWN_MAX)) == 0);
                PROMISE(!p.name);
        } else
                check_property(&p, name, equals + 1);
        return 0;
}
