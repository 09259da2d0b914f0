/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A line of the history file. A line that can be read can be written, and does not change from then on. */

#include "base/strv.h"
#include "fuzz/fuzz.h"
#include "wire/exec-json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_free_ char *line = fuzz_copy(data, size), *first = NULL, *second = NULL;
        _cleanup_(exec_json_done) ExecJson r = {0}, again = {0};
        ExecView view = {.status = "exited"};
        struct json_object *o;

        if (exec_json_read(line, &r) < 0) {
                PROMISE(!r.id && !r.request);
                return 0;
        }
        PROMISE(strlen(r.id) == 64 && r.container_id && r.container_name && r.container_kind);
        PROMISE(strv_length(r.request->argv) > 0 && !r.request->env);
        PROMISE(r.request->n_properties <= SCOPE_PROPERTIES_MAX);
        PROMISE(r.request->detach_keys.n_keys <= DETACH_KEYS_MAX);
        PROMISE(exec_json_write(&r, &first) == 0 && !strchr(first, '\n'));
        PROMISE(exec_json_read(first, &again) == 0);
        PROMISE(exec_json_write(&again, &second) == 0);
        PROMISE(strcmp(first, second) == 0);

        view.id = r.id;
        view.request = r.request;
        view.finished_usec = r.finished_usec;
        o = exec_view_to_json(&view);
        PROMISE(o && json_object_to_json_string(o));
        json_object_put(o);
        return 0;
}
