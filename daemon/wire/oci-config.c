/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "wire/oci-state.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/strv.h"
#include "wire/oci-json.h"

#define ENVIRONMENT_MAX 4096

void oci_config_done(OciConfig *c)
{
        free(c->id);
        free(c->name);
        free(c->image);
        free(c->user);
        free(c->working_dir);
        free(c->run_directory);
        strv_free(c->environment);
        strv_free(c->groups);
        strv_free(c->details);
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
        if (oci_member(object, name, JSON_KIND_ARRAY, &list) >= 0)
                while (json_span_next(&list, &position, NULL, &value)) {
                        _cleanup_free_ char *text = NULL;

                        r = oci_text(&value, &text);
                        if (r == -ENOMEM)
                                return r;
                        if (r < 0 || !strchr(text, '=') || text[0] == '=' ||
                            strv_length(environment) >= ENVIRONMENT_MAX)
                                return oci_bad(reterr, "the environment");
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
        int r = oci_member_text(object, name, ret);

        if (r >= 0 && !**ret)
                *ret = mfree(*ret);
        if (r == -ENOMEM)
                return r;
        return r < 0 && r != -ENOENT ? oci_bad(reterr, name) : 0;
}

/* Numbers. A group that a user is named with replaces those that the container's own files give the user;
 * further ones are added in either case. */
static int read_process_user(const JsonSpan *process, char **ret, char ***ret_groups, Refusal *reterr)
{
        uint64_t uid = 0, gid = 0, group;
        JsonSpan user, groups, value;
        bool has_groups = false;
        size_t position = 0;
        char text[64];

        if (oci_member(process, "user", JSON_KIND_OBJECT, &user) < 0)
                return 0;
        if (oci_member_number_or(&user, "uid", &uid) < 0 || oci_member_number_or(&user, "gid", &gid) < 0)
                return oci_bad(reterr, "process.user");
        if (oci_member(&user, "additionalGids", JSON_KIND_ARRAY, &groups) >= 0)
                while (json_span_next(&groups, &position, NULL, &value)) {
                        if (oci_number(&value, UINT32_MAX - 1, &group) < 0)
                                return oci_bad(reterr, "process.user");
                        snprintf(text, sizeof(text), "%" PRIu64, group);
                        if (strv_append(ret_groups, text) < 0)
                                return -ENOMEM;
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

/* Podman mounts a file of this directory into each container. */
static int read_run_directory(const JsonSpan *bundle, char **ret)
{
        static const char file[] = "/userdata/.containerenv";
        JsonSpan mounts, mount, destination;
        size_t position = 0;

        if (oci_member(bundle, "mounts", JSON_KIND_ARRAY, &mounts) < 0)
                return 0;
        while (json_span_next(&mounts, &position, NULL, &mount)) {
                _cleanup_free_ char *source = NULL;
                size_t n;
                int r;

                if (oci_member(&mount, "destination", JSON_KIND_STRING, &destination) < 0 ||
                    !oci_json_is(&destination, "/run/.containerenv"))
                        continue;
                r = oci_member_text(&mount, "source", &source);
                if (r == -ENOMEM)
                        return r;
                n = r < 0 ? 0 : strlen(source);
                if (n <= strlen(file) || strcmp(source + n - strlen(file), file) != 0 ||
                    !oci_path_is_plain(source))
                        continue;
                *ret = memdup_text(source, n - strlen(file));
                return *ret ? 0 : -ENOMEM;
        }
        return 0;
}

int oci_bundle_config_parse(const char *json, size_t size, OciConfig *ret, Refusal *reterr)
{
        _cleanup_oci_config_ OciConfig c = {0};
        JsonSpan object, process, annotations, mark;
        int r;

        r = oci_json_scan(json, size, OCI_STATE_MAX, JSON_KIND_OBJECT, &object, reterr);
        if (r < 0)
                return r;
        if (oci_member(&object, "process", JSON_KIND_OBJECT, &process) < 0)
                return oci_bad(reterr, "process");
        r = read_environment(&process, "env", &c.environment, reterr);
        if (r >= 0)
                r = read_process_user(&process, &c.user, &c.groups, reterr);
        if (r >= 0)
                r = read_default(&process, "cwd", &c.working_dir, reterr);
        if (r >= 0)
                r = read_run_directory(&object, &c.run_directory);
        if (r < 0)
                return r;
        c.is_podmans = oci_member(&object, "annotations", JSON_KIND_OBJECT, &annotations) >= 0 &&
                       oci_member(&annotations, OCI_PODMAN_MARK, JSON_KIND_STRING, &mark) >= 0 &&
                       oci_json_is(&mark, OCI_PODMAN_VALUE);
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

        r = oci_json_scan(json, size, OCI_STATE_MAX, JSON_KIND_OBJECT, &object, reterr);
        if (r < 0)
                return r;
        r = oci_member_text(&object, "ID", &c.id);
        if (r < 0)
                return r == -ENOMEM ? r : oci_bad(reterr, "ID");
        r = oci_member_text(&object, "Name", &name);
        if (r == -ENOMEM)
                return r;
        /* With the slash that names of links once had before it. */
        if (r < 0 || name[0] != '/' || !oci_name_is_valid(name + 1))
                return oci_bad(reterr, "Name");
        c.name = strdup(name + 1);
        if (!c.name)
                return -ENOMEM;
        if (oci_member(&object, "Config", JSON_KIND_OBJECT, &config) < 0)
                return oci_bad(reterr, "Config");
        r = oci_member_text(&config, "Image", &c.image);
        if (r < 0)
                return r == -ENOMEM ? r : oci_bad(reterr, "Config.Image");
        if (oci_member_time(&object, "Created", &c.created_usec) < 0)
                return oci_bad(reterr, "Created");
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

/* The name of the image is in a text that itself is JSON, and private to Podman; without it there is
 * the image's id. */
static int read_storage_image(const JsonSpan *object, char **ret)
{
        _cleanup_free_ char *metadata = NULL;
        JsonSpan inner;
        int r;

        r = oci_member_text(object, "metadata", &metadata);
        if (r >= 0 && json_scan(metadata, strlen(metadata), OCI_JSON_DEPTH, &inner, NULL) >= 0)
                r = oci_member_text(&inner, "image-name", ret);
        if (r >= 0 && *ret && **ret)
                return 0;
        *ret = mfree(*ret);
        return r == -ENOMEM ? r : oci_member_text(object, "image", ret);
}

/* -EBADMSG for entries that are skipped. */
static int read_storage(const JsonSpan *object, OciConfig *ret)
{
        _cleanup_oci_config_ OciConfig c = {0};
        JsonSpan names, first;
        size_t position = 0;
        int r;

        if (oci_member(object, "names", JSON_KIND_ARRAY, &names) < 0 ||
            !json_span_next(&names, &position, NULL, &first))
                return -EBADMSG;
        r = oci_text(&first, &c.name);
        if (r >= 0)
                r = oci_member_text(object, "id", &c.id);
        if (r >= 0)
                r = read_storage_image(object, &c.image);
        if (r >= 0)
                r = oci_member_time(object, "created", &c.created_usec);
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

        r = oci_json_scan(json, size, OCI_STORAGE_MAX, JSON_KIND_ARRAY, &list, reterr);
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
        return ARRAY_FIND(s->items, s->n, c, strcmp(c->id, id) == 0);
}
