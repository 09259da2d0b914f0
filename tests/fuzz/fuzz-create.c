/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The body of create. An accepted request is valid for every other transport too, and comes out of the history
 * file unchanged. */

#include "base/strv.h"
#include "fuzz/fuzz.h"
#include "wire/exec-json.h"
#include "wire/exec-request.h"

static void same_list(char *const *a, char *const *b)
{
        PROMISE(strv_length(a) == strv_length(b));
        for (; a && *a; a++, b++)
                PROMISE(strcmp(*a, *b) == 0);
}

static void same_request(const ExecRequest *a, const ExecRequest *b)
{
        same_list(a->argv, b->argv);
        same_list(a->labels, b->labels);
        PROMISE(fuzz_same(a->user, b->user));
        PROMISE(fuzz_same(a->working_dir, b->working_dir));
        PROMISE(a->detach_keys.n_keys == b->detach_keys.n_keys);
        PROMISE(memcmp(a->detach_keys.keys, b->detach_keys.keys, a->detach_keys.n_keys) == 0);
        PROMISE(a->n_properties == b->n_properties);
        for (size_t i = 0; i < a->n_properties; i++) {
                PROMISE(strcmp(a->properties[i].name, b->properties[i].name) == 0);
                PROMISE(strcmp(a->properties[i].text, b->properties[i].text) == 0);
                PROMISE(a->properties[i].number == b->properties[i].number);
        }
        PROMISE(a->on_disconnect == b->on_disconnect);
        PROMISE(a->tty == b->tty && a->privileged == b->privileged);
        PROMISE(a->record == b->record);
        PROMISE(a->attach_stdin == b->attach_stdin);
        PROMISE(a->attach_stdout == b->attach_stdout);
        PROMISE(a->attach_stderr == b->attach_stderr);
}

static void check_record(ExecRequest *request)
{
        char id[65], container[] = "c", kind[] = "machine";
        ExecJson record = {.id = id,
                           .container_id = container,
                           .container_name = container,
                           .container_kind = kind,
                           .request = request};
        _cleanup_(exec_json_done) ExecJson back = {0};
        _cleanup_free_ char *line = NULL;

        memset(id, 'a', 64);
        id[64] = 0;
        PROMISE(exec_json_write(&record, &line) == 0);
        PROMISE(!strchr(line, '\n'));
        PROMISE(exec_json_read(line, &back) == 0);
        same_request(request, back.request);
}

static void check_view(const ExecRequest *request)
{
        ExecView view = {.id = "i", .status = "created", .request = request};
        struct json_object *o = exec_view_to_json(&view);

        PROMISE(o);
        json_object_put(o);
}

/* In steps, with the same end. */
static void check_steps(const uint8_t *data, size_t size, const ExecRequest *request,
                        const Refusal *expected)
{
        _cleanup_(exec_request_reader_freep) ExecRequestReader *reader = NULL;
        _cleanup_(exec_request_freep) ExecRequest *found = NULL;
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        size_t bytes = size > 0 ? 1 + data[size / 2] % 16 : 1;
        int r;

        PROMISE(exec_request_reader_new((const char *) data, size, 1051, &reader) == 0);
        do
                r = exec_request_reader_step(reader, bytes, &found, &refusal);
        while (r == 0);
        PROMISE((r > 0) == (request != NULL) && (found != NULL) == (request != NULL));
        PROMISE(fuzz_same(refusal.message, expected->message));
        if (request)
                same_request(request, found);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        _cleanup_(exec_request_freep) ExecRequest *r = NULL;
        int k = exec_request_from_json((const char *) data, size, 1051, &r, &refusal);

        check_steps(data, size, r, &refusal);
        if (k < 0) {
                PROMISE(!r);
                PROMISE(refusal.kind == REFUSAL_BAD_REQUEST || refusal.kind == REFUSAL_TOO_LARGE);
                PROMISE(refusal.message && *refusal.message);
                return 0;
        }
        PROMISE(r && refusal.kind == REFUSAL_NONE);
        PROMISE(exec_request_validate(r, NULL) == 0);
        check_record(r);
        check_view(r);
        return 0;
}
