/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "wire/exec-json.h"

#include <stddef.h>
#include <string.h>

#include "base/strv.h"
#include "base/time.h"
#include "wire/exec-id.h"
#include "wire/json-build.h"

static void add_time(struct json_object *o, const char *key, uint64_t usec)
{
        char text[RFC3339_SIZE];

        json_add_text(o, key, usec > 0 ? format_rfc3339(text, usec, 1) : NULL);
}

static struct json_object *strings_to_json(char *const *v)
{
        struct json_object *a = json_object_new_array();

        for (; v && *v; v++)
                json_object_array_add(a, json_object_new_string(*v));
        return a;
}

/* Docker shows the detach keys as the base64 of their bytes. */
static void add_detach_keys(struct json_object *o, const DetachKeys *k)
{
        static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        char text[(DETACH_KEYS_MAX + 2) / 3 * 4 + 1], *p = text;

        for (size_t i = 0; i < k->n_keys; i += 3) {
                size_t left = k->n_keys - i;
                uint32_t v = (uint32_t) k->keys[i] << 16;

                if (left > 1)
                        v |= (uint32_t) k->keys[i + 1] << 8;
                if (left > 2)
                        v |= k->keys[i + 2];
                *p++ = digits[v >> 18 & 63];
                *p++ = digits[v >> 12 & 63];
                *p++ = left > 1 ? digits[v >> 6 & 63] : '=';
                *p++ = left > 2 ? digits[v & 63] : '=';
        }
        *p = 0;
        json_add_text(o, "DetachKeys", text);
}

static struct json_object *process_config(const ExecView *v)
{
        char *const *command = v->command ?: v->request->argv;
        const ExecRequest *q = v->request;
        struct json_object *o = json_object_new_object();

        json_add_bool(o, "tty", q->tty);
        json_add_text(o, "entrypoint", command[0]);
        json_object_object_add(o, "arguments", strings_to_json(command + 1));
        json_add_bool(o, "privileged", q->privileged);
        if (q->user && *q->user)
                json_add_text(o, "user", q->user);
        return o;
}

static struct json_object *labels_to_json(char *const *labels)
{
        struct json_object *o = json_object_new_object();

        for (char *const *l = labels; l && *l; l++) {
                _cleanup_free_ char *key = strndup(*l, strcspn(*l, "="));

                if (key)
                        json_add_text(o, key, (*l)[strlen(key)] ? *l + strlen(key) + 1 : "");
        }
        return o;
}

static struct json_object *properties_to_json(const ExecRequest *q)
{
        struct json_object *o = json_object_new_object();

        for (size_t i = 0; i < q->n_properties; i++)
                json_add_text(o, q->properties[i].name, q->properties[i].text);
        return o;
}

struct json_object *exec_view_to_json(const ExecView *v)
{
        struct json_object *o = json_object_new_object();

        if (!o)
                return NULL;
        json_add_text(o, "ID", v->id);
        json_add_bool(o, "Running", strcmp(v->status, "running") == 0);
        json_object_object_add(o, "ExitCode", v->has_exit_code ? json_object_new_int(v->exit_code) : NULL);
        json_object_object_add(o, "ProcessConfig", process_config(v));
        json_add_bool(o, "OpenStdin", v->request->attach_stdin);
        json_add_bool(o, "OpenStderr", v->request->attach_stderr);
        json_add_bool(o, "OpenStdout", v->request->attach_stdout);
        json_add_bool(o, "CanRemove", v->can_remove);
        json_add_text(o, "ContainerID", v->container_id);
        add_detach_keys(o, &v->request->detach_keys);
        json_add_int(o, "Pid", v->pid);

        json_add_text(o, "ContainerName", v->container_name);
        json_add_text(o, "ContainerKind", v->container_kind);
        json_add_text(o, "State", v->status);
        json_add_text(o, "Result", v->result);
        json_add_text(o, "Error", v->failure);
        json_add_text(o, "Unit", v->unit);
        json_add_text(o, "WorkingDir", v->request->working_dir ?: "");
        json_add_text(o, "OnDisconnect", on_disconnect_to_string(v->request->on_disconnect));
        json_object_object_add(o, "Labels", labels_to_json(v->labels));
        json_object_object_add(o, "Properties", properties_to_json(v->request));
        json_add_bool(o, "Record", v->request->record);
        json_add_text(o, "RecordingPath", v->recording_path);
        json_add_int(o, "CallerUID", v->caller_uid);
        add_time(o, "Created", v->created_usec);
        add_time(o, "Started", v->started_usec);
        add_time(o, "Finished", v->finished_usec);
        return o;
}

/* The members of a record that are written and read as they are. */

typedef enum FieldType {
        FIELD_TEXT,
        FIELD_TEXT_OR_NONE, /* left out when it is NULL */
        FIELD_BOOL,
        FIELD_INT,
        FIELD_UNSIGNED,
        FIELD_LOGIN_UID, /* of a record of an earlier version: UINT32_MAX */
        FIELD_64,        /* times use all 64 bits */
} FieldType;

typedef struct Field {
        const char *key;
        size_t offset;
        FieldType type;
        bool of_running; /* others do not have it */
} Field;

#define FIELD(member, type)                                      \
        {                                                        \
#member, offsetof(ExecJson, member), type, false \
        }
#define FIELD_AS(key, member, type)                          \
        {                                                    \
                key, offsetof(ExecJson, member), type, false \
        }
#define FIELD_OF_RUNNING(member, type)                          \
        {                                                       \
#member, offsetof(ExecJson, member), type, true \
        }

static const Field fields[] = {
        FIELD(id, FIELD_TEXT),
        FIELD(container_id, FIELD_TEXT),
        FIELD(container_name, FIELD_TEXT),
        FIELD(container_kind, FIELD_TEXT),
        FIELD(failure, FIELD_TEXT),
        FIELD(recording_path, FIELD_TEXT_OR_NONE),
        FIELD(failed, FIELD_BOOL),
        FIELD(detached, FIELD_BOOL),
        FIELD_OF_RUNNING(running, FIELD_BOOL),
        FIELD_OF_RUNNING(container_image, FIELD_TEXT),
        FIELD_OF_RUNNING(container_label, FIELD_TEXT),
        FIELD_OF_RUNNING(caller_bus_name, FIELD_TEXT),
        FIELD_OF_RUNNING(starter_uid, FIELD_UNSIGNED),
        FIELD_OF_RUNNING(starter_pid, FIELD_INT),
        FIELD_OF_RUNNING(starter_login_uid, FIELD_UNSIGNED),
        FIELD_OF_RUNNING(leader, FIELD_UNSIGNED),
        FIELD_OF_RUNNING(leader_start, FIELD_64),
        FIELD(exit_code, FIELD_INT),
        FIELD(wait_status, FIELD_INT),
        FIELD(timed_out, FIELD_BOOL),
        FIELD(pid, FIELD_INT),
        FIELD(caller_uid, FIELD_UNSIGNED),
        FIELD(caller_login_uid, FIELD_LOGIN_UID),
        FIELD(caller_pid, FIELD_INT),
        FIELD(caller_session, FIELD_TEXT_OR_NONE),
        FIELD(caller_program, FIELD_TEXT_OR_NONE),
        FIELD_AS("created", created_usec, FIELD_64),
        FIELD_AS("started", started_usec, FIELD_64),
        FIELD_AS("finished", finished_usec, FIELD_64),
        FIELD(asked_monotonic, FIELD_64),
        FIELD(started_monotonic, FIELD_64),
        FIELD(ended_monotonic, FIELD_64),
};

static void field_write(const Field *f, const ExecJson *r, struct json_object *o)
{
        const void *p = (const char *) r + f->offset;

        switch (f->type) {
        case FIELD_TEXT_OR_NONE:
                if (!*(char *const *) p)
                        break;
                __attribute__((fallthrough));
        case FIELD_TEXT:
                json_add_text(o, f->key, *(char *const *) p);
                break;
        case FIELD_BOOL:
                json_add_bool(o, f->key, *(const bool *) p);
                break;
        case FIELD_INT:
                json_add_int(o, f->key, *(const int *) p);
                break;
        case FIELD_UNSIGNED:
        case FIELD_LOGIN_UID:
                json_add_int(o, f->key, *(const unsigned *) p);
                break;
        case FIELD_64:
                json_object_object_add(o, f->key, json_object_new_uint64(*(const uint64_t *) p));
                break;
        }
}

void exec_json_done(ExecJson *r)
{
        for (size_t i = 0; i < ELEMENTSOF(fields); i++)
                if (fields[i].type == FIELD_TEXT || fields[i].type == FIELD_TEXT_OR_NONE)
                        free(*(char **) ((char *) r + fields[i].offset));
        exec_request_free(r->request);
        *r = (ExecJson){0};
}

/* One character of UTF-8: its code and length, or U+FFFD and one byte. */
static uint32_t utf8_take(const unsigned char *p, size_t *ret_length)
{
        static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
        size_t n = *p >= 0xf0 ? 4 : *p >= 0xe0 ? 3 : 2;
        uint32_t c = *p & (0xffU >> (n + 1));

        *ret_length = 1;
        if (*p < 0xc0 || *p > 0xf4)
                return 0xfffd;
        for (size_t i = 1; i < n; i++) {
                if ((p[i] & 0xc0) != 0x80)
                        return 0xfffd;
                c = c << 6 | (p[i] & 0x3fU);
        }
        if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
                return 0xfffd;
        *ret_length = n;
        return c;
}

/* json-c takes the pair for a surrogate once more when it reads it, so these stay as they are. None of them
 * changes how a line is shown. */
static bool is_garbled_by_json_c(uint32_t c)
{
        return c >= 0x10000 && (c & 0xf800) == 0xd800;
}

/* The same JSON in printable ASCII, except for characters that json-c would garble, so that no record has
 * characters that change how a line is shown. They occur only in strings. */
static char *json_to_ascii(const char *json)
{
        _cleanup_buf_ Buf b = BUF_INIT;

        for (const unsigned char *p = (const unsigned char *) json; *p;) {
                size_t length = 1;
                uint32_t c = *p < 0x80 ? *p : utf8_take(p, &length);

                if (c < 0x7f || is_garbled_by_json_c(c))
                        buf_append(&b, p, length);
                else if (c < 0x10000)
                        buf_printf(&b, "\\u%04x", c);
                else
                        buf_printf(&b, "\\u%04x\\u%04x", 0xd800 + ((c - 0x10000) >> 10),
                                   0xdc00 + ((c - 0x10000) & 0x3ff));
                p += length;
        }
        buf_append(&b, "", 1);
        return buf_error(&b) < 0 ? NULL : strdup(buf_head(&b));
}

int exec_json_write(const ExecJson *r, char **ret)
{
        struct json_object *o = json_object_new_object(), *keys;
        char *line;

        if (!o)
                return -ENOMEM;
        for (size_t i = 0; i < ELEMENTSOF(fields); i++)
                if (r->running || !fields[i].of_running)
                        field_write(&fields[i], r, o);
        json_add_text(o, "user", r->request->user);
        json_add_text(o, "working_dir", r->request->working_dir);
        json_object_object_add(o, "argv", strings_to_json(r->request->argv));
        json_object_object_add(o, "labels", strings_to_json(r->request->labels));
        json_object_object_add(o, "properties", properties_to_json(r->request));
        json_add_text(o, "on_disconnect", on_disconnect_to_string(r->request->on_disconnect));
        json_add_int(o, "flags",
                     r->request->tty | r->request->privileged << 1 | r->request->attach_stdin << 2 |
                             r->request->attach_stdout << 3 | r->request->attach_stderr << 4 |
                             r->request->record << 5);
        keys = json_object_new_array();
        for (size_t i = 0; i < r->request->detach_keys.n_keys; i++)
                json_object_array_add(keys, json_object_new_int(r->request->detach_keys.keys[i]));
        json_object_object_add(o, "detach_keys", keys);
        json_object_object_add(o, "detach_off", json_object_new_boolean(r->request->detach_keys.off));

        line = json_to_ascii(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
        json_object_put(o);
        if (!line)
                return -ENOMEM;
        *ret = line;
        return 0;
}

static char *get_string(struct json_object *o, const char *key)
{
        struct json_object *v = json_object_object_get(o, key);

        return v && json_object_is_type(v, json_type_string) ? strdup(json_object_get_string(v)) : NULL;
}

static int64_t get_int(struct json_object *o, const char *key)
{
        struct json_object *v = json_object_object_get(o, key);

        return v ? json_object_get_int64(v) : 0;
}

static char **get_strings(struct json_object *o, const char *key)
{
        struct json_object *a = json_object_object_get(o, key);
        size_t n = 0, room = 0;
        char **v = NULL;

        if (!a || !json_object_is_type(a, json_type_array))
                return NULL;
        for (size_t i = 0; i < json_object_array_length(a); i++)
                if (strv_append_counted(&v, &n, &room,
                                        json_object_get_string(json_object_array_get_idx(a, i)) ?: "") < 0)
                        return strv_free(v);
        return v;
}

static void read_detach_keys(struct json_object *o, DetachKeys *k)
{
        struct json_object *a = json_object_object_get(o, "detach_keys");

        k->off = json_object_get_boolean(json_object_object_get(o, "detach_off"));
        if (!a || !json_object_is_type(a, json_type_array))
                return;
        for (size_t i = 0; i < json_object_array_length(a) && i < DETACH_KEYS_MAX; i++)
                k->keys[k->n_keys++] = (uint8_t) json_object_get_int(json_object_array_get_idx(a, i));
}

static int read_properties(struct json_object *o, ExecRequest *q)
{
        struct json_object *properties = json_object_object_get(o, "properties");

        if (!properties || !json_object_is_type(properties, json_type_object))
                return 0;
        q->properties = calloc(SCOPE_PROPERTIES_MAX, sizeof(ScopeProperty));
        if (!q->properties)
                return -ENOMEM;
        json_object_object_foreach (properties, name, value) {
                if (q->n_properties >= SCOPE_PROPERTIES_MAX)
                        return -EBADMSG;
                if (scope_property_parse(name, json_object_get_string(value) ?: "",
                                         &q->properties[q->n_properties], NULL) < 0)
                        return -EBADMSG;
                q->n_properties++;
        }
        return 0;
}

static int read_request(struct json_object *o, ExecRequest **ret)
{
        _cleanup_(exec_request_freep) ExecRequest *q = calloc(1, sizeof(ExecRequest));
        _cleanup_free_ char *on_disconnect = get_string(o, "on_disconnect");
        int64_t flags = get_int(o, "flags");
        int r;

        if (!q)
                return -ENOMEM;
        q->argv = get_strings(o, "argv");
        q->labels = get_strings(o, "labels");
        q->user = get_string(o, "user");
        q->working_dir = get_string(o, "working_dir");
        q->tty = flags & 1;
        q->privileged = flags & 2;
        q->attach_stdin = flags & 4;
        q->attach_stdout = flags & 8;
        q->attach_stderr = flags & 16;
        q->record = flags & 32;
        r = on_disconnect_from_string(on_disconnect ?: "keep");
        if (r < 0 || !q->argv)
                return -EBADMSG;
        q->on_disconnect = (OnDisconnect) r;
        read_detach_keys(o, &q->detach_keys);
        r = read_properties(o, q);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(q);
        return 0;
}

static void field_read(const Field *f, struct json_object *o, ExecJson *ret)
{
        struct json_object *v = json_object_object_get(o, f->key);
        void *p = (char *) ret + f->offset;

        switch (f->type) {
        case FIELD_TEXT:
        case FIELD_TEXT_OR_NONE:
                *(char **) p = get_string(o, f->key);
                break;
        case FIELD_BOOL:
                *(bool *) p = get_int(o, f->key);
                break;
        case FIELD_INT:
                *(int *) p = (int) get_int(o, f->key);
                break;
        case FIELD_UNSIGNED:
                *(unsigned *) p = (unsigned) get_int(o, f->key);
                break;
        case FIELD_LOGIN_UID:
                *(unsigned *) p = json_object_object_get_ex(o, f->key, NULL) ? (unsigned) get_int(o, f->key)
                                                                             : UINT32_MAX;
                break;
        case FIELD_64:
                /* A negative number is none. */
                *(uint64_t *) p = v ? json_object_get_uint64(v) : 0;
                break;
        }
}

int exec_json_read(const char *line, ExecJson *ret)
{
        struct json_object *o = json_tokener_parse(line);
        ExecJson r = {0};
        int k;

        if (!o)
                return -EBADMSG;
        for (size_t i = 0; i < ELEMENTSOF(fields); i++)
                field_read(&fields[i], o, &r);
        k = read_request(o, &r.request);
        json_object_put(o);
        if (k < 0 || !r.id || !exec_id_is_valid(r.id) || !r.container_id || !r.container_name ||
            !r.container_kind) {
                exec_json_done(&r);
                return k < 0 ? k : -EBADMSG;
        }
        *ret = r;
        return 0;
}
