/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "wire/oci-state.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/strv.h"
#include "base/time.h"
#include "wire/json-scan.h"

#define DEPTH_MAX       64
#define ENVIRONMENT_MAX 4096
#define CGROUP_ROOT     "/sys/fs/cgroup"
#define PODMAN_MARK     "io.container.manager"
#define PODMAN_VALUE    "libpod"

static int bad(Refusal *reterr, const char *what)
{
        return refuse(reterr, REFUSAL_INTERNAL, EBADMSG, "%s is missing or not valid", what);
}

bool oci_name_is_valid(const char *name)
{
        static const char first[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
        static const char others[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.+-";
        size_t n = strlen(name);

        return n > 0 && n <= OCI_NAME_MAX && strchr(first, name[0]) && strspn(name, others) == n;
}

static int scan(const char *json, size_t size, size_t max, JsonKind kind, JsonSpan *ret, Refusal *reterr)
{
        _cleanup_refusal_ Refusal why = REFUSAL_INIT;
        int r;

        if (size > max)
                return refuse(reterr, REFUSAL_INTERNAL, EFBIG, "has more than %zu bytes", max);
        r = json_scan(json, size, DEPTH_MAX, ret, &why);
        if (r < 0)
                return refuse(reterr, REFUSAL_INTERNAL, EBADMSG, "%s", why.message ?: "invalid JSON");
        return ret->kind == kind ? 0 : bad(reterr, "the value");
}

static bool key_is(const JsonSpan *key, const char *name)
{
        size_t n = strlen(name);

        /* What those who write such files write needs no escapes. */
        return key->size == n + 2 && memcmp(key->text + 1, name, n) == 0;
}

/* The last one of the name counts, as with Go's decoder. -ENOENT when there is none, or null, or another
 * kind. */
static int member(const JsonSpan *object, const char *name, JsonKind kind, JsonSpan *ret)
{
        JsonSpan key, value, found = {.kind = JSON_KIND_NULL};
        size_t position = 0;

        if (object->kind != JSON_KIND_OBJECT)
                return -ENOENT;
        while (json_span_next(object, &position, &key, &value))
                if (key_is(&key, name))
                        found = value;
        if (found.kind != kind)
                return -ENOENT;
        *ret = found;
        return 0;
}

static int take_text(const JsonSpan *value, char **ret)
{
        _cleanup_free_ char *s = NULL;
        size_t size;
        int r;

        r = json_span_string(value, &s, &size);
        if (r < 0)
                return r;
        if (memchr(s, 0, size))
                return -EBADMSG;
        *ret = TAKE_PTR(s);
        return 0;
}

/* -ENOENT when there is none. */
static int member_text(const JsonSpan *object, const char *name, char **ret)
{
        JsonSpan value;
        int r = member(object, name, JSON_KIND_STRING, &value);

        return r < 0 ? r : take_text(&value, ret);
}

static int span_number(const JsonSpan *value, uint64_t max, uint64_t *ret)
{
        uint64_t n = 0;

        if (value->kind != JSON_KIND_NUMBER)
                return -EBADMSG;
        for (size_t i = 0; i < value->size; i++) {
                unsigned digit = (unsigned) (unsigned char) value->text[i] - '0';

                if (digit > 9 || __builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, digit, &n))
                        return -EBADMSG;
        }
        if (n > max)
                return -EBADMSG;
        *ret = n;
        return 0;
}

static int member_number(const JsonSpan *object, const char *name, uint64_t max, uint64_t *ret)
{
        JsonSpan value;
        int r = member(object, name, JSON_KIND_NUMBER, &value);

        return r < 0 ? r : span_number(&value, max, ret);
}

/* An id of the kernel's; as it is when the object says nothing. */
static int member_number_or(const JsonSpan *object, const char *name, uint64_t *ret)
{
        int r = member_number(object, name, UINT32_MAX - 1, ret);

        return r == -ENOENT ? 0 : r;
}

/* "2026-11-24T16:36:30.343607322Z", or with an offset. */
static int parse_time(const char *text, uint64_t *ret_usec)
{
        struct tm tm = {0};
        uint64_t fraction = 0, scale = USEC_PER_SEC / 10;
        int n = 0, hours, minutes;
        time_t t;
        char sign;

        if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour,
                   &tm.tm_min, &tm.tm_sec, &n) != 6 ||
            n != 19 || strspn(text, "0123456789-T:") < 19)
                return -EBADMSG;
        text += n;
        if (*text == '.')
                for (text++; *text >= '0' && *text <= '9'; text++, scale /= 10)
                        fraction += (uint64_t) (*text - '0') * scale;
        if (tm.tm_year < 1970 || tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_mday < 1 || tm.tm_mday > 31 ||
            tm.tm_hour < 0 || tm.tm_hour > 23 || tm.tm_min < 0 || tm.tm_min > 59 || tm.tm_sec < 0 ||
            tm.tm_sec > 60)
                return -EBADMSG;
        tm.tm_year -= 1900;
        tm.tm_mon -= 1;
        t = timegm(&tm);
        if (strcmp(text, "Z") != 0) {
                if (strlen(text) != 6 || sscanf(text, "%c%2d:%2d", &sign, &hours, &minutes) != 3 ||
                    (sign != '+' && sign != '-') || hours < 0 || hours > 23 || minutes < 0 || minutes > 59)
                        return -EBADMSG;
                t -= (sign == '-' ? -1 : 1) * (time_t) (hours * 60 + minutes) * 60;
        }
        if (t < 0)
                return -EBADMSG;
        *ret_usec = (uint64_t) t * USEC_PER_SEC + fraction;
        return 0;
}

static int member_time(const JsonSpan *object, const char *name, uint64_t *ret_usec)
{
        _cleanup_free_ char *text = NULL;
        int r = member_text(object, name, &text);

        return r < 0 ? r : parse_time(text, ret_usec);
}

/* Without anything that goes elsewhere, as the kernel writes paths. */
static bool path_is_plain(const char *path)
{
        return path[0] == '/' && !strstr(path, "/../") && !strstr(path, "/./") && !strstr(path, "//") &&
               (strlen(path) < 3 || strcmp(path + strlen(path) - 3, "/..") != 0) && strlen(path) < PATH_MAX;
}

/* No container has the root of the hierarchy. */
static bool cgroup_is_plain(const char *path)
{
        return path_is_plain(path) && path[1];
}

void oci_state_done(OciState *s)
{
        free(s->id);
        free(s->cgroup);
        free(s->bundle);
        free(s->docker);
        *s = (OciState){0};
}

static int read_process(const JsonSpan *object, const char *pid, const char *start, OciState *s,
                        Refusal *reterr)
{
        uint64_t number;

        if (member_number(object, pid, INT_MAX, &number) < 0 || number <= 1)
                return bad(reterr, pid);
        s->pid = (pid_t) number;
        if (member_number(object, start, UINT64_MAX, &s->start_time) < 0 || s->start_time == 0)
                return bad(reterr, start);
        if (member_time(object, "created", &s->created_usec) < 0)
                return bad(reterr, "created");
        return 0;
}

/* runc has the path of each hierarchy that it used, the unified one without a name. */
static int read_runc_cgroup(const JsonSpan *object, OciState *s, Refusal *reterr)
{
        _cleanup_free_ char *path = NULL;
        const char *p;
        JsonSpan paths;
        int r;

        if (member(object, "cgroup_paths", JSON_KIND_OBJECT, &paths) < 0)
                return bad(reterr, "cgroup_paths");
        r = member_text(&paths, "", &path);
        if (r == -ENOMEM)
                return r;
        if (r < 0 || !path_is_plain(path) || strncmp(path, CGROUP_ROOT "/", strlen(CGROUP_ROOT "/")) != 0)
                return bad(reterr, "the path of the unified hierarchy in cgroup_paths");
        p = path + strlen(CGROUP_ROOT);
        if (strncmp(p, "/unified/", strlen("/unified/")) == 0)
                p += strlen("/unified");
        if (!cgroup_is_plain(p))
                return bad(reterr, "the path of the unified hierarchy in cgroup_paths");
        s->cgroup = strdup(p);
        return s->cgroup ? 0 : -ENOMEM;
}

/* Annotations, and the path of the bundle, as NAME=VALUE. */
static int read_runc_labels(const JsonSpan *object, OciState *s, Refusal *reterr)
{
        JsonSpan config, labels, value;
        size_t position = 0;
        int r;

        if (member(object, "config", JSON_KIND_OBJECT, &config) < 0)
                return bad(reterr, "config");
        if (member(&config, "labels", JSON_KIND_ARRAY, &labels) < 0)
                return bad(reterr, "config.labels");
        while (json_span_next(&labels, &position, NULL, &value)) {
                _cleanup_free_ char *text = NULL;

                r = take_text(&value, &text);
                if (r == -ENOMEM)
                        return r;
                if (r < 0)
                        return bad(reterr, "config.labels");
                if (strcmp(text, PODMAN_MARK "=" PODMAN_VALUE) == 0)
                        s->is_podmans = true;
                /* runc's own is the last. */
                if (strncmp(text, "bundle=", strlen("bundle=")) == 0) {
                        free(s->bundle);
                        s->bundle = strdup(text + strlen("bundle="));
                        if (!s->bundle)
                                return -ENOMEM;
                }
        }
        return s->bundle && path_is_plain(s->bundle) ? 0 : bad(reterr, "the bundle in config.labels");
}

/* The length of DIRECTORY in a source DIRECTORY/ID/hosts for /etc/hosts; 0 for what Docker does not mount.
 * `ret_own` learns whether it is this container's id: one that has another's network has that one's files.
 */
static size_t docker_directory(const char *source, const char *destination, const char *id, bool *ret_own)
{
        static const char etc[] = "/etc", hex[] = "0123456789abcdef";
        size_t n = strlen(source), tail;
        const char *file, *of;

        if (strcmp(destination, "/etc/hostname") != 0 && strcmp(destination, "/etc/hosts") != 0 &&
            strcmp(destination, "/etc/resolv.conf") != 0)
                return 0;
        file = destination + strlen(etc);
        tail = 1 + OCI_ID_LENGTH + strlen(file);
        if (!path_is_plain(source) || n <= tail || source[n - tail] != '/')
                return 0;
        of = source + n - tail + 1;
        if (strspn(of, hex) != OCI_ID_LENGTH || strcmp(of + OCI_ID_LENGTH, file) != 0)
                return 0;
        *ret_own = strncmp(of, id, OCI_ID_LENGTH) == 0;
        return n - tail;
}

/* Docker's data may lie anywhere, and what it mounts says where: this container's own files before
 * another's. */
static int read_runc_mounts(const JsonSpan *object, OciState *s)
{
        JsonSpan config, mounts, mount;
        bool own = false;
        size_t position = 0;

        if (member(object, "config", JSON_KIND_OBJECT, &config) < 0 ||
            member(&config, "mounts", JSON_KIND_ARRAY, &mounts) < 0)
                return 0;
        while (!own && json_span_next(&mounts, &position, NULL, &mount)) {
                _cleanup_free_ char *source = NULL, *destination = NULL;
                size_t n;
                int r;

                r = member_text(&mount, "source", &source);
                if (r >= 0)
                        r = member_text(&mount, "destination", &destination);
                if (r == -ENOMEM)
                        return r;
                n = r < 0 ? 0 : docker_directory(source, destination, s->id, &own);
                if (n == 0 || (s->docker && !own))
                        continue;
                free(s->docker);
                s->docker = memdup_text(source, n);
                if (!s->docker)
                        return -ENOMEM;
        }
        return 0;
}

int oci_runc_state_parse(const char *json, size_t size, OciState *ret, Refusal *reterr)
{
        _cleanup_oci_state_ OciState s = {0};
        JsonSpan object;
        int r;

        r = scan(json, size, OCI_STATE_MAX, JSON_KIND_OBJECT, &object, reterr);
        if (r < 0)
                return r;
        r = member_text(&object, "id", &s.id);
        if (r == -ENOMEM)
                return r;
        if (r < 0 || !oci_name_is_valid(s.id))
                return bad(reterr, "id");
        r = read_process(&object, "init_process_pid", "init_process_start", &s, reterr);
        if (r >= 0)
                r = read_runc_cgroup(&object, &s, reterr);
        if (r >= 0)
                r = read_runc_labels(&object, &s, reterr);
        if (r >= 0)
                r = read_runc_mounts(&object, &s);
        if (r < 0)
                return r;
        *ret = s;
        s = (OciState){0};
        return 0;
}

int oci_crun_status_parse(const char *json, size_t size, OciState *ret, Refusal *reterr)
{
        _cleanup_oci_state_ OciState s = {0};
        JsonSpan object;
        int r;

        r = scan(json, size, OCI_STATE_MAX, JSON_KIND_OBJECT, &object, reterr);
        if (r >= 0)
                r = read_process(&object, "pid", "process-start-time", &s, reterr);
        if (r < 0)
                return r;
        r = member_text(&object, "bundle", &s.bundle);
        if (r == -ENOMEM)
                return r;
        if (r < 0 || !path_is_plain(s.bundle))
                return bad(reterr, "bundle");
        r = member_text(&object, "cgroup-path", &s.cgroup);
        if (r == -ENOMEM)
                return r;
        /* Empty when crun was told to leave control groups alone. */
        if (r < 0 || (*s.cgroup && !cgroup_is_plain(s.cgroup)))
                return bad(reterr, "cgroup-path");
        if (!*s.cgroup)
                s.cgroup = mfree(s.cgroup);
        *ret = s;
        s = (OciState){0};
        return 0;
}

void oci_config_done(OciConfig *c)
{
        free(c->id);
        free(c->name);
        free(c->image);
        free(c->user);
        free(c->working_dir);
        strv_free(c->environment);
        *c = (OciConfig){0};
}

/* None at all is an empty one. */
static int read_environment(const JsonSpan *object, const char *name, char ***ret, Refusal *reterr)
{
        _cleanup_strv_ char **environment = NULL;
        JsonSpan list, value;
        size_t position = 0;
        int r;

        environment = calloc(1, sizeof(char *));
        if (!environment)
                return -ENOMEM;
        if (member(object, name, JSON_KIND_ARRAY, &list) >= 0)
                while (json_span_next(&list, &position, NULL, &value)) {
                        _cleanup_free_ char *text = NULL;

                        r = take_text(&value, &text);
                        if (r == -ENOMEM)
                                return r;
                        if (r < 0 || !strchr(text, '=') || text[0] == '=' ||
                            strv_length(environment) >= ENVIRONMENT_MAX)
                                return bad(reterr, "the environment");
                        r = strv_consume(&environment, TAKE_PTR(text));
                        if (r < 0)
                                return r;
                }
        *ret = TAKE_PTR(environment);
        return 0;
}

/* "" is none; anything else is taken as it is, and refused in an exec where it cannot be a user or a
 * directory. */
static int read_default(const JsonSpan *object, const char *name, char **ret, Refusal *reterr)
{
        int r = member_text(object, name, ret);

        if (r >= 0 && !**ret)
                *ret = mfree(*ret);
        if (r == -ENOMEM)
                return r;
        return r < 0 && r != -ENOENT ? bad(reterr, name) : 0;
}

/* Numbers; further groups are those that the container's own files give the user. A group that a user is
 * named with would replace them. */
static int read_process_user(const JsonSpan *process, char **ret, Refusal *reterr)
{
        uint64_t uid = 0, gid = 0, group;
        JsonSpan user, groups, value;
        bool has_groups = false;
        size_t position = 0;
        char text[64];

        if (member(process, "user", JSON_KIND_OBJECT, &user) < 0)
                return 0;
        if (member_number_or(&user, "uid", &uid) < 0 || member_number_or(&user, "gid", &gid) < 0)
                return bad(reterr, "process.user");
        if (member(&user, "additionalGids", JSON_KIND_ARRAY, &groups) >= 0)
                while (json_span_next(&groups, &position, NULL, &value)) {
                        if (span_number(&value, UINT32_MAX - 1, &group) < 0)
                                return bad(reterr, "process.user");
                        has_groups = has_groups || group != gid;
                }
        if (uid == 0 && gid == 0)
                return 0;
        if (has_groups)
                snprintf(text, sizeof(text), "%" PRIu64, uid);
        else
                snprintf(text, sizeof(text), "%" PRIu64 ":%" PRIu64, uid, gid);
        *ret = strdup(text);
        return *ret ? 0 : -ENOMEM;
}

int oci_bundle_config_parse(const char *json, size_t size, OciConfig *ret, Refusal *reterr)
{
        _cleanup_oci_config_ OciConfig c = {0};
        JsonSpan object, process, annotations, mark;
        int r;

        r = scan(json, size, OCI_STATE_MAX, JSON_KIND_OBJECT, &object, reterr);
        if (r < 0)
                return r;
        if (member(&object, "process", JSON_KIND_OBJECT, &process) < 0)
                return bad(reterr, "process");
        r = read_environment(&process, "env", &c.environment, reterr);
        if (r >= 0)
                r = read_process_user(&process, &c.user, reterr);
        if (r >= 0)
                r = read_default(&process, "cwd", &c.working_dir, reterr);
        if (r < 0)
                return r;
        c.is_podmans = member(&object, "annotations", JSON_KIND_OBJECT, &annotations) >= 0 &&
                       member(&annotations, PODMAN_MARK, JSON_KIND_STRING, &mark) >= 0 &&
                       key_is(&mark, PODMAN_VALUE);
        *ret = c;
        c = (OciConfig){0};
        return 0;
}

int oci_docker_config_parse(const char *json, size_t size, OciConfig *ret, Refusal *reterr)
{
        _cleanup_oci_config_ OciConfig c = {0};
        _cleanup_free_ char *name = NULL;
        JsonSpan object, config;
        int r;

        r = scan(json, size, OCI_STATE_MAX, JSON_KIND_OBJECT, &object, reterr);
        if (r < 0)
                return r;
        r = member_text(&object, "ID", &c.id);
        if (r < 0)
                return r == -ENOMEM ? r : bad(reterr, "ID");
        r = member_text(&object, "Name", &name);
        if (r == -ENOMEM)
                return r;
        /* With the slash that names of links once had before it. */
        if (r < 0 || name[0] != '/' || !oci_name_is_valid(name + 1))
                return bad(reterr, "Name");
        c.name = strdup(name + 1);
        if (!c.name)
                return -ENOMEM;
        if (member(&object, "Config", JSON_KIND_OBJECT, &config) < 0)
                return bad(reterr, "Config");
        r = member_text(&config, "Image", &c.image);
        if (r < 0)
                return r == -ENOMEM ? r : bad(reterr, "Config.Image");
        if (member_time(&object, "Created", &c.created_usec) < 0)
                return bad(reterr, "Created");
        r = read_environment(&config, "Env", &c.environment, reterr);
        if (r >= 0)
                r = read_default(&config, "User", &c.user, reterr);
        if (r >= 0)
                r = read_default(&config, "WorkingDir", &c.working_dir, reterr);
        if (r < 0)
                return r;
        *ret = c;
        c = (OciConfig){0};
        return 0;
}

/* The name of the image stands in a text that itself is JSON, and Podman's own business; without it there is
 * the image's id. */
static int read_storage_image(const JsonSpan *object, char **ret)
{
        _cleanup_free_ char *metadata = NULL;
        JsonSpan inner;
        int r;

        r = member_text(object, "metadata", &metadata);
        if (r >= 0 && json_scan(metadata, strlen(metadata), DEPTH_MAX, &inner, NULL) >= 0)
                r = member_text(&inner, "image-name", ret);
        if (r >= 0 && *ret && **ret)
                return 0;
        *ret = mfree(*ret);
        return r == -ENOMEM ? r : member_text(object, "image", ret);
}

/* -EBADMSG for what is passed over. */
static int read_storage(const JsonSpan *object, OciConfig *ret)
{
        _cleanup_oci_config_ OciConfig c = {0};
        JsonSpan names, first;
        size_t position = 0;
        int r;

        if (member(object, "names", JSON_KIND_ARRAY, &names) < 0 ||
            !json_span_next(&names, &position, NULL, &first))
                return -EBADMSG;
        r = take_text(&first, &c.name);
        if (r >= 0)
                r = member_text(object, "id", &c.id);
        if (r >= 0)
                r = read_storage_image(object, &c.image);
        if (r >= 0)
                r = member_time(object, "created", &c.created_usec);
        if (r < 0)
                return r == -ENOMEM ? r : -EBADMSG;
        if (!oci_name_is_valid(c.name) || !oci_name_is_valid(c.id))
                return -EBADMSG;
        *ret = c;
        c = (OciConfig){0};
        return 0;
}

void oci_storage_done(OciStorage *s)
{
        for (size_t i = 0; i < s->n; i++)
                oci_config_done(&s->items[i]);
        free(s->items);
        *s = (OciStorage){0};
}

int oci_storage_parse(const char *json, size_t size, OciStorage *ret, Refusal *reterr)
{
        _cleanup_oci_storage_ OciStorage s = {0};
        size_t position = 0, room = 0;
        JsonSpan list, object;
        int r;

        r = scan(json, size, OCI_STORAGE_MAX, JSON_KIND_ARRAY, &list, reterr);
        if (r < 0)
                return r;
        while (json_span_next(&list, &position, NULL, &object)) {
                if (s.n == room) {
                        OciConfig *more;

                        room = room * 2 + 16;
                        more = reallocarray(s.items, room, sizeof(*more));
                        if (!more)
                                return -ENOMEM;
                        s.items = more;
                }
                r = read_storage(&object, &s.items[s.n]);
                if (r == -ENOMEM)
                        return r;
                if (r >= 0)
                        s.n++;
        }
        *ret = s;
        s = (OciStorage){0};
        return 0;
}

const OciConfig *oci_storage_find(const OciStorage *s, const char *id)
{
        for (size_t i = 0; i < s->n; i++)
                if (strcmp(s->items[i].id, id) == 0)
                        return &s->items[i];
        return NULL;
}
