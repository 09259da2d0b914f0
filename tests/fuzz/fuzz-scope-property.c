/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* "Name=value". What is accepted means the same when its text is parsed again, as the spawner does. */

#include "fuzz/fuzz.h"
#include "wire/scope-property.h"

static void check_property(const ScopeProperty *p, const char *name, const char *text)
{
        ScopeProperty again = {0};

        FUZZ_CHECK(strcmp(p->name, name) == 0 && strcmp(p->text, text) == 0 && p->bus_name);
        switch (p->type) {
        case SCOPE_PROPERTY_U32:
                FUZZ_CHECK(p->number <= UINT32_MAX);
                break;
        case SCOPE_PROPERTY_STRING:
                FUZZ_CHECK(p->string);
                break;
        case SCOPE_PROPERTY_BYTES:
                FUZZ_CHECK(p->n_bytes > 0 && p->n_bytes <= sizeof(p->bytes) && p->bytes[p->n_bytes - 1]);
                break;
        case SCOPE_PROPERTY_U64:
                /* Only those who say so are without a limit. */
                FUZZ_CHECK((p->number == UINT64_MAX) == (strcmp(text, "infinity") == 0));
                break;
        }

        FUZZ_CHECK(scope_property_parse(p->name, p->text, &again, NULL) == 0);
        FUZZ_CHECK(again.type == p->type && again.number == p->number && again.n_bytes == p->n_bytes);
        FUZZ_CHECK(again.bus_name == p->bus_name && memcmp(again.bytes, p->bytes, sizeof(p->bytes)) == 0);
        scope_property_done(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_free_ char *name = fuzz_cut(&data, &size, '='), *text = fuzz_string(data, size);
        _cleanup_refusal_ Refusal e = REFUSAL_INIT;
        ScopeProperty p = {0};
        int r;

        FUZZ_CHECK(name && text);
        r = scope_property_parse(name, text, &p, &e);
        fuzz_check_refusal(r, &e);
        if (r < 0) {
                FUZZ_CHECK(!p.name && strstr(e.message, "Properties."));
                return 0;
        }
        check_property(&p, name, text);
        scope_property_done(&p);
        return 0;
}
