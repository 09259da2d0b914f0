/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Names and ids that callers give, and what a main process has as its environment. */

#include "base/strv.h"
#include "fuzz/fuzz.h"
#include "wire/service-name.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_free_ char *text = memdup_text((const char *) data, size);
        uint8_t invocation[SERVICE_INVOCATION];
        _cleanup_strv_ char **env = NULL;
        char id[SERVICE_ID_SIZE];

        PROMISE(text);
        if (service_name_is_valid(text))
                PROMISE(strlen(text) <= SERVICE_NAME_MAX && !strchr(text, '/'));
        if (service_id_parse(text, invocation) >= 0) {
                service_id_make(invocation, id);
                PROMISE(strcmp(id, text) == 0);
        }
        if (service_environment_parse((const char *) data, size, &env) < 0) {
                PROMISE(!env);
                return 0;
        }
        PROMISE(strv_length(env) <= SERVICE_ENV_ITEMS_MAX);
        STRV_FOREACH (v, env)
                PROMISE(strchr(*v, '=') > *v && strncmp(*v, "LISTEN_", strlen("LISTEN_")) != 0);
        return 0;
}
